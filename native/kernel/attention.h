/* Attention of one head over one sequence: softmax(scale query · key) · value, with or without a window. */
#ifndef VIBE_ROUTER_ATTENTION_H
#define VIBE_ROUTER_ATTENTION_H

#include "rows.h"
#include "steps.h"
#include "tiles.h"

/* A tile of attention: as many queries and vectors of keys as there are registers for. It has more queries and fewer
 * keys than a tile of a product, because a window of 64 tokens is not a whole number of panels of 64 keys. */
#if WITH_AVX512
#define ATTENTION_ROWS ATTENTION_ROWS_LIMIT
#define ATTENTION_VECTORS ATTENTION_VECTORS_LIMIT
#else
#define ATTENTION_ROWS TILE_ROWS
#define ATTENTION_VECTORS 1
#endif

_Static_assert(ATTENTION_ROWS <= ATTENTION_ROWS_LIMIT && ATTENTION_VECTORS <= ATTENTION_VECTORS_LIMIT,
               "the memory for attention has room for a tile");

/* Less than every score, however large the weights: keys beyond a token's window must weigh nothing, because how many
 * of them a tile has depends on the instructions. */
#define MASKED -INFINITY

/* One head's part of a sequence. `qkv` points to the first token's query of this head. Its key and value are `hidden`
 * and 2 `hidden` floats further on, the next token `row` floats. */
typedef struct {
    const float *qkv;
    float *to; /* the head's part of the first token's output; the next token's is `hidden` floats further on */
    int64_t row;
    int64_t hidden;
    int tokens;
    int size;
} Head;

/* What a thread's own memory holds. */
typedef struct {
    float *keys;   /* [tokens / 16][size][16]: rotated and transposed */
    float *values; /* [tokens][64] */
    float *query;  /* [ATTENTION_ROWS][64] */
    float *scores; /* [ATTENTION_ROWS][score_row] */
    int64_t score_row;
} AttentionScratch;

INLINE AttentionScratch attention_scratch(float *memory, int longest) {
    AttentionScratch parts;
    parts.score_row = attention_room(longest);
    parts.keys = memory;
    parts.values = parts.keys + parts.score_row * VR_PANEL;
    parts.query = parts.values + parts.score_row * VR_PANEL;
    parts.scores = parts.query + ATTENTION_ROWS_LIMIT * VR_PANEL;
    return parts;
}

INLINE void rotate_token(const Head *head, const VrLayer *layer, const float *from, int token, float factor,
                         float *to) {
    int64_t place = (int64_t)token * (head->size / 2);
    rotate_head(from, layer->rope_cosine + place, layer->rope_sine + place, factor, to, head->size);
}

/* Copy keys and values in the order in which tiles read them, and fill up with keys of zeros. What is in the memory
 * otherwise may be denormal numbers, which processors multiply many times more slowly. */
static void pack_keys_and_values(const Head *head, const VrLayer *layer, AttentionScratch scratch) {
    float rotated[LANES][VR_PANEL];
    for (int first = 0; first < attention_room(head->tokens); first += LANES) {
        for (int token = first; token < first + LANES; token++) {
            if (token >= head->tokens) {
                memset(rotated[token - first], 0, sizeof rotated[0]);
                continue;
            }
            const float *from = head->qkv + token * head->row + head->hidden;
            rotate_token(head, layer, from, token, 1.0f, rotated[token - first]);
            float *value = scratch.values + (int64_t)token * VR_PANEL;
            for (int place = 0; place < VR_PANEL; place += LANES)
                store(value + place, place < head->size ? load(from + head->hidden + place) : splat(0.0f));
        }
        float *keys = scratch.keys + (int64_t)first * head->size;
        for (int place = 0; place < head->size; place += LANES) {
            F32 square[LANES];
            for (int row = 0; row < LANES; row++) square[row] = load(rotated[row] + place);
            transpose(square);
            for (int row = 0; row < LANES; row++) store(keys + (place + row) * LANES, square[row]);
        }
    }
}

/* Turn one token's scores from `from` to `to` into weights, which are 0 outside `low` to `high`, and return the
 * reciprocal of their sum. `from` and `to` are multiples of 16. */
