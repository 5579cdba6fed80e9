/* ModernBERT's forward pass (Warner et al. 2024, arXiv:2412.13663), in steps that a team takes together.
 *
 * Matrices are in int8 and activations are rounded to int8 with one scale a token, so that neither a token with massive
 * values nor the other sequences of a call change what a token is worth. FORWARD is the name of the function.
 */
#include "forward.h"

#include "attention.h"
#include "products.h"

/* Tokens that one item of a product has at most: few enough that their int8 rows stay in a core's cache. Every chunk of
 * tokens reads the whole matrix again. */
#define MOST_ROWS 1024
/* Items that each thread finds in a product at least, so that none waits long for the last. */
#define FEWEST_ITEMS 4

typedef struct {
    const VrModel *model;
    const Request *request;
    const Activations *at;
    float *scratch; /* this thread's */
    Member member;
} Pass;

/* Take the rows of a step from one another, a few at a time. */
#define FOR_ROWS(pass, token)                                                                                          \
    for (int block_; (block_ = take(&(pass)->member) * VR_TILE_ROWS) < (pass)->request->tokens;)                       \
        for (int token = block_; token < (pass)->request->tokens && token < block_ + VR_TILE_ROWS; token++)

static void embed(Pass *pass) {
    const VrModel *model = pass->model;
    int width = model->hidden;
    FOR_ROWS(pass, token) {
        int64_t id = pass->request->ids[token];
        float *row = pass->at->residual + (int64_t)token * width;
        embed_row(model->embedding + id * width, model->embedding_scales[id], row, width);
        if (model->embedding_norm.weight) normalise_row(model->embedding_norm, model->norm_epsilon, row, row, width);
    }
    finish_step(&pass->member);
}

/* Round rows of `from` to int8, after a norm where there is one. */
static void quantise(Pass *pass, const float *from, VrNorm norm, int width, const VrMatrix *matrix) {
    const Activations *at = pass->at;
    FOR_ROWS(pass, token) {
        const float *row = from + (int64_t)token * width;
        if (norm.weight) {
            normalise_row(norm, pass->model->norm_epsilon, row, pass->scratch, width);
            row = pass->scratch;
        }
        if (matrix->scales)
            at->scales[token] = quantise_row(row, at->quantised + token * at->row_bytes, width, matrix->inputs);
        else
            memcpy(at->quantised + token * at->row_bytes, row, (size_t)width * sizeof(float));
    }
    finish_step(&pass->member);
}

static void product(Pass *pass, const VrMatrix *matrix, Result result) {
    const Activations *at = pass->at;
    int tokens = pass->request->tokens, size = pass->member.team->size;
    int wanted = (FEWEST_ITEMS * size + matrix->strips - 1) / matrix->strips;
    int needed = (tokens + MOST_ROWS - 1) / MOST_ROWS;
    int chunk_rows = (int)rounded_up((tokens - 1) / (wanted > needed ? wanted : needed) + 1, BLOCK_ROWS);
    int chunks = (tokens + chunk_rows - 1) / chunk_rows;
    Operand x = {at->quantised, at->scales, (const float *)at->quantised, at->row_bytes};
    if (!matrix->scales) x.stride = at->row_bytes / (int64_t)sizeof(float);
    /* One item ahead, for its weights to come from memory meanwhile; behind the last one, those of the next matrix. */
    for (int items = chunks * matrix->strips, item = take(&pass->member), next; item < items; item = next) {
        next = take(&pass->member);
        int first = item / matrix->strips * chunk_rows, last = first + chunk_rows;
        int following = next < items ? next % matrix->strips : matrix->strips + next - items;
        multiply(matrix, item % matrix->strips, following, x, first, last < tokens ? last : tokens, result);
    }
    finish_step(&pass->member);
}

