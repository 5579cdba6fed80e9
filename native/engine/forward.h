/* The forward pass, which kernel/forward.c defines once for each instruction set. */
#ifndef VIBE_ROUTER_FORWARD_H
#define VIBE_ROUTER_FORWARD_H

#include "request.h"
#include "team.h"

/* How many steps the embedding has, each layer, and the head. The forward pass asserts that it takes as many. */
#define EMBEDDING_STEPS 1
#define LAYER_STEPS 9
#define HEAD_STEPS 3

static inline int forward_steps(int layers) { return EMBEDDING_STEPS + layers * LAYER_STEPS + HEAD_STEPS; }

/* The forward pass as one member of a team computes it. `scratch` is the member's own memory. */
typedef void Forward(const VrModel *model, const Request *request, const Activations *activations, float *scratch,
                     Member *member);

/* a##b after both are expanded. */
#define PASTE(a, b) PASTE_EXPANDED(a, b)
#define PASTE_EXPANDED(a, b) a##b

/* Return the forward pass for these instructions, or null if it was not compiled in. */
Forward *vr_find_forward(int32_t instructions);

#endif
