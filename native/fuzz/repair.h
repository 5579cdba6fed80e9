/* What the writer of a router's file computes, computed again after changes of the rest. */
#ifndef VIBE_ROUTER_FUZZ_REPAIR_H
#define VIBE_ROUTER_FUZZ_REPAIR_H

#include "files.h"

enum { REPAIR_END = 1, REPAIR_WEIGHTS = 2 };

/* Read the model of a file; return 0 where there is none. `*layers` is to be freed in any case. */
int read_model(const uint8_t *bytes, size_t size, VrModel *model, VrLayer **layers);

/* Write the size of the file, and where its first tensor is after `cut` bytes before it are gone. */
void repair_end(uint8_t *bytes, size_t size, size_t cut);

/* Make the int8 weights of the model what every instruction set computes alike, and their offsets fit. */
void repair_weights(uint8_t *bytes, size_t size);

#endif
