/* A prompt to token ids: what the runtime's tokenizer.py does, id for id.
 *
 * Only as much of a long prompt is read as the kept ids need, and they are those of the whole prompt. */
#ifndef VIBE_ROUTER_TOKENIZER_H
#define VIBE_ROUTER_TOKENIZER_H

#include "tables.h"

/* Write the ids of a prompt, [CLS] and [SEP] included, into `ids`, which has room for `max_tokens` of them.
 * `*truncated` says that the prompt had more. Surrogates in the UTF-8 are read as U+FFFD each; what is behind the part
 * of the prompt that the ids need is not looked at, UTF-8 or not. */
VrTextStatus vr_tokenize(const VrTextTables *tables, VrTextWork *work, const uint8_t *prompt, size_t bytes,
                         int64_t *ids, int32_t *count, int32_t *truncated);

#endif
