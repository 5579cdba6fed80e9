/* Two targets of libFuzzer over routers' files: -DTARGET_TEXT reads an input as a prompt, -DTARGET_CALLS as a row of
 * calls. The first byte says which file. */
#include "files.h"

static File files[MOST_FILES];
static VibeRouter *routers[MOST_FILES];
static int count;

int LLVMFuzzerInitialize(int *arguments, char ***values) {
    (void)arguments, (void)values;
    count = read_files(files);
    for (int one = 0; one < count; one++) routers[one] = open_router(files[one].bytes, files[one].size, 1);
    return 0;
}

#if defined(TARGET_TEXT)

/* The ids are at most `max_tokens`, and those of the prompt are those of a copy of it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    begin_input();
    if (!size) return 0;
    VibeRouter *router = routers[*data++ % count];
    size--;
    VibeRouterInfo info;
    vibe_router_info(router, &info);
    int64_t *ids[2];
    int32_t tokens[2], truncated[2], status[2];
    for (int time = 0; time < 2; time++) {
        /* Nothing is behind the prompt, or behind the ids. */
        char *copy = malloc(size ? size : 1);
        ids[time] = malloc((size_t)info.max_tokens * sizeof **ids);
        memcpy(copy, data, size);
        status[time] = vibe_router_tokenize(router, copy, size, ids[time], tokens + time, truncated + time, 0);
        free(copy);
    }
    check(status[0] == status[1], "another status the second time");
    if (!status[0]) {
        check(tokens[0] >= 2 && tokens[0] <= info.max_tokens && tokens[0] == tokens[1], "another number of ids");
        check(truncated[0] == truncated[1], "cut only once");
        check(!memcmp(ids[0], ids[1], (size_t)tokens[0] * sizeof **ids), "other ids the second time");
    }
    free(ids[0]);
    free(ids[1]);
    return 0;
}

#else

#define MOST_CALLS 40
#define MOST_PROMPTS 5

/* Route some parts of a text at once; each must be decided as by itself. */
static void route_many(VibeRouter *router, const uint8_t *text, size_t size, const VibeRouterTerms *terms) {
    const char *prompts[MOST_PROMPTS];
    size_t bytes[MOST_PROMPTS], parts = size % (MOST_PROMPTS + 1);
    VibeRouterDecision together[MOST_PROMPTS], alone;
    for (size_t part = 0; part < parts; part++) {
        size_t begin = size * part / parts, end = size * (part + 1) / parts;
        prompts[part] = (const char *)text + begin;
        bytes[part] = end - begin;
    }
    if (vibe_router_route_many(router, prompts, bytes, parts, terms, together, 0)) return;
    for (size_t part = 0; part < parts; part++)
        check(!route(router, (const uint8_t *)prompts[part], bytes[part], terms, &alone) &&
                  !memcmp(&alone, together + part, sizeof alone),
              "a prompt is decided otherwise alone");
}

/* Each byte is a call, or a term of the calls that follow; the rest of the input is their prompt. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    begin_input();
    if (!size) return 0;
    int one = *data++ % count;
    VibeRouterTerms terms = VIBE_ROUTER_TERMS_INIT;
    VibeRouterDecision decision;
    VibeRouterProfile profile;
    int32_t flag = 0;
    size--;
    for (size_t at = 0; at < size && at < MOST_CALLS; at++) {
        switch (data[at] % 12) {
        case 0: route(routers[one], data + at, size - at, &terms, &decision); break;
        case 1: terms.allow_cloud = !terms.allow_cloud; break;
        case 2: terms.fallback = (int32_t)(data[at] / 12) - 2; break;
        case 3: terms.has_threshold = !terms.has_threshold; break;
        case 4: terms.threshold = (data[at] - 20) / 200.0; break;
        case 5: terms.profile = terms.profile ? 0 : "balanced"; break;
        case 6: terms.cancel = terms.cancel ? 0 : &flag; break;
        case 7: vibe_router_cancel(&flag); break;
        case 8: flag = 0; break;
        case 9:
            if (!vibe_router_profile(routers[one], data[at] / 12 - 2, &profile)) terms.profile = profile.name;
            break;
        case 10: route_many(routers[one], data + at, size - at, &terms); break;
        default:
            vibe_router_close(routers[one]);
            routers[one] = open_router(files[one].bytes, files[one].size, threads_of(data[at]));
            check(routers[one] != 0, "a file is no longer a router's");
            terms.profile = 0;
        }
    }
    return 0;
}

#endif
