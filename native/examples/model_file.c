/* Reading a model file: the JSON of its header, and the tensors after it. */
#define _GNU_SOURCE
#include "model_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_LENGTH_BYTES 8
#define NAME_LIMIT 128

/* The header of a safetensors file: 8 bytes of length, then JSON that lists the tensors. The tensors follow it. */
typedef struct {
    const char *json;
    const char *tensors;
} Header;

/* Return what follows the first `name` after `from`, and its colon. The architecture is JSON within a string, where
 * quotes are escaped: give such names without quotes. */
static const char *value_of(const char *from, const char *name) {
    const char *found = strstr(from, name);
    return found ? strchr(found, ':') + 1 : 0;
}

static double number_of(Header header, const char *name) { return strtod(value_of(header.json, name), 0); }

static int is_true(Header header, const char *name) { return strncmp(value_of(header.json, name), " true", 5) == 0; }

/* Return the entry of a tensor, or null if the file has none of this name. */
static const char *entry_of(Header header, const char *prefix, const char *suffix) {
    char name[NAME_LIMIT];
    snprintf(name, sizeof name, "\"%s%s\"", prefix, suffix);
    return value_of(header.json, name);
}

/* Return the address of a tensor, or null. */
static const void *tensor(Header header, const char *prefix, const char *suffix) {
    const char *entry = entry_of(header, prefix, suffix);
    return entry ? header.tensors + strtoll(strchr(value_of(entry, "\"data_offsets\""), '[') + 1, 0, 10) : 0;
}

static VrNorm norm(Header header, const char *name) {
    return (VrNorm){tensor(header, name, ".weight"), tensor(header, name, ".bias")};
}

/* A matrix has the shape [panels][inputs / 4][64][4] in int8, and [panels][inputs][64] in float. */
static VrMatrix matrix(Header header, const char *name) {
    const float *scales = tensor(header, name, ".weight.scales");
    char *next;
    long panels = strtol(strchr(value_of(entry_of(header, name, ".weight"), "\"shape\""), '[') + 1, &next, 10);
    long inputs = strtol(next + 1, 0, 10) * (scales ? 4 : 1);
    return (VrMatrix){
        .values = tensor(header, name, ".weight"),
        .scales = scales,
        .offsets = tensor(header, name, ".weight.offsets"),
        .bias = tensor(header, name, ".bias"),
        .inputs = (int32_t)inputs,
        .panels = (int32_t)panels,
    };
}

/* Describe layer `index`, whose settings begin at `*settings`, and move on to the next layer's. */
static VrLayer layer(Header header, int index, const char **settings) {
    char name[NAME_LIMIT], theta[NAME_LIMIT];
    const char *window = value_of(*settings, "window");
    const char *rope = value_of(window, "rope_theta"), *scale = value_of(rope, "attention_scale");
    *settings = scale;
    snprintf(theta, sizeof theta, "%.*s", (int)strcspn(rope + 1, ","), rope + 1);
#define NAMED(part) (snprintf(name, sizeof name, "model.layers.%d.%s", index, part), name)
    VrLayer one = {.attention_scale = strtof(scale, 0),
                   .window = strncmp(window, " null", 5) == 0 ? -1 : (int32_t)strtol(window, 0, 10)};
    one.attention_norm = norm(header, NAMED("attn_norm"));
    one.query_key_value = matrix(header, NAMED("attn.Wqkv"));
    one.attention_output = matrix(header, NAMED("attn.Wo"));
    one.mlp_norm = norm(header, NAMED("mlp_norm"));
    one.mlp_input = matrix(header, NAMED("mlp.Wi"));
    one.mlp_output = matrix(header, NAMED("mlp.Wo"));
#undef NAMED
    one.rope_cosine = tensor(header, "rope.cosine.", theta);
    one.rope_sine = tensor(header, "rope.sine.", theta);
    return one;
}

static int count(const char *text, const char *word) {
    int found = 0;
    for (; (text = strstr(text, word)); text += strlen(word)) found++;
    return found;
}

static int describe(ModelFile *file, Header header) {
    int layers = count(header.json, "rope_theta");
    const char *settings = strstr(header.json, "layers"), *embedding = "model.embeddings.tok_embeddings.weight";
    file->layers = calloc((size_t)layers, sizeof *file->layers);
    if (!file->layers) return -1;
    for (int index = 0; index < layers; index++) file->layers[index] = layer(header, index, &settings);
    file->model = (VrModel){
        .embedding = tensor(header, embedding, ""),
        .embedding_scales = tensor(header, embedding, ".scales"),
        .embedding_norm = norm(header, "model.embeddings.norm"),
        .layers = file->layers,
        .final_norm = norm(header, "model.final_norm"),
        .head_dense = matrix(header, "head.dense"),
        .head_norm = norm(header, "head.norm"),
        .classifier = tensor(header, "classifier", ".weight"),
        .classifier_bias = *(const float *)tensor(header, "classifier", ".bias"),
        .norm_epsilon = (float)number_of(header, "norm_epsilon"),
        .vocabulary = (int32_t)number_of(header, "vocabulary_size"),
        .hidden = (int32_t)number_of(header, "hidden_size"),
        .intermediate = (int32_t)number_of(header, "intermediate_size"),
        .heads = (int32_t)number_of(header, "heads"),
        .layer_count = layers,
        .max_tokens = (int32_t)number_of(header, "max_tokens"),
        .mean_pooling = is_true(header, "mean_pooling"),
    };
    return 0;
}

int open_model_file(ModelFile *file, const char *path) {
    struct stat status;
    int64_t length = 0;
    int opened = open(path, O_RDONLY);
    *file = (ModelFile){0};
    if (opened < 0) return -1;
    if (fstat(opened, &status) == 0 && status.st_size > HEADER_LENGTH_BYTES) {
        file->bytes = (size_t)status.st_size;
        /* Private and writable, so that the JSON can be ended with a 0. */
        file->memory = mmap(0, file->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, opened, 0);
    }
    close(opened);
    if (!file->memory || file->memory == MAP_FAILED) return -1;
    memcpy(&length, file->memory, sizeof length);
    char *json = file->memory + HEADER_LENGTH_BYTES, *tensors = json + length;
    /* The last byte of the header is a blank or a brace, neither of which is read here. */
    tensors[-1] = 0;
    return describe(file, (Header){json, tensors});
}

void close_model_file(ModelFile *file) {
    free(file->layers);
    if (file->memory) munmap(file->memory, file->bytes);
}
