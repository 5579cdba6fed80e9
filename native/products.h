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
            for (int row = 0; row < rows; row++)
                for (int vector = 0; vector < TILE_VECTORS; vector++)
                    store(product[row] + part + LANES * vector, sums[row * TILE_VECTORS + vector]);
            continue;
        }
        I32 sums[VR_TILE_ROWS * TILE_VECTORS];
        const int8_t *weights = (const int8_t *)matrix->values + strip * numbers + part * 4;
        int output = strip * VR_STRIP + part;
        integer_tile(rows, x.quantised + first * x.stride, x.stride, weights, matrix->offsets + output, matrix->inputs,
                     ahead, sums);
        for (int row = 0; row < rows; row++)
            for (int vector = 0; vector < TILE_VECTORS; vector++) {
                F32 sum = __builtin_convertvector(sums[row * TILE_VECTORS + vector], F32);
                F32 scale = load(matrix->scales + output + LANES * vector) * x.scales[first + row];
                store(product[row] + part + LANES * vector, sum * scale);
            }
    }
}

/* Write products of `rows` tokens from `first` on with `outputs` outputs from `output` on. */
INLINE void end_product(int rows, const int outputs, const VrMatrix *matrix, int output, int first,
                        float product[][VR_STRIP], Result result) {
    for (int row = 0; row < rows; row++) {
        float *from = product[row], *to = result.to + (first + row) * result.stride;
        if (matrix->bias)
            for (int place = 0; place < outputs; place += LANES)
                store(from + place, load(from + place) + load(matrix->bias + output + place));
        if (result.ending == GATE) {
            to += output / 2;
            for (int place = 0; place < outputs; place += 2 * LANES, to += LANES)
                store(to, gelu(load(from + place)) * load(from + place + LANES));
            continue;
        }
        to += output;
        for (int place = 0; place < outputs; place += LANES) {
            F32 value = load(from + place);
            if (result.ending == ADD) value += load(to + place);
            store(to + place, result.ending == STORE_ACTIVATED ? gelu(value) : value);
        }
    }
}

#if defined(__AMX_INT8__)
#include "products_amx.h"
#else
#define BLOCK_ROWS VR_TILE_ROWS
#define BEGIN_PRODUCTS
#define END_PRODUCTS
#endif

/* One strip for the tokens from `first` to `last`. Meanwhile the strip `next` places behind it comes from memory, a
 * part with each tile; behind a matrix's last strip lies the matrix that is used next. */
static void multiply(const VrMatrix *matrix, int strip, int next, Operand x, int first, int last, Result result) {
    float product[BLOCK_ROWS][VR_STRIP];
    int64_t bytes = (int64_t)matrix->inputs * VR_STRIP;
#if defined(__AMX_INT8__)
    if (matrix->scales && last - first >= FEWEST_TILE_ROWS) {
        multiply_in_tiles(matrix, strip, next, x, first, last, product, result);
        return;
    }
#endif
    int tiles = (last - first + VR_TILE_ROWS - 1) / VR_TILE_ROWS;
    Ahead ahead = {(const char *)matrix->values + (strip + next) * bytes, 4 * VR_STRIP / tiles};
    for (; first < last; first += VR_TILE_ROWS, ahead.from += bytes / tiles) {
        int rows = last - first < VR_TILE_ROWS ? last - first : VR_TILE_ROWS;
        WITH_ROWS(rows, multiply_strip(ROWS, matrix, strip, x, first, ahead, product))
        end_product(rows, VR_STRIP, matrix, strip * VR_STRIP, first, product, result);
    }
}

#endif
