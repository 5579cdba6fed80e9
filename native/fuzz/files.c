#include "files.h"

static void read_file(const char *path, File *file) {
    FILE *from = fopen(path, "rb");
    check(from != 0, "VIBE_ROUTER_FUZZ_FILES names something that is no file");
    fseek(from, 0, SEEK_END);
    file->size = (size_t)ftell(from);
    rewind(from);
    check(!posix_memalign((void **)&file->bytes, 64, file->size), "there is no memory");
    check(!posix_memalign((void **)&file->whole, 64, file->size), "there is no memory");
    check(fread(file->whole, 1, file->size, from) == file->size, "a file cannot be read");
    fclose(from);
    memcpy(file->bytes, file->whole, file->size);
    check(!vr_read_file(file->whole, file->size, &file->parts), "a file is not a router's");
}

int read_files(File *files) {
    const char *named = getenv("VIBE_ROUTER_FUZZ_FILES");
    check(named != 0, "VIBE_ROUTER_FUZZ_FILES names no file");
    char *paths = strdup(named), *rest = paths;
    int count = 0;
    for (char *path; count < MOST_FILES && (path = strtok_r(rest, ":", &rest));) {
        read_file(path, files + count);
        /* No change of a file that is refused as it is could be read far. */
        VibeRouter *router = open_router(files[count].bytes, files[count].size, 1);
        check(router && vibe_router_self_test(router, 0) == VIBE_ROUTER_OK, "a file is refused as it is");
        vibe_router_close(router);
        count++;
    }
    free(paths);
    check(count > 0, "VIBE_ROUTER_FUZZ_FILES names no file");
    return count;
}

VibeRouter *open_router(const uint8_t *bytes, size_t size, int32_t threads) {
    VibeRouterOptions options = VIBE_ROUTER_OPTIONS_INIT;
    VibeRouterError error = {0};
    VibeRouter *router = 0;
    options.threads = threads;
    int32_t status = vibe_router_open_memory(bytes, size, &options, &router, &error);
    check((status == VIBE_ROUTER_OK) == (router != 0), "a router and an error");
    check(router || (status == error.status && error.message[0]), "an error without a sentence");
    return router;
}

int32_t route(VibeRouter *router, const uint8_t *prompt, size_t bytes, const VibeRouterTerms *terms,
              VibeRouterDecision *decision) {
    VibeRouterError error;
    int32_t status = vibe_router_route(router, (const char *)prompt, bytes, terms, decision, &error);
    check(status == error.status, "another status in the error");
    if (status) return status;
    check(decision->target == VIBE_ROUTER_DEVICE || decision->target == VIBE_ROUTER_CLOUD, "no target");
    check(!decision->has_score || (decision->p_cloud >= 0 && decision->p_cloud <= 1), "a score outside 0..1");
    check(!decision->has_score || decision->reason != VIBE_ROUTER_SCORE ||
              (decision->target == VIBE_ROUTER_CLOUD) == (decision->p_cloud > decision->threshold),
          "another target than score and threshold say");
    return status;
}
