/* A router: a file, the engine of its model, its tokenizer, and memory for calls. */
#ifndef VIBE_ROUTER_ROUTER_H
#define VIBE_ROUTER_ROUTER_H

#include "../include/vibe_router.h"
#include "file.h"
#include "map.h"

/* Threads whose memory is kept for their next call; those of more make theirs anew. */
#define KEPT_CALLS 16
/* Most tokens of a batch, beside the last prompt's: more no longer fit into a CPU's caches. */
#define BATCH_TOKENS 256
#define BATCH_PROMPTS 64

/* The memory of one call. */
typedef struct {
    VrTextWork text;
    int64_t *ids; /* of a batch, one prompt's behind the other's */
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

/* Return memory for a call, or null without any; and give it back. */
Call *vr_begin_call(VibeRouter *router);
void vr_end_call(VibeRouter *router, Call *call);
void vr_free_call(Call *call);

/* Enter a status and a sentence, and return the status. */
int32_t vr_fail(VibeRouterError *error, VibeRouterStatus status, const char *message);

/* Return the id of this process, 0 where there are none. */
int64_t vr_process(void);

/* Tokenize a prompt into the call's memory, from id `at` on. */
int32_t vr_encode(VibeRouter *router, Call *call, size_t at, const char *prompt, size_t bytes, int32_t *count,
                  int32_t *truncated, VibeRouterError *error);

/* Write the logits of the sequences in the call's memory, or return the failure. */
int32_t vr_score(VibeRouter *router, const Call *call, const int32_t *lengths, int32_t sequences, const int32_t *cancel,
                 float *logits, VibeRouterError *error);

#endif
