/* A model file of a bundle (docs/native.md), mapped into memory. The file is trusted: nothing in it is checked. */
#ifndef VIBE_ROUTER_MODEL_FILE_H
#define VIBE_ROUTER_MODEL_FILE_H

#include <stddef.h>

#include "../engine/api.h"

typedef struct {
    char *memory;
    size_t bytes;
    VrLayer *layers;
    VrModel model; /* points into both */
} ModelFile;

/* Map the file and describe its model; return 0, or -1 if it cannot be read. */
int open_model_file(ModelFile *file, const char *path);

void close_model_file(ModelFile *file);

#endif
