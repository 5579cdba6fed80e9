#include "model.h"

#define MOST_LAYERS 2
/* Rows of 4 inputs and 64 outputs, and numbers: more than the largest tensor here has. */
#define POOL_ROWS 4096
#define POOL_FLOATS 65536
#define ROW (4 * VR_PANEL)

static int8_t weights[POOL_ROWS][ROW];
static int32_t sums[POOL_ROWS + 1][VR_PANEL]; /* of all rows before */
/* What a tensor's numbers are about as large as. */
typedef enum { NORM, BIAS, SCALE, EMBEDDING_SCALE, ROPE, CLASSIFIER, SIZES } Size;
static const float largest[SIZES] = {1.5f, 0.1f, 0.002f, 0.02f, 1.0f, 0.5f};
static float floats[SIZES][POOL_FLOATS];

void *block(size_t bytes) {
    void *memory = 0;
    check(!posix_memalign(&memory, 64, bytes), "there is no memory");
    return memory;
}

static uint32_t draw(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    return *state ^= *state << 5;
}

void fill_pool(void) {
    uint32_t state = 1;
    for (int row = 0; row < POOL_ROWS; row++)
        for (int output = 0; output < VR_PANEL; output++) {
            int32_t sum = 0;
            for (int input = 0; input < 4; input++)
                sum += weights[row][4 * output + input] = (int8_t)((int32_t)(draw(&state) % 255) - 127);
            sums[row + 1][output] = sums[row][output] + sum;
        }
    for (int size = 0; size < SIZES; size++)
        for (int place = 0; place < POOL_FLOATS; place++)
            floats[size][place] = (float)((int32_t)(draw(&state) % 2001) - 1000) / 1000.0f * largest[size];
}

/* Numbers that are rarely those of a model. */
static float odd_number(Input *input) {
    static const float odd[] = {NAN,     INFINITY, -INFINITY, 3e38f, -3e38f, 1e30f,  -1e30f, 1e-42f,
                                -1e-42f, 1e-38f,   0.0f,      -0.0f, 1e19f,  1e-19f, 1e4f,   -1.0f};
    return odd[take(input) % (sizeof odd / sizeof *odd)];
}

/* Return numbers around 0; with `spoil` some are odd. */
static float *numbers(Input *input, int64_t count, Size size, int spoil) {
    float *made = block((size_t)count * sizeof *made);
    memcpy(made, floats[size] + take(input) * 64u % (uint32_t)(POOL_FLOATS - count), (size_t)count * sizeof *made);
    for (int odd = spoil ? (int)take(input) % 4 : 0; odd > 0; odd--) {
        int64_t first = take_word(input) % count, many = take(input) % 8 ? 1 : count - first;
        float value = odd_number(input);
        /* A processor multiplies many of these a hundred times more slowly. */
        if (fabsf(value) < 1e-37f && value != 0) many = 1;
        while (many-- > 0) made[first++] = value;
    }
    return made;
}

static void int8_matrix(VrMatrix *matrix, Input *input, int32_t inputs, int spoil) {
    int32_t rows = matrix->inputs / 4, used = inputs / 4;
    int8_t *values = block((size_t)matrix->panels * (size_t)rows * ROW);
    int32_t *offsets = block((size_t)matrix->panels * VR_PANEL * sizeof *offsets);
    for (int32_t panel = 0; panel < matrix->panels; panel++) {
        int first = (int)(take(input) * 8u % (uint32_t)(POOL_ROWS - used));
        int8_t *to = values + (size_t)panel * (size_t)rows * ROW;
        memcpy(to, weights[first], (size_t)used * ROW);
        memset(to + used * ROW, 0, (size_t)(rows - used) * ROW);
        for (int output = 0; output < VR_PANEL; output++)
            offsets[panel * VR_PANEL + output] = -128 * (sums[first + used][output] - sums[first][output]);
    }
    if (spoil && take(input) % 4 == 0)
        values[take_word(input) % (uint32_t)(matrix->panels * rows * ROW)] = (int8_t)take(input);
    if (spoil && take(input) % 4 == 0)
        offsets[take_word(input) % (uint32_t)(matrix->panels * VR_PANEL)] = (int32_t)take_word(input);
    matrix->values = values, matrix->offsets = offsets;
    matrix->scales = numbers(input, matrix->panels * VR_PANEL, SCALE, spoil);
}

