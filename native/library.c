/* Engines: memory, threads, and the choice of instructions. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "forward.h"

/* A call's memory. It grows and never shrinks. */
typedef struct {
    char *memory;
    size_t bytes;
} Workspace;

typedef struct {
    Request request;
    Activations activations;
    float *scratch;
    int64_t scratch_floats;
    Team team;
} Job;

struct VrEngine {
    VrModel model;
    Forward *forward;
    int64_t row_bytes;
    int threads;
    pthread_t *workers;
    pthread_mutex_t in_use; /* whoever holds it has the workers and the workspace */
    Workspace workspace;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t called;
    uint64_t calls;
    int closing;
    Job *job;
    atomic_int done; /* workers that have left the current job */
};

typedef struct {
    VrEngine *engine;
    int number; /* 1 and up; the caller is 0 */
} Worker;

static Forward *forward_for(int32_t instructions) {
    switch (instructions) {
#if defined(__x86_64__)
    case VR_AVX2: return forward_avx2;
    case VR_AVX_VNNI: return forward_avx_vnni;
    case VR_AVX512_VNNI: return forward_avx512_vnni;
#if defined(__linux__)
    case VR_AMX: return forward_amx;
#endif
#elif defined(__aarch64__)
    case VR_NEON: return forward_neon;
#endif
    default: return 0;
    }
}

/* Have floats rounded to nearest and tiny ones kept, whatever the host has set in this thread; return its setting. */
static uint64_t set_rounding(uint64_t wanted) {
#if defined(__x86_64__)
    uint64_t found = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr((unsigned)wanted);
#else
    uint64_t found;
    __asm__ volatile("mrs %0, fpcr" : "=r"(found));
    __asm__ volatile("msr fpcr, %0" : : "r"(wanted));
#endif
    return found;
}

#if defined(__x86_64__)
#define DEFAULT_ROUNDING 0x1f80 /* every exception masked */
#else
#define DEFAULT_ROUNDING 0
#endif

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

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t row_bytes_of(const VrModel *model) {
    int64_t bytes = 0;
    for (int layer = 0; layer < model->layer_count; layer++) {
        const VrLayer *one = model->layers + layer;
        const VrMatrix *all[] = {&one->query_key_value, &one->attention_output, &one->mlp_input, &one->mlp_output};
        for (int matrix = 0; matrix < 4; matrix++)
            bytes = most(bytes, (int64_t)all[matrix]->inputs * (all[matrix]->scales ? 1 : (int)sizeof(float)));
    }
    return rounded_up(bytes, 64);
}

VrEngine *vr_open(const VrModel *model, int32_t instructions, int32_t threads) {
    Forward *forward = vr_supports(instructions) ? forward_for(instructions) : 0;
    if (!forward || threads < 1) return 0;
    VrEngine *engine = calloc(1, sizeof *engine);
    if (!engine) return 0;
    size_t layer_bytes = (size_t)model->layer_count * sizeof(VrLayer);
    VrLayer *layers = malloc(layer_bytes);
    engine->workers = calloc((size_t)threads, sizeof(pthread_t));
    engine->model = *model;
    engine->model.layers = layers;
    engine->forward = forward;
    engine->threads = 1;
    engine->row_bytes = row_bytes_of(model);
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

/* Return a part of `bytes` of the memory at `*next`, or null where only sizes are counted, and move behind it. */
static void *part(char *memory, size_t *next, size_t bytes) {
    void *here = memory ? memory + *next : 0;
    *next += (bytes + 63) / 64 * 64;
    return here;
}

/* Lay a job out in `memory`, and return how many bytes it takes; null to ask for that only. */
static size_t lay_out(const VrEngine *engine, Job *job, int threads, char *memory) {
    const VrModel *model = &engine->model;
    size_t tokens = (size_t)job->request.tokens, hidden = (size_t)model->hidden, next = 0;
    size_t widest = (size_t)most(3 * model->hidden, model->intermediate);
    Activations *to = &job->activations;
    to->row_bytes = engine->row_bytes;
    to->residual = part(memory, &next, tokens * hidden * sizeof(float));
    to->wide = part(memory, &next, tokens * widest * sizeof(float));
    to->attended = part(memory, &next, tokens * hidden * sizeof(float));
    /* Tile registers take rows behind the last one along. */
    to->quantised = part(memory, &next, (tokens + VR_BLOCK_ROWS) * (size_t)to->row_bytes);
    to->scales = part(memory, &next, tokens * sizeof(float));
    job->scratch_floats = most(attention_floats(job->request.longest), 3 * (int64_t)model->hidden);
    job->scratch = part(memory, &next, (size_t)threads * (size_t)job->scratch_floats * sizeof(float));
    /* Every member's counters are on cache lines of their own. */
    size_t row = (size_t)rounded_up(model->layer_count * LAYER_STEPS + OTHER_STEPS, 64 / sizeof(atomic_int));
    size_t counters = (size_t)(threads + 1) * row * sizeof(atomic_int);
    job->team.size = threads;
    job->team.row = (int)row;
    job->team.taken = part(memory, &next, counters);
    job->team.arrived = memory ? job->team.taken + (size_t)threads * row : 0;
    if (memory) memset(job->team.taken, 0, counters);
    return next;
}

static VrStatus grow(Workspace *workspace, size_t bytes) {
    if (bytes <= workspace->bytes) return VR_OK;
    free(workspace->memory);
    workspace->bytes = 0;
    workspace->memory = aligned_alloc(64, bytes);
    if (!workspace->memory) return VR_NO_MEMORY;
    workspace->bytes = bytes;
    return VR_OK;
}

/* Have the workers and this thread do a job. */
static VrStatus run_together(VrEngine *engine, Job *job) {
    atomic_store(&engine->done, 0);
    pthread_mutex_lock(&engine->mutex);
    engine->job = job;
    engine->calls++;
    pthread_cond_broadcast(&engine->called);
    pthread_mutex_unlock(&engine->mutex);
    VrStatus status = run(engine, job, 0);
    /* What they still look at is this job's. */
    wait_for(&engine->done, engine->threads - 1);
    return status;
}

static VrStatus run_in(VrEngine *engine, Job *job, int threads, Workspace *workspace) {
    VrStatus status = grow(workspace, lay_out(engine, job, threads, 0));
    if (status != VR_OK) return status;
    lay_out(engine, job, threads, workspace->memory);
    return threads > 1 ? run_together(engine, job) : run(engine, job, 0);
}

/* Tokens of a call, and heads of all its sequences: what is counted of them fits into an int. */
#define MOST_TOKENS (1 << 24)
#define MOST_HEADS (1 << 30)

/* Sum the lengths up, and check that they and the ids are what the model knows. */
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
