/* Words: the matches of the splitting expression, which follow each other without a gap. */
#include "words.h"

#include <string.h>

#include "unicode.h"

static int class_at(const uint8_t *text, size_t *at) { return vr_properties_of(vr_read_character(text, at))->klass; }

/* Return where 's, 't, 're, 've, 'm, 'll or 'd ends that begins with the apostrophe at `at`, or 0 if none does. */
static size_t contraction_end(const uint8_t *text, size_t at, size_t end) {
    static const char *const endings[] = {"s", "t", "re", "ve", "m", "ll", "d"};
    for (size_t place = 0; place < sizeof endings / sizeof *endings; place++) {
        size_t length = strlen(endings[place]);
        if (at + 1 + length <= end && !memcmp(text + at + 1, endings[place], length)) return at + 1 + length;
    }
    return 0;
}

/* Return where a run of characters of one class ends. */
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
    /* The last of several spaces belongs to the word after them. A single one that no word takes is a word itself. */
    size_t last = at, stop = next;
    while (stop < end && class_at(text, &next) == VR_SPACE) last = stop, stop = next;
    return stop == end || last == at ? stop : last;
}
