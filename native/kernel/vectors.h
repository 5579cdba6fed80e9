/* Vectors of 16 numbers, and operations on them.
 *
 * The compiler splits a vector into the registers that the processor has. Every operation rounds as IEEE 754 says, and
 * sums are added up in one fixed order, so a score is the same, bit by bit, with every instruction set.
 */
#ifndef VIBE_ROUTER_VECTORS_H
#define VIBE_ROUTER_VECTORS_H

#include <stdint.h>
#include <string.h>

#include "instructions.h"

#define LANES 16

typedef float F32 __attribute__((vector_size(64)));
typedef float F32x8 __attribute__((vector_size(32)));
typedef float F32x4 __attribute__((vector_size(16)));
typedef float F32x2 __attribute__((vector_size(8)));
typedef int32_t I32 __attribute__((vector_size(64)));
typedef int32_t I32x8 __attribute__((vector_size(32)));
typedef int32_t I32x4 __attribute__((vector_size(16)));
typedef int32_t I32x2 __attribute__((vector_size(8)));
typedef int8_t I8 __attribute__((vector_size(16)));
typedef int16_t I16 __attribute__((vector_size(32)));

#define INLINE static inline __attribute__((always_inline))

/* Unroll the loop that follows, so that all sums of a tile are in registers. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

/* The halves of a vector of 16, of 8 and of 4; a vector of 16 from its halves. */
#if defined(__clang__)
#define LOW_HALF(x) __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7)
#define HIGH_HALF(x) __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15)
#define JOINED(low, high) __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#else
/* gcc would shuffle number by number where 16 numbers are two registers. */
/* clang-format off */
#define VECTOR_OF(x, bytes) __typeof__((x)[0]) __attribute__((vector_size(bytes)))
#define HALVES(x) ((union { VECTOR_OF(x, 64) whole; VECTOR_OF(x, 32) half[2]; }){.whole = (x)})
#define LOW_HALF(x) HALVES(x).half[0]
#define HIGH_HALF(x) HALVES(x).half[1]
#define JOINED(low, high) ((union { VECTOR_OF(low, 32) half[2]; VECTOR_OF(low, 64) whole; }){.half = {low, high}}).whole
/* clang-format on */
#endif
#define LOW_4(x) __builtin_shufflevector(x, x, 0, 1, 2, 3)
#define HIGH_4(x) __builtin_shufflevector(x, x, 4, 5, 6, 7)
#define LOW_2(x) __builtin_shufflevector(x, x, 0, 1)
#define HIGH_2(x) __builtin_shufflevector(x, x, 2, 3)

/* A vector of 16 times `x`. */
INLINE F32 splat(float x) { return (F32){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }

INLINE F32 load(const float *from) {
    F32 values;
    memcpy(&values, from, sizeof values);
    return values;
}

INLINE void store(float *to, F32 values) { memcpy(to, &values, sizeof values); }

INLINE I32 load_integers(const int32_t *from) {
    I32 values;
    memcpy(&values, from, sizeof values);
    return values;
}

#if KERNEL == KERNEL_WASM
#include "wasm.h"
#else
/* Store 16 rounded activations at a place of a row. */
INLINE void store_activations(uint8_t *row, int place, I32 rounded) {
    I8 bytes = __builtin_convertvector(rounded, I8);
    memcpy(row + place, &bytes, sizeof bytes);
}
#endif

/* a * b + c, rounded once. */
INLINE F32 fma16(F32 a, F32 b, F32 c) {
#if KERNEL == KERNEL_WASM
    v128_t x[4], y[4], z[4];
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    memcpy(z, &c, sizeof z);
    UNROLL for (int part = 0; part < 4; part++)
        z[part] = fma4(x[part], y[part], z[part]);
    memcpy(&c, z, sizeof c);
    return c;
#elif defined(__clang__) && __has_builtin(__builtin_elementwise_fma)
    return __builtin_elementwise_fma(a, b, c);
#elif WITH_AVX512
    return (F32)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__x86_64__)
    F32x8 low = _mm256_fmadd_ps(LOW_HALF(a), LOW_HALF(b), LOW_HALF(c));
    F32x8 high = _mm256_fmadd_ps(HIGH_HALF(a), HIGH_HALF(b), HIGH_HALF(c));
    return JOINED(low, high);
#else
    F32 result;
    for (int lane = 0; lane < LANES; lane++) result[lane] = __builtin_fmaf(a[lane], b[lane], c[lane]);
    return result;
#endif
}

/* Lanes of `yes` where `condition` is -1 and of `no` where it is 0. */
#define SELECT(Float, Int, condition, yes, no) ((Float)(((condition) & (Int)(yes)) | (~(condition) & (Int)(no))))

INLINE F32 select16(I32 condition, F32 yes, F32 no) { return SELECT(F32, I32, condition, yes, no); }

INLINE F32 max16(F32 a, F32 b) { return select16(a > b, a, b); }

INLINE F32 min16(F32 a, F32 b) { return select16(a < b, a, b); }

