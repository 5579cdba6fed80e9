/* The two inner loops that all time goes into: a few rows times a strip of 64 outputs, in int8 and in float.
 *
 * TILE_VECTORS is how many vectors of 16 outputs are summed at a time beside each other: as many as leave all sums of a
 * tile in registers.
 */
#ifndef VIBE_ROUTER_TILES_H
#define VIBE_ROUTER_TILES_H

#include "forward.h"
#include "vectors.h"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
#endif

#if defined(__AVX512VNNI__)
#define TILE_VECTORS 4
#else
#define TILE_VECTORS 1
#endif

/* What is added to int8 activations: VNNI multiplies unsigned by signed bytes, ARM signed by signed. */
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define ACTIVATION_OFFSET 128
#else
#define ACTIVATION_OFFSET 0
#endif

/* sums[i] += the product of 4 activations and the 4 weights of output i, exactly. */
INLINE I32 dot(I32 sums, int32_t activations, const int8_t *weights) {
#if defined(__AVX512VNNI__)
    __m512i b = _mm512_loadu_si512(weights);
    return (I32)_mm512_dpbusd_epi32((__m512i)sums, _mm512_set1_epi32(activations), b);
#elif defined(__AVXVNNI__)
    __m256i a = _mm256_set1_epi32(activations);
    __m256i low = _mm256_loadu_si256((const __m256i *)weights);
    __m256i high = _mm256_loadu_si256((const __m256i *)(weights + 32));
    I32 result;
    result.lo = _mm256_dpbusd_avx_epi32((__m256i)sums.lo, a, low);
    result.hi = _mm256_dpbusd_avx_epi32((__m256i)sums.hi, a, high);
    return result;
#elif defined(__AVX2__)
    /* |a| times b with the sign of a. Neither is ever -128, so that two products fit into 16 bits. */
    __m256i a = _mm256_set1_epi32(activations), size = _mm256_abs_epi8(a), ones = _mm256_set1_epi16(1);
    __m256i low = _mm256_sign_epi8(_mm256_loadu_si256((const __m256i *)weights), a);
    __m256i high = _mm256_sign_epi8(_mm256_loadu_si256((const __m256i *)(weights + 32)), a);
    I32 result;
    result.lo = sums.lo + (I32x8)_mm256_madd_epi16(_mm256_maddubs_epi16(size, low), ones);
    result.hi = sums.hi + (I32x8)_mm256_madd_epi16(_mm256_maddubs_epi16(size, high), ones);
    return result;
#elif defined(__ARM_FEATURE_DOTPROD)
    int8x16_t a = vreinterpretq_s8_s32(vdupq_n_s32(activations));
    int32x4_t parts[4];
    memcpy(parts, &sums, sizeof parts);
    for (int part = 0; part < 4; part++) parts[part] = vdotq_s32(parts[part], vld1q_s8(weights + 16 * part), a);
    memcpy(&sums, parts, sizeof parts);
    return sums;
#else
#error "no instructions for a dot product of bytes"
#endif
}

#define CACHE_LINE 64
/* Bytes of a strip that are asked for before they are needed. */
#define NEAR 1536

/* What is asked of memory beside the work of a tile: weights that are needed soon, `step` bytes every 4 inputs, or 64 in
 * tile registers. More at a time would keep the tile's own loads waiting. */
typedef struct {
    const char *from;
    int step;
} Ahead;

INLINE int32_t four_bytes(const uint8_t *from) {
    int32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* sums[row * TILE_VECTORS + vector] = offsets + activations x weights; `activations` has a row every `stride` bytes. */
INLINE void integer_tile(const int rows, const uint8_t *activations, int64_t stride, const int8_t *weights,
                         const int32_t *offsets, int inputs, Ahead ahead, I32 *sums) {
#pragma clang loop unroll(full)
    for (int row = 0; row < rows; row++)
#pragma clang loop unroll(full)
        for (int vector = 0; vector < TILE_VECTORS; vector++)
            sums[row * TILE_VECTORS + vector] =
                ACTIVATION_OFFSET ? load_integers(offsets + LANES * vector) : (I32)(0);
    for (int input = 0; input < inputs; input += 4, weights += 4 * VR_STRIP) {
        for (int line = 0; line < TILE_VECTORS; line++)
            __builtin_prefetch(weights + NEAR + CACHE_LINE * line, 0, 3);
        /* Each line begins a stream of its own: memory brings lines of several pages faster than of one. */
        for (int line = 0; line < ahead.step; line += CACHE_LINE)
            __builtin_prefetch(ahead.from + (int64_t)line * (inputs / 4), 0, 2);
        ahead.from += CACHE_LINE;
#pragma clang loop unroll(full)
        for (int row = 0; row < rows; row++) {
            int32_t four = four_bytes(activations + row * stride + input);
            for (int vector = 0; vector < TILE_VECTORS; vector++)
                sums[row * TILE_VECTORS + vector] =
                    dot(sums[row * TILE_VECTORS + vector], four, weights + 4 * LANES * vector);
        }
    }
}

/* Where the vectors of a tile's right side stand: the next vector, and the next row, so many floats behind. */
typedef struct {
    const float *from;
    int64_t vector;
    int64_t row;
} Columns;

/* sums[row * vectors + vector] = a x b over `depth`; `a` has a row every `stride` floats. */
INLINE void float_tile(const int rows, const int vectors, const float *a, int64_t stride, Columns b, int depth,
                       F32 *sums) {
#pragma clang loop unroll(full)
    for (int sum = 0; sum < rows * vectors; sum++) sums[sum] = (F32)(0.0f);
    for (int place = 0; place < depth; place++, b.from += b.row)
#pragma clang loop unroll(full)
        for (int row = 0; row < rows; row++) {
            F32 factor = (F32)(a[row * stride + place]);
#pragma clang loop unroll(full)
            for (int vector = 0; vector < vectors; vector++)
                sums[row * vectors + vector] =
                    fma16(factor, load(b.from + vector * b.vector), sums[row * vectors + vector]);
        }
}

/* Run STATEMENT with the compile-time constant ROWS equal to the number of rows, 1 to VR_TILE_ROWS. */
#define WITH_ROWS(count, STATEMENT)                                                                                    \
    switch (count) {                                                                                                   \
    case 1: { enum { ROWS = 1 }; STATEMENT; break; }                                                                   \
    case 2: { enum { ROWS = 2 }; STATEMENT; break; }                                                                   \
    case 3: { enum { ROWS = 3 }; STATEMENT; break; }                                                                   \
    case 4: { enum { ROWS = 4 }; STATEMENT; break; }                                                                   \
    case 5: { enum { ROWS = 5 }; STATEMENT; break; }                                                                   \
    default: { enum { ROWS = 6 }; STATEMENT; break; }                                                                  \
    }

#endif
