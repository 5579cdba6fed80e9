/* Normalisation form C (UAX #15), after lower case if that is asked for, and where the normalised text can be cut. */
#ifndef VIBE_ROUTER_NORMALIZE_H
#define VIBE_ROUTER_NORMALIZE_H

#include "tables.h"

/* A place to cut: a byte of the normalised text, and the byte of the original text that belongs to it. */
typedef struct {
    size_t here;
    size_t there;
} VrCut;

typedef struct {
    const uint8_t *text;
    size_t bytes;
    const VrCut *cuts; /* null: both texts have their characters at the same places */
    size_t cut_count;
} VrNormal;

/* Normalise UTF-8 without surrogates as `normalizes` says, one of the normalizations of tables.h. The result is in the
 * memory of `work`, or it is `text` itself if that is normalised already. */
VrTextStatus vr_normalize(VrTextWork *work, int32_t normalizes, const uint8_t *text, size_t bytes, VrNormal *to);

/* Return the byte of the original text that belongs to the byte `here` of the normalised one, or -1 if they cannot be
 * cut there. `*next` is 0 before the first call; `here` must not decrease from call to call. */
int64_t vr_place_before(const VrNormal *normal, size_t here, size_t *next);

#endif
