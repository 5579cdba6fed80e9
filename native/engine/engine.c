/* An engine: opening it, its calls, and closing it. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "balance.h"
#include "check.h"
#include "memory.h"
#include "processor.h"
#include "step_times.h"
#include "workers.h"

struct VrEngine {
    VrModel model;
    int threads;
    pthread_mutex_t in_use; /* held by the call that uses the members below */
    Workers workers;
    Workspace workspace;
    Balance balance;
};

int32_t vr_supports(int32_t instructions) { return vr_find_forward(instructions) && vr_processor_has(instructions); }

VrEngine *vr_open(const VrModel *model, int32_t instructions, int32_t threads) {
    Forward *forward = vr_supports(instructions) ? vr_find_forward(instructions) : 0;
    if (!forward || threads < 0 || !vr_model_is_whole(model)) return 0;
    VrEngine *engine = calloc(1, sizeof *engine);
    size_t layer_bytes = (size_t)model->layer_count * sizeof(VrLayer);
    VrLayer *layers = malloc(layer_bytes);
    if (!engine || !layers) {
        free(engine);
        free(layers);
        return 0;
    }
    memcpy(layers, model->layers, layer_bytes);
    engine->model = *model;
    engine->model.layers = layers;
    engine->threads = threads;
    pthread_mutex_init(&engine->in_use, 0);
    vr_open_balance(&engine->balance, threads);
    bool background = threads == 0;
    if (vr_open_workers(&engine->workers, &engine->model, forward, background ? 1 : threads - 1, background)) {
        vr_close(engine);
        return 0;
    }
    return engine;
}

void vr_close(VrEngine *engine) {
    vr_close_workers(&engine->workers);
    print_step_times(engine->model.layer_count);
    vr_close_balance(&engine->balance);
    pthread_mutex_destroy(&engine->in_use);
    free((void *)engine->model.layers);
    free_lines(engine->workspace.memory);
    free(engine);
}

/* Compute a job with as many threads as the machine has room for. */
static VrStatus run_balanced(VrEngine *engine, Job *job) {
    int size = 1;
    if (engine->threads > 1) {
        pthread_mutex_lock(&engine->workers.mutex);
        int awake = engine->workers.awake;
        pthread_mutex_unlock(&engine->workers.mutex);
        size = vr_choose_size(&engine->balance, engine->threads, awake);
    }
    VrStatus status = vr_lay_out_job(&engine->workspace, job, &engine->model, size);
    if (status != VR_OK) return status;
    if (engine->threads == 0) return vr_run_in_background(&engine->workers, job);
    return size == 1 ? vr_run_alone(&engine->workers, job) : vr_run_together(&engine->workers, job, size);
}

/* Compute a job on this thread, in memory of its own, while another call uses the engine's. */
static VrStatus run_beside_another(VrEngine *engine, Job *job) {
    Workspace own = {0};
    VrStatus status = vr_lay_out_job(&own, job, &engine->model, 1);
    if (status == VR_OK) status = vr_run_alone(&engine->workers, job);
    free_lines(own.memory);
    return status;
}

/* The most tokens of a call, and the most heads of all its sequences together: an int can count both. */
#define MOST_TOKENS (1 << 24)
#define MOST_HEADS (1 << 30)

/* Add the lengths up, and check them and the ids against the model. */
static VrStatus read_request(const VrModel *model, const int32_t *lengths, int32_t *starts, Request *request) {
    for (int sequence = 0; sequence < request->sequences; sequence++) {
        int32_t length = lengths[sequence];
        if (length < 1 || length > model->max_tokens || request->tokens > MOST_TOKENS) return VR_BAD_INPUT;
        starts[sequence] = request->tokens;
        request->tokens += length;
        if (length > request->longest) request->longest = length;
    }
    starts[request->sequences] = request->tokens;
    for (int token = 0; token < request->tokens; token++)
        if (request->ids[token] < 0 || request->ids[token] >= model->vocabulary) return VR_BAD_INPUT;
    return VR_OK;
}

int32_t vr_logits(VrEngine *engine, const int64_t *ids, const int32_t *lengths, int32_t sequences,
                  const _Atomic(int32_t) *stop, float *logits) {
    if (sequences < 1 || sequences > MOST_HEADS / engine->model.heads) return VR_BAD_INPUT;
    int32_t *starts = malloc(((size_t)sequences + 1) * sizeof *starts);
    if (!starts) return VR_NO_MEMORY;
    Job job = {.request = {.ids = ids, .starts = starts, .sequences = sequences, .stop = stop, .logits = logits}};
    VrStatus status = read_request(&engine->model, lengths, starts, &job.request);
    /* The other threads, which do not read `stop`, may compute all of a short call before the caller does anything. */
    if (status == VR_OK && atomic_load_explicit(stop, memory_order_relaxed)) status = VR_STOPPED;
    if (status == VR_OK) {
        /* In the background, a call waits for the one before it, because none may compute at the caller's priority. */
        bool waits = engine->threads == 0;
        if ((waits ? pthread_mutex_lock(&engine->in_use) : pthread_mutex_trylock(&engine->in_use)) == 0) {
            status = run_balanced(engine, &job);
            pthread_mutex_unlock(&engine->in_use);
        } else {
            status = run_beside_another(engine, &job);
        }
    }
    free(starts);
    return status;
}
