/* A target of libFuzzer: an input is a model, each tensor in a block of its own, and calls of its engine.
 *
 * Whatever is read beyond a tensor is reported, which in a file would be the next tensor. Where vr_check_weights finds
 * nothing wrong, every instruction set, every team and every batch must give the same bits. */
#include "model.h"

#define MOST_SEQUENCES 6
#define MOST_TOKENS 160
#define USUAL_TOKENS 14

static Runnable runnable;

typedef struct {
    int64_t *ids;
    int32_t *lengths;
    float *logits;
    int32_t sequences, tokens;
} Batch;

/* Each in a block of its own. */
static void make_batch(const VrModel *model, Input *input, Batch *batch) {
    int32_t lengths[MOST_SEQUENCES];
    int32_t most = take(input) % 16 == 13 ? MOST_TOKENS : USUAL_TOKENS;
    *batch = (Batch){.sequences = 1 + (int32_t)take(input) % MOST_SEQUENCES};
    for (int place = 0; place < batch->sequences; place++) {
        int32_t wanted = ONE_OF(input, 1, 2, 3, 5, 6, 7, 11, 12, 13, 16, 17, 31, 32, 33, 64, 65);
        int32_t room = most - batch->tokens - (batch->sequences - place);
        lengths[place] = wanted > model->max_tokens ? model->max_tokens : wanted > room ? 1 : wanted;
        batch->tokens += lengths[place];
    }
    batch->ids = block((size_t)batch->tokens * sizeof *batch->ids);
    batch->lengths = block((size_t)batch->sequences * sizeof *batch->lengths);
    batch->logits = block((size_t)batch->sequences * sizeof *batch->logits);
    memcpy(batch->lengths, lengths, (size_t)batch->sequences * sizeof *lengths);
    for (int place = 0; place < batch->tokens; place++)
        batch->ids[place] = (int64_t)(take(input) * 2654435761u >> 8) % model->vocabulary;
}

static void free_batch(Batch *batch) {
    free(batch->ids);
    free(batch->lengths);
    free(batch->logits);
}

static int32_t compute(VrEngine *engine, const Batch *batch, int32_t stop) {
    _Atomic(int32_t) flag = stop;
    return vr_logits(engine, batch->ids, batch->lengths, batch->sequences, &flag, batch->logits);
}

/* Spoil one id or length: the call must be refused. */
static void call_badly(VrEngine *engine, const VrModel *model, Batch *batch, Input *input) {
    int64_t *id = batch->ids + take(input) % (uint32_t)batch->tokens, good_id = *id;
    int32_t *length = batch->lengths + take(input) % (uint32_t)batch->sequences, good_length = *length;
    switch (take(input) % 6) {
    case 0: *id = model->vocabulary; break;
    case 1: *id = -1 - (int64_t)take_word(input); break;
    case 2: *id = (int64_t)1 << (32 + take(input) % 31); break;
    case 3: *length = 0; break;
    case 4: *length = -(int32_t)take(input); break;
    default: *length = model->max_tokens + 1 + (int32_t)(take_word(input) % (INT32_MAX / 2));
    }
    check(compute(engine, batch, 0) == VR_BAD_INPUT, "ids or lengths that the model does not have were taken");
    *id = good_id, *length = good_length;
}

/* Compute the batch, or each of its sequences, in other instructions with other threads. */
static void compare(const VrModel *model, const Batch *batch, int32_t instructions, int32_t threads, int alone) {
    VrEngine *engine = vr_open(model, instructions, threads);
    check(engine != 0, "a model that was opened is refused");
    Batch one = *batch;
    one.logits = block((size_t)batch->sequences * sizeof *one.logits);
    if (!alone) check(compute(engine, &one, 0) == VR_OK, "the second call failed");
    for (int place = 0; alone && place < batch->sequences; place++) {
        one.sequences = 1;
        check(compute(engine, &one, 0) == VR_OK, "a call of one sequence failed");
        one.ids += *one.lengths++, one.logits++;
    }
    if (alone) one.logits -= batch->sequences;
    for (int place = 0; place < batch->sequences; place++)
        check(same_logit(one.logits[place], batch->logits[place]),
              alone ? "a sequence has another logit alone" : "a sequence has another logit in other instructions");
    free(one.logits);
    vr_close(engine);
}

static void run(const VrModel *model, Input *input) {
    int32_t instructions = runnable.sets[take(input) % (uint32_t)runnable.count];
    int32_t other = runnable.sets[take(input) % (uint32_t)runnable.count];
    int32_t threads = threads_of(take(input));
    uint32_t what = take(input);
    int sound = vr_check_weights(model) == VR_OK;
    VrEngine *engine = vr_open(model, instructions, threads);
    check(engine != 0, "a whole model is refused");
    Batch batch;
    make_batch(model, input, &batch);
    if (what % 16 == 1) call_badly(engine, model, &batch, input);
    if (what % 16 == 2) {
        int32_t status = compute(engine, &batch, 1);
        /* Of a call this short, a team can have done everything before the caller looks. */
        check(status == VR_STOPPED || (status == VR_OK && threads > 1), "a call that was stopped goes on");
    }
    check(compute(engine, &batch, 0) == VR_OK, "a call failed");
    vr_close(engine);
    if (sound && what % 8 == 3) compare(model, &batch, other, threads_of(take(input)), what & 32);
    free_batch(&batch);
}

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    (void)count, (void)arguments;
    fill_pool();
    runnable = find_runnable();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Input input = {data, size};
    begin_input();
    VrModel model;
    if (make_model(&model, &input)) {
        run(&model, &input);
        free_model(&model);
        return 0;
    }
    check(!vr_open(&model, runnable.sets[0], 1), "a model of impossible sizes was opened");
    check(vr_check_weights(&model) == VR_BAD_INPUT, "a model of impossible sizes was checked");
    free((void *)model.layers);
    return 0;
}
