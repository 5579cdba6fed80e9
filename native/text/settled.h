/* Which tokens of a text's beginning are certain, whatever text follows: the argument, and the names, are those of the
 * runtime's stable_prefix.py. */
#ifndef VIBE_ROUTER_SETTLED_H
#define VIBE_ROUTER_SETTLED_H

#include "tables.h"

/* Say whether the first `limit` of the tokens in `work` are certain and are followed by another one. */
VrTextStatus vr_first_settled(const VrTextTables *tables, VrTextWork *work, size_t limit, bool *settled);

/* Find how many tokens of the text that was read are certain, and the place behind them to read on from, which is in
 * the second half of the text; `*count` is 0 where none is found there. */
VrTextStatus vr_split_settled(const VrTextTables *tables, VrTextWork *work, const uint8_t *text, size_t bytes,
                              size_t *count, size_t *place);

#endif
