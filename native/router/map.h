/* A file mapped into memory, read only. */
#ifndef VIBE_ROUTER_MAP_H
#define VIBE_ROUTER_MAP_H

#include <stddef.h>

typedef struct {
    const void *bytes;
    size_t size;
} Mapping;

/* Map the file at a path, or the native file of the bundle whose folder is there; return 0 if it cannot be read. */
int vr_map(const char *path, Mapping *mapping);

void vr_unmap(Mapping *mapping);

#endif
