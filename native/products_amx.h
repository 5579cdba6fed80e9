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

/* Memory brings lines of several pages at a time faster than of one. */
#define STREAMS 4

/* Ask memory for a part of the next strip, with each 64 inputs. */
INLINE void ask(Ahead *ahead, int inputs) {
    int lines = (ahead->step + CACHE_LINE - 1) / CACHE_LINE, streams = lines < STREAMS ? lines : STREAMS;
    int each = lines / streams;
    for (int stream = 0; stream < streams; stream++)
        for (int line = 0; line < each; line++)
            __builtin_prefetch(ahead->from + (int64_t)stream * each * inputs + line * CACHE_LINE, 0, 2);
    ahead->from += each * CACHE_LINE;
}

/* Sums of a block of tokens, and what is still to be done with them: `done` of `rows` rows have been ended. */
typedef struct {
    int32_t sums[BLOCK_ROWS * VR_STRIP] __attribute__((aligned(64)));
    const VrMatrix *matrix;
    const float *row_scales;
    Result result;
    int output, outputs, first, rows, done;
} Block;

/* The block at work and the one before it: tile registers multiply the one while vectors end the other. */
typedef struct {
    Block blocks[2];
    int current;
} Unended;

/* End up to `rows` rows. */
INLINE void end_rows(Block *block, int rows) {
    int done = block->done, left = block->rows - done;
    if (left <= 0) return;
    if (rows > left) rows = left;
    Products products = {.sums = block->sums + done * VR_STRIP,
                         .scales = block->matrix->scales + block->output,
                         .row_scales = block->row_scales + done};
    const float *bias = block->matrix->bias;
    if (block->outputs == VR_STRIP)
        end_products(rows, VR_STRIP, products, bias, block->output, block->first + done, block->result);
    else
        end_products(rows, VR_STRIP / 2, products, bias, block->output, block->first + done, block->result);
    block->done = done + rows;
}

INLINE void begin_products(Unended *unended) {
    unended->current = 0;
    unended->blocks[1].rows = unended->blocks[1].done = 0;
}

INLINE void end_rest(Unended *unended) { end_rows(unended->blocks + 1 - unended->current, BLOCK_ROWS); }

/* How many rows of the block before are ended with each 64 inputs. */
INLINE int rows_beside(int inputs) { return (BLOCK_ROWS * 64 + inputs - 1) / inputs; }

/* sums[rows][64] of 16 tokens. Rows behind the last token are computed as well, from whatever stands there, and never
 * read; the same holds below. */
INLINE void product_of_16(const uint8_t *activations, int64_t stride, const int8_t *weights, const int32_t *offsets,
                          int inputs, Ahead ahead, int32_t *sums, Block *before) {
    const int group = 4 * VR_STRIP; /* bytes from 4 inputs of a strip to the next 4 */
    _tile_loadd(0, offsets, 0);
    _tile_loadd(1, offsets + TILE, 0);
    _tile_loadd(2, offsets + 2 * TILE, 0);
    _tile_loadd(3, offsets + 3 * TILE, 0);
    for (int input = 0; input < inputs; input += 64, activations += 64, weights += 16 * group) {
        ask(&ahead, inputs);
        _tile_loadd(4, activations, stride);
        _tile_loadd(5, weights, group);
        _tile_dpbusd(0, 4, 5);
        _tile_loadd(6, weights + 4 * TILE, group);
        _tile_dpbusd(1, 4, 6);
        _tile_loadd(7, weights + 8 * TILE, group);
        _tile_dpbusd(2, 4, 7);
        _tile_loadd(5, weights + 12 * TILE, group);
        _tile_dpbusd(3, 4, 5);
        end_rows(before, rows_beside(inputs));
    }
    _tile_stored(0, sums, VR_STRIP * 4);
    _tile_stored(1, sums + TILE, VR_STRIP * 4);
    _tile_stored(2, sums + 2 * TILE, VR_STRIP * 4);
    _tile_stored(3, sums + 3 * TILE, VR_STRIP * 4);
}

/* The same of 32 tokens and one half of the strip. */
INLINE void product_of_32(const uint8_t *activations, int64_t stride, const int8_t *weights, const int32_t *offsets,
                          int inputs, Ahead ahead, int32_t *sums, Block *before) {
    const int group = 4 * VR_STRIP;
    _tile_loadd(0, offsets, 0);
    _tile_loadd(1, offsets + TILE, 0);
    _tile_loadd(2, offsets, 0);
    _tile_loadd(3, offsets + TILE, 0);
    for (int input = 0; input < inputs; input += 64, activations += 64, weights += 16 * group) {
        ask(&ahead, inputs);
        _tile_loadd(6, weights, group);
        _tile_loadd(7, weights + 4 * TILE, group);
        _tile_loadd(4, activations, stride);
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
        _tile_loadd(5, activations + TILE * stride, stride);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
        end_rows(before, rows_beside(inputs));
    }
    _tile_stored(0, sums, VR_STRIP * 4);
    _tile_stored(1, sums + TILE, VR_STRIP * 4);
    _tile_stored(2, sums + TILE * VR_STRIP, VR_STRIP * 4);
    _tile_stored(3, sums + TILE * VR_STRIP + TILE, VR_STRIP * 4);
}

/* As `multiply`, for int8. A half of a strip stays in a core's first cache while all tokens pass by; where there are
 * few tokens, a whole strip passes them, from front to back as it comes from memory. */
INLINE void multiply_in_tiles(const VrMatrix *matrix, int strip, const char *following, Operand x, int first, int last,
                              Result result, Unended *unended) {
    int64_t bytes = (int64_t)matrix->inputs * VR_STRIP;
    int few = last - first <= TILE, outputs = few ? VR_STRIP : VR_STRIP / 2;
    const int8_t *weights = (const int8_t *)matrix->values + strip * bytes;
    int64_t blocks = few ? 1 : 2 * ((last - first + BLOCK_ROWS - 1) / BLOCK_ROWS);
    Ahead ahead = {following, (int)(64 * VR_STRIP / blocks)};
    for (int output = strip * VR_STRIP; output < (strip + 1) * VR_STRIP; output += outputs, weights += 4 * outputs)
        for (int token = first; token < last; token += BLOCK_ROWS, ahead.from += bytes / blocks) {
            Block *block = unended->blocks + unended->current, *before = unended->blocks + 1 - unended->current;
            const uint8_t *activations = x.quantised + token * x.stride;
            const int32_t *offsets = matrix->offsets + output;
            if (few)
                product_of_16(activations, x.stride, weights, offsets, matrix->inputs, ahead, block->sums, before);
            else
                product_of_32(activations, x.stride, weights, offsets, matrix->inputs, ahead, block->sums, before);
            end_rows(before, BLOCK_ROWS);
            block->matrix = matrix;
            block->row_scales = x.scales + token;
            block->result = result;
            block->output = output;
            block->outputs = outputs;
            block->first = token;
            block->rows = last - token < BLOCK_ROWS ? last - token : BLOCK_ROWS;
            block->done = 0;
            unended->current = 1 - unended->current;
        }
}

#endif
