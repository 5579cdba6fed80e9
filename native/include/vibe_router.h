/* The C interface of vibe-router, which decides on the device whether a chat request needs the cloud.
 *
 *     VibeRouter *router;
 *     VibeRouterDecision decision;
 *     if (vibe_router_open("bundle", 0, &router, 0) == VIBE_ROUTER_OK &&
 *         vibe_router_route(router, "what is 2+2?", 12, 0, &decision, 0) == VIBE_ROUTER_OK)
 *         puts(decision.target == VIBE_ROUTER_CLOUD ? "cloud" : "device");
 *
 * A function returns a status. Where `error` is not null, it also gets a sentence for people; it never contains text of
 * a prompt. Structures begin with their size, which VIBE_ROUTER_..._INIT sets, so that later versions can add fields.
 * One router serves any number of threads. There are no globals, and the locale does not matter. A router allocates
 * when it is opened, and each thread at its first calls; that memory is kept for later calls and freed by
 * vibe_router_close. */
#ifndef VIBE_ROUTER_H
#define VIBE_ROUTER_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#if defined(VIBE_ROUTER_BUILD)
#define VIBE_ROUTER_API __declspec(dllexport)
#elif defined(VIBE_ROUTER_SHARED)
#define VIBE_ROUTER_API __declspec(dllimport)
#else
#define VIBE_ROUTER_API
#endif
#else
#define VIBE_ROUTER_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Changes where a program that was compiled with this header would no longer work. */
#define VIBE_ROUTER_ABI 1

typedef enum {
    VIBE_ROUTER_OK = 0,
    VIBE_ROUTER_BAD_ARGUMENT = 1, /* a mistake of the caller: no such profile, a threshold outside 0..1, ... */
    VIBE_ROUTER_NOT_FOUND = 2,    /* no such file, or it cannot be read */
    VIBE_ROUTER_CORRUPT = 3,      /* not a router's file, or damaged, or of another version */
    VIBE_ROUTER_UNAVAILABLE = 4,  /* this processor has none of the instructions that the engine needs */
    VIBE_ROUTER_NO_MEMORY = 5,
    VIBE_ROUTER_BAD_PROMPT = 6, /* it is not UTF-8, or cannot be cut to the length limit */
    VIBE_ROUTER_CANCELLED = 7,  /* the call was cancelled, and its terms do not say what to decide then */
    VIBE_ROUTER_FAILED = 8,     /* the engine gave no score, and the terms do not say what to decide then */
} VibeRouterStatus;

typedef enum { VIBE_ROUTER_NONE = -1, VIBE_ROUTER_DEVICE = 0, VIBE_ROUTER_CLOUD = 1 } VibeRouterTarget;

typedef enum {
    VIBE_ROUTER_SCORE = 0,    /* the score was compared with the threshold */
    VIBE_ROUTER_PINNED = 1,   /* the caller forbade the cloud */
    VIBE_ROUTER_FALLBACK = 2, /* there is no score, and the caller had named a target for that case */
} VibeRouterReason;

/* The status of a call, and a sentence; a call that succeeds leaves 0 and none. */
typedef struct {
    int32_t status;
    char message[252];
} VibeRouterError;

typedef struct {
    uint32_t size;
    int32_t threads; /* 0: as many as there are processors */
} VibeRouterOptions;
#define VIBE_ROUTER_OPTIONS_INIT {sizeof(VibeRouterOptions), 0}

/* What a caller asks of a decision. */
typedef struct {
    uint32_t size;
    int32_t allow_cloud;   /* 0: the device, whatever the score and whatever happens */
    int32_t fallback;      /* a VibeRouterTarget: where the engine fails or is cancelled */
    int32_t has_threshold; /* 1: `threshold` counts, not a profile's */
    double threshold;
    const char *profile;   /* null: the default one */
    const int32_t *cancel; /* null, or a flag that is 0 until vibe_router_cancel ends the call */
} VibeRouterTerms;
#define VIBE_ROUTER_TERMS_INIT {sizeof(VibeRouterTerms), 1, VIBE_ROUTER_NONE, 0, 0.0, 0, 0}

