/* Reading the engine's model from its section: sizes, and pointers to tensors, each within the file. */
#include <string.h>

#include "file.h"

#define FIXED_WORDS 24
#define LAYER_WORDS 32
#define MOST (1 << 20)

/* Words of 64 bits, read one after the other. `problem` is what is wrong with one of them, or null. */
typedef struct {
    const RouterFile *file;
    const int64_t *next;
    const char *problem;
} Words;

static int64_t word(Words *words) { return *words->next++; }

static int32_t size_of(Words *words, int64_t lowest) {
    int64_t value = word(words);
    if (value < lowest || value > MOST) words->problem = "a size of its model is out of range";
    return (int32_t)value;
}

static float real(Words *words) {
    uint32_t bits = (uint32_t)word(words);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Return the tensor of so many bytes whose offset is the next word; null if there is none, which is a problem if it is
 * needed. */
static const void *tensor(Words *words, int64_t bytes, int needed) {
    int64_t offset = word(words), room = (int64_t)(words->file->size - words->file->start);
    if (offset == -1 && !needed) return 0;
    if (offset < 0 || offset % 64 || bytes < 0 || offset > room || bytes > room - offset) {
        words->problem = "a tensor of its model leads out of it";
        return 0;
    }
    return words->file->bytes + words->file->start + offset;
}

static int64_t padded(int64_t number, int64_t multiple) { return (number + multiple - 1) / multiple * multiple; }

static VrNorm norm(Words *words, int32_t hidden, int needed) {
    VrNorm one;
    one.weight = tensor(words, (int64_t)hidden * 4, needed);
    one.bias = tensor(words, (int64_t)hidden * 4, 0);
    return one;
}

static VrMatrix matrix(Words *words, int64_t outputs, int64_t inputs) {
    VrMatrix one;
    const int64_t *at = words->next;
    int is_float = at[1] == -1;
    int64_t panels = padded(outputs, VR_PANEL) / VR_PANEL, width = is_float ? inputs : padded(inputs, 64);
    one.values = tensor(words, panels * VR_PANEL * width * (is_float ? 4 : 1), 1);
    one.scales = tensor(words, panels * VR_PANEL * 4, 0);
    one.offsets = tensor(words, panels * VR_PANEL * 4, !is_float);
    one.bias = tensor(words, panels * VR_PANEL * 4, 0);
    one.inputs = (int32_t)width;
    one.panels = (int32_t)panels;
    if (word(words) != width || word(words) != panels) words->problem = "a matrix of its model has another shape";
    return one;
}

static void read_layer(Words *words, const VrModel *model, VrLayer *layer, int index) {
    int64_t hidden = model->hidden, intermediate = model->intermediate;
    int64_t rope = padded(model->max_tokens, VR_PANEL) * (hidden / model->heads / 2) * 4;
    layer->attention_norm = norm(words, model->hidden, index > 0);
    layer->mlp_norm = norm(words, model->hidden, 1);
    layer->query_key_value = matrix(words, 3 * hidden, hidden);
    layer->attention_output = matrix(words, hidden, hidden);
    layer->mlp_input = matrix(words, 2 * intermediate, hidden);
    layer->mlp_output = matrix(words, hidden, intermediate);
    layer->rope_cosine = tensor(words, rope, 1);
    layer->rope_sine = tensor(words, rope, 1);
    layer->attention_scale = real(words);
    layer->window = size_of(words, -1);
}

/* Return whether the engine can run a model of these sizes. */
static int is_possible(const VrModel *model) {
    int32_t heads = model->heads;
    if (model->hidden % 64 || model->intermediate % 32 || model->hidden % heads) return 0;
    return model->hidden / heads <= 64 && model->hidden / heads % 16 == 0;
}

int32_t vr_layer_count(const RouterFile *file) {
    const int64_t *words = file->sections[SECTION_MODEL].data;
    int64_t room = file->sections[SECTION_MODEL].count;
    if (room < FIXED_WORDS || words[4] < 1 || words[4] != (room - FIXED_WORDS) / LAYER_WORDS) return 0;
    return (room - FIXED_WORDS) % LAYER_WORDS ? 0 : (int32_t)words[4];
}

const char *vr_read_model(const RouterFile *file, VrLayer *layers, VrModel *model) {
    Words words = {.file = file, .next = file->sections[SECTION_MODEL].data};
    memset(model, 0, sizeof *model);
    model->layers = layers;
    model->vocabulary = size_of(&words, 1);
    model->hidden = size_of(&words, 1);
    model->intermediate = size_of(&words, 1);
    model->heads = size_of(&words, 1);
    model->layer_count = size_of(&words, 1);
    model->max_tokens = size_of(&words, 1);
    model->mean_pooling = word(&words) != 0;
    model->norm_epsilon = real(&words);
    model->classifier_bias = real(&words);
    if (words.problem) return words.problem;
    if (!is_possible(model)) return "the engine cannot run a model of its sizes";
    int64_t rows = padded(model->vocabulary, VR_PANEL);
    model->embedding = tensor(&words, rows * model->hidden, 1);
    model->embedding_scales = tensor(&words, rows * 4, 1);
    model->embedding_norm = norm(&words, model->hidden, 1);
    model->final_norm = norm(&words, model->hidden, 1);
    model->head_norm = norm(&words, model->hidden, 1);
    model->classifier = tensor(&words, (int64_t)model->hidden * 4, 1);
    model->head_dense = matrix(&words, model->hidden, model->hidden);
    for (int layer = 0; layer < model->layer_count; layer++) read_layer(&words, model, layers + layer, layer);
    return words.problem;
}
