/* Prefetching: weights that are needed next come from memory while others are multiplied. */
#ifndef VIBE_ROUTER_PREFETCH_H
#define VIBE_ROUTER_PREFETCH_H

#include <stdbool.h>

#include "instructions.h"

#define CACHE_LINE 64

/* What to prefetch while a tile is computed: `step` bytes for every 4 inputs, or for every 64 in tile registers. More
 * at a time would delay the tile's own loads. */
typedef struct {
    const char *from;
    int step;
} Prefetch;

/* A matrix, and the order in which its panels are items of a step. Query, key and value are three parts: their panels
 * of one head follow each other, so that the member that computes them also computes the head's attention. */
typedef struct {
    const VrMatrix *matrix; /* null: none */
    int parts;
} Weights;

static inline Weights query_key_value(const VrLayer *layer) { return (Weights){&layer->query_key_value, 3}; }

/* Return the panel that an item multiplies. */
static inline int panel_of(Weights weights, int item) {
    int panels = weights.matrix->panels, place = item % panels;
    return place % weights.parts * (panels / weights.parts) + place / weights.parts;
}

static inline int64_t panel_bytes(const VrMatrix *matrix) {
    return (int64_t)matrix->inputs * VR_PANEL * (matrix->scales ? 1 : (int)sizeof(float));
}

static inline const char *panel_at(Weights weights, int item) {
    return (const char *)weights.matrix->values + panel_of(weights, item) * panel_bytes(weights.matrix);
}

/* The part of a member's share of the next matrix that has not been prefetched: the rest of one panel, then the items
 * from `item` to `end`. */
typedef struct {
    Weights weights;
    int item, end;
    const char *from;
    int64_t left; /* bytes */
} PrefetchQueue;

/* Prefetch a few cache lines; return whether there were any. */
static inline bool prefetch_some(PrefetchQueue *queue) {
    if (queue->left <= 0) {
        if (queue->item >= queue->end) return false;
        queue->from = panel_at(queue->weights, queue->item++);
        queue->left = panel_bytes(queue->weights.matrix);
    }
    for (int line = 0; line < 4; line++) __builtin_prefetch(queue->from + CACHE_LINE * line, 0, 2);
    queue->from += 4 * CACHE_LINE;
    queue->left -= 4 * CACHE_LINE;
    return true;
}

#endif
