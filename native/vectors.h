/* Vectors of 16 numbers and what is computed with them.
 *
 * A compiler splits them into what a processor has. Every operation here rounds as IEEE 754 says and sums are taken in
 * one order, so that a score is the same, bit by bit, whatever instructions computed it.
 */
#ifndef VIBE_ROUTER_VECTORS_H
#define VIBE_ROUTER_VECTORS_H

#include <stdint.h>
#include <string.h>

#define LANES 16

typedef float F32 __attribute__((ext_vector_type(LANES)));
typedef float F32x8 __attribute__((ext_vector_type(8)));
typedef float F32x4 __attribute__((ext_vector_type(4)));
typedef float F32x2 __attribute__((ext_vector_type(2)));
typedef int32_t I32 __attribute__((ext_vector_type(LANES)));
typedef int32_t I32x8 __attribute__((ext_vector_type(8)));
typedef int8_t I8 __attribute__((ext_vector_type(LANES)));

#define INLINE static inline __attribute__((always_inline))

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

INLINE F32 fma16(F32 a, F32 b, F32 c) { return __builtin_elementwise_fma(a, b, c); }

INLINE F32 select16(I32 condition, F32 yes, F32 no) { return condition ? yes : no; }

INLINE F32 max16(F32 a, F32 b) { return a > b ? a : b; }

INLINE F32 min16(F32 a, F32 b) { return a < b ? a : b; }

INLINE F32 absolute(F32 x) { return (F32)((I32)x & 0x7fffffff); }

INLINE float sum(F32 x) {
    F32x8 eight = x.lo + x.hi;
    F32x4 four = eight.lo + eight.hi;
    F32x2 two = four.lo + four.hi;
    return two.x + two.y;
}

INLINE float largest(F32 x) {
    F32x8 eight = x.lo > x.hi ? x.lo : x.hi;
    F32x4 four = eight.lo > eight.hi ? eight.lo : eight.hi;
    F32x2 two = four.lo > four.hi ? four.lo : four.hi;
    return two.x > two.y ? two.x : two.y;
}

/* a0 b0 a1 b1..., of the first halves and of the second. */
INLINE F32 first_interleaved(F32 a, F32 b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

INLINE F32 second_interleaved(F32 a, F32 b) {
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/* Exchange rows and columns: four times, each row is dealt out to two. */
INLINE void transpose(F32 rows[LANES]) {
    for (int time = 0; time < 4; time++) {
        F32 dealt[LANES];
        for (int row = 0; row < LANES / 2; row++) {
            dealt[2 * row] = first_interleaved(rows[row], rows[row + LANES / 2]);
            dealt[2 * row + 1] = second_interleaved(rows[row], rows[row + LANES / 2]);
        }
        memcpy(rows, dealt, sizeof dealt);
    }
}

/* 1.5 * 2^23: a float of less than 2^22 that is added to it keeps its integer part, rounded to even, in its low
 * bits. */
#define ROUNDING 12582912.0f

INLINE F32 round16(F32 x) { return (x + ROUNDING) - ROUNDING; }

/* exp(x) for x <= 0, relative error below 2e-7; 0 below -87. Range reduction and polynomial as in Cephes' expf. */
INLINE F32 exponential(F32 x) {
    I32 tiny = x < -87.0f;
    x = max16(x, (F32)(-87.0f));
    F32 n = round16(x * 1.44269504088896341f);
    F32 r = fma16(n, (F32)(-0.693359375f), x);
    r = fma16(n, (F32)(2.12194440e-4f), r);
    F32 p = (F32)(1.9875691500e-4f);
    p = fma16(p, r, (F32)(1.3981999507e-3f));
    p = fma16(p, r, (F32)(8.3334519073e-3f));
    p = fma16(p, r, (F32)(4.1665795894e-2f));
    p = fma16(p, r, (F32)(1.6666665459e-1f));
    p = fma16(p, r, (F32)(5.0000001201e-1f));
    F32 y = fma16(p * r, r, r) + 1.0f;
    I32 power = __builtin_convertvector(n, I32);
    return select16(tiny, (F32)(0.0f), (F32)((I32)y + (power << 23)));
}

/* erf(x), absolute error below 3e-7: x times a polynomial in x², brought from 0..3.8² to -1..1, which was fitted to
 * Chebyshev's points; beyond 3.8 erf is 1 to eight digits. There is no division in it, unlike in rational ones. */
INLINE F32 error_function(F32 x) {
    static const float coefficients[] = {
        0.00102201989f, -0.00269573298f, 0.00236749719f, -0.00329954783f, 0.00994923618f,
        -0.0183331836f, 0.0266932063f,   -0.0389396995f, 0.0550565049f,   -0.0725154877f,
        0.0908327177f,  -0.11118558f,    0.137739509f,   -0.185641199f,   0.372107625f,
    };
    x = min16(max16(x, (F32)(-3.8f)), (F32)(3.8f));
    F32 t = fma16(x, x * 0.13850416f, (F32)(-1.0f)), p = (F32)(coefficients[0]);
    for (unsigned place = 1; place < sizeof coefficients / sizeof *coefficients; place++)
        p = fma16(p, t, (F32)(coefficients[place]));
    return x * p;
}

/* x Φ(x) with the exact normal distribution function Φ. */
INLINE F32 gelu(F32 x) { return 0.5f * x * (1.0f + error_function(x * 0.70710678118654752f)); }

#endif
