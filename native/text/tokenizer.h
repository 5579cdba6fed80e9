/* The tokenizer: a prompt to token ids, the same as those of the runtime's tokenizer.py.
 *
 * Of a long prompt, only as much is read as the kept ids need. They are the first ids of the whole prompt. */
#ifndef VIBE_ROUTER_TOKENIZER_H
#define VIBE_ROUTER_TOKENIZER_H

#include "tables.h"

/* Write the ids of a prompt, [CLS] and [SEP] included, into `ids`, which has room for `max_tokens` of them.
 * `*truncated` says that the prompt had more. Each surrogate in the UTF-8 is read as U+FFFD. What follows the part of
 * the prompt that the ids need is not read, so it need not be UTF-8. */
VrTextStatus vr_tokenize(const VrTextTables *tables, VrTextWork *work, const uint8_t *prompt, size_t bytes,
                         int64_t *ids, int32_t *count, int32_t *truncated);

#endif
