/* Opening a router, closing it, and what it says of itself. */
#if !defined(_WIN32) && !defined(__wasm__)
#define _DEFAULT_SOURCE
#include <unistd.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "../engine/check.h"
#include "../engine/processor.h"
#include "router.h"

int32_t vibe_router_abi(void) { return VIBE_ROUTER_ABI; }

int64_t vr_process(void) {
#if defined(_WIN32) || defined(__wasm__)
    return 0;
#else
    return getpid();
#endif
}

int32_t vr_fail(VibeRouterError *error, VibeRouterStatus status, const char *message) {
    if (error) {
        size_t length = strlen(message), room = sizeof error->message - 1;
        error->status = (int32_t)status;
        memcpy(error->message, message, length < room ? length : room);
        error->message[length < room ? length : room] = 0;
    }
    return (int32_t)status;
}

/* Open the engine with the fastest instructions that are compiled in and that this processor has. */
static int32_t open_engine(VibeRouter *router, const VrModel *model, int32_t threads, VibeRouterError *error) {
    static const int32_t fastest_first[] = {VR_AMX, VR_AVX512_VNNI, VR_AVX_VNNI, VR_AVX2, VR_NEON, VR_WASM};
    int supported = 0;
    for (size_t place = 0; place < sizeof fastest_first / sizeof *fastest_first && !router->engine; place++)
        if (vr_supports(fastest_first[place])) {
            supported = 1;
            router->engine = vr_open(model, fastest_first[place], threads);
        }
    if (router->engine) return VIBE_ROUTER_OK;
    if (!supported)
        return vr_fail(error, VIBE_ROUTER_UNAVAILABLE,
                       "this processor has none of the instructions that the engine is made of (AVX2 with FMA, or NEON "
                       "with dot products)");
    return vr_fail(error, VIBE_ROUTER_NO_MEMORY, "there is not enough memory for the engine and its threads");
}

/* Read everything from the router's file. */
static int32_t read_all(VibeRouter *router, int32_t threads, VibeRouterError *error) {
    VrModel model;
    const char *problem = 0;
    int32_t layers = vr_layer_count(&router->file);
    if (!layers) return vr_fail(error, VIBE_ROUTER_CORRUPT, "its model has no layers");
    router->layers = calloc((size_t)layers, sizeof *router->layers);
    if (!router->layers) return vr_fail(error, VIBE_ROUTER_NO_MEMORY, "there is not enough memory for a router");
    if (!(problem = vr_read_model(&router->file, router->layers, &model)) &&
        !(problem = vr_read_tables(&router->file, &router->tables)) &&
        !(problem = vr_read_settings(&router->file, &router->settings)) &&
        !(problem = vr_read_golden(&router->file, &router->golden)) &&
        (router->tables.numbers.vocabulary > model.vocabulary || router->tables.numbers.max_tokens > model.max_tokens))
        problem = "its tokenizer does not fit its model";
    if (!problem && !vr_model_is_whole(&model)) problem = "its model is not whole";
    if (problem) return vr_fail(error, VIBE_ROUTER_CORRUPT, problem);
    return open_engine(router, &model, threads > 0 ? threads : vr_processor_count(), error);
}

static int32_t open_bytes(VibeRouter *router, const void *bytes, size_t size, const VibeRouterOptions *options,
                          VibeRouterError *error) {
    if (options && options->size < sizeof *options)
        return vr_fail(error, VIBE_ROUTER_BAD_ARGUMENT,
                       "the options have no size: begin with VIBE_ROUTER_OPTIONS_INIT");
    const char *problem = vr_read_file(bytes, size, &router->file);
    if (problem) return vr_fail(error, VIBE_ROUTER_CORRUPT, problem);
    int32_t threads = options ? options->threads : 0;
    if (threads < 0 || threads > 1024)
        return vr_fail(error, VIBE_ROUTER_BAD_ARGUMENT, "the number of threads is not within 0..1024");
    router->process = vr_process();
    return read_all(router, threads, error);
}

/* Give the router to the caller, or free what there is of it after a failure. */
static int32_t finish(VibeRouter *router, int32_t status, VibeRouter **to, VibeRouterError *error) {
    if (status != VIBE_ROUTER_OK) {
        vibe_router_close(router);
        return status;
    }
    if (error) *error = (VibeRouterError){0};
    *to = router;
    return status;
}

int32_t vibe_router_open_memory(const void *bytes, size_t size, const VibeRouterOptions *options, VibeRouter **router,
                                VibeRouterError *error) {
    if (router) *router = 0;
    if (!bytes || !router) return vr_fail(error, VIBE_ROUTER_BAD_ARGUMENT, "bytes and router must not be null");
    if ((uintptr_t)bytes % 64)
        return vr_fail(error, VIBE_ROUTER_BAD_ARGUMENT, "the bytes must begin at a multiple of 64");
    VibeRouter *opened = calloc(1, sizeof *opened);
    if (!opened) return vr_fail(error, VIBE_ROUTER_NO_MEMORY, "there is not enough memory for a router");
    return finish(opened, open_bytes(opened, bytes, size, options, error), router, error);
}

int32_t vibe_router_open(const char *path, const VibeRouterOptions *options, VibeRouter **router,
                         VibeRouterError *error) {
    if (router) *router = 0;
    if (!path || !router) return vr_fail(error, VIBE_ROUTER_BAD_ARGUMENT, "path and router must not be null");
    VibeRouter *opened = calloc(1, sizeof *opened);
    if (!opened) return vr_fail(error, VIBE_ROUTER_NO_MEMORY, "there is not enough memory for a router");
    if (!vr_map(path, &opened->mapping))
        return finish(opened,
                      vr_fail(error, VIBE_ROUTER_NOT_FOUND,
                              "there is no native file that can be read: give a bundle's folder that has "
                              "native/model_int8.safetensors, or that file"),
                      router, error);
    return finish(opened, open_bytes(opened, opened->mapping.bytes, opened->mapping.size, options, error), router,
                  error);
}

void vibe_router_close(VibeRouter *router) {
    if (!router) return;
    /* A forked child does not have the threads that closing the engine waits for. */
    if (router->engine && router->process == vr_process()) vr_close(router->engine);
    for (int place = 0; place < KEPT_CALLS; place++) vr_free_call(atomic_load(&router->calls[place]));
    vr_unmap(&router->mapping);
    free(router->layers);
    free(router);
}

void vibe_router_info(const VibeRouter *router, VibeRouterInfo *info) {
    if (!router || !info) return;
    const Settings *settings = &router->settings;
    *info = (VibeRouterInfo){settings->name,    settings->version,     settings->device,
                             settings->cloud,   settings->temperature, router->tables.numbers.max_tokens,
                             settings->profiles};
}

int32_t vibe_router_profile(const VibeRouter *router, int32_t place, VibeRouterProfile *profile) {
    if (!router || !profile) return VIBE_ROUTER_BAD_ARGUMENT;
    const Settings *settings = &router->settings;
    if (place < 0 || place >= settings->profiles) return VIBE_ROUTER_BAD_ARGUMENT;
    *profile = (VibeRouterProfile){vr_profile_name(settings, place), vr_profile_threshold(settings, place),
                                   place == settings->default_profile, 0};
    return VIBE_ROUTER_OK;
}
