/* Small routers' files, and changes of them, for targets of libFuzzer. */
#ifndef VIBE_ROUTER_FUZZ_FILES_H
#define VIBE_ROUTER_FUZZ_FILES_H

#include "../include/vibe_router.h"
#include "../router/file.h"
#include "harness.h"

#define MOST_FILES 16

/* A file in a block of its own, to be changed, and as it was. */
typedef struct {
    uint8_t *bytes;
    uint8_t *whole;
    size_t size;
    RouterFile parts; /* of `whole` */
} File;

/* Read the files that the environment variable VIBE_ROUTER_FUZZ_FILES names, with a colon between two. */
int read_files(File *files);

/* Return a router of bytes, or null. */
VibeRouter *open_router(const uint8_t *bytes, size_t size, int32_t threads);

/* Route a prompt, and check what holds for every decision; return the status. */
int32_t route(VibeRouter *router, const uint8_t *prompt, size_t bytes, const VibeRouterTerms *terms,
              VibeRouterDecision *decision);

#endif
