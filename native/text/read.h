/* A whole text to tokens. */
#ifndef VIBE_ROUTER_READ_H
#define VIBE_ROUTER_READ_H

#include "tables.h"

/* Write the tokens of text that is UTF-8 into `work`, without those around a prompt. */
VrTextStatus vr_read(const VrTextTables *tables, VrTextWork *work, const uint8_t *text, size_t bytes);

#endif
