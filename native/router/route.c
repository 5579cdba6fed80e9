/* From prompts to decisions, by the rules of the runtime's policy.py and of the table in docs/failures.md. */
#include <math.h>
#include <string.h>

#include "router.h"

/* The caller's terms, checked, with the threshold of the profile. */
typedef struct {
    double threshold;
    int allow_cloud;
    int32_t fallback;
    const int32_t *cancel;
} Terms;

/* What is known of a prompt: its tokens, or 0 if it could not be read. */
typedef struct {
    int32_t tokens;
    int32_t truncated;
} Read;

static double sigmoid(double logit) {
    if (logit >= 0) return 1.0 / (1.0 + exp(-logit));
    double exponential = exp(logit);
    return exponential / (1.0 + exponential);
}

static int32_t read_terms(const VibeRouter *router, const VibeRouterTerms *given, Terms *terms,
                          VibeRouterError *error) {
    static const VibeRouterTerms usual = VIBE_ROUTER_TERMS_INIT;
    const Settings *settings = &router->settings;
    const VibeRouterTerms *from = given ? given : &usual;
    if (from->size < sizeof *from)
        return vr_fail(error, VIBE_ROUTER_BAD_ARGUMENT, "the terms have no size: begin with VIBE_ROUTER_TERMS_INIT");
    if (from->fallback < VIBE_ROUTER_NONE || from->fallback > VIBE_ROUTER_CLOUD)
        return vr_fail(error, VIBE_ROUTER_BAD_ARGUMENT, "the fallback is not a target");
    *terms = (Terms){from->threshold, from->allow_cloud != 0, from->fallback, from->cancel};
    if (from->has_threshold) {
        if (from->profile) return vr_fail(error, VIBE_ROUTER_BAD_ARGUMENT, "give a profile or a threshold, not both");
        if (!(from->threshold >= 0.0 && from->threshold <= 1.0))
            return vr_fail(error, VIBE_ROUTER_BAD_ARGUMENT, "the threshold is outside 0..1");
        return VIBE_ROUTER_OK;
    }
    int32_t profile = settings->default_profile;
    if (from->profile) {
        for (profile = 0; profile < settings->profiles; profile++)
            if (!strcmp(vr_profile_name(settings, profile), from->profile)) break;
        if (profile == settings->profiles)
            return vr_fail(error, VIBE_ROUTER_BAD_ARGUMENT, "the bundle has no such profile");
    }
    terms->threshold = vr_profile_threshold(settings, profile);
    return VIBE_ROUTER_OK;
}

static VibeRouterDecision decide(const Terms *terms, float logit, Read read) {
    double p_cloud = sigmoid(logit);
    return (VibeRouterDecision){
        .target = terms->allow_cloud && p_cloud > terms->threshold ? VIBE_ROUTER_CLOUD : VIBE_ROUTER_DEVICE,
        .reason = terms->allow_cloud ? VIBE_ROUTER_SCORE : VIBE_ROUTER_PINNED,
        .has_score = 1,
        .tokens = read.tokens,
        .truncated = read.truncated,
        .p_cloud = p_cloud,
        .threshold = terms->threshold,
        .margin = p_cloud - terms->threshold,
        .engine = "native-cpu",
    };
}

/* Return whether a failure still gives a decision: the device if the cloud is not allowed, else the fallback. */
static int decides_without_score(const Terms *terms) {
    return !terms->allow_cloud || terms->fallback != VIBE_ROUTER_NONE;
}

static VibeRouterDecision decide_without_score(const Terms *terms, Read read) {
    return (VibeRouterDecision){
        .target = terms->allow_cloud ? terms->fallback : VIBE_ROUTER_DEVICE,
        .reason = terms->allow_cloud ? VIBE_ROUTER_FALLBACK : VIBE_ROUTER_PINNED,
        .tokens = read.tokens,
        .truncated = read.truncated,
        .threshold = terms->threshold,
        .engine = "native-cpu",
    };
}

/* Decide the prompts whose ids are in the call's memory. If the engine fails with a batch, try its prompts one by one.
 */
