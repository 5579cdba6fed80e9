/* Reading and writing UTF-8, and what the tokenizer must know of a character. */
#ifndef VIBE_ROUTER_UNICODE_H
#define VIBE_ROUTER_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VR_OTHER = 0, VR_LETTER = 1, VR_NUMBER = 2, VR_SPACE = 3 };

typedef struct {
    uint8_t klass;      /* one of the kinds above, which the splitting expression tells apart */
    uint8_t combining;  /* canonical combining class */
    uint8_t decomposes; /* it has a canonical decomposition in the tables, which Hangul syllables have not */
    uint8_t starts;     /* text before it and text from it on can be normalised apart */
    uint8_t breaks;     /* a prompt may be cut before it; stricter than `starts` */
    uint8_t lowers;     /* it is another character in lower case */
} VrProperties;

/* The longest full canonical decomposition has four characters. */
#define VR_LONGEST_DECOMPOSITION 4

const VrProperties *vr_properties_of(uint32_t code);

/* Write the full canonical decomposition of a character, or the character itself if it has none; return its length. */
int vr_decompose(uint32_t code, uint32_t to[VR_LONGEST_DECOMPOSITION]);

/* The longest lower case of a character has two: that of U+0130. */
#define VR_LONGEST_LOWER_CASE 2

/* Write a character in lower case, or the character itself if it has none; return how many characters that is. As in
 * the `tokenizers` library, it does not depend on the characters before and after. */
int vr_lower_case(uint32_t code, uint32_t to[VR_LONGEST_LOWER_CASE]);

/* Return the character that two characters compose to, or 0 if they do not. */
uint32_t vr_compose(uint32_t first, uint32_t second);

/* Return how many bytes the character at `text` has, or 0 if it is not UTF-8. A surrogate counts as a character. */
int vr_character_bytes(const uint8_t *text, size_t bytes);

/* Read the character at `*at` of a text that is UTF-8, and move `*at` behind it. */
static inline uint32_t vr_read_character(const uint8_t *text, size_t *at) {
    const uint8_t *from = text + *at;
    if (from[0] < 0x80) {
        *at += 1;
        return from[0];
    }
    if (from[0] < 0xe0) {
        *at += 2;
        return (uint32_t)(from[0] & 0x1f) << 6 | (from[1] & 0x3f);
    }
    if (from[0] < 0xf0) {
        *at += 3;
        return (uint32_t)(from[0] & 0x0f) << 12 | (uint32_t)(from[1] & 0x3f) << 6 | (from[2] & 0x3f);
    }
    *at += 4;
    return (uint32_t)(from[0] & 0x07) << 18 | (uint32_t)(from[1] & 0x3f) << 12 | (uint32_t)(from[2] & 0x3f) << 6 |
           (from[3] & 0x3f);
}

#define VR_LONGEST_CHARACTER 4

/* Write a character in UTF-8, at most VR_LONGEST_CHARACTER bytes; return how many. */
int vr_write_character(uint32_t code, uint8_t *to);

/* Return whether a character begins with this byte, which is not one of its later bytes. */
static inline bool vr_begins_character(uint8_t byte) { return (byte & 0xc0) != 0x80; }

#endif