static void attention(Pass *pass, const VrLayer *layer) {
    const VrModel *model = pass->model;
    const Request *request = pass->request;
    int hidden = model->hidden, size = hidden / model->heads;
    AttentionScratch scratch = attention_scratch(pass->scratch, request->longest);
    /* Here and nowhere else: whoever reads `stopped`, behind a layer, does so before anybody can be here again. */
    if (atomic_load_explicit(request->stop, memory_order_relaxed)) atomic_store(&pass->member.team->stopped, true);
    for (int item; (item = take(&pass->member)) < request->sequences * model->heads;) {
        int64_t start = request->starts[item / model->heads];
        int place = item % model->heads * size;
        Head head = {
            .qkv = pass->at->wide + start * 3 * hidden + place,
            .to = pass->at->attended + start * hidden + place,
            .row = 3 * hidden,
            .hidden = hidden,
            .tokens = request->starts[item / model->heads + 1] - (int)start,
            .size = size,
        };
        attend(&head, layer, scratch);
    }
    finish_step(&pass->member);
}

static void encode(Pass *pass, const VrLayer *layer) {
    const Activations *at = pass->at;
    const VrNorm none = {0};
    int hidden = pass->model->hidden, intermediate = pass->model->intermediate;
    quantise(pass, at->residual, layer->attention_norm, hidden, &layer->query_key_value);
    product(pass, &layer->query_key_value, (Result){at->wide, 3 * hidden, STORE});
    attention(pass, layer);
    quantise(pass, at->attended, none, hidden, &layer->attention_output);
    product(pass, &layer->attention_output, (Result){at->residual, hidden, ADD});
    quantise(pass, at->residual, layer->mlp_norm, hidden, &layer->mlp_input);
    product(pass, &layer->mlp_input, (Result){at->wide, intermediate, GATE});
    quantise(pass, at->wide, none, intermediate, &layer->mlp_output);
    product(pass, &layer->mlp_output, (Result){at->residual, hidden, ADD});
}

/* One vector a sequence in `pooled`: the first token's, or the mean of all. */
static void pool(Pass *pass, int sequence, float *pooled) {
    const VrModel *model = pass->model;
    const int32_t *starts = pass->request->starts;
    int width = model->hidden, last = model->mean_pooling ? starts[sequence + 1] : starts[sequence] + 1;
    float *row = pass->scratch;
    memset(pooled, 0, (size_t)width * sizeof(float));
    for (int token = starts[sequence]; token < last; token++) {
        normalise_row(model->final_norm, model->norm_epsilon, pass->at->residual + (int64_t)token * width, row, width);
        for (int place = 0; place < width; place += LANES)
            store(pooled + place, load(pooled + place) + load(row + place));
    }
    for (int place = 0; place < width; place += LANES)
        store(pooled + place, load(pooled + place) / (float)(last - starts[sequence]));
}

static void score(Pass *pass) {
    const VrModel *model = pass->model;
    int width = model->hidden;
    float *pooled = pass->scratch + width, *dense = pooled + width;
    for (int sequence; (sequence = take(&pass->member)) < pass->request->sequences;) {
        pool(pass, sequence, pooled);
        Operand x = {.exact = pooled, .stride = width};
        Result result = {dense, width, STORE_ACTIVATED};
        for (int strip = 0; strip < model->head_dense.strips; strip++)
            multiply(&model->head_dense, strip, strip + 1, x, 0, 1, result);
        normalise_row(model->head_norm, model->norm_epsilon, dense, dense, width);
        F32 total = (F32)(0.0f);
        for (int place = 0; place < width; place += LANES)
            total = fma16(load(dense + place), load(model->classifier + place), total);
        pass->request->logits[sequence] = sum(total) + model->classifier_bias;
    }
    finish_step(&pass->member);
}

VrStatus FORWARD(const VrModel *model, const Request *request, const Activations *activations, float *scratch,
                 Team *team) {
    Pass pass = {model, request, activations, scratch, {team, 0}};
    BEGIN_PRODUCTS;
    embed(&pass);
    for (int layer = 0; layer < model->layer_count && !atomic_load(&team->stopped); layer++)
        encode(&pass, model->layers + layer);
    int stopped = atomic_load(&team->stopped);
    if (!stopped) score(&pass);
    END_PRODUCTS;
    return stopped ? VR_STOPPED : VR_OK;
}
