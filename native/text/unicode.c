/* What is known of characters: from the generated tables, and of Hangul by rule (Unicode Standard, section 3.12). */
#include "unicode.h"

#include "unicode_tables.h"

#define SYLLABLES 0xac00u
#define SYLLABLE_COUNT 11172u
#define LEADS 0x1100u
#define LEAD_COUNT 19u
#define VOWELS 0x1161u
#define VOWEL_COUNT 21u
#define TAILS 0x11a7u /* one before the first, because a syllable may have no tail */
#define TAIL_COUNT 28u
#define DOTTED_CAPITAL_I 0x130u
#define DOT_ABOVE 0x307u

const VrProperties *vr_properties_of(uint32_t code) {
    return vr_properties + vr_pages[vr_page_numbers[code / VR_PAGE] * VR_PAGE + code % VR_PAGE];
}

int vr_decompose(uint32_t code, uint32_t to[VR_LONGEST_DECOMPOSITION]) {
    uint32_t syllable = code - SYLLABLES;
    if (syllable < SYLLABLE_COUNT) {
        uint32_t tail = syllable % TAIL_COUNT;
        to[0] = LEADS + syllable / (VOWEL_COUNT * TAIL_COUNT);
        to[1] = VOWELS + syllable % (VOWEL_COUNT * TAIL_COUNT) / TAIL_COUNT;
        to[2] = TAILS + tail;
        return tail ? 3 : 2;
    }
    to[0] = code;
    if (!vr_properties_of(code)->decomposes) return 1;
    int low = 0, high = VR_DECOMPOSED;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (vr_decomposed[middle] <= code) low = middle;
        else high = middle;
    }
    int begin = vr_decomposition_starts[low], length = vr_decomposition_starts[low + 1] - begin;
    for (int place = 0; place < length; place++) to[place] = vr_decompositions[begin + place];
    return length;
}

int vr_lower_case(uint32_t code, uint32_t to[VR_LONGEST_LOWER_CASE]) {
    to[0] = code;
    if (!vr_properties_of(code)->lowers) return 1;
    if (code == DOTTED_CAPITAL_I) {
        to[0] = 'i';
        to[1] = DOT_ABOVE;
        return 2;
    }
    int low = 0, high = VR_LOWER_ROWS;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if ((uint32_t)vr_lower_rows[2 * middle] <= code) low = middle;
        else high = middle;
    }
    to[0] = (uint32_t)((int32_t)code + vr_lower_rows[2 * low + 1]);
    return 1;
}

uint32_t vr_compose(uint32_t first, uint32_t second) {
    uint32_t lead = first - LEADS, vowel = second - VOWELS, syllable = first - SYLLABLES, tail = second - TAILS;
    if (lead < LEAD_COUNT && vowel < VOWEL_COUNT) return SYLLABLES + (lead * VOWEL_COUNT + vowel) * TAIL_COUNT;
    if (syllable < SYLLABLE_COUNT && syllable % TAIL_COUNT == 0 && tail > 0 && tail < TAIL_COUNT) return first + tail;
    int low = 0, high = VR_PAIRS;
    while (low < high) {
        int middle = (low + high) / 2;
        const uint32_t *pair = vr_pairs + 3 * middle;
        if (pair[0] == first && pair[1] == second) return pair[2];
        if (pair[0] < first || (pair[0] == first && pair[1] < second)) low = middle + 1;
        else high = middle;
    }
    return 0;
}

int vr_character_bytes(const uint8_t *text, size_t bytes) {
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = text[0];
    if (first < 0x80) return 1;
    int length = first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 0;
    if (!length || (size_t)length > bytes) return 0;
    for (int place = 1; place < length; place++)
        if (vr_begins_character(text[place])) return 0;
    size_t at = 0;
    uint32_t code = vr_read_character(text, &at);
    return code >= lowest[length] && code <= 0x10ffff ? length : 0;
}

int vr_write_character(uint32_t code, uint8_t *to) {
    if (code < 0x80) {
        to[0] = (uint8_t)code;
        return 1;
    }
    int length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (int place = length - 1; place > 0; place--, code >>= 6) to[place] = (uint8_t)(0x80 | (code & 0x3f));
    to[0] = (uint8_t)(marks[length] | code);
    return length;
}
