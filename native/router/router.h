/* A router: a file, the engine of its model, its tokenizer, and memory for calls. */
#ifndef VIBE_ROUTER_ROUTER_H
#define VIBE_ROUTER_ROUTER_H

#include "../include/vibe_router.h"
#include "file.h"
#include "map.h"

/* How many calls' memory is kept for later calls. If more run at once, the others allocate and free their own. */
#define KEPT_CALLS 16
/* A batch with more tokens than this takes no further prompt, because they would not fit into a CPU's caches. */
#define BATCH_TOKENS 256
#define BATCH_PROMPTS 64

/* The memory of one call. */
typedef struct {
    VrTextWork text;
    int64_t *ids; /* of a batch: those of one prompt after the other */
} Call;

struct VibeRouter {
    Mapping mapping; /* empty for a router in memory */
    RouterFile file;
    VrTextTables tables;
    Settings settings;
    Golden golden;
    VrLayer *layers;
    VrEngine *engine;
    int64_t process;
    _Atomic(Call *) calls[KEPT_CALLS];
};

/* Return memory for a call, or null if there is not enough; vr_end_call gives it back, or frees it. */
Call *vr_begin_call(VibeRouter *router);
void vr_end_call(VibeRouter *router, Call *call);
void vr_free_call(Call *call);

/* Write a status and a sentence to `error`, if it is not null, and return the status. */
int32_t vr_fail(VibeRouterError *error, VibeRouterStatus status, const char *message);

/* Return the id of this process, or 0 on a system where processes do not fork. */
int64_t vr_process(void);

/* Tokenize a prompt; its ids go to the call's memory, from place `at` on. */
int32_t vr_encode(VibeRouter *router, Call *call, size_t at, const char *prompt, size_t bytes, int32_t *count,
                  int32_t *truncated, VibeRouterError *error);

/* Score the sequences in the call's memory and write their logits; return a status. */
int32_t vr_score(VibeRouter *router, const Call *call, const int32_t *lengths, int32_t sequences, const int32_t *cancel,
                 float *logits, VibeRouterError *error);

#endif
