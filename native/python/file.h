/* A router's file for the Python package: the engine's model and the tokenizer. Decisions are made in Python. */
#ifndef VIBE_ROUTER_PYTHON_FILE_H
#define VIBE_ROUTER_PYTHON_FILE_H

#include <stddef.h>

#include "../engine/api.h"
#include "../text/tables.h"

typedef struct VrFile VrFile;

/* Map the file behind a descriptor and return it, with its model and the most ids that its tokenizer gives a prompt.
 * What `model` points to lives as long as the file. For a file that is damaged or has no tokenizer, return null, and in
 * `problem` a sentence that lives as long as the library. */
VR_EXPORT VrFile *vr_file_open(int32_t descriptor, VrModel *model, int32_t *max_tokens, const char **problem);

/* Write the ids of a prompt, UTF-8 of so many bytes, as `vr_tokenize` does, and return a VrTextStatus. Any number of
 * threads may call at once, because each call allocates its own memory. */
VR_EXPORT int32_t vr_file_tokenize(const VrFile *file, const uint8_t *prompt, size_t bytes, int64_t *ids,
                                   int32_t *count, int32_t *truncated);

/* Free the file. No call may be running, and no engine of its model may be open. */
VR_EXPORT void vr_file_close(VrFile *file);

#endif
