/* Operations in WebAssembly's registers of 16 bytes, where they differ from processors'. vectors.h includes this file.
 */
#ifndef VIBE_ROUTER_WASM_H
#define VIBE_ROUTER_WASM_H

#include <stdbool.h>

#if defined(__wasm_relaxed_simd__)

/* Rounded once wherever the processor has such an instruction. */
INLINE v128_t fma4(v128_t a, v128_t b, v128_t c) { return wasm_f32x4_relaxed_madd(a, b, c); }

INLINE v128_t relaxed_dot(v128_t a, v128_t b, v128_t sums) {
    return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(a, b, sums);
}

/* Return whether the relaxed product is exact for all activations. It is for a second factor of 0 to 127. A negative
 * one is signed on ARM; on x86 it is taken for 128 to 255, and sums are cut to 16 bits. An engine does the same always.
 */
INLINE bool has_signed_dot(void) {
    v128_t least = wasm_i8x16_const_splat(-127);
    return wasm_i32x4_extract_lane(relaxed_dot(least, least, wasm_i32x4_const_splat(0)), 0) == 4 * 127 * 127;
}

#else

/* a * b + c of two numbers. The product is exact in double precision. The sum is rounded to double and then to float,
 * which gives one result in some hundred million another last bit. */
INLINE v128_t fma2(v128_t a, v128_t b, v128_t c) {
    v128_t product = wasm_f64x2_mul(wasm_f64x2_promote_low_f32x4(a), wasm_f64x2_promote_low_f32x4(b));
    return wasm_f32x4_demote_f64x2_zero(wasm_f64x2_add(product, wasm_f64x2_promote_low_f32x4(c)));
}

#define HIGH_TWO(x) wasm_i64x2_shuffle(x, x, 1, 1)

INLINE v128_t fma4(v128_t a, v128_t b, v128_t c) {
    return wasm_i64x2_shuffle(fma2(a, b, c), fma2(HIGH_TWO(a), HIGH_TWO(b), HIGH_TWO(c)), 0, 2);
}

/* Without relaxed instructions it is never called. */
INLINE v128_t relaxed_dot(v128_t a, v128_t b, v128_t sums) {
    (void)a, (void)b;
    return sums;
}

INLINE bool has_signed_dot(void) { return false; }

#endif

/* Store 16 rounded activations at a place of a row: as bytes where bytes are multiplied, and otherwise with 16 bits. */
INLINE void store_activations(uint8_t *row, int place, I32 rounded) {
    if (has_signed_dot()) {
        I8 bytes = __builtin_convertvector(rounded, I8);
        memcpy(row + place, &bytes, sizeof bytes);
    } else {
        I16 numbers = __builtin_convertvector(rounded, I16);
        memcpy(row + place * ACTIVATION_BYTES, &numbers, sizeof numbers);
    }
}

/* sums[row] = the products of a row of activations and the weights of 4 outputs, whose groups of 4 inputs are `step`
 * bytes apart. */
INLINE void multiply_bytes(const int rows, const uint8_t *activations, int64_t stride, const int8_t *weights, int step,
                           int inputs, v128_t *sums) {
    UNROLL for (int row = 0; row < rows; row++)
        sums[row] = wasm_i32x4_const_splat(0);
    for (int input = 0; input < inputs; input += 4, weights += step) {
        v128_t four = wasm_v128_load(weights);
        UNROLL for (int row = 0; row < rows; row++)
            sums[row] = relaxed_dot(four, wasm_v128_load32_splat(activations + row * stride + input), sums[row]);
    }
}

/* The same for activations of 16 bits. An instruction adds up pairs of products, so each output has two sums until the
 * end. */
INLINE void multiply_wide(const int rows, const uint8_t *activations, int64_t stride, const int8_t *weights, int step,
                          int inputs, v128_t *sums) {
    v128_t low[TILE_ROWS], high[TILE_ROWS];
    UNROLL for (int row = 0; row < rows; row++)
        low[row] = high[row] = wasm_i32x4_const_splat(0);
    for (int input = 0; input < inputs; input += 4, weights += step) {
        v128_t four = wasm_v128_load(weights);
        v128_t first = wasm_i16x8_extend_low_i8x16(four), second = wasm_i16x8_extend_high_i8x16(four);
        UNROLL for (int row = 0; row < rows; row++) {
            v128_t a = wasm_v128_load64_splat(activations + row * stride + input * ACTIVATION_BYTES);
            low[row] = wasm_i32x4_add(low[row], wasm_i32x4_dot_i16x8(first, a));
            high[row] = wasm_i32x4_add(high[row], wasm_i32x4_dot_i16x8(second, a));
        }
    }
    UNROLL for (int row = 0; row < rows; row++)
        sums[row] = wasm_i32x4_add(wasm_i32x4_shuffle(low[row], high[row], 0, 2, 4, 6),
                                   wasm_i32x4_shuffle(low[row], high[row], 1, 3, 5, 7));
}

#endif
