/* Words, as the splitting expression of GPT-2 and ModernBERT matches them:
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
#ifndef VIBE_ROUTER_WORDS_H
#define VIBE_ROUTER_WORDS_H

#include <stddef.h>
#include <stdint.h>

/* Return where the word that begins at `at` ends; `at` is before `end`, and `end` is where the text ends. */
size_t vr_word_end(const uint8_t *text, size_t at, size_t end);

#endif