typedef struct {
    int32_t target; /* VIBE_ROUTER_DEVICE or VIBE_ROUTER_CLOUD */
    int32_t reason;
    int32_t has_score; /* 0: `p_cloud` and `margin` are 0 and mean nothing */
    int32_t tokens;    /* [CLS] and [SEP] included */
    int32_t truncated; /* 1: the prompt had more */
    int32_t reserved;
    double p_cloud; /* cloud if and only if it is above the threshold */
    double threshold;
    double margin;
    const char *engine; /* lives as long as the library */
} VibeRouterDecision;

/* A profile of the bundle; `threshold` is on the scale of `p_cloud`. The name lives as long as the router. */
typedef struct {
    const char *name;
    double threshold;
    int32_t is_default;
    int32_t reserved;
} VibeRouterProfile;

/* What a router says of itself. The texts live as long as the router. */
typedef struct {
    const char *name;
    const char *version;
    const char *device_label;
    const char *cloud_label;
    double temperature;
    int32_t max_tokens;
    int32_t profiles;
} VibeRouterInfo;

typedef struct VibeRouter VibeRouter;

/* Return VIBE_ROUTER_ABI of the library. */
VIBE_ROUTER_API int32_t vibe_router_abi(void);

/* Open a bundle's folder, or the native file in it. `options` may be null. After an error, `router` is null. */
VIBE_ROUTER_API int32_t vibe_router_open(const char *path, const VibeRouterOptions *options, VibeRouter **router,
                                         VibeRouterError *error);

/* Open the bytes of a native file, which begin at a multiple of 64 and must outlive the router. */
VIBE_ROUTER_API int32_t vibe_router_open_memory(const void *bytes, size_t size, const VibeRouterOptions *options,
                                                VibeRouter **router, VibeRouterError *error);

/* Free the router. No other call may be running, and none may follow. Null does nothing. */
VIBE_ROUTER_API void vibe_router_close(VibeRouter *router);

/* Decide one prompt, which is UTF-8 of `bytes` bytes. `terms` may be null. */
VIBE_ROUTER_API int32_t vibe_router_route(VibeRouter *router, const char *prompt, size_t bytes,
                                          const VibeRouterTerms *terms, VibeRouterDecision *decision,
                                          VibeRouterError *error);

/* Decide `count` prompts, with the same decisions as one by one and in less time. After an error, none counts. */
VIBE_ROUTER_API int32_t vibe_router_route_many(VibeRouter *router, const char *const *prompts, const size_t *bytes,
                                               size_t count, const VibeRouterTerms *terms,
                                               VibeRouterDecision *decisions, VibeRouterError *error);

/* End the calls whose terms have this flag: the engine stops within one of its steps. Any thread may call this. Null
 * does nothing. */
VIBE_ROUTER_API void vibe_router_cancel(int32_t *flag);

/* Write the ids of a prompt, at most `max_tokens` of VibeRouterInfo, and their number to `count`. */
VIBE_ROUTER_API int32_t vibe_router_tokenize(VibeRouter *router, const char *prompt, size_t bytes, int64_t *ids,
                                             int32_t *count, int32_t *truncated, VibeRouterError *error);

/* Describe the router; where either is null, nothing is written. */
VIBE_ROUTER_API void vibe_router_info(const VibeRouter *router, VibeRouterInfo *info);

/* Describe the profile at `place`, 0 and up. */
VIBE_ROUTER_API int32_t vibe_router_profile(const VibeRouter *router, int32_t place, VibeRouterProfile *profile);

/* Check that the file's golden sample gives the same ids, and logits within 0.001, as when it was exported. */
VIBE_ROUTER_API int32_t vibe_router_self_test(VibeRouter *router, VibeRouterError *error);

#ifdef __cplusplus
}
#endif

#endif