/* Fill a matrix: in int8, or in float where the input says so. */
static void fill_matrix(VrMatrix *matrix, Input *input, int32_t outputs, int32_t inputs, uint32_t flags, int spoil) {
    int exact = flags & 1;
    matrix->panels = (outputs + VR_PANEL - 1) / VR_PANEL;
    matrix->inputs = exact ? inputs : (inputs + 63) / 64 * 64;
    if (exact) matrix->values = numbers(input, (int64_t)matrix->panels * VR_PANEL * inputs, BIAS, spoil);
    else int8_matrix(matrix, input, inputs, spoil);
    if (flags & 2) matrix->bias = numbers(input, matrix->panels * VR_PANEL, BIAS, spoil);
}

static void fill_norm(VrNorm *norm, Input *input, int32_t width, uint32_t flags, int spoil) {
    norm->weight = numbers(input, width, NORM, spoil);
    if (flags & 4) norm->bias = numbers(input, width, BIAS, spoil);
}

static void fill_layer(VrLayer *layer, const VrModel *model, Input *input, int number, int spoil) {
    uint32_t flags = take(input), exact = take(input);
    int32_t hidden = model->hidden, intermediate = model->intermediate;
    int64_t rope = (int64_t)model->max_tokens * (hidden / model->heads / 2);
    exact &= take(input);
    if (number || flags & 8) fill_norm(&layer->attention_norm, input, hidden, flags, spoil);
    fill_norm(&layer->mlp_norm, input, hidden, flags, spoil);
    fill_matrix(&layer->query_key_value, input, 3 * hidden, hidden, (flags & 2) | (exact & 1), spoil);
    fill_matrix(&layer->attention_output, input, hidden, hidden, (flags & 2) | (exact >> 1 & 1), spoil);
    fill_matrix(&layer->mlp_input, input, 2 * intermediate, hidden, (flags & 2) | (exact >> 2 & 1), spoil);
    fill_matrix(&layer->mlp_output, input, hidden, intermediate, (flags & 2) | (exact >> 3 & 1), spoil);
    layer->rope_cosine = numbers(input, rope, ROPE, spoil);
    layer->rope_sine = numbers(input, rope, ROPE, spoil);
    layer->attention_scale = spoil && take(input) % 4 == 0 ? odd_number(input) : 0.2f;
    layer->window = ONE_OF(input, -1, 0, 1, 2, 5, 15, 16, 17, 31, 32, 64, 100, 1 << 20, INT32_MIN);
}

/* Change one size to one that is impossible. */
static void spoil_size(VrModel *model, Input *input) {
    int32_t odd = ONE_OF(input, 0, -1, INT32_MIN, INT32_MAX, (1 << 20) + 1, 1 << 30);
    switch (take(input) % 9) {
    case 0: model->vocabulary = odd; break;
    case 1: model->hidden = odd; break;
    case 2: model->hidden = ONE_OF(input, 24, 40, 80, 96); break;
    case 3: model->intermediate = odd; break;
    case 4: model->intermediate = ONE_OF(input, 1, 24, 40, 80); break;
    case 5: model->heads = odd; break;
    case 6: model->heads = ONE_OF(input, 5, 7, 64, 192); break;
    case 7: model->layer_count = take(input) % 2 ? 257 : odd; break;
    default: model->max_tokens = odd;
    }
}

static void point_matrix(VrMatrix *matrix, const void *somewhere, int64_t outputs, int64_t inputs) {
    *matrix = (VrMatrix){somewhere,
                         somewhere,
                         somewhere,
                         somewhere,
                         (int32_t)((inputs + 63) / 64 * 64),
                         (int32_t)((outputs + VR_PANEL - 1) / VR_PANEL)};
}

