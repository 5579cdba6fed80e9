/* Memory that begins at a cache line. Windows has its own functions for it. */
#ifndef VIBE_ROUTER_MEMORY_H
#define VIBE_ROUTER_MEMORY_H

#include <stdlib.h>

#define CACHE_LINE 64

#if defined(_WIN32)
#include <malloc.h>
static inline void *allocate_lines(size_t bytes) { return _aligned_malloc(bytes, CACHE_LINE); }
static inline void free_lines(void *memory) { _aligned_free(memory); }
#else
/* `bytes` is a multiple of a line. */
static inline void *allocate_lines(size_t bytes) { return aligned_alloc(CACHE_LINE, bytes); }
static inline void free_lines(void *memory) { free(memory); }
#endif

#endif
