/* The self-test of a router: the golden sample of its file gives the same ids and logits again. */
#include <math.h>

#include "router.h"

/* All processors give the same logits, bit by bit. A build that rounds differently, as one for the web does, comes this
 * near. */
#define TOLERANCE 0.001f

static int32_t replay(VibeRouter *router, Call *call, int32_t place, VibeRouterError *error) {
    const Golden *golden = &router->golden;
    const int32_t *ids = golden->ids + golden->id_starts[place];
    int32_t wanted = golden->id_starts[place + 1] - golden->id_starts[place], count, truncated;
    int32_t begin = golden->text_starts[place], end = golden->text_starts[place + 1];
    int32_t status = vr_encode(router, call, 0, (const char *)golden->text + begin, (size_t)(end - begin), &count,
                               &truncated, error);
    if (status != VIBE_ROUTER_OK) return status;
    for (int32_t at = 0; at < count && count == wanted; at++)
        if (call->ids[at] != ids[at]) count = -1;
    if (count != wanted) return vr_fail(error, VIBE_ROUTER_CORRUPT, "a golden prompt has other ids");
    float logit;
    status = vr_score(router, call, &count, 1, 0, &logit, error);
    if (status != VIBE_ROUTER_OK) return status;
    if (!(fabsf(logit - golden->logits[place]) <= TOLERANCE))
        return vr_fail(error, VIBE_ROUTER_CORRUPT, "a golden prompt has another logit");
    return VIBE_ROUTER_OK;
}

int32_t vibe_router_self_test(VibeRouter *router, VibeRouterError *error) {
    if (!router) return vr_fail(error, VIBE_ROUTER_BAD_ARGUMENT, "router must not be null");
    Call *call = vr_begin_call(router);
    if (!call) return vr_fail(error, VIBE_ROUTER_NO_MEMORY, "there is not enough memory for a call");
    int32_t status = VIBE_ROUTER_OK;
    for (int32_t place = 0; place < router->golden.count && status == VIBE_ROUTER_OK; place++)
        status = replay(router, call, place, error);
    vr_end_call(router, call);
    if (status == VIBE_ROUTER_OK && error) *error = (VibeRouterError){0};
    return status;
}
