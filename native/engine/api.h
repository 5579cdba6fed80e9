/* The interface of the engine: a model as pointers into memory, an engine with its threads, and logits.
 *
 * Every name that a linker sees begins with vr_, so that none meets one of the program that links a static library.
 *
 * Every matrix is cut into panels of 64 outputs. A panel of int8 weights is [inputs / 4][64 outputs][4 inputs], so that
 * products read it from front to back; a panel of float weights is [inputs][64 outputs]. The file fills up the
 * last panel, and the inputs of int8 weights, with zeros.
 */
#ifndef VIBE_ROUTER_API_H
#define VIBE_ROUTER_API_H

#include <stdatomic.h>
#include <stdint.h>

/* libvibe_router exports what its own header declares. */
#if defined(VIBE_ROUTER_BUILD)
#define VR_EXPORT
#else
#define VR_EXPORT __attribute__((visibility("default")))
#endif

/* Outputs of a panel. */
#define VR_PANEL 64

/* y = x Wᵀ + b. `values` are int8 with one scale and one offset for each output, or float if `scales` is null. An
 * offset is -128 times the sum of the output's weights; it corrects for activations that are stored as x + 128. */
typedef struct {
    const void *values;
    const float *scales;
    const int32_t *offsets;
    const float *bias; /* null: none */
    int32_t inputs;    /* a multiple of 64 for int8 */
    int32_t panels;
} VrMatrix;

/* Normalisation over the channels: (x - mean) / sqrt(variance + epsilon) * weight + bias. */
typedef struct {
    const float *weight; /* null: no normalisation */
    const float *bias;   /* null: none */
} VrNorm;

typedef struct {
    VrNorm attention_norm;
    VrMatrix query_key_value;
    VrMatrix attention_output;
    VrNorm mlp_norm;
    VrMatrix mlp_input; /* 16 outputs that GELU activates, the 16 that gate them, the next 16, and so on */
    VrMatrix mlp_output;
    const float *rope_cosine; /* [max_tokens][head_size / 2] */
    const float *rope_sine;
    float attention_scale;
    int32_t window; /* token i sees token j if |i - j| <= window; negative: it sees every token */
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
    int32_t mean_pooling; /* 0: the first token's vector */
} VrModel;

typedef enum {
    VR_NONE = 0,
    VR_AVX_VNNI = 1,
    VR_AVX512_VNNI = 2,
    VR_AMX = 3,
    VR_NEON = 4,
    VR_AVX2 = 5,
    VR_WASM = 6,
} VrInstructions;

typedef enum {
    VR_OK = 0,
    VR_STOPPED = 1,
    VR_NO_MEMORY = 2,
    VR_BAD_INPUT = 3,
} VrStatus;

typedef struct VrEngine VrEngine;

/* Return 1 if this library has a kernel for these instructions and the processor and its operating system run them. */
VR_EXPORT int32_t vr_supports(int32_t instructions);

/* Return VR_OK if every instruction set computes the same with the int8 weights of a model: none is -128, padded inputs
 * are zeros, and the offsets are those of the weights. Return VR_BAD_INPUT otherwise. It reads all of the weights. */
VR_EXPORT int32_t vr_check_weights(const VrModel *model);

/* Return an engine with `threads` threads, of which the caller's is one; a call uses fewer while the machine is busy. 0
 * means one thread of low priority, which computes while the caller sleeps. Return null if there is not enough memory,
 * if the instructions are not supported, or if a pointer of the model is null or its sizes do not fit each other.
 * `model` and its layers are copied; what they point to must outlive the engine. */
VR_EXPORT VrEngine *vr_open(const VrModel *model, int32_t instructions, int32_t threads);

/* Write one logit for each sequence and return a VrStatus. `ids` holds the ids of all sequences, one sequence after the
 * other, and `lengths` the number of ids of each. Several threads may call at once: one of them uses the engine's
 * threads, the others compute alone. `*stop` is read before each part of a step and within attention: once it is not 0,
 * the call ends in a few milliseconds, however long its sequences are. */
VR_EXPORT int32_t vr_logits(VrEngine *engine, const int64_t *ids, const int32_t *lengths, int32_t sequences,
                            const _Atomic(int32_t) *stop, float *logits);

/* Free the engine. No call may be running. */
VR_EXPORT void vr_close(VrEngine *engine);

#endif
