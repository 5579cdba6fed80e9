/* Operations on one token's vector: embedding, norm, rounding to int8, rotation. Lengths are multiples of 16. */
#ifndef VIBE_ROUTER_ROWS_H
#define VIBE_ROUTER_ROWS_H

#include <math.h>

#include "tiles.h"
#include "vectors.h"

/* What infinity is as an integer; NaN is more. */
#define INFINITY_BITS 0x7f800000

INLINE void embed_row(const int8_t *values, float scale, float *to, int width) {
    for (int place = 0; place < width; place += LANES) {
        I8 bytes;
        memcpy(&bytes, values + place, sizeof bytes);
        store(to + place, __builtin_convertvector(bytes, F32) * scale);
    }
}

static void normalise_row(VrNorm norm, float epsilon, const float *from, float *to, int width) {
    F32 total = splat(0.0f), squares = splat(0.0f);
    for (int place = 0; place < width; place += LANES) total += load(from + place);
    F32 mean = splat(sum(total) / (float)width);
    for (int place = 0; place < width; place += LANES) {
        F32 centred = load(from + place) - mean;
        squares = fma16(centred, centred, squares);
    }
    F32 factor = splat(1.0f / sqrtf(sum(squares) / (float)width + epsilon));
    for (int place = 0; place < width; place += LANES) {
        F32 value = (load(from + place) - mean) * factor * load(norm.weight + place);
        store(to + place, norm.bias ? value + load(norm.bias + place) : value);
    }
}

/* Round a row to -127..127 with a scale of its own, and return the scale: x ≈ (to - ACTIVATION_OFFSET) * scale.
 * Numbers from `width` to `padded` become 0; the weights there are 0 too.
 *
 * A row with a number that is not finite has NaN as its scale, so that all its products are NaN. Rounding would make
 * finite numbers of it, and other ones with other instructions. As integers, such numbers are larger than all others.
 */
static float quantise_row(const float *from, uint8_t *to, int width, int padded) {
    I32 most = {0};
    for (int place = 0; place < width; place += LANES) most = max_of_integers(most, (I32)absolute(load(from + place)));
    int32_t bits = largest_integer(most);
    if (bits >= INFINITY_BITS) {
        memset(to, 0, (size_t)padded * ACTIVATION_BYTES);
        return NAN;
    }
    float peak;
    memcpy(&peak, &bits, sizeof peak);
    F32 inverse = splat(peak > 1e-30f ? 127.0f / peak : 0.0f);
    for (int place = 0; place < width; place += LANES) {
        I32 steps = (I32)(load(from + place) * inverse + ROUNDING) - 0x4b400000 + ACTIVATION_OFFSET;
        store_activations(to, place, steps);
    }
    for (int place = width; place < padded; place += LANES) store_activations(to, place, (I32){0});
    return peak / 127.0f;
}

/* Rotate a head (Su et al. 2021, arXiv:2104.09864) and multiply it by `factor`. Each number of the first half makes a
 * pair with the one at the same place in the second half. */
INLINE void rotate_head(const float *from, const float *cosine, const float *sine, float factor, float *to, int size) {
    int half = size / 2;
    for (int place = 0; place < half; place++) {
        float first = from[place], second = from[half + place], c = cosine[place], s = sine[place];
        to[place] = (first * c - second * s) * factor;
        to[half + place] = (second * c + first * s) * factor;
    }
}

#endif
