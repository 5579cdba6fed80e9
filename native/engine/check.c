/* Checks of a model from a file that may be damaged or malicious: its pointers and sizes, and its int8 weights. */
#include "check.h"

#include <string.h>

/* Limits far above any real model. Within them, no size in the engine overflows, and no sum of sizes. */
#define MOST_SIZE (1 << 20)
#define MOST_LAYERS 256

/* Weights of a panel that lie next to each other: 4 inputs of 64 outputs. */
#define GROUP 4
#define ROW (VR_PANEL * GROUP)
/* Rows that are added up in 16 bits: 128 times -128 does not overflow. */
#define ROWS_AT_ONCE 128
#define ROWS_AHEAD 16

static int in_range(int32_t size) { return size >= 1 && size <= MOST_SIZE; }

static int matrix_is_whole(const VrMatrix *matrix, int32_t outputs, int32_t inputs) {
    int32_t filled = matrix->scales ? (inputs + 63) / 64 * 64 : inputs;
    return matrix->values && matrix->inputs == filled && matrix->panels == (outputs + VR_PANEL - 1) / VR_PANEL &&
           (!matrix->scales || matrix->offsets);
}

static int layer_is_whole(const VrModel *model, int32_t number) {
    const VrLayer *layer = model->layers + number;
    int32_t hidden = model->hidden, intermediate = model->intermediate;
    return (number == 0 || layer->attention_norm.weight) && layer->mlp_norm.weight && layer->rope_cosine &&
           layer->rope_sine && layer->window <= MOST_SIZE &&
           matrix_is_whole(&layer->query_key_value, 3 * hidden, hidden) &&
           matrix_is_whole(&layer->attention_output, hidden, hidden) &&
           matrix_is_whole(&layer->mlp_input, 2 * intermediate, hidden) &&
           matrix_is_whole(&layer->mlp_output, hidden, intermediate);
}

int vr_model_is_whole(const VrModel *model) {
    if (!model || !model->layers || !model->embedding || !model->embedding_scales || !model->embedding_norm.weight ||
        !model->final_norm.weight || !model->head_norm.weight || !model->classifier)
        return 0;
    if (!in_range(model->vocabulary) || !in_range(model->hidden) || !in_range(model->intermediate) ||
        !in_range(model->heads) || !in_range(model->max_tokens) || model->layer_count < 1 ||
        model->layer_count > MOST_LAYERS)
        return 0;
    int32_t head = model->hidden / model->heads;
    if (model->hidden % VR_PANEL || model->hidden % model->heads || head > 64 || head % 16 ||
        model->intermediate % (VR_PANEL / 2))
        return 0;
    for (int32_t number = 0; number < model->layer_count; number++)
        if (!layer_is_whole(model, number)) return 0;
    return matrix_is_whole(&model->head_dense, model->hidden, model->hidden);
}

/* Bytes is a cache line of weights: 4 inputs of 16 outputs. Words and Sums hold a sum for each of them. */
#define LINE 64
typedef int8_t Bytes __attribute__((vector_size(LINE), aligned(1), may_alias));
typedef int16_t Words __attribute__((vector_size(2 * LINE)));
typedef int32_t Sums __attribute__((vector_size(4 * LINE)));

#if defined(__x86_64__)
/* Every kernel for x86-64 needs AVX2, so these checks may use it. */
#define VECTORS __attribute__((target("avx2")))
#else
#define VECTORS
#endif

/* Return whether a panel has no weight of -128, only zeros in the inputs from `used` on, and the offsets that follow
 * from its weights. Of any other panel, instruction sets compute different products. */
VECTORS static int panel_is_sound(const int8_t *weights, int32_t inputs, int32_t used, const int32_t *offsets) {
    int32_t rows = inputs / GROUP;
    for (int column = 0; column < ROW; column += LINE) {
        Sums sums = {0};
        Bytes lowest = {0};
        for (int32_t first = 0; first < rows; first += ROWS_AT_ONCE) {
            Words part = {0};
            int32_t end = first + ROWS_AT_ONCE < rows ? first + ROWS_AT_ONCE : rows;
            for (int32_t row = first; row < end; row++) {
                const int8_t *here = weights + (int64_t)row * ROW;
                /* The first column prefetches the lines of all columns, so that each is read from memory once. */
                for (int ahead = 0; column == 0 && ahead < ROW; ahead += LINE)
                    __builtin_prefetch(here + ROWS_AHEAD * ROW + ahead);
                Bytes line = *(const Bytes *)(here + column);
                part += __builtin_convertvector(line, Words);
                lowest |= line == INT8_MIN;
            }
            sums += __builtin_convertvector(part, Sums);
        }
        for (int place = 0; place < LINE; place += GROUP) {
            int32_t sum = sums[place] + sums[place + 1] + sums[place + 2] + sums[place + 3];
            if (lowest[place] | lowest[place + 1] | lowest[place + 2] | lowest[place + 3]) return 0;
            if (offsets[(column + place) / GROUP] != -128 * sum) return 0;
        }
    }
    static const int8_t zeros[ROW];
    for (int32_t row = used / GROUP; row < rows; row++)
        if (memcmp(weights + (int64_t)row * ROW, zeros, ROW)) return 0;
    return 1;
}

static int matrix_is_sound(const VrMatrix *matrix, int32_t inputs) {
    if (!matrix->scales) return 1;
    for (int32_t panel = 0; panel < matrix->panels; panel++)
        if (!panel_is_sound((const int8_t *)matrix->values + (int64_t)panel * VR_PANEL * matrix->inputs, matrix->inputs,
                            inputs, matrix->offsets + panel * VR_PANEL))
            return 0;
    return 1;
}

int32_t vr_check_weights(const VrModel *model) {
    if (!vr_model_is_whole(model)) return VR_BAD_INPUT;
    for (int32_t number = 0; number < model->layer_count; number++) {
        const VrLayer *layer = model->layers + number;
        if (!matrix_is_sound(&layer->query_key_value, model->hidden) ||
            !matrix_is_sound(&layer->attention_output, model->hidden) ||
            !matrix_is_sound(&layer->mlp_input, model->hidden) ||
            !matrix_is_sound(&layer->mlp_output, model->intermediate))
            return VR_BAD_INPUT;
    }
    return matrix_is_sound(&model->head_dense, model->hidden) ? VR_OK : VR_BAD_INPUT;
}
