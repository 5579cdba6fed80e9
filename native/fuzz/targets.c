/* Three targets of libFuzzer over one router's file, which the environment variable VIBE_ROUTER_FUZZ_FILE names:
 * -DTARGET_TEXT reads the input as a prompt, -DTARGET_FILE as changes of the file, -DTARGET_CALLS as a row of calls. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../include/vibe_router.h"

static uint8_t *file;
static size_t file_size;

static void check(int holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* Return the bytes of the file, at a multiple of 64. */
static void read_file(void) {
    FILE *from = fopen(getenv("VIBE_ROUTER_FUZZ_FILE"), "rb");
    check(from != 0, "VIBE_ROUTER_FUZZ_FILE names no file");
    fseek(from, 0, SEEK_END);
    file_size = (size_t)ftell(from);
    rewind(from);
    file = aligned_alloc(64, (file_size + 63) / 64 * 64);
    check(file && fread(file, 1, file_size, from) == file_size, "the file cannot be read");
    fclose(from);
}

static VibeRouter *open_router(const uint8_t *bytes, size_t size) {
    VibeRouterOptions options = VIBE_ROUTER_OPTIONS_INIT;
    VibeRouter *router = 0;
    options.threads = 1;
    int32_t status = vibe_router_open_memory(bytes, size, &options, &router, 0);
    check((status == VIBE_ROUTER_OK) == (router != 0), "a router and an error");
    return router;
}

static void route(VibeRouter *router, const uint8_t *prompt, size_t bytes, const VibeRouterTerms *terms) {
    VibeRouterDecision decision;
    VibeRouterError error;
    int32_t status = vibe_router_route(router, (const char *)prompt, bytes, terms, &decision, &error);
    check(status == error.status, "another status in the error");
    if (status) return;
    check(decision.target == VIBE_ROUTER_DEVICE || decision.target == VIBE_ROUTER_CLOUD, "no target");
    check(!decision.has_score || (decision.p_cloud >= 0 && decision.p_cloud <= 1), "a score outside 0..1");
}

#if defined(TARGET_FILE)

/* Each 8 bytes are a change: four of them say where, counted from the end, four what is there then. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!file) {
        read_file();
        VibeRouter *unchanged = open_router(file, file_size);
        check(unchanged != 0, "the file is not a router's, so that no change of it could be read far");
        vibe_router_close(unchanged);
    }
    uint8_t *changed = aligned_alloc(64, (file_size + 63) / 64 * 64);
    memcpy(changed, file, file_size);
    for (size_t at = 0; at + 8 <= size; at += 8) {
        uint32_t place;
        memcpy(&place, data + at, 4);
        memcpy(changed + file_size - 4 - place % (file_size / 4) * 4, data + at + 4, 4);
    }
    VibeRouter *router = open_router(changed, file_size);
    if (router) {
        static const uint8_t prompt[] = "Write [SEP] a\xcc\x81  thread-safe\n\n 'll \xe4\xbd\xa0\xe5\xa5\xbd";
        route(router, prompt, sizeof prompt - 1, 0);
        vibe_router_self_test(router, 0);
    }
    vibe_router_close(router);
    free(changed);
    return 0;
}

#else

static VibeRouter *router;

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    (void)count, (void)arguments;
    read_file();
    router = open_router(file, file_size);
    check(router != 0, "the file is not a router's");
    return 0;
}

#if defined(TARGET_TEXT)

/* The ids are at most `max_tokens`, and those of the prompt are those of a copy of it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    VibeRouterInfo info;
    vibe_router_info(router, &info);
    int64_t *ids = malloc(2 * (size_t)info.max_tokens * sizeof *ids);
    int32_t count[2] = {0}, truncated[2], status[2];
    for (int time = 0; time < 2; time++) {
        char *copy = malloc(size + 1);
        memcpy(copy, data, size);
        status[time] =
            vibe_router_tokenize(router, copy, size, ids + time * info.max_tokens, count + time, truncated + time, 0);
        free(copy);
    }
    check(status[0] == status[1], "another status the second time");
    if (!status[0]) {
        check(count[0] >= 2 && count[0] <= info.max_tokens && count[0] == count[1], "another number of ids");
        check(!memcmp(ids, ids + info.max_tokens, (size_t)count[0] * sizeof *ids), "other ids the second time");
    }
    free(ids);
    return 0;
}

#else

/* Each byte is a call, or a term of the calls that follow; the rest of the input is their prompt. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    VibeRouterTerms terms = VIBE_ROUTER_TERMS_INIT;
    VibeRouterProfile profile;
    int32_t flag = 0;
    for (size_t at = 0; at < size && at < 40; at++) {
        switch (data[at] % 11) {
        case 0: route(router, data + at, size - at, &terms); break;
        case 1: terms.allow_cloud = !terms.allow_cloud; break;
        case 2: terms.fallback = (int32_t)(data[at] / 11) - 2; break;
        case 3: terms.has_threshold = !terms.has_threshold; break;
        case 4: terms.threshold = (data[at] - 20) / 200.0; break;
        case 5: terms.profile = terms.profile ? 0 : "balanced"; break;
        case 6: terms.cancel = terms.cancel ? 0 : &flag; break;
        case 7: vibe_router_cancel(&flag); break;
        case 8: flag = 0; break;
        case 9:
            if (!vibe_router_profile(router, data[at] / 11 - 2, &profile)) terms.profile = profile.name;
            break;
        default:
            vibe_router_close(router);
            router = open_router(file, file_size);
            terms.profile = 0;
        }
    }
    return 0;
}

#endif
#endif
