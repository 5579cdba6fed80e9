/* What calls have in common: taking memory, tokenizing, and asking the engine for logits. */
#include <math.h>
#include <stdlib.h>

#include "../text/tokenizer.h"
#include "router.h"

Call *vr_begin_call(VibeRouter *router) {
    for (int place = 0; place < KEPT_CALLS; place++) {
        Call *call = atomic_exchange(&router->calls[place], 0);
        if (call) return call;
    }
    Call *call = calloc(1, sizeof *call);
    if (!call) return 0;
    call->ids = malloc(((size_t)router->tables.numbers.max_tokens + BATCH_TOKENS) * sizeof *call->ids);
    if (call->ids) return call;
    free(call);
    return 0;
}

void vr_end_call(VibeRouter *router, Call *call) {
    for (int place = 0; place < KEPT_CALLS; place++) {
        Call *none = 0;
        if (atomic_compare_exchange_strong(&router->calls[place], &none, call)) return;
    }
    vr_free_call(call);
}

void vr_free_call(Call *call) {
    if (!call) return;
    vr_free_text_work(&call->text);
    free(call->ids);
    free(call);
}

int32_t vr_encode(VibeRouter *router, Call *call, size_t at, const char *prompt, size_t bytes, int32_t *count,
                  int32_t *truncated, VibeRouterError *error) {
    const uint8_t *text = (const uint8_t *)prompt;
    switch (vr_tokenize(&router->tables, &call->text, text, bytes, call->ids + at, count, truncated)) {
    case VR_TEXT_OK: return VIBE_ROUTER_OK;
    case VR_TEXT_NOT_UTF8: return vr_fail(error, VIBE_ROUTER_BAD_PROMPT, "the prompt is not UTF-8");
    case VR_TEXT_MARKS:
        return vr_fail(error, VIBE_ROUTER_BAD_PROMPT,
                       "the prompt has 1024 combining or unassigned characters in a row: remove the run");
    case VR_TEXT_UNSETTLED:
        return vr_fail(error, VIBE_ROUTER_BAD_PROMPT,
                       "the prompt has a run of characters without any break that is too long: shorten it");
    default: return vr_fail(error, VIBE_ROUTER_NO_MEMORY, "there is not enough memory to read the prompt");
    }
}

int32_t vr_score(VibeRouter *router, const Call *call, const int32_t *lengths, int32_t sequences, const int32_t *cancel,
                 float *logits, VibeRouterError *error) {
    static const _Atomic(int32_t) never = 0;
    if (router->process != vr_process())
        return vr_fail(error, VIBE_ROUTER_FAILED, "the router was opened in another process: open it again");
    const _Atomic(int32_t) *stop = cancel ? (const _Atomic(int32_t) *)cancel : &never;
    switch (vr_logits(router->engine, call->ids, lengths, sequences, stop, logits)) {
    case VR_OK: break;
    case VR_STOPPED: return vr_fail(error, VIBE_ROUTER_CANCELLED, "the call was cancelled");
    case VR_NO_MEMORY: return vr_fail(error, VIBE_ROUTER_FAILED, "the engine has not enough memory");
    default: return vr_fail(error, VIBE_ROUTER_FAILED, "the engine was given ids that the model does not have");
    }
    for (int32_t place = 0; place < sequences; place++)
        if (!isfinite(logits[place]))
            return vr_fail(error, VIBE_ROUTER_FAILED, "the engine gave something that is not a finite logit");
    return VIBE_ROUTER_OK;
}

void vibe_router_cancel(int32_t *flag) {
    if (flag) atomic_store((_Atomic(int32_t) *)flag, 1);
}
