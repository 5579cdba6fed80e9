/* The instruction sets of the processor. */
#ifndef VIBE_ROUTER_PROCESSOR_H
#define VIBE_ROUTER_PROCESSOR_H

#include <stdbool.h>

#include "api.h"

/* Return whether the processor and its operating system run these VrInstructions. */
bool processor_has(int32_t instructions);

#endif
