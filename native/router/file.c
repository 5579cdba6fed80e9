/* Reading the sections of a router's file, all but the model. Every offset is checked before it is used. */
#include "file.h"

#include <string.h>

#define ALIGNMENT 64
#define VERSION 1

/* The last 64 bytes. Numbers are little-endian, as everywhere in the file. */
typedef struct {
    char magic[16];
    uint64_t version;
    uint64_t size;
    uint64_t start;
    uint64_t contents; /* where the sections are listed; this and the offsets there count from `start` */
    uint64_t reserved[2];
} End;

static const uint8_t element_bytes[SECTIONS] = {8, 4, 4, 4, 12, 4, 1, 4, 24, 1, 1, 4, 4, 4, 4, 8, 1};
/* How many integers an element has. The file counts integers, of which a merge has three and an added token six. */
static const uint8_t parts[SECTIONS] = {1, 1, 1, 1, 3, 1, 1, 1, 6, 1, 1, 1, 1, 1, 1, 1, 1};

const char *vr_read_file(const void *bytes, size_t size, RouterFile *file) {
    End end;
    *file = (RouterFile){.bytes = bytes, .size = size};
    if (size < 2 * sizeof end || size % ALIGNMENT) return "it is not a file of a router";
    memcpy(&end, file->bytes + size - sizeof end, sizeof end);
    if (memcmp(end.magic, "vibe-router-file", sizeof end.magic))
        return "it is not a file of a router, or was exported before there were whole ones: export the bundle again";
    if (end.version != VERSION) return "it is of another version than this library reads: export the bundle again";
    if (end.size != size || end.start > size || end.start % ALIGNMENT) return "it is not whole";
    file->start = (size_t)end.start;
    uint64_t room = size - end.start;
    if (end.contents > room || room - end.contents < SECTIONS * 16 || end.contents % ALIGNMENT)
        return "it is not whole";
    for (int one = 0; one < SECTIONS; one++) {
        int64_t entry[2];
        memcpy(entry, file->bytes + file->start + end.contents + 16 * (size_t)one, sizeof entry);
        int64_t count = entry[1] / parts[one];
        if (entry[0] < 0 || entry[1] < 0 || (uint64_t)entry[0] > room || entry[0] % ALIGNMENT ||
            entry[1] % parts[one] || (uint64_t)count > (room - (uint64_t)entry[0]) / element_bytes[one] ||
            count > INT32_MAX)
            return "one of its sections leads out of it";
        file->sections[one] = (Section){file->bytes + file->start + entry[0], count};
    }
    return 0;
}

static const void *data(const RouterFile *file, SectionName name) { return file->sections[name].data; }

static int64_t count(const RouterFile *file, SectionName name) { return file->sections[name].count; }

const char *vr_read_tables(const RouterFile *file, VrTextTables *tables) {
    if (count(file, SECTION_NUMBERS) * (int64_t)sizeof(int32_t) != sizeof(VrTextNumbers))
        return "it has other numbers of a tokenizer";
    VrTextNumbers numbers;
    memcpy(&numbers, data(file, SECTION_NUMBERS), sizeof numbers);
    int64_t vocabulary = numbers.vocabulary;
    if (count(file, SECTION_BYTE_IDS) != 256 || count(file, SECTION_MERGE_STARTS) != vocabulary + 1 ||
        count(file, SECTION_TOKEN_STARTS) != vocabulary + 1)
        return "its tokenizer does not fit its vocabulary";
    *tables = (VrTextTables){
        .numbers = numbers,
        .byte_ids = data(file, SECTION_BYTE_IDS),
        .merge_starts = data(file, SECTION_MERGE_STARTS),
        .merges = data(file, SECTION_MERGES),
        .token_starts = data(file, SECTION_TOKEN_STARTS),
        .token_bytes = data(file, SECTION_TOKEN_BYTES),
        .token_order = data(file, SECTION_TOKEN_ORDER),
        .added = data(file, SECTION_ADDED),
        .added_bytes = data(file, SECTION_ADDED_BYTES),
        .merge_count = (int32_t)count(file, SECTION_MERGES),
        .token_byte_count = (int32_t)count(file, SECTION_TOKEN_BYTES),
        .ordered = (int32_t)count(file, SECTION_TOKEN_ORDER),
        .added_count = (int32_t)count(file, SECTION_ADDED),
        .added_byte_count = (int32_t)count(file, SECTION_ADDED_BYTES),
    };
    return vr_text_problem(tables);
}

