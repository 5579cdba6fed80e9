/* Byte-level byte pair encoding of one word. */
#ifndef VIBE_ROUTER_BPE_H
#define VIBE_ROUTER_BPE_H

#include "tables.h"

/* A token of a word, and the byte of the word that it begins at. */
typedef struct {
    int32_t id;
    int32_t start;
} VrPiece;

/* Write the tokens of a word to `to`, and their number to `count`, in n log n steps. Merges are applied in the order of
 * their ranks, and those of one rank from left to right, as the `tokenizers` library does. */
VrTextStatus vr_bpe(const VrTextTables *tables, VrTextWork *work, const uint8_t *word, size_t bytes, VrBuffer *to,
                    size_t *count);

/* Return how many bytes a token has. */
static inline int32_t vr_token_length(const VrTextTables *tables, int32_t id) {
    return tables->token_starts[id + 1] - tables->token_starts[id];
}

#endif
