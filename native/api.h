/* The interface of the library: a model of pointers into a mapped file, an engine of threads, and logits.
 *
 * Every matrix is cut into strips of 64 outputs. A strip of int8 weights is [inputs / 4][64 outputs][4 inputs], so that
 * products read it from front to back; a strip of float weights is [inputs][64 outputs]. What does not divide is filled
 * up with zeros by whoever writes the file.
 */
#ifndef VIBE_ROUTER_API_H
#define VIBE_ROUTER_API_H

#include <stdatomic.h>
#include <stdint.h>

#define VR_EXPORT __attribute__((visibility("default")))

/* Outputs of a strip. */
#define VR_STRIP 64

/* y = x Wᵀ + b. `values` are int8 with a scale and an offset an output, or float where `scales` is null.
 * `offsets` are -128 times the sum of an output's weights, what a product of x + 128 has too much. */
typedef struct {
    const void *values;
    const float *scales;
    const int32_t *offsets;
    const float *bias; /* null: none */
    int32_t inputs;    /* a multiple of 64 for int8 */
    int32_t strips;
} VrMatrix;

/* Normalisation over the channels: (x - mean) / sqrt(variance + epsilon) * weight + bias. */
typedef struct {
    const float *weight; /* null: no norm at all */
    const float *bias;   /* null: none */
} VrNorm;

typedef struct {
    VrNorm attention_norm;
    VrMatrix query_key_value;
    VrMatrix attention_output;
    VrNorm mlp_norm;
    VrMatrix mlp_input; /* 16 outputs that GELU activates, the 16 that gate them, the next 16... */
    VrMatrix mlp_output;
    const float *rope_cosine; /* [max_tokens][head_size / 2] */
    const float *rope_sine;
    float attention_scale;
    int32_t window; /* token i sees token j where |i - j| <= window; negative: every token */
} VrLayer;

typedef struct {
    const int8_t *embedding;       /* [vocabulary][hidden] */
    const float *embedding_scales; /* [vocabulary] */
    VrNorm embedding_norm;
    const VrLayer *layers;
    VrNorm final_norm;
    VrMatrix head_dense;
    VrNorm head_norm;
    const float *classifier; /* [hidden] */
    float classifier_bias;
    float norm_epsilon;
    int32_t vocabulary;
    int32_t hidden; /* a multiple of 64 */
    int32_t intermediate;
    int32_t heads;
    int32_t layer_count;
    int32_t max_tokens;
    int32_t mean_pooling; /* 0: the first token */
} VrModel;

typedef enum {
    VR_NONE = 0,
    VR_AVX_VNNI = 1,
    VR_AVX512_VNNI = 2,
    VR_AMX = 3,
    VR_NEON = 4,
    VR_AVX2 = 5,
} VrInstructions;

typedef enum {
    VR_OK = 0,
    VR_STOPPED = 1,
    VR_NO_MEMORY = 2,
    VR_BAD_INPUT = 3,
} VrStatus;

typedef struct VrEngine VrEngine;

/* Whether this processor, and its operating system, run these instructions. */
VR_EXPORT int32_t vr_supports(int32_t instructions);

/* Return an engine of `threads` threads, the caller's among them; null without memory or without the instructions.
 * `model` and its layers are copied; what they point to must outlive the engine. */
VR_EXPORT VrEngine *vr_open(const VrModel *model, int32_t instructions, int32_t threads);

/* Write one logit a sequence. `ids` are those of all sequences, one after the other, `lengths` how many each has.
 * Calls from several threads are allowed: one has the engine's threads, the others compute by themselves.
 * `stop` ends the call between two steps once it is not 0. */
VR_EXPORT int32_t vr_logits(VrEngine *engine, const int64_t *ids, const int32_t *lengths, int32_t sequences,
                            const _Atomic(int32_t) *stop, float *logits);

/* No call may be running. */
VR_EXPORT void vr_close(VrEngine *engine);

#endif
