/* The product of a panel of a matrix and a block of tokens, with its epilogue. */
#ifndef VIBE_ROUTER_PRODUCTS_H
#define VIBE_ROUTER_PRODUCTS_H

#include "epilogue.h"
#include "tiles.h"

#if WITH_AMX
#include "products_amx.h"
#else
#define BLOCK_ROWS TILE_ROWS

/* Only products in tile registers postpone an epilogue. */
typedef struct {
    char unused;
} Pending;

INLINE void begin_pending(Pending *pending) { (void)pending; }
INLINE void finish_pending(Pending *pending) { (void)pending; }

#define BEGIN_PRODUCTS
#define END_PRODUCTS
#endif

_Static_assert(BLOCK_ROWS <= BLOCK_ROWS_LIMIT, "there is memory for this many rows after the last token");

/* product[row][...] = x Wᵀ for `rows` tokens from `first` on and all outputs of a panel. */
INLINE void multiply_panel(const int rows, const VrMatrix *matrix, int panel, Operand x, int first, Prefetch prefetch,
                           float product[][VR_PANEL]) {
    const int outputs = LANES * TILE_VECTORS; /* of one tile */
    int64_t numbers = (int64_t)matrix->inputs * VR_PANEL;
    prefetch.step /= VR_PANEL / outputs;
    for (int part = 0; part < VR_PANEL; part += outputs, prefetch.from += prefetch.step * matrix->inputs / 4) {
        if (!matrix->scales) {
            F32 sums[TILE_ROWS * TILE_VECTORS];
            Columns weights = {(const float *)matrix->values + panel * numbers + part, LANES, VR_PANEL};
            float_tile(rows, TILE_VECTORS, x.exact + first * x.stride, x.stride, weights, matrix->inputs, sums);
            UNROLL for (int row = 0; row < rows; row++) {
                UNROLL for (int vector = 0; vector < TILE_VECTORS; vector++)
                    store(product[row] + part + LANES * vector, sums[row * TILE_VECTORS + vector]);
            }
            continue;
        }
        I32 sums[TILE_ROWS * TILE_VECTORS];
        const int8_t *weights = (const int8_t *)matrix->values + panel * numbers + part * 4;
        int output = panel * VR_PANEL + part;
        integer_tile(rows, x.quantised + first * x.stride, x.stride, weights, matrix->offsets + output, matrix->inputs,
                     prefetch, sums);
        UNROLL for (int row = 0; row < rows; row++) {
            UNROLL for (int vector = 0; vector < TILE_VECTORS; vector++) {
                F32 sum = __builtin_convertvector(sums[row * TILE_VECTORS + vector], F32);
                F32 scale = load(matrix->scales + output + LANES * vector) * x.scales[first + row];
                store(product[row] + part + LANES * vector, sum * scale);
            }
        }
    }
}

/* Multiply one panel with the tokens from `first` to `last`. Meanwhile prefetch the panel at `next`, a part of it
 * during each tile. */
static void multiply(const VrMatrix *matrix, int panel, const char *next, Operand x, int first, int last, Result result,
                     Pending *pending) {
    int64_t bytes = (int64_t)matrix->inputs * VR_PANEL;
#if WITH_AMX
    if (matrix->scales && last - first >= FEWEST_TILE_ROWS) {
        multiply_in_tiles(matrix, panel, next, x, first, last, result, pending);
        return;
    }
#else
    (void)pending;
#endif
    float product[TILE_ROWS][VR_PANEL];
    int tiles = (last - first + TILE_ROWS - 1) / TILE_ROWS;
    Prefetch prefetch = {next, 4 * VR_PANEL / tiles};
    for (; first < last; first += TILE_ROWS, prefetch.from += bytes / tiles) {
        int rows = last - first < TILE_ROWS ? last - first : TILE_ROWS;
        WITH_ROWS(rows, multiply_panel(ROWS, matrix, panel, x, first, prefetch, product))
        apply_epilogue_to_numbers(rows, product[0], matrix->bias, panel * VR_PANEL, first, result);
    }
}

#endif
