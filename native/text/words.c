/* One match of the splitting expression at a time: every text is a row of them. */
#include "words.h"

#include <string.h>

#include "unicode.h"

static int class_at(const uint8_t *text, size_t *at) { return vr_properties_of(vr_read_character(text, at))->klass; }

/* Return the end of 's, 't, 're, 've, 'm, 'll or 'd at an apostrophe, or 0. */
static size_t contraction_end(const uint8_t *text, size_t at, size_t end) {
    static const char *const endings[] = {"s", "t", "re", "ve", "m", "ll", "d"};
    for (size_t place = 0; place < sizeof endings / sizeof *endings; place++) {
        size_t length = strlen(endings[place]);
        if (at + 1 + length <= end && !memcmp(text + at + 1, endings[place], length)) return at + 1 + length;
    }
    return 0;
}

/* Return where a row of characters of one class ends. */
static size_t row_end(const uint8_t *text, size_t at, size_t end, int klass) {
    for (size_t next = at; at < end && class_at(text, &next) == klass;) at = next;
    return at;
}

size_t vr_word_end(const uint8_t *text, size_t at, size_t end) {
    size_t next = at;
    int klass = class_at(text, &next);
    if (text[at] == '\'') {
        size_t contraction = contraction_end(text, at, end);
        if (contraction) return contraction;
    }
    if (text[at] == ' ' && next < end) {
        size_t behind = next;
        int following = class_at(text, &behind);
        if (following != VR_SPACE) return row_end(text, behind, end, following);
    }
    if (klass != VR_SPACE) return row_end(text, next, end, klass);
    /* Spaces before a word leave their last one to it; a single space that no word takes is a word by itself. */
    size_t last = at, stop = next;
    while (stop < end && class_at(text, &next) == VR_SPACE) last = stop, stop = next;
    return stop == end || last == at ? stop : last;
}
