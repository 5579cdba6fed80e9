/* The two inner loops, which take nearly all the time: a few rows times a panel of 64 outputs, in int8 and in float.
 *
 * A tile is TILE_ROWS rows by TILE_VECTORS vectors of 16 outputs: as many sums as there are registers for.
 */
#ifndef VIBE_ROUTER_TILES_H
#define VIBE_ROUTER_TILES_H

#include "prefetch.h"
#include "vectors.h"

#if WITH_AVX512
#define TILE_VECTORS 4
#else
#define TILE_VECTORS 1
#endif

_Static_assert(VR_PANEL % (16 * TILE_VECTORS) == 0, "a panel is whole tiles");

/* What is added to int8 activations: VNNI multiplies unsigned with signed bytes, the others signed with signed ones. */
#if WITH_AVX512 || KERNEL == KERNEL_AVX_VNNI
#define ACTIVATION_OFFSET 128
#else
#define ACTIVATION_OFFSET 0
#endif

#if KERNEL != KERNEL_WASM
/* sums[i] += the product of 4 activations and the 4 weights of output i, exactly. */
INLINE I32 dot(I32 sums, int32_t activations, const int8_t *weights) {
#if WITH_AVX512
    __m512i b = _mm512_loadu_si512(weights);
    return (I32)_mm512_dpbusd_epi32((__m512i)sums, _mm512_set1_epi32(activations), b);
#elif KERNEL == KERNEL_AVX_VNNI
    __m256i a = _mm256_set1_epi32(activations);
    __m256i low = _mm256_loadu_si256((const __m256i *)weights);
    __m256i high = _mm256_loadu_si256((const __m256i *)(weights + 32));
    I32x8 low_sums = (I32x8)_mm256_dpbusd_avx_epi32((__m256i)LOW_HALF(sums), a, low);
    I32x8 high_sums = (I32x8)_mm256_dpbusd_avx_epi32((__m256i)HIGH_HALF(sums), a, high);
    return JOINED(low_sums, high_sums);
#elif KERNEL == KERNEL_AVX2
    /* |a| times b with the sign of a. Neither is ever -128, so that two products fit into 16 bits. */
    __m256i a = _mm256_set1_epi32(activations), size = _mm256_abs_epi8(a), ones = _mm256_set1_epi16(1);
    __m256i low = _mm256_sign_epi8(_mm256_loadu_si256((const __m256i *)weights), a);
    __m256i high = _mm256_sign_epi8(_mm256_loadu_si256((const __m256i *)(weights + 32)), a);
    I32x8 low_sums = LOW_HALF(sums) + (I32x8)_mm256_madd_epi16(_mm256_maddubs_epi16(size, low), ones);
    I32x8 high_sums = HIGH_HALF(sums) + (I32x8)_mm256_madd_epi16(_mm256_maddubs_epi16(size, high), ones);
    return JOINED(low_sums, high_sums);
#else
    int8x16_t a = vreinterpretq_s8_s32(vdupq_n_s32(activations));
    int32x4_t parts[4];
    memcpy(parts, &sums, sizeof parts);
    for (int part = 0; part < 4; part++) parts[part] = vdotq_s32(parts[part], vld1q_s8(weights + 16 * part), a);
    memcpy(&sums, parts, sizeof parts);
    return sums;
#endif
}
#endif

/* How many bytes ahead of a tile its own panel is prefetched. */
#define NEAR 1536

INLINE int32_t four_bytes(const uint8_t *from) {
    int32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* sums[row * TILE_VECTORS + vector] = offsets + activations x weights; `activations` has a row every `stride` bytes. */
INLINE void integer_tile(const int rows, const uint8_t *activations, int64_t stride, const int8_t *weights,
                         const int32_t *offsets, int inputs, Prefetch prefetch, I32 *sums) {
#if KERNEL == KERNEL_WASM
    (void)offsets, (void)prefetch;
    bool bytes = has_signed_dot();
    for (int part = 0; part < 4; part++) {
        v128_t four[TILE_ROWS];
        if (bytes) multiply_bytes(rows, activations, stride, weights + 16 * part, 4 * VR_PANEL, inputs, four);
        else multiply_wide(rows, activations, stride, weights + 16 * part, 4 * VR_PANEL, inputs, four);
        UNROLL for (int row = 0; row < rows; row++)
            memcpy((char *)(sums + row) + 16 * part, four + row, sizeof *four);
    }
#else
    UNROLL for (int row = 0; row < rows; row++) {
        UNROLL for (int vector = 0; vector < TILE_VECTORS; vector++)
            sums[row * TILE_VECTORS + vector] = ACTIVATION_OFFSET ? load_integers(offsets + LANES * vector) : (I32){0};
    }
    for (int input = 0; input < inputs; input += 4, weights += 4 * VR_PANEL) {
        for (int line = 0; line < TILE_VECTORS; line++) __builtin_prefetch(weights + NEAR + CACHE_LINE * line, 0, 3);
        /* The lines lie far apart: memory delivers lines of several pages faster than lines of one. */
        for (int line = 0; line < prefetch.step; line += CACHE_LINE)
            __builtin_prefetch(prefetch.from + (int64_t)line * (inputs / 4), 0, 2);
        prefetch.from += CACHE_LINE;
        UNROLL for (int row = 0; row < rows; row++) {
            int32_t four = four_bytes(activations + row * stride + input);
            for (int vector = 0; vector < TILE_VECTORS; vector++)
                sums[row * TILE_VECTORS + vector] =
                    dot(sums[row * TILE_VECTORS + vector], four, weights + 4 * LANES * vector);
        }
    }
#endif
}

/* The right side of a float tile, with the distances, in floats, to the next vector and to the next row. */
typedef struct {
    const float *from;
    int64_t vector;
    int64_t row;
} Columns;

/* sums[row * vectors + vector] = a x b over `depth`; `a` has a row every `stride` floats. */
INLINE void float_tile(const int rows, const int vectors, const float *a, int64_t stride, Columns b, int depth,
                       F32 *sums) {
    UNROLL for (int sum = 0; sum < rows * vectors; sum++)
        sums[sum] = splat(0.0f);
    for (int place = 0; place < depth; place++, b.from += b.row) {
        UNROLL for (int row = 0; row < rows; row++) {
            F32 factor = splat(a[row * stride + place]);
            UNROLL for (int vector = 0; vector < vectors; vector++)
                sums[row * vectors + vector] =
                    fma16(factor, load(b.from + vector * b.vector), sums[row * vectors + vector]);
        }
    }
}

_Static_assert(TILE_ROWS == 6, "WITH_ROWS has a case for each number of rows");

/* Run STATEMENT with the compile-time constant ROWS equal to the number of rows, 1 to TILE_ROWS. */
/* clang-format off */
#define WITH_ROWS(count, STATEMENT)                                                                                    \
    switch (count) {                                                                                                   \
    case 1: { enum { ROWS = 1 }; STATEMENT; break; }                                                                   \
    case 2: { enum { ROWS = 2 }; STATEMENT; break; }                                                                   \
    case 3: { enum { ROWS = 3 }; STATEMENT; break; }                                                                   \
    case 4: { enum { ROWS = 4 }; STATEMENT; break; }                                                                   \
    case 5: { enum { ROWS = 5 }; STATEMENT; break; }                                                                   \
    default: { enum { ROWS = 6 }; STATEMENT; break; }                                                                  \
    }
/* clang-format on */

#endif
