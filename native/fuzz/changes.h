/* Changes of a router's file, four bytes each, and a mutator that knows where it has what. */
#ifndef VIBE_ROUTER_FUZZ_CHANGES_H
#define VIBE_ROUTER_FUZZ_CHANGES_H

#include "files.h"

/* Four bytes of a file: which, counted from its end, and what is there then. */
typedef struct {
    uint32_t place, value;
} Change;

void apply_changes(File *file, const uint8_t *data, size_t size);

/* Bring the file back as it was. */
void undo_changes(File *file, const uint8_t *data, size_t size, int repaired);

/* Mutate an input: `head` bytes, of which the first says which file, then changes. */
size_t mutate_changes(const File *files, int count, size_t head, uint8_t *data, size_t size, size_t most,
                      unsigned seed);

#endif
