/* Products in Intel's tile registers (AMX): 16 tokens by 16 outputs by 64 inputs at a time. */
#ifndef VIBE_ROUTER_PRODUCTS_AMX_H
#define VIBE_ROUTER_PRODUCTS_AMX_H

#include <immintrin.h>

#define TILE 16
#define BLOCK_ROWS (2 * TILE)
/* Below this, most of a tile would be empty. */
#define FEWEST_TILE_ROWS 7

/* The palette of AMX: 8 tiles of 16 rows of 64 bytes. */
static void configure_tiles(void) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } configuration = {.palette = 1};
    for (int tile = 0; tile < 8; tile++) {
        configuration.row_bytes[tile] = 64;
        configuration.rows[tile] = TILE;
    }
    _tile_loadconfig(&configuration);
}

#define BEGIN_PRODUCTS configure_tiles()
#define END_PRODUCTS _tile_release()

/* Ask memory for a part of the next strip. */
INLINE void ask(Ahead *ahead) {
    for (int line = 0; line < ahead->step; line += CACHE_LINE) __builtin_prefetch(ahead->from + line, 0, 2);
    ahead->from += ahead->step;
}

/* sums[rows][64] of 16 tokens. Rows behind the last token are computed as well, from whatever stands there, and never
 * read; the same holds below. */
INLINE void product_of_16(const uint8_t *activations, int64_t stride, const int8_t *weights, const int32_t *offsets,
                          int inputs, Ahead ahead, int32_t *sums) {
    const int group = 4 * VR_STRIP; /* bytes from 4 inputs of a strip to the next 4 */
    _tile_loadd(0, offsets, 0);
    _tile_loadd(1, offsets + TILE, 0);
    _tile_loadd(2, offsets + 2 * TILE, 0);
    _tile_loadd(3, offsets + 3 * TILE, 0);
    for (int input = 0; input < inputs; input += 64, activations += 64, weights += 16 * group) {
        ask(&ahead);
        _tile_loadd(4, activations, stride);
        _tile_loadd(5, weights, group);
        _tile_dpbusd(0, 4, 5);
        _tile_loadd(6, weights + 4 * TILE, group);
        _tile_dpbusd(1, 4, 6);
        _tile_loadd(7, weights + 8 * TILE, group);
        _tile_dpbusd(2, 4, 7);
        _tile_loadd(5, weights + 12 * TILE, group);
        _tile_dpbusd(3, 4, 5);
    }
    _tile_stored(0, sums, VR_STRIP * 4);
    _tile_stored(1, sums + TILE, VR_STRIP * 4);
    _tile_stored(2, sums + 2 * TILE, VR_STRIP * 4);
    _tile_stored(3, sums + 3 * TILE, VR_STRIP * 4);
}

/* The same of 32 tokens and one half of the strip. */
INLINE void product_of_32(const uint8_t *activations, int64_t stride, const int8_t *weights, const int32_t *offsets,
                          int inputs, Ahead ahead, int32_t *sums) {
    const int group = 4 * VR_STRIP;
    _tile_loadd(0, offsets, 0);
    _tile_loadd(1, offsets + TILE, 0);
    _tile_loadd(2, offsets, 0);
    _tile_loadd(3, offsets + TILE, 0);
    for (int input = 0; input < inputs; input += 64, activations += 64, weights += 16 * group) {
        ask(&ahead);
        _tile_loadd(6, weights, group);
        _tile_loadd(7, weights + 4 * TILE, group);
        _tile_loadd(4, activations, stride);
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
        _tile_loadd(5, activations + TILE * stride, stride);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
    }
    _tile_stored(0, sums, VR_STRIP * 4);
    _tile_stored(1, sums + TILE, VR_STRIP * 4);
    _tile_stored(2, sums + TILE * VR_STRIP, VR_STRIP * 4);
    _tile_stored(3, sums + TILE * VR_STRIP + TILE, VR_STRIP * 4);
}

/* As `multiply`, for int8. A half of a strip stays in a core's first cache while all tokens pass by; where there are
 * few tokens, a whole strip passes them, from front to back as it comes from memory. */
INLINE void multiply_in_tiles(const VrMatrix *matrix, int strip, const char *following, Operand x, int first, int last,
                              Result result) {
    int64_t bytes = (int64_t)matrix->inputs * VR_STRIP;
    int output = strip * VR_STRIP, tokens = last - first;
    const int8_t *weights = (const int8_t *)matrix->values + strip * bytes;
    int64_t blocks = tokens <= TILE ? 1 : 2 * ((tokens + BLOCK_ROWS - 1) / BLOCK_ROWS);
    Ahead ahead = {following, following ? (int)(64 * VR_STRIP / blocks) : 0};
    int32_t sums[BLOCK_ROWS * VR_STRIP] __attribute__((aligned(64)));
    if (tokens <= TILE) {
        product_of_16(x.quantised + first * x.stride, x.stride, weights, matrix->offsets + output, matrix->inputs,
                      ahead, sums);
        Products products = {.sums = sums, .scales = matrix->scales + output, .row_scales = x.scales + first};
        end_products(tokens, VR_STRIP, products, matrix->bias, output, first, result);
        return;
    }
    for (int end = output + VR_STRIP; output < end; output += VR_STRIP / 2, weights += 4 * VR_STRIP / 2)
        for (int token = first; token < last; token += BLOCK_ROWS, ahead.from += bytes / blocks) {
            int rows = last - token < BLOCK_ROWS ? last - token : BLOCK_ROWS;
            product_of_32(x.quantised + token * x.stride, x.stride, weights, matrix->offsets + output, matrix->inputs,
                          ahead, sums);
            Products products = {.sums = sums, .scales = matrix->scales + output, .row_scales = x.scales + token};
            end_products(rows, VR_STRIP / 2, products, matrix->bias, output, token, result);
        }
}

#endif
