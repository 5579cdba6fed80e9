/* Reading a whole text: from UTF-8 to tokens. */
#ifndef VIBE_ROUTER_READ_H
#define VIBE_ROUTER_READ_H

#include "tables.h"

/* Write the tokens of a text, which is UTF-8, to `work`, without those before and after a prompt. */
VrTextStatus vr_read(const VrTextTables *tables, VrTextWork *work, const uint8_t *text, size_t bytes);

#endif
