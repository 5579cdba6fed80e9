/* The epilogue of a product: scales, bias, GELU with its gate, and the addition to the residual. */
#ifndef VIBE_ROUTER_EPILOGUE_H
#define VIBE_ROUTER_EPILOGUE_H

#include "vectors.h"

typedef enum {
    STORE,          /* to = product */
    ADD,            /* to += product */
    GATE,           /* to = gelu(16 outputs) * the next 16, which gate them */
    STORE_ACTIVATED /* to = gelu(product) */
} Epilogue;

/* The left side of a product: int8 rows with their scales, or float rows if `quantised` is null. */
typedef struct {
    const uint8_t *quantised;
    const float *scales;
    const float *exact;
    int64_t stride; /* bytes, or floats */
} Operand;

/* The destination of a product: rows of `stride` floats. */
typedef struct {
    float *to;
    int64_t stride;
    Epilogue epilogue;
} Result;

/* Rows of VR_PANEL products: numbers, or sums that are not scaled yet. */
typedef struct {
    const float *numbers; /* null: sums */
    const int32_t *sums;
    const float *scales; /* one for each output */
    const float *row_scales;
} Products;

INLINE F32 products_at(Products products, int row, int place) {
    if (products.numbers) return load(products.numbers + row * VR_PANEL + place);
    F32 sum = __builtin_convertvector(load_integers(products.sums + row * VR_PANEL + place), F32);
    return sum * (load(products.scales + place) * products.row_scales[row]);
}

/* Write the products of `rows` tokens, the first of which is `first`, and `outputs` outputs from `output` on. */
INLINE void apply_epilogue(int rows, const int outputs, Products products, const float *bias, int output, int first,
                           Result result) {
    for (int row = 0; row < rows; row++) {
        float *to = result.to + (first + row) * result.stride + (result.epilogue == GATE ? output / 2 : output);
        for (int place = 0; place < outputs; place += LANES) {
            F32 value = products_at(products, row, place);
            if (bias) value += load(bias + output + place);
            if (result.epilogue == GATE) {
                F32 gate = products_at(products, row, place += LANES);
                if (bias) gate += load(bias + output + place);
                store(to, gelu(value) * gate);
                to += LANES;
                continue;
            }
            if (result.epilogue == ADD) value += load(to + place);
            store(to + place, result.epilogue == STORE_ACTIVATED ? gelu(value) : value);
        }
    }
}

/* The same for numbers of a whole panel. It is not inlined, because it would take registers from the loops that call
 * it. */
static __attribute__((noinline)) void apply_epilogue_to_numbers(int rows, const float *numbers, const float *bias,
                                                                int output, int first, Result result) {
    apply_epilogue(rows, VR_PANEL, (Products){.numbers = numbers}, bias, output, first, result);
}

#endif
