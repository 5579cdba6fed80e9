/* Normalisation form C (UAX #15), after lower case where that is asked for, and where the normalised text can be cut.
 */
#ifndef VIBE_ROUTER_NORMALIZE_H
#define VIBE_ROUTER_NORMALIZE_H

#include "tables.h"

/* A place in a normalised text, and the one in the text that it came from, before which both can be cut. */
typedef struct {
    size_t here;
    size_t there;
} VrCut;

typedef struct {
    const uint8_t *text;
    size_t bytes;
    const VrCut *cuts; /* null: every character lies where the one lay that it came from */
    size_t cut_count;
} VrNormal;

/* Normalise UTF-8 without surrogates as `normalizes` says, one of the normalizations of tables.h. The result lies in
 * `work`, or is `text` where that is in the form already. */
VrTextStatus vr_normalize(VrTextWork *work, int32_t normalizes, const uint8_t *text, size_t bytes, VrNormal *to);

/* Return the place of the text from which the byte `here` of the normalised one came, -1 where it cannot be cut there.
 * `*next` is 0 at first; places are asked for in ascending order. */
int64_t vr_place_before(const VrNormal *normal, size_t here, size_t *next);

#endif
