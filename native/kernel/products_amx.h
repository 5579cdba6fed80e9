/* Products in Intel's tile registers (AMX): 16 tokens by 16 outputs by 64 inputs at a time. */
#ifndef VIBE_ROUTER_PRODUCTS_AMX_H
#define VIBE_ROUTER_PRODUCTS_AMX_H

#include "epilogue.h"
#include "prefetch.h"

#define TILE 16
#define BLOCK_ROWS (2 * TILE)
_Static_assert(BLOCK_ROWS == BLOCK_ROWS_LIMIT, "there is memory for the rows of a block after the last token");
_Static_assert(VR_PANEL == 4 * TILE, "a panel is four tiles wide");

/* With fewer tokens, most of a tile would be empty. */
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

/* Memory delivers lines of several pages at a time faster than lines of one. */
#define STREAMS 4

/* Prefetch a part of the next panel, for every 64 inputs. */
INLINE void prefetch_lines(Prefetch *prefetch, int inputs) {
    int lines = (prefetch->step + CACHE_LINE - 1) / CACHE_LINE, streams = lines < STREAMS ? lines : STREAMS;
    int each = lines / streams;
    for (int stream = 0; stream < streams; stream++)
        for (int line = 0; line < each; line++)
            __builtin_prefetch(prefetch->from + (int64_t)stream * each * inputs + line * CACHE_LINE, 0, 2);
    prefetch->from += each * CACHE_LINE;
}

/* Sums of a block of tokens whose epilogue has been applied to `done` of `rows` rows. */
typedef struct {
    int32_t sums[BLOCK_ROWS * VR_PANEL] __attribute__((aligned(64)));
    const VrMatrix *matrix;
    const float *row_scales;
    Result result;
    int output, outputs, first, rows, done;
} Block;

/* The current block and the previous one. While tile registers multiply the current one, vector units apply the
 * epilogue of the previous one. */
typedef struct {
    Block blocks[2];
    int current;
} Pending;

/* Apply the epilogue to up to `rows` more rows. */
INLINE void finish_rows(Block *block, int rows) {
    int done = block->done, left = block->rows - done;
    if (left <= 0) return;
    if (rows > left) rows = left;
    Products products = {.sums = block->sums + done * VR_PANEL,
                         .scales = block->matrix->scales + block->output,
                         .row_scales = block->row_scales + done};
    const float *bias = block->matrix->bias;
    if (block->outputs == VR_PANEL)
        apply_epilogue(rows, VR_PANEL, products, bias, block->output, block->first + done, block->result);
    else apply_epilogue(rows, VR_PANEL / 2, products, bias, block->output, block->first + done, block->result);
    block->done = done + rows;
}

INLINE void begin_pending(Pending *pending) {
    pending->current = 0;
    pending->blocks[1].rows = pending->blocks[1].done = 0;
}

INLINE void finish_pending(Pending *pending) { finish_rows(pending->blocks + 1 - pending->current, BLOCK_ROWS); }

/* Rows of the previous block to finish for every 64 inputs. */
INLINE int rows_per_step(int inputs) { return (BLOCK_ROWS * 64 + inputs - 1) / inputs; }

/* sums[16][64] = the products of 16 tokens and a panel. Rows after the last token are computed too, from what happens
 * to be in memory there; nobody reads them. */
