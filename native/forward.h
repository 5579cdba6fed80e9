/* The forward pass, compiled once for each instruction set. */
#ifndef VIBE_ROUTER_FORWARD_H
#define VIBE_ROUTER_FORWARD_H

#include "api.h"
#include "team.h"

/* Tokens that the inner loops take at a time. */
#define VR_TILE_ROWS 6

/* The most tokens that any of them takes. */
#define VR_BLOCK_ROWS 32

/* The sequences of a call, one after the other without padding. `starts` has one entry more than that. */
typedef struct {
    const int64_t *ids;
    const int32_t *starts;
    int32_t sequences;
    int32_t tokens;
    int32_t longest;
    const _Atomic(int32_t) *stop;
    float *logits;
} Request;

/* What flows between the steps, for all tokens of a call. */
typedef struct {
    float *residual;    /* [tokens][hidden] */
    float *wide;        /* [tokens][3 hidden], or [tokens][intermediate] */
    float *attended;    /* [tokens][hidden] */
    uint8_t *quantised; /* [tokens][row_bytes]: int8 activations plus ACTIVATION_OFFSET */
    float *scales;      /* [tokens] */
    int64_t row_bytes;
} Activations;

static inline int64_t rounded_up(int64_t number, int64_t multiple) {
    return (number + multiple - 1) / multiple * multiple;
}

/* Queries and, times 16, keys that attention takes at a time, at most. */
#define VR_ATTENTION_ROWS 12
#define VR_ATTENTION_VECTORS 2

/* How many tokens there is room for where there are `longest`: the inner loops run over the end. */
static inline int64_t attention_room(int64_t longest) { return rounded_up(longest, 16 * VR_ATTENTION_VECTORS); }

/* How many floats of its own a thread needs for attention over `longest` tokens: a head's keys and values, and the
 * queries and scores of a tile. */
static inline int64_t attention_floats(int64_t longest) {
    return 2 * attention_room(longest) * VR_STRIP + VR_ATTENTION_ROWS * (VR_STRIP + attention_room(longest));
}

/* Steps of a layer, and those before and behind all layers. */
#define LAYER_STEPS 9
#define OTHER_STEPS 4

/* What member `number` of a team does; `scratch` is its own. */
typedef VrStatus Forward(const VrModel *model, const Request *request, const Activations *activations, float *scratch,
                         Team *team, int number);

Forward forward_avx2, forward_avx_vnni, forward_avx512_vnni, forward_amx, forward_neon;

#endif
