/* Models from an input of libFuzzer, small, of every shape that the engine takes, and of impossible ones. */
#ifndef VIBE_ROUTER_FUZZ_MODEL_H
#define VIBE_ROUTER_FUZZ_MODEL_H

#include "harness.h"

/* Return so many bytes at a multiple of 64, with nothing behind them. */
void *block(size_t bytes);

/* Make the numbers that models are filled with. Once. */
void fill_pool(void);

/* Make a model, each tensor in a block of its own; return 1. Or return 0 where the input asks for impossible sizes: all
 * pointers but that to the layers are not to be followed. */
int make_model(VrModel *model, Input *input);

/* Free a model of possible sizes. */
void free_model(VrModel *model);

#endif