INLINE float softmax(float *scores, int from, int to, int low, int high) {
    const I32 lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    F32 most = splat(MASKED), total = splat(0.0f);
    for (int place = from; place < to; place += LANES) {
        F32 seen = load(scores + place);
        if (place < low || place + LANES > high) {
            I32 index = lanes + place;
            seen = select16((index >= low) & (index < high), seen, splat(MASKED));
            store(scores + place, seen);
        }
        most = max16(most, seen);
    }
    F32 peak = splat(largest(most));
    for (int place = from; place < to; place += LANES) {
        F32 weight = exponential(load(scores + place) - peak);
        store(scores + place, weight);
        total += weight;
    }
    return 1.0f / sum(total);
}

/* Compute the attention of `rows` tokens, the first of which is `first`. */
INLINE void attend_rows(const int rows, int first, const Head *head, const VrLayer *layer, AttentionScratch scratch) {
    int window = layer->window < 0 ? head->tokens : layer->window;
    int low = first - window > 0 ? first - window : 0;
    int high = first + rows + window < head->tokens ? first + rows + window : head->tokens;
    int from = low / LANES * LANES, to = (int)rounded_up(high, LANES);
    F32 sums[ATTENTION_ROWS * ATTENTION_VECTORS];
    for (int row = 0; row < rows; row++)
        rotate_token(head, layer, head->qkv + (first + row) * head->row, first + row, layer->attention_scale,
                     scratch.query + row * VR_PANEL);
    for (int key = from; key < to; key += LANES * ATTENTION_VECTORS) {
        Columns keys = {scratch.keys + (int64_t)key * head->size, (int64_t)LANES * head->size, LANES};
        float_tile(rows, ATTENTION_VECTORS, scratch.query, VR_PANEL, keys, head->size, sums);
        UNROLL for (int row = 0; row < rows; row++) {
            UNROLL for (int vector = 0; vector < ATTENTION_VECTORS; vector++)
                if (key + LANES * vector < to)
                    store(scratch.scores + row * scratch.score_row + key + LANES * vector,
                          sums[row * ATTENTION_VECTORS + vector]);
        }
    }
    F32 factors[ATTENTION_ROWS];
    for (int row = 0; row < rows; row++) {
        int token = first + row;
        factors[row] =
            splat(softmax(scratch.scores + row * scratch.score_row, from, to, token - window > 0 ? token - window : 0,
                          token + window + 1 < head->tokens ? token + window + 1 : head->tokens));
    }
    for (int part = 0; part < head->size; part += LANES * ATTENTION_VECTORS) {
        Columns values = {scratch.values + (int64_t)from * VR_PANEL + part, LANES, VR_PANEL};
        float_tile(rows, ATTENTION_VECTORS, scratch.scores + from, scratch.score_row, values, high - from, sums);
        UNROLL for (int row = 0; row < rows; row++) {
            UNROLL for (int vector = 0; vector < ATTENTION_VECTORS; vector++)
                if (part + LANES * vector < head->size)
                    store(head->to + (first + row) * head->hidden + part + LANES * vector,
                          sums[row * ATTENTION_VECTORS + vector] * factors[row]);
        }
    }
}

/* Compute the attention of a head, a tile at a time. A head of thousands of tokens takes long, so a stop is looked for
 * before each tile. After a stop, nobody reads what has been written. */
static void attend(const Pass *pass, const Head *head, const VrLayer *layer, AttentionScratch scratch) {
    pack_keys_and_values(head, layer, scratch);
    int first = 0;
    for (; first + ATTENTION_ROWS <= head->tokens; first += ATTENTION_ROWS) {
        if (is_to_stop(pass)) return;
        attend_rows(ATTENTION_ROWS, first, head, layer, scratch);
    }
    for (; first < head->tokens; first += TILE_ROWS) {
        int rows = head->tokens - first < TILE_ROWS ? head->tokens - first : TILE_ROWS;
        WITH_ROWS(rows, attend_rows(ROWS, first, head, layer, scratch))
    }
}

#endif