INLINE void product_of_16(const uint8_t *activations, int64_t stride, const int8_t *weights, const int32_t *offsets,
                          int inputs, Prefetch prefetch, int32_t *sums, Block *previous) {
    const int group = 4 * VR_PANEL; /* bytes from 4 inputs of a panel to the next 4 */
    _tile_loadd(0, offsets, 0);
    _tile_loadd(1, offsets + TILE, 0);
    _tile_loadd(2, offsets + 2 * TILE, 0);
    _tile_loadd(3, offsets + 3 * TILE, 0);
    for (int input = 0; input < inputs; input += 64, activations += 64, weights += 16 * group) {
        prefetch_lines(&prefetch, inputs);
        _tile_loadd(4, activations, stride);
        _tile_loadd(5, weights, group);
        _tile_dpbusd(0, 4, 5);
        _tile_loadd(6, weights + 4 * TILE, group);
        _tile_dpbusd(1, 4, 6);
        _tile_loadd(7, weights + 8 * TILE, group);
        _tile_dpbusd(2, 4, 7);
        _tile_loadd(5, weights + 12 * TILE, group);
        _tile_dpbusd(3, 4, 5);
        finish_rows(previous, rows_per_step(inputs));
    }
    _tile_stored(0, sums, VR_PANEL * 4);
    _tile_stored(1, sums + TILE, VR_PANEL * 4);
    _tile_stored(2, sums + 2 * TILE, VR_PANEL * 4);
    _tile_stored(3, sums + 3 * TILE, VR_PANEL * 4);
}

/* The same for 32 tokens and half a panel. */
INLINE void product_of_32(const uint8_t *activations, int64_t stride, const int8_t *weights, const int32_t *offsets,
                          int inputs, Prefetch prefetch, int32_t *sums, Block *previous) {
    const int group = 4 * VR_PANEL;
    _tile_loadd(0, offsets, 0);
    _tile_loadd(1, offsets + TILE, 0);
    _tile_loadd(2, offsets, 0);
    _tile_loadd(3, offsets + TILE, 0);
    for (int input = 0; input < inputs; input += 64, activations += 64, weights += 16 * group) {
        prefetch_lines(&prefetch, inputs);
        _tile_loadd(6, weights, group);
        _tile_loadd(7, weights + 4 * TILE, group);
        _tile_loadd(4, activations, stride);
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
        _tile_loadd(5, activations + TILE * stride, stride);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
        finish_rows(previous, rows_per_step(inputs));
    }
    _tile_stored(0, sums, VR_PANEL * 4);
    _tile_stored(1, sums + TILE, VR_PANEL * 4);
    _tile_stored(2, sums + TILE * VR_PANEL, VR_PANEL * 4);
    _tile_stored(3, sums + TILE * VR_PANEL + TILE, VR_PANEL * 4);
}

/* `multiply` for int8. Half a panel stays in the first-level cache while all tokens are multiplied with it. With few
 * tokens, a whole panel is read once from front to back, because memory delivers it fastest in that order. */
INLINE void multiply_in_tiles(const VrMatrix *matrix, int panel, const char *next, Operand x, int first, int last,
                              Result result, Pending *pending) {
    int64_t bytes = (int64_t)matrix->inputs * VR_PANEL;
    int few = last - first <= TILE, outputs = few ? VR_PANEL : VR_PANEL / 2;
    const int8_t *weights = (const int8_t *)matrix->values + panel * bytes;
    int64_t blocks = few ? 1 : 2 * ((last - first + BLOCK_ROWS - 1) / BLOCK_ROWS);
    Prefetch prefetch = {next, (int)(64 * VR_PANEL / blocks)};
    for (int output = panel * VR_PANEL; output < (panel + 1) * VR_PANEL; output += outputs, weights += 4 * outputs)
        for (int token = first; token < last; token += BLOCK_ROWS, prefetch.from += bytes / blocks) {
            Block *block = pending->blocks + pending->current, *previous = pending->blocks + 1 - pending->current;
            const uint8_t *activations = x.quantised + token * x.stride;
            const int32_t *offsets = matrix->offsets + output;
            if (few)
                product_of_16(activations, x.stride, weights, offsets, matrix->inputs, prefetch, block->sums, previous);
            else
                product_of_32(activations, x.stride, weights, offsets, matrix->inputs, prefetch, block->sums, previous);
            finish_rows(previous, BLOCK_ROWS);
            block->matrix = matrix;
            block->row_scales = x.scales + token;
            block->result = result;
            block->output = output;
            block->outputs = outputs;
            block->first = token;
            block->rows = last - token < BLOCK_ROWS ? last - token : BLOCK_ROWS;
            block->done = 0;
            pending->current = 1 - pending->current;
        }
}

#endif
