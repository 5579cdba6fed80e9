#include "changes.h"

#define MOST_CHANGES 32

static size_t words_of(const File *file) { return file->size / 4; }

static uint8_t *word_at(const File *file, uint32_t place) {
    return file->bytes + file->size - 4 - place % words_of(file) * 4;
}

void apply_changes(File *file, const uint8_t *data, size_t size) {
    Change change;
    for (size_t at = 0; at + sizeof change <= size && at < MOST_CHANGES * sizeof change; at += sizeof change) {
        memcpy(&change, data + at, sizeof change);
        memcpy(word_at(file, change.place), &change.value, 4);
    }
}

void undo_changes(File *file, const uint8_t *data, size_t size, int repaired) {
    if (repaired) {
        memcpy(file->bytes, file->whole, file->size);
        return;
    }
    Change change;
    for (size_t at = 0; at + sizeof change <= size && at < MOST_CHANGES * sizeof change; at += sizeof change) {
        memcpy(&change, data + at, sizeof change);
        uint8_t *word = word_at(file, change.place);
        memcpy(word, file->whole + (word - file->bytes), 4);
    }
}

static uint32_t next(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    return *state ^= *state << 5;
}

static const uint32_t odd_words[] = {
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    15,
    16,
    17,
    31,
    32,
    33,
    48,
    63,
    64,
    65,
    127,
    128,
    255,
    256,
    320,
    1024,
    1u << 20,
    (1u << 20) + 1,
    (1u << 24) - 1,
    1u << 24,
    INT32_MAX - 63,
    INT32_MAX,
    1u << 31,
    UINT32_MAX - 63,
    UINT32_MAX - 1,
    UINT32_MAX,
    0x7f800000,
    0xff800000,
    0x7fc00000,
    0x7f7fffff,
    0x00000001,
    0x80000001,
    0x3f800000,
    0x80808080,
    0x7f7f7f7f,
    0x3ff00000,
    0x7ff00000,
    0xbff00000,
};

/* Return the word, counted from the end, of a place that matters: of a section, mostly of its begin, or of the end. */
static uint32_t choose_place(const File *file, uint32_t *state) {
    const uint8_t *end = file->whole + file->size;
    uint32_t of = next(state) % 24;
    if (of >= SECTIONS + 3) return next(state);
    if (of >= SECTIONS) {
        /* The last 64 bytes, and the contents before them. */
        uint32_t words = of == SECTIONS ? 16 : 16 + 4 * (SECTIONS + 1);
        return next(state) % words;
    }
    const uint8_t *begin = file->parts.sections[of].data;
    const uint8_t *after = of + 1 < SECTIONS ? (const uint8_t *)file->parts.sections[of + 1].data : end;
    uint32_t words = (uint32_t)(after - begin) / 4;
    if (words > 64 && next(state) % 2) words = 64;
    return (uint32_t)(end - begin) / 4 - 1 - next(state) % words;
}

static uint32_t choose_value(const File *file, uint32_t place, uint32_t *state) {
    const uint8_t *at = file->whole + file->size - 4 - place % words_of(file) * 4;
    uint32_t value;
    memcpy(&value, at, 4);
    switch (next(state) % 8) {
    case 0: return value + 1 + next(state) % 4;
    case 1: return value - 1 - next(state) % 4;
    case 2: return value + (64u << next(state) % 12);
    case 3: return value - (64u << next(state) % 12);
    case 4:
        memcpy(&value, file->whole + file->size - 4 - choose_place(file, state) % words_of(file) * 4, 4);
        return value;
    case 5: return value ^ 1u << next(state) % 32;
    default: return odd_words[next(state) % (sizeof odd_words / sizeof *odd_words)];
    }
}

size_t mutate_changes(const File *files, int count, size_t head, uint8_t *data, size_t size, size_t most,
                      unsigned seed) {
    uint32_t state = seed * 2654435761u | 1;
    if (size < head) {
        memset(data + size, 0, head - size);
        size = head;
    }
    uint32_t kind = next(&state) % 8;
    if (kind == 0) return LLVMFuzzerMutate(data, size, most);
    if (kind == 1) {
        data[next(&state) % head] = (uint8_t)next(&state);
        return size;
    }
    const File *file = files + data[0] % count;
    size_t changes = (size - head) / sizeof(Change);
    size_t at = kind < 6 || !changes ? changes : next(&state) % changes;
    if (changes && (at >= MOST_CHANGES || head + (at + 1) * sizeof(Change) > most)) at = next(&state) % changes;
    if (head + (at + 1) * sizeof(Change) > most) return size;
    Change change = {choose_place(file, &state), 0};
    change.value = choose_value(file, change.place, &state);
    memcpy(data + head + at * sizeof change, &change, sizeof change);
    return head + (at < changes ? changes : changes + 1) * sizeof change;
}
