/* ModernBERT's forward pass (Warner et al. 2024, arXiv:2412.13663), in steps that a team computes together.
 *
 * Weights are int8. Activations are rounded to int8 with one scale for each token, so a token with massive values does
 * not change the other tokens, and a sequence does not change the others of its call.
 */
#include <assert.h>

#include "attention.h"
#include "steps.h"

static void embed(Pass *pass) {
    const VrModel *model = pass->model;
    int width = model->hidden;
    for (Rows rows; claim_rows(pass, &rows);)
        for (int token = rows.first; token < rows.last; token++) {
            int64_t id = pass->request->ids[token];
            float *row = pass->at->residual + (int64_t)token * width;
            embed_row(model->embedding + id * width, model->embedding_scales[id], row, width);
            if (model->embedding_norm.weight)
                normalise_row(model->embedding_norm, model->norm_epsilon, row, row, width);
        }
    finish_step(pass, row_items(pass));
}

/* Normalise the rows of `from` if there is a norm, and round them to int8. */
static void quantise(Pass *pass, const float *from, VrNorm norm, int width, const VrMatrix *matrix) {
    const Activations *at = pass->at;
    for (Rows rows; claim_rows(pass, &rows);)
        for (int token = rows.first; token < rows.last; token++) {
            const float *row = from + (int64_t)token * width;
            if (norm.weight) {
                normalise_row(norm, pass->model->norm_epsilon, row, pass->scratch, width);
                row = pass->scratch;
            }
            if (matrix->scales)
                at->scales[token] = quantise_row(row, at->quantised + token * at->row_bytes, width, matrix->inputs);
            else memcpy(at->quantised + token * at->row_bytes, row, (size_t)width * sizeof(float));
        }
    finish_step(pass, row_items(pass));
}

/* Multiply the rows that `quantise` has rounded for this matrix. */
static void product_of_tokens(Pass *pass, Weights weights, Result result, Weights next) {
    const Activations *at = pass->at;
    Operand x = {at->quantised, at->scales, (const float *)at->quantised, at->row_bytes};
    if (!weights.matrix->scales) x.stride = at->row_bytes / (int64_t)sizeof(float);
    product(pass, weights, x, pass->request->tokens, result, next);
}

static void attention(Pass *pass, const VrLayer *layer) {
    const VrModel *model = pass->model;
    const Request *request = pass->request;
    int hidden = model->hidden, size = hidden / model->heads;
    AttentionScratch scratch = attention_scratch(pass->scratch, request->longest);
    int items = request->sequences * model->heads;
    /* Items are ordered by head, then by sequence: a member's share is the heads whose queries, keys and values it has
     * computed itself. */
    for (int item; (item = next_item(pass, items)) != NOTHING;) {
        int sequence = item % request->sequences;
        int64_t start = request->starts[sequence];
        int place = item / request->sequences * size;
        Head head = {
            .qkv = pass->at->wide + start * 3 * hidden + place,
            .to = pass->at->attended + start * hidden + place,
            .row = 3 * hidden,
            .hidden = hidden,
            .tokens = request->starts[sequence + 1] - (int)start,
            .size = size,
        };
        attend(pass, &head, layer, scratch);
    }
    finish_step(pass, items);
}

/* Compute one layer, and prefetch `next`, the matrix that is used after it. */
static void encode(Pass *pass, const VrLayer *layer, Weights next) {
    const Activations *at = pass->at;
    const VrNorm none = {0};
    int hidden = pass->model->hidden, intermediate = pass->model->intermediate;
    Weights attention_output = {&layer->attention_output, 1};
    Weights mlp_input = {&layer->mlp_input, 1}, mlp_output = {&layer->mlp_output, 1};
    quantise(pass, at->residual, layer->attention_norm, hidden, &layer->query_key_value);
    product_of_tokens(pass, query_key_value(layer), (Result){at->wide, 3 * hidden, STORE}, attention_output);
    attention(pass, layer);
    quantise(pass, at->attended, none, hidden, &layer->attention_output);
    product_of_tokens(pass, attention_output, (Result){at->residual, hidden, ADD}, mlp_input);
    quantise(pass, at->residual, layer->mlp_norm, hidden, &layer->mlp_input);
    product_of_tokens(pass, mlp_input, (Result){at->wide, intermediate, GATE}, mlp_output);
    quantise(pass, at->wide, none, intermediate, &layer->mlp_output);
    product_of_tokens(pass, mlp_output, (Result){at->residual, hidden, ADD}, next);
}

/* Return a number that is not finite if any token of a sequence has come to such numbers: all of its residual is not,
 * see quantise_row. Otherwise 0.
 *
 * A tile of attention multiplies values beyond a token's window by 0, which leaves NaN of them, and how many there are
 * depends on the tile. So that all instructions give such a sequence no logit, it has none if its first token is sound.
 */
static float unsound(const Pass *pass, int sequence) {
    const int32_t *starts = pass->request->starts;
    float found = 0.0f;
    for (int token = starts[sequence]; token < starts[sequence + 1]; token++)
        found += 0.0f * pass->at->residual[(int64_t)token * pass->model->hidden];
    return found;
}

/* Write one sequence's vector to `pooled`: the first token's, or the mean of all. */
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
    F32 none = splat(unsound(pass, sequence));
    for (int place = 0; place < width; place += LANES)
        store(pooled + place, load(pooled + place) / (float)(last - starts[sequence]) + none);
}

/* Compute the head: one vector for each sequence, a dense layer with GELU, a norm, and the weighted sum, the logit. */
static void score(Pass *pass) {
    const VrModel *model = pass->model;
    int width = model->hidden, sequences = pass->request->sequences;
    float *pooled = pass->at->wide, *dense = pass->at->attended;
    for (int item; (item = next_item(pass, sequences)) != NOTHING;) pool(pass, item, pooled + (int64_t)item * width);
    finish_step(pass, sequences);
    product(pass, (Weights){&model->head_dense, 1}, (Operand){.exact = pooled, .stride = width}, sequences,
            (Result){dense, width, STORE_ACTIVATED}, (Weights){0});
    for (int item; (item = next_item(pass, sequences)) != NOTHING;) {
        float *row = dense + (int64_t)item * width;
        normalise_row(model->head_norm, model->norm_epsilon, row, row, width);
        F32 total = splat(0.0f);
        for (int place = 0; place < width; place += LANES)
            total = fma16(load(row + place), load(model->classifier + place), total);
        pass->request->logits[item] = sum(total) + model->classifier_bias;
    }
    finish_step(pass, sequences);
}

void FORWARD(const VrModel *model, const Request *request, const Activations *activations, float *scratch,
             Member *member) {
    Pass pass = {model, request, activations, scratch, member, {{0}, 0, 0, 0, 0}};
    BEGIN_PRODUCTS;
    pass.queue = share_of(query_key_value(model->layers), request->tokens, member);
    embed(&pass);
    for (int layer = 0; layer < model->layer_count && !member->left; layer++) {
        int last = layer == model->layer_count - 1;
        encode(&pass, model->layers + layer,
               last ? (Weights){&model->head_dense, 1} : query_key_value(model->layers + layer + 1));
        assert(member->step == EMBEDDING_STEPS + (layer + 1) * LAYER_STEPS);
    }
    if (!member->left) {
        score(&pass);
        assert(member->step == forward_steps(model->layer_count));
    }
    END_PRODUCTS;
}
