/* What is done to one token's vector at a time. Lengths are multiples of 16. */
#ifndef VIBE_ROUTER_ROWS_H
#define VIBE_ROUTER_ROWS_H

#include <math.h>

#include "api.h"
#include "tiles.h"
#include "vectors.h"

INLINE void embed_row(const int8_t *values, float scale, float *to, int width) {
    for (int place = 0; place < width; place += LANES) {
        I8 bytes;
        memcpy(&bytes, values + place, sizeof bytes);
        store(to + place, __builtin_convertvector(bytes, F32) * scale);
    }
}

static void normalise_row(VrNorm norm, float epsilon, const float *from, float *to, int width) {
    F32 total = (F32)(0.0f), squares = (F32)(0.0f);
    for (int place = 0; place < width; place += LANES) total += load(from + place);
    F32 mean = (F32)(sum(total) / (float)width);
    for (int place = 0; place < width; place += LANES) {
        F32 centred = load(from + place) - mean;
        squares = fma16(centred, centred, squares);
    }
    F32 factor = (F32)(1.0f / sqrtf(sum(squares) / (float)width + epsilon));
    for (int place = 0; place < width; place += LANES) {
        F32 value = (load(from + place) - mean) * factor * load(norm.weight + place);
        store(to + place, norm.bias ? value + load(norm.bias + place) : value);
    }
}

/* Round a row to -127..127 with a scale of its own, which is returned: x ≈ (to - ACTIVATION_OFFSET) * scale.
 * Bytes from `width` to `padded` become 0, which the zeros of the weights there meet. */
static float quantise_row(const float *from, uint8_t *to, int width, int padded) {
    F32 most = (F32)(0.0f);
    for (int place = 0; place < width; place += LANES) most = max16(most, absolute(load(from + place)));
    float peak = largest(most);
    F32 inverse = (F32)(peak > 1e-30f ? 127.0f / peak : 0.0f);
    for (int place = 0; place < width; place += LANES) {
        I32 steps = (I32)(load(from + place) * inverse + ROUNDING) - 0x4b400000 + ACTIVATION_OFFSET;
        I8 bytes = __builtin_convertvector(steps, I8);
        memcpy(to + place, &bytes, sizeof bytes);
    }
    if (padded > width) memset(to + width, 0, (size_t)(padded - width));
    return peak / 127.0f;
}

/* Rotate a head (Su et al. 2021, arXiv:2104.09864), its first half paired with its second, and multiply by `factor`. */
INLINE void rotate_head(const float *from, const float *cosine, const float *sine, float factor, float *to, int size) {
    int half = size / 2;
    for (int place = 0; place < half; place++) {
        float first = from[place], second = from[half + place], c = cosine[place], s = sine[place];
        to[place] = (first * c - second * s) * factor;
        to[half + place] = (second * c + first * s) * factor;
    }
}

#endif
