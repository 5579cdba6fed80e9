/* One call: its sequences, and the memory that its activations use. */
#ifndef VIBE_ROUTER_REQUEST_H
#define VIBE_ROUTER_REQUEST_H

#include "api.h"

/* Tokens that the inner loops compute at a time. */
#define TILE_ROWS 6

/* The most tokens that any inner loop computes at a time: those of two tile registers of AMX. */
#define BLOCK_ROWS_LIMIT 32

/* The largest tile of attention: queries, and vectors of 16 keys. */
#define ATTENTION_ROWS_LIMIT 12
#define ATTENTION_VECTORS_LIMIT 2

/* The sequences of a call, one after the other without padding. `starts` has one entry more than `sequences`. */
typedef struct {
    const int64_t *ids;
    const int32_t *starts;
    int32_t sequences;
    int32_t tokens;
    int32_t longest;
    const _Atomic(int32_t) *stop;
    float *logits;
} Request;

/* Bytes that one activation takes at most. WebAssembly has a product of signed bytes on some processors only:
 * kernel/wasm.h says what is stored. */
#if defined(__wasm__)
#define ACTIVATION_BYTES 2
#else
#define ACTIVATION_BYTES 1
#endif

/* What one step leaves for the next, for all tokens of a call. */
typedef struct {
    float *residual;    /* [tokens][hidden] */
    float *wide;        /* [tokens][3 hidden], or [tokens][intermediate] */
    float *attended;    /* [tokens][hidden] */
    uint8_t *quantised; /* [tokens][row_bytes]: int8 activations plus ACTIVATION_OFFSET, of ACTIVATION_BYTES each */
    float *scales;      /* [tokens] */
    int64_t row_bytes;
} Activations;

static inline int64_t rounded_up(int64_t number, int64_t multiple) {
    return (number + multiple - 1) / multiple * multiple;
}

/* How many tokens the memory for attention has room for. The inner loops run past the last token. */
static inline int64_t attention_room(int64_t longest) { return rounded_up(longest, 16 * ATTENTION_VECTORS_LIMIT); }

/* Floats that each thread needs for attention over `longest` tokens: the keys and values of a head, and the queries and
 * scores of a tile. */
static inline int64_t attention_floats(int64_t longest) {
    return 2 * attention_room(longest) * VR_PANEL + ATTENTION_ROWS_LIMIT * (VR_PANEL + attention_room(longest));
}

#endif