/* Return the text whose offset and length are at `place`, or null if it is not within the file or has no 0 at its end.
 */
static const char *text_at(const RouterFile *file, const int64_t *place) {
    int64_t room = count(file, SECTION_STRINGS);
    const char *strings = data(file, SECTION_STRINGS);
    if (place[0] < 0 || place[1] < 0 || place[0] >= room || place[1] >= room - place[0]) return 0;
    return strings[place[0] + place[1]] ? 0 : strings + place[0];
}

static double number(int64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int is_threshold(double value) { return value >= 0.0 && value <= 1.0; }

const char *vr_read_settings(const RouterFile *file, Settings *settings) {
    enum { FIXED = 12, OF_A_PROFILE = 4 };
    const int64_t *words = data(file, SECTION_SETTINGS);
    int64_t room = count(file, SECTION_SETTINGS);
    if (room < FIXED || words[2] < 1 || words[2] > (room - FIXED) / OF_A_PROFILE || words[1] < 0 ||
        words[1] >= words[2])
        return "its profiles are out of range";
    *settings = (Settings){
        .folded = words[0] != 0,
        .default_profile = (int32_t)words[1],
        .profiles = (int32_t)words[2],
        .temperature = number(words[3]),
        .name = text_at(file, words + 4),
        .version = text_at(file, words + 6),
        .device = text_at(file, words + 8),
        .cloud = text_at(file, words + 10),
        .first_profile = words + FIXED,
        .strings = data(file, SECTION_STRINGS),
    };
    if (!settings->name || !settings->version || !settings->device || !settings->cloud)
        return "one of its texts is out of range";
    for (int32_t place = 0; place < settings->profiles; place++) {
        const int64_t *profile = settings->first_profile + OF_A_PROFILE * place;
        if (!text_at(file, profile)) return "one of its texts is out of range";
        if (!is_threshold(number(profile[2])) || !is_threshold(number(profile[3])))
            return "one of its thresholds is outside 0..1";
    }
    return 0;
}

const char *vr_profile_name(const Settings *settings, int32_t place) {
    return settings->strings + settings->first_profile[4 * place];
}

double vr_profile_threshold(const Settings *settings, int32_t place) {
    return number(settings->first_profile[4 * place + (settings->folded ? 3 : 2)]);
}

static int is_ascending(const int32_t *starts, int64_t places, int64_t end) {
    if (places < 1 || starts[0] != 0 || starts[places - 1] > end) return 0;
    for (int64_t place = 1; place < places; place++)
        if (starts[place] < starts[place - 1]) return 0;
    return 1;
}

const char *vr_read_golden(const RouterFile *file, Golden *golden) {
    *golden = (Golden){
        .count = (int32_t)count(file, SECTION_GOLDEN_LOGITS),
        .text = data(file, SECTION_GOLDEN_TEXT),
        .text_starts = data(file, SECTION_GOLDEN_TEXT_STARTS),
        .ids = data(file, SECTION_GOLDEN_IDS),
        .id_starts = data(file, SECTION_GOLDEN_ID_STARTS),
        .logits = data(file, SECTION_GOLDEN_LOGITS),
    };
    int64_t places = (int64_t)golden->count + 1;
    if (count(file, SECTION_GOLDEN_TEXT_STARTS) != places || count(file, SECTION_GOLDEN_ID_STARTS) != places ||
        !is_ascending(golden->text_starts, places, count(file, SECTION_GOLDEN_TEXT)) ||
        !is_ascending(golden->id_starts, places, count(file, SECTION_GOLDEN_IDS)))
        return "its golden sample is out of range";
    return 0;
}
