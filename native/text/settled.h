/* Which tokens at the beginning of a text are certain, whatever text follows. The argument for it, and the names in it,
 * are those of the runtime's stable_prefix.py. */
#ifndef VIBE_ROUTER_SETTLED_H
#define VIBE_ROUTER_SETTLED_H

#include "tables.h"

/* Find whether the first `limit` tokens in `work` are certain, and followed by another one. */
VrTextStatus vr_first_settled(const VrTextTables *tables, VrTextWork *work, size_t limit, bool *settled);

/* Find how many tokens of the text that was read are certain, and the place after them where reading can go on. That
 * place is in the second half of the text; if there is none, `*count` is 0. */
VrTextStatus vr_split_settled(const VrTextTables *tables, VrTextWork *work, const uint8_t *text, size_t bytes,
                              size_t *count, size_t *place);

#endif
