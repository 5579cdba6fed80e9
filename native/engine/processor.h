/* The processors of the machine, and their instruction sets. */
#ifndef VIBE_ROUTER_PROCESSOR_H
#define VIBE_ROUTER_PROCESSOR_H

#include <stdbool.h>

#include "api.h"

/* Return whether the processor and its operating system run these VrInstructions. */
bool vr_processor_has(int32_t instructions);

/* Return how many processors there are, 1 to 1024. */
int vr_processor_count(void);

#endif