/* Have all pointers point somewhere: sizes alone can be a reason not to open the model. */
static void point(VrModel *model, VrLayer *layers, const void *somewhere) {
    int64_t hidden = model->hidden, intermediate = model->intermediate;
    const VrNorm norm = {somewhere, somewhere};
    model->embedding = somewhere, model->embedding_scales = somewhere, model->classifier = somewhere;
    model->embedding_norm = model->final_norm = model->head_norm = norm;
    point_matrix(&model->head_dense, somewhere, hidden, hidden);
    for (int number = 0; number < MOST_LAYERS; number++) {
        VrLayer *layer = layers + number;
        layer->attention_norm = layer->mlp_norm = norm;
        layer->rope_cosine = layer->rope_sine = somewhere;
        point_matrix(&layer->query_key_value, somewhere, 3 * hidden, hidden);
        point_matrix(&layer->attention_output, somewhere, hidden, hidden);
        point_matrix(&layer->mlp_input, somewhere, 2 * intermediate, hidden);
        point_matrix(&layer->mlp_output, somewhere, hidden, intermediate);
    }
}

int make_model(VrModel *model, Input *input) {
    *model = (VrModel){.norm_epsilon = 1e-5f};
    model->hidden = VR_PANEL * (1 + (int32_t)(take(input) % 9 / 4));
    int32_t size = ONE_OF(input, 64, 32, 16, 48);
    model->heads = model->hidden / (model->hidden % size ? 64 : size);
    model->intermediate = 32 * (1 + (int32_t)take(input) % 4);
    model->layer_count = 1 + (int32_t)take(input) % MOST_LAYERS;
    model->max_tokens = ONE_OF(input, 65, 33, 17, 1, 2, 3, 7, 63, 64, 130);
    model->vocabulary = ONE_OF(input, 65, 1, 2, 63, 64, 200);
    uint32_t flags = take(input);
    model->mean_pooling = flags & 8;
    int spoil = flags % 8 == 7;
    VrLayer *layers = block(MOST_LAYERS * sizeof *layers);
    memset(layers, 0, MOST_LAYERS * sizeof *layers);
    model->layers = layers;
    if (flags == 255) {
        spoil_size(model, input);
        point(model, layers, layers);
        return 0;
    }
    int32_t hidden = model->hidden;
    int8_t *embedding = block((size_t)model->vocabulary * (size_t)hidden);
    for (int32_t row = 0, at = (int32_t)take(input); row < model->vocabulary; row++)
        memcpy(embedding + row * hidden, weights[(at + row) % POOL_ROWS], (size_t)(hidden < ROW ? hidden : ROW));
    model->embedding = embedding;
    model->embedding_scales = numbers(input, model->vocabulary, EMBEDDING_SCALE, spoil);
    fill_norm(&model->embedding_norm, input, hidden, flags >> 2, spoil);
    fill_norm(&model->final_norm, input, hidden, flags >> 2, spoil);
    fill_norm(&model->head_norm, input, hidden, flags >> 2, spoil);
    fill_matrix(&model->head_dense, input, hidden, hidden, 1 | (flags >> 4 & 2), spoil);
    model->classifier = numbers(input, hidden, CLASSIFIER, spoil);
    if (spoil) {
        model->classifier_bias = take(input) % 4 ? 0.5f : odd_number(input);
        model->norm_epsilon = take(input) % 4 ? 1e-5f : odd_number(input);
    }
    for (int layer = 0; layer < model->layer_count; layer++) fill_layer(layers + layer, model, input, layer, spoil);
    return 1;
}

static void free_matrix(const VrMatrix *matrix) {
    free((void *)matrix->values);
    free((void *)matrix->scales);
    free((void *)matrix->offsets);
    free((void *)matrix->bias);
}

static void free_norm(const VrNorm *norm) {
    free((void *)norm->weight);
    free((void *)norm->bias);
}

void free_model(VrModel *model) {
    for (int number = 0; number < MOST_LAYERS; number++) {
        const VrLayer *layer = model->layers + number;
        free_norm(&layer->attention_norm);
        free_norm(&layer->mlp_norm);
        free_matrix(&layer->query_key_value);
        free_matrix(&layer->attention_output);
        free_matrix(&layer->mlp_input);
        free_matrix(&layer->mlp_output);
        free((void *)layer->rope_cosine);
        free((void *)layer->rope_sine);
    }
    free((void *)model->embedding);
    free((void *)model->embedding_scales);
    free_norm(&model->embedding_norm);
    free_norm(&model->final_norm);
    free_norm(&model->head_norm);
    free_matrix(&model->head_dense);
    free((void *)model->classifier);
    free((void *)model->layers);
}