INLINE F32 absolute(F32 x) { return (F32)((I32)x & 0x7fffffff); }

INLINE float sum(F32 x) {
    F32x8 eight = LOW_HALF(x) + HIGH_HALF(x);
    F32x4 four = LOW_4(eight) + HIGH_4(eight);
    F32x2 two = LOW_2(four) + HIGH_2(four);
    return two[0] + two[1];
}

INLINE float largest(F32 x) {
    F32x8 a8 = LOW_HALF(x), b8 = HIGH_HALF(x), eight = SELECT(F32x8, I32x8, a8 > b8, a8, b8);
    F32x4 a4 = LOW_4(eight), b4 = HIGH_4(eight), four = SELECT(F32x4, I32x4, a4 > b4, a4, b4);
    F32x2 a2 = LOW_2(four), b2 = HIGH_2(four), two = SELECT(F32x2, I32x2, a2 > b2, a2, b2);
    return two[0] > two[1] ? two[0] : two[1];
}

/* Lanes of the larger of two integers. */
#define LARGER(a, b) ((((a) > (b)) & (a)) | (~((a) > (b)) & (b)))

INLINE I32 max_of_integers(I32 a, I32 b) { return LARGER(a, b); }

INLINE int32_t largest_integer(I32 x) {
    I32x8 a8 = LOW_HALF(x), b8 = HIGH_HALF(x), eight = LARGER(a8, b8);
    I32x4 a4 = LOW_4(eight), b4 = HIGH_4(eight), four = LARGER(a4, b4);
    I32x2 a2 = LOW_2(four), b2 = HIGH_2(four), two = LARGER(a2, b2);
    return two[0] > two[1] ? two[0] : two[1];
}

/* a0 b0 a1 b1 and so on, of the first halves of a and b, and of the second halves. */
INLINE F32 first_interleaved(F32 a, F32 b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

INLINE F32 second_interleaved(F32 a, F32 b) {
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/* Exchange rows and columns: interleave row i with row i + 8, four times. */
INLINE void transpose(F32 rows[LANES]) {
    for (int time = 0; time < 4; time++) {
        F32 interleaved[LANES];
        for (int row = 0; row < LANES / 2; row++) {
            interleaved[2 * row] = first_interleaved(rows[row], rows[row + LANES / 2]);
            interleaved[2 * row + 1] = second_interleaved(rows[row], rows[row + LANES / 2]);
        }
        memcpy(rows, interleaved, sizeof interleaved);
    }
}

/* 1.5 * 2^23. The sum of this and a float below 2^22 holds the nearest integer to that float in its low bits. */
#define ROUNDING 12582912.0f

INLINE F32 round16(F32 x) { return (x + ROUNDING) - ROUNDING; }

/* exp(x) for x <= 0, relative error below 2e-7; 0 below -87. Range reduction and polynomial as in Cephes' expf. What is
 * not a number stays so, because the second operand of a maximum does. */
INLINE F32 exponential(F32 x) {
    I32 tiny = x < -87.0f;
    x = max16(splat(-87.0f), x);
    F32 n = round16(x * 1.44269504088896341f);
    F32 r = fma16(n, splat(-0.693359375f), x);
    r = fma16(n, splat(2.12194440e-4f), r);
    F32 p = splat(1.9875691500e-4f);
    p = fma16(p, r, splat(1.3981999507e-3f));
    p = fma16(p, r, splat(8.3334519073e-3f));
    p = fma16(p, r, splat(4.1665795894e-2f));
    p = fma16(p, r, splat(1.6666665459e-1f));
    p = fma16(p, r, splat(5.0000001201e-1f));
    F32 y = fma16(p * r, r, r) + 1.0f;
    I32 power = __builtin_convertvector(n, I32);
    return select16(tiny, splat(0.0f), (F32)((I32)y + (power << 23)));
}

/* erf(x), absolute error below 3e-7: x times a polynomial in x², which is mapped from 0..3.8² to -1..1. The polynomial
 * was fitted at Chebyshev's points. Beyond 3.8, erf is 1 to eight digits. A quotient of polynomials would need a
 * division. */
INLINE F32 error_function(F32 x) {
    static const float coefficients[] = {
        0.00102201989f, -0.00269573298f, 0.00236749719f, -0.00329954783f, 0.00994923618f,
        -0.0183331836f, 0.0266932063f,   -0.0389396995f, 0.0550565049f,   -0.0725154877f,
        0.0908327177f,  -0.11118558f,    0.137739509f,   -0.185641199f,   0.372107625f,
    };
    x = min16(max16(x, splat(-3.8f)), splat(3.8f));
    F32 t = fma16(x, x * 0.13850416f, splat(-1.0f)), p = splat(coefficients[0]);
    for (unsigned place = 1; place < sizeof coefficients / sizeof *coefficients; place++)
        p = fma16(p, t, splat(coefficients[place]));
    return x * p;
}

/* x Φ(x) with the exact normal distribution function Φ. */
INLINE F32 gelu(F32 x) { return 0.5f * x * (1.0f + error_function(x * 0.70710678118654752f)); }

#endif
