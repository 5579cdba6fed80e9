/* How the memory of a call is divided among its arrays. */
#include "workspace.h"

#include "memory.h"

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

int64_t vr_widest_row(const VrModel *model) {
    int64_t bytes = 0;
    for (int index = 0; index < model->layer_count; index++) {
        const VrLayer *layer = model->layers + index;
        const VrMatrix *all[] = {&layer->query_key_value, &layer->attention_output, &layer->mlp_input,
                                 &layer->mlp_output};
        for (int matrix = 0; matrix < 4; matrix++)
            bytes = larger(bytes, (int64_t)all[matrix]->inputs *
                                      (all[matrix]->scales ? ACTIVATION_BYTES : (int)sizeof(float)));
    }
    return rounded_up(bytes, CACHE_LINE);
}

/* Return the next `bytes` of `memory`, which begin at `*next`, and advance `*next`. Where `memory` is null, only
 * advance it. */
static void *reserve(char *memory, size_t *next, size_t bytes) {
    void *here = memory ? memory + *next : 0;
    *next += (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    return here;
}

/* Point the arrays of a job into `memory` and return how many bytes they take. Where `memory` is null, only count. */
static size_t lay_out(Job *job, const VrModel *model, int threads, char *memory) {
    size_t tokens = (size_t)job->request.tokens, hidden = (size_t)model->hidden, next = 0;
    size_t widest = (size_t)larger(3 * model->hidden, model->intermediate);
    Activations *to = &job->activations;
    to->row_bytes = vr_widest_row(model);
    to->residual = reserve(memory, &next, tokens * hidden * sizeof(float));
    to->wide = reserve(memory, &next, tokens * widest * sizeof(float));
    to->attended = reserve(memory, &next, tokens * hidden * sizeof(float));
    /* Tile registers also read the rows after the last token. */
    to->quantised = reserve(memory, &next, (tokens + BLOCK_ROWS_LIMIT) * (size_t)to->row_bytes);
    to->scales = reserve(memory, &next, tokens * sizeof(float));
    job->scratch_floats = larger(attention_floats(job->request.longest), 3 * (int64_t)model->hidden);
    job->scratch = reserve(memory, &next, (size_t)threads * (size_t)job->scratch_floats * sizeof(float));
    return next;
}

static VrStatus grow(Workspace *workspace, size_t bytes) {
    if (bytes <= workspace->bytes) return VR_OK;
    free_lines(workspace->memory);
    workspace->bytes = 0;
    workspace->memory = allocate_lines(bytes);
    if (!workspace->memory) return VR_NO_MEMORY;
    workspace->bytes = bytes;
    return VR_OK;
}

VrStatus vr_lay_out_job(Workspace *workspace, Job *job, const VrModel *model, int threads) {
    VrStatus status = grow(workspace, lay_out(job, model, threads, 0));
    if (status == VR_OK) lay_out(job, model, threads, workspace->memory);
    return status;
}
