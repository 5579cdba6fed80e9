/* Attention of one head over one sequence: softmax(scale query · key) · value, within a window or without. */
#ifndef VIBE_ROUTER_ATTENTION_H
#define VIBE_ROUTER_ATTENTION_H

#include "forward.h"
#include "rows.h"
#include "tiles.h"

/* One head's part of a sequence. `qkv` points to the first token's query of this head; keys and values of the head
 * stand `hidden` and 2 `hidden` floats behind it, the next token `row` floats. */
typedef struct {
    const float *qkv;
    float *to; /* the head's part of the first token's output, the next `hidden` floats behind */
    int64_t row;
    int64_t hidden;
    int tokens;
    int size;
} Head;

/* A thread's own memory, by parts. */
typedef struct {
    float *keys;   /* [strips of 64 keys][size][64]: rotated keys, transposed */
    float *values; /* [tokens][64] */
    float *query;  /* [VR_TILE_ROWS][64] */
    float *scores; /* [VR_TILE_ROWS][score_row] */
    int64_t score_row;
} AttentionScratch;

INLINE AttentionScratch attention_scratch(float *memory, int longest) {
    int64_t strips = rounded_up(longest, VR_STRIP);
    AttentionScratch parts;
    parts.keys = memory;
    parts.values = parts.keys + strips * VR_STRIP;
    parts.query = parts.values + strips * VR_STRIP;
    parts.scores = parts.query + VR_TILE_ROWS * VR_STRIP;
    parts.score_row = strips;
    return parts;
}

/* Bring keys and values into the order that tiles read. Places beyond the last token are filled with zeros. */
static void pack_keys_and_values(const Head *head, const VrLayer *layer, AttentionScratch scratch) {
    int half = head->size / 2;
    float rotated[VR_STRIP];
    for (int token = 0; token < rounded_up(head->tokens, VR_STRIP); token++) {
        float *key = scratch.keys + (int64_t)(token / VR_STRIP) * head->size * VR_STRIP + token % VR_STRIP;
        float *value = scratch.values + (int64_t)token * VR_STRIP;
        if (token >= head->tokens) {
            for (int place = 0; place < head->size; place++) key[place * VR_STRIP] = 0;
            continue;
        }
        const float *from = head->qkv + token * head->row + head->hidden;
        rotate_head(from, layer->rope_cosine + token * half, layer->rope_sine + token * half, 1.0f, rotated,
                    head->size);
        for (int place = 0; place < head->size; place++) key[place * VR_STRIP] = rotated[place];
        memcpy(value, from + head->hidden, (size_t)head->size * sizeof(float));
        memset(value + head->size, 0, (size_t)(VR_STRIP - head->size) * sizeof(float));
    }
}

/* Turn the scores from..to of one token into weights that sum to 1, those outside low..high into 0.
 * `from` and `to` are multiples of 16. */
INLINE void softmax(float *scores, int from, int to, int low, int high) {
    const I32 lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    F32 most = (F32)(-1e30f), total = (F32)(0.0f);
    for (int place = from; place < to; place += LANES) {
        I32 index = lanes + place;
        F32 seen = select16((index >= low) & (index < high), load(scores + place), (F32)(-1e30f));
        store(scores + place, seen);
        most = max16(most, seen);
    }
    F32 peak = (F32)(largest(most));
    for (int place = from; place < to; place += LANES) {
        F32 weight = exponential(load(scores + place) - peak);
        store(scores + place, weight);
        total += weight;
    }
    F32 inverse = (F32)(1.0f / sum(total));
    for (int place = from; place < to; place += LANES) store(scores + place, load(scores + place) * inverse);
}

/* Attend from `rows` tokens, `first` and those behind it. */
INLINE void attend_rows(const int rows, int first, const Head *head, const VrLayer *layer, AttentionScratch scratch) {
    int half = head->size / 2, window = layer->window < 0 ? head->tokens : layer->window;
    int low = first - window > 0 ? first - window : 0;
    int high = first + rows + window < head->tokens ? first + rows + window : head->tokens;
    int from = low / LANES * LANES, to = rounded_up(high, LANES);
    F32 sums[VR_TILE_ROWS][TILE_VECTORS];
    for (int row = 0; row < rows; row++) {
        int token = first + row;
        rotate_head(head->qkv + token * head->row, layer->rope_cosine + token * half, layer->rope_sine + token * half,
                    layer->attention_scale, scratch.query + row * VR_STRIP, head->size);
    }
    for (int key = from / (LANES * TILE_VECTORS) * (LANES * TILE_VECTORS); key < to; key += LANES * TILE_VECTORS) {
        const float *keys = scratch.keys + (int64_t)(key / VR_STRIP) * head->size * VR_STRIP + key % VR_STRIP;
        float_tile(rows, scratch.query, VR_STRIP, keys, head->size, sums);
        for (int row = 0; row < rows; row++)
            for (int vector = 0; vector < TILE_VECTORS; vector++)
                store(scratch.scores + row * scratch.score_row + key + LANES * vector, sums[row][vector]);
    }
    for (int row = 0; row < rows; row++) {
        int token = first + row;
        softmax(scratch.scores + row * scratch.score_row, from, to, token - window > 0 ? token - window : 0,
                token + window + 1 < head->tokens ? token + window + 1 : head->tokens);
    }
    for (int part = 0; part < head->size; part += LANES * TILE_VECTORS) {
        float_tile(rows, scratch.scores + from, scratch.score_row, scratch.values + (int64_t)from * VR_STRIP + part,
                   high - from, sums);
        for (int row = 0; row < rows; row++)
            for (int vector = 0; vector < TILE_VECTORS && part + LANES * vector < head->size; vector++)
                store(head->to + (first + row) * head->hidden + part + LANES * vector, sums[row][vector]);
    }
}

static void attend(const Head *head, const VrLayer *layer, AttentionScratch scratch) {
    pack_keys_and_values(head, layer, scratch);
    for (int first = 0; first < head->tokens; first += VR_TILE_ROWS) {
        int rows = head->tokens - first < VR_TILE_ROWS ? head->tokens - first : VR_TILE_ROWS;
        WITH_ROWS(rows, attend_rows(ROWS, first, head, layer, scratch))
    }
}

#endif