static int32_t decide_batch(VibeRouter *router, Call *call, const Terms *terms, const Read *read, int32_t count,
                            VibeRouterDecision *decisions, VibeRouterError *error) {
    float logits[BATCH_PROMPTS];
    int32_t lengths[BATCH_PROMPTS];
    for (int32_t place = 0; place < count; place++) lengths[place] = read[place].tokens;
    int32_t status = vr_score(router, call, lengths, count, terms->cancel, logits, error);
    if (status != VIBE_ROUTER_OK && !decides_without_score(terms)) return status;
    int alone = status == VIBE_ROUTER_FAILED && count > 1;
    Call one = *call;
    for (int32_t place = 0; place < count; one.ids += lengths[place], place++) {
        int32_t its = alone ? vr_score(router, &one, lengths + place, 1, terms->cancel, logits + place, error) : status;
        decisions[place] = its == VIBE_ROUTER_OK ? decide(terms, logits[place], read[place])
                                                 : decide_without_score(terms, read[place]);
    }
    return VIBE_ROUTER_OK;
}

/* Read prompts until a batch is full, and decide them; `done` is their number. */
static int32_t route_batch(VibeRouter *router, Call *call, const Terms *terms, const char *const *prompts,
                           const size_t *bytes, size_t count, VibeRouterDecision *decisions, size_t *done,
                           VibeRouterError *error) {
    Read read[BATCH_PROMPTS];
    size_t tokens = 0, here = 0;
    for (; here < count && here < BATCH_PROMPTS && tokens <= BATCH_TOKENS; here++) {
        if (!prompts[here] && bytes[here]) return vr_fail(error, VIBE_ROUTER_BAD_ARGUMENT, "a prompt must not be null");
        int32_t status = vr_encode(router, call, tokens, prompts[here], bytes[here], &read[here].tokens,
                                   &read[here].truncated, error);
        if (status == VIBE_ROUTER_NO_MEMORY && decides_without_score(terms)) break;
        if (status != VIBE_ROUTER_OK) return status;
        tokens += (size_t)read[here].tokens;
    }
    *done = here;
    if (!here) {
        *decisions = decide_without_score(terms, (Read){0, 0});
        *done = 1;
        return VIBE_ROUTER_OK;
    }
    return decide_batch(router, call, terms, read, (int32_t)here, decisions, error);
}

int32_t vibe_router_route_many(VibeRouter *router, const char *const *prompts, const size_t *bytes, size_t count,
                               const VibeRouterTerms *terms, VibeRouterDecision *decisions, VibeRouterError *error) {
    Terms asked = {0};
    if (!router || (count && (!prompts || !bytes || !decisions)))
        return vr_fail(error, VIBE_ROUTER_BAD_ARGUMENT, "router, prompts, bytes and decisions must not be null");
    int32_t status = read_terms(router, terms, &asked, error);
    if (status != VIBE_ROUTER_OK) return status;
    Call *call = vr_begin_call(router);
    if (!call && !decides_without_score(&asked))
        return vr_fail(error, VIBE_ROUTER_NO_MEMORY, "there is not enough memory for a call");
    for (size_t first = 0, done = 1; first < count && status == VIBE_ROUTER_OK; first += done) {
        if (call)
            status = route_batch(router, call, &asked, prompts + first, bytes + first, count - first, decisions + first,
                                 &done, error);
        else decisions[first] = decide_without_score(&asked, (Read){0, 0});
    }
    if (call) vr_end_call(router, call);
    if (status == VIBE_ROUTER_OK && error) *error = (VibeRouterError){0};
    return status;
}

int32_t vibe_router_route(VibeRouter *router, const char *prompt, size_t bytes, const VibeRouterTerms *terms,
                          VibeRouterDecision *decision, VibeRouterError *error) {
    return vibe_router_route_many(router, &prompt, &bytes, 1, terms, decision, error);
}

int32_t vibe_router_tokenize(VibeRouter *router, const char *prompt, size_t bytes, int64_t *ids, int32_t *count,
                             int32_t *truncated, VibeRouterError *error) {
    if (!router || (!prompt && bytes) || !ids || !count || !truncated)
        return vr_fail(error, VIBE_ROUTER_BAD_ARGUMENT, "router, prompt, ids, count and truncated must not be null");
    Call *call = vr_begin_call(router);
    if (!call) return vr_fail(error, VIBE_ROUTER_NO_MEMORY, "there is not enough memory for a call");
    int32_t status = vr_encode(router, call, 0, prompt, bytes, count, truncated, error);
    if (status == VIBE_ROUTER_OK) memcpy(ids, call->ids, (size_t)*count * sizeof *ids);
    vr_end_call(router, call);
    if (status == VIBE_ROUTER_OK && error) *error = (VibeRouterError){0};
    return status;
}
