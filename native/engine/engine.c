/* Engines: their threads, and the calls that these compute. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "processor.h"
#include "rounding.h"
#include "workspace.h"

struct VrEngine {
    VrModel model;
    Forward *forward;
    int threads;
    pthread_t *workers;
    pthread_mutex_t in_use; /* held by the call that uses the workers and the workspace */
    Workspace workspace;
    pthread_mutex_t mutex; /* guards the members below */
    pthread_cond_t called;
    uint64_t calls;
    int closing;
    Job *job;
    atomic_int done; /* workers that have finished the current job */
};

typedef struct {
    VrEngine *engine;
    int number; /* 1 and up; the caller is 0 */
} Worker;

static VrStatus run(const VrEngine *engine, Job *job, int number) {
    uint64_t hosts = set_rounding(DEFAULT_ROUNDING);
    VrStatus status = engine->forward(&engine->model, &job->request, &job->activations,
                                      job->scratch + number * job->scratch_floats, &job->team, number);
    set_rounding(hosts);
    return status;
}

static void *work(void *argument) {
    Worker worker = *(Worker *)argument;
    VrEngine *engine = worker.engine;
    free(argument);
    for (uint64_t seen = 0;;) {
        pthread_mutex_lock(&engine->mutex);
        while (engine->calls == seen && !engine->closing) pthread_cond_wait(&engine->called, &engine->mutex);
        seen = engine->calls;
        Job *job = engine->job;
        int closing = engine->closing;
        pthread_mutex_unlock(&engine->mutex);
        if (closing) return 0;
        run(engine, job, worker.number);
        atomic_fetch_add_explicit(&engine->done, 1, memory_order_release);
    }
}

int32_t vr_supports(int32_t instructions) { return find_forward(instructions) && processor_has(instructions); }

VrEngine *vr_open(const VrModel *model, int32_t instructions, int32_t threads) {
    Forward *forward = vr_supports(instructions) ? find_forward(instructions) : 0;
    if (!forward || threads < 1 || !model_is_whole(model)) return 0;
    VrEngine *engine = calloc(1, sizeof *engine);
    if (!engine) return 0;
    size_t layer_bytes = (size_t)model->layer_count * sizeof(VrLayer);
    VrLayer *layers = malloc(layer_bytes);
    engine->workers = calloc((size_t)threads, sizeof(pthread_t));
    engine->model = *model;
    engine->model.layers = layers;
    engine->forward = forward;
    engine->threads = 1;
    pthread_mutex_init(&engine->in_use, 0);
    pthread_mutex_init(&engine->mutex, 0);
    pthread_cond_init(&engine->called, 0);
    if (!layers || !engine->workers) {
        vr_close(engine);
        return 0;
    }
    memcpy(layers, model->layers, layer_bytes);
    for (int number = 1; number < threads; number++) {
        Worker *worker = malloc(sizeof *worker);
        if (worker) *worker = (Worker){engine, number};
        if (!worker || pthread_create(engine->workers + number, 0, work, worker)) {
            free(worker);
            vr_close(engine);
            return 0;
        }
        engine->threads = number + 1;
    }
    return engine;
}

void vr_close(VrEngine *engine) {
    pthread_mutex_lock(&engine->mutex);
    engine->closing = 1;
    pthread_cond_broadcast(&engine->called);
    pthread_mutex_unlock(&engine->mutex);
    for (int number = 1; number < engine->threads; number++) pthread_join(engine->workers[number], 0);
    pthread_mutex_destroy(&engine->in_use);
    pthread_mutex_destroy(&engine->mutex);
    pthread_cond_destroy(&engine->called);
    free(engine->workers);
    free((void *)engine->model.layers);
    free(engine->workspace.memory);
    free(engine);
}

/* Compute a job on the workers and this thread. */
static VrStatus run_together(VrEngine *engine, Job *job) {
    atomic_store(&engine->done, 0);
    pthread_mutex_lock(&engine->mutex);
    engine->job = job;
    engine->calls++;
    pthread_cond_broadcast(&engine->called);
    pthread_mutex_unlock(&engine->mutex);
    VrStatus status = run(engine, job, 0);
    /* The workers still read the job. */
    wait_for(&engine->done, engine->threads - 1);
    return status;
}

static VrStatus run_in(VrEngine *engine, Job *job, int threads, Workspace *workspace) {
    VrStatus status = lay_out_job(workspace, job, &engine->model, threads);
    if (status != VR_OK) return status;
    return threads > 1 ? run_together(engine, job) : run(engine, job, 0);
}

/* The most tokens of a call, and heads of all its sequences, so that an int can count them. */
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
    if (status == VR_OK && pthread_mutex_trylock(&engine->in_use) == 0) {
        status = run_in(engine, &job, engine->threads, &engine->workspace);
        pthread_mutex_unlock(&engine->in_use);
    } else if (status == VR_OK) {
        Workspace own = {0};
        status = run_in(engine, &job, 1, &own);
        free(own.memory);
    }
    free(starts);
    return status;
}
