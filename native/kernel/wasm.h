/* Operations in WebAssembly's registers of 16 bytes, where they differ from processors'. vectors.h includes this file.
 *
 * Relaxed SIMD, where an engine has it, multiplies and adds floats as processors do: rounded once wherever the
 * processor has such an instruction. Its products of bytes are exact for a first factor of 0 to 127.
 */
#ifndef VIBE_ROUTER_WASM_H
#define VIBE_ROUTER_WASM_H

#if defined(__wasm_relaxed_simd__)

INLINE v128_t fma4(v128_t a, v128_t b, v128_t c) { return wasm_f32x4_relaxed_madd(a, b, c); }

/* sums[row] = the products of a row of activations and the weights of 4 outputs, whose groups of 4 inputs are `step`
 * bytes apart. Computed is |a| times b with the sign of a, which is exact because neither is ever -128. */
INLINE void multiply_four_outputs(const int rows, const uint8_t *activations, int64_t stride, const int8_t *weights,
                                  int step, int inputs, v128_t *sums) {
    UNROLL for (int row = 0; row < rows; row++)
        sums[row] = wasm_i32x4_const_splat(0);
    for (int input = 0; input < inputs; input += 4, weights += step) {
        v128_t b = wasm_v128_load(weights);
        UNROLL for (int row = 0; row < rows; row++) {
            v128_t a = wasm_v128_load32_splat(activations + row * stride + input), sign = wasm_i8x16_shr(a, 7);
            v128_t with_sign = wasm_i8x16_sub(wasm_v128_xor(b, sign), sign);
            sums[row] = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(with_sign, wasm_i8x16_abs(a), sums[row]);
        }
    }
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

/* sums[row] = the products of a row of activations and the weights of 4 outputs, whose groups of 4 inputs are `step`
 * bytes apart. WebAssembly multiplies 16-bit integers only, and adds
 * up pairs of products: each output has two sums until the end. */
INLINE void multiply_four_outputs(const int rows, const uint8_t *activations, int64_t stride, const int8_t *weights,
                                  int step, int inputs, v128_t *sums) {
    v128_t low[TILE_ROWS], high[TILE_ROWS];
    UNROLL for (int row = 0; row < rows; row++)
        low[row] = high[row] = wasm_i32x4_const_splat(0);
    for (int input = 0; input < inputs; input += 8, weights += 2 * step) {
        v128_t first = wasm_v128_load(weights), second = wasm_v128_load(weights + step);
        UNROLL for (int row = 0; row < rows; row++) {
            v128_t eight = wasm_i16x8_load8x8(activations + row * stride + input);
            v128_t a = wasm_i64x2_shuffle(eight, eight, 0, 0), b = HIGH_TWO(eight);
            low[row] = wasm_i32x4_add(low[row], wasm_i32x4_dot_i16x8(wasm_i16x8_extend_low_i8x16(first), a));
            high[row] = wasm_i32x4_add(high[row], wasm_i32x4_dot_i16x8(wasm_i16x8_extend_high_i8x16(first), a));
            low[row] = wasm_i32x4_add(low[row], wasm_i32x4_dot_i16x8(wasm_i16x8_extend_low_i8x16(second), b));
            high[row] = wasm_i32x4_add(high[row], wasm_i32x4_dot_i16x8(wasm_i16x8_extend_high_i8x16(second), b));
        }
    }
    UNROLL for (int row = 0; row < rows; row++)
        sums[row] = wasm_i32x4_add(wasm_i32x4_shuffle(low[row], high[row], 0, 2, 4, 6),
                                   wasm_i32x4_shuffle(low[row], high[row], 1, 3, 5, 7));
}

#endif

#endif
