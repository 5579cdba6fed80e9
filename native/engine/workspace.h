/* The memory of a call. */
#ifndef VIBE_ROUTER_WORKSPACE_H
#define VIBE_ROUTER_WORKSPACE_H

#include <stddef.h>

#include "forward.h"

/* Memory that is kept from one call to the next. It grows and never shrinks. */
typedef struct {
    char *memory;
    size_t bytes;
} Workspace;

/* A call, and the memory that its members work in. */
typedef struct {
    Request request;
    Activations activations;
    float *scratch; /* [threads][scratch_floats] */
    int64_t scratch_floats;
    uint32_t call; /* its number */
    int size;      /* members */
    VrStatus status;
} Job;

/* Return the most bytes that one token's input of any matrix takes. */
int64_t vr_widest_row(const VrModel *model);

/* Divide a workspace among the arrays of a job for `threads` threads; let it grow where it is too small. */
VrStatus vr_lay_out_job(Workspace *workspace, Job *job, const VrModel *model, int threads);

#endif
