/* A strip of a matrix times a block of tokens, and what becomes of the result. */
#ifndef VIBE_ROUTER_PRODUCTS_H
#define VIBE_ROUTER_PRODUCTS_H

#include "rows.h"
#include "tiles.h"

typedef enum {
    STORE,          /* to = product */
    ADD,            /* to += product */
    GATE,           /* to = gelu(16 outputs) * the next 16, which gate them */
    STORE_ACTIVATED /* to = gelu(product) */
} Ending;

/* The left side of a product: int8 rows with their scales, or float rows where `quantised` is null. */
typedef struct {
    const uint8_t *quantised;
    const float *scales;
    const float *exact;
    int64_t stride; /* bytes, or floats */
} Operand;

/* Where a product goes: rows of `stride` floats. */
typedef struct {
    float *to;
    int64_t stride;
    Ending ending;
} Result;

/* product[row][...] = x Wᵀ for `rows` tokens from `first` on and all outputs of a strip. */
INLINE void multiply_strip(const int rows, const VrMatrix *matrix, int strip, Operand x, int first, Ahead ahead,
                           float product[][VR_STRIP]) {
    const int outputs = LANES * TILE_VECTORS; /* of a tile */
    int64_t numbers = (int64_t)matrix->inputs * VR_STRIP;
    ahead.step /= VR_STRIP / outputs;
    for (int part = 0; part < VR_STRIP; part += outputs, ahead.from += ahead.step * matrix->inputs / 4) {
        if (!matrix->scales) {
            F32 sums[VR_TILE_ROWS * TILE_VECTORS];
            Columns weights = {(const float *)matrix->values + strip * numbers + part, LANES, VR_STRIP};
            float_tile(rows, TILE_VECTORS, x.exact + first * x.stride, x.stride, weights, matrix->inputs, sums);
#pragma clang loop unroll(full)
            for (int row = 0; row < rows; row++)
#pragma clang loop unroll(full)
                for (int vector = 0; vector < TILE_VECTORS; vector++)
                    store(product[row] + part + LANES * vector, sums[row * TILE_VECTORS + vector]);
            continue;
        }
        I32 sums[VR_TILE_ROWS * TILE_VECTORS];
        const int8_t *weights = (const int8_t *)matrix->values + strip * numbers + part * 4;
        int output = strip * VR_STRIP + part;
        integer_tile(rows, x.quantised + first * x.stride, x.stride, weights, matrix->offsets + output, matrix->inputs,
                     ahead, sums);
#pragma clang loop unroll(full)
        for (int row = 0; row < rows; row++)
#pragma clang loop unroll(full)
            for (int vector = 0; vector < TILE_VECTORS; vector++) {
                F32 sum = __builtin_convertvector(sums[row * TILE_VECTORS + vector], F32);
                F32 scale = load(matrix->scales + output + LANES * vector) * x.scales[first + row];
                store(product[row] + part + LANES * vector, sum * scale);
            }
    }
}

/* Rows of VR_STRIP products: as numbers, or as sums that are still to be scaled. */
typedef struct {
    const float *numbers; /* null: sums */
    const int32_t *sums;
    const float *scales; /* one an output */
    const float *row_scales;
} Products;

INLINE F32 products_at(Products products, int row, int place) {
    if (products.numbers) return load(products.numbers + row * VR_STRIP + place);
    F32 sum = __builtin_convertvector(load_integers(products.sums + row * VR_STRIP + place), F32);
    return sum * (load(products.scales + place) * products.row_scales[row]);
}

/* Write products of `rows` tokens from `first` on with `outputs` outputs from `output` on. */
INLINE void end_products(int rows, const int outputs, Products products, const float *bias, int output, int first,
                         Result result) {
    for (int row = 0; row < rows; row++) {
        float *to = result.to + (first + row) * result.stride + (result.ending == GATE ? output / 2 : output);
        for (int place = 0; place < outputs; place += LANES) {
            F32 value = products_at(products, row, place);
            if (bias) value += load(bias + output + place);
            if (result.ending == GATE) {
                F32 gate = products_at(products, row, place += LANES);
                if (bias) gate += load(bias + output + place);
                store(to, gelu(value) * gate);
                to += LANES;
                continue;
            }
            if (result.ending == ADD) value += load(to + place);
            store(to + place, result.ending == STORE_ACTIVATED ? gelu(value) : value);
        }
    }
}

/* Not inlined, for the loops that call it would lose registers to it. */
static __attribute__((noinline)) void end_numbers(int rows, const float *numbers, const float *bias, int output,
                                                  int first, Result result) {
    end_products(rows, VR_STRIP, (Products){.numbers = numbers}, bias, output, first, result);
}

#if defined(__AMX_INT8__)
#include "products_amx.h"
#else
#define BLOCK_ROWS VR_TILE_ROWS

/* Nothing is left to be done behind a product. */
typedef struct {
    char nothing;
} Unended;

INLINE void begin_products(Unended *unended) { (void)unended; }
INLINE void end_rest(Unended *unended) { (void)unended; }

#define BEGIN_PRODUCTS
#define END_PRODUCTS
#endif

/* One strip for the tokens from `first` to `last`. Meanwhile the strip at `following`, which is needed next, comes from
 * memory, a part with each tile. */
static void multiply(const VrMatrix *matrix, int strip, const char *following, Operand x, int first, int last,
                     Result result, Unended *unended) {
    int64_t bytes = (int64_t)matrix->inputs * VR_STRIP;
#if defined(__AMX_INT8__)
    if (matrix->scales && last - first >= FEWEST_TILE_ROWS) {
        multiply_in_tiles(matrix, strip, following, x, first, last, result, unended);
        return;
    }
#else
    (void)unended;
#endif
    float product[VR_TILE_ROWS][VR_STRIP];
    int tiles = (last - first + VR_TILE_ROWS - 1) / VR_TILE_ROWS;
    Ahead ahead = {following, 4 * VR_STRIP / tiles};
    for (; first < last; first += VR_TILE_ROWS, ahead.from += bytes / tiles) {
        int rows = last - first < VR_TILE_ROWS ? last - first : VR_TILE_ROWS;
        WITH_ROWS(rows, multiply_strip(ROWS, matrix, strip, x, first, ahead, product))
        end_numbers(rows, product[0], matrix->bias, strip * VR_STRIP, first, result);
    }
}

#endif
