/* Checks of a model that a stranger may have written. */
#ifndef VIBE_ROUTER_CHECK_H
#define VIBE_ROUTER_CHECK_H

#include "api.h"

/* Return whether every pointer that the kernels follow is there and every size fits the others. */
int model_is_whole(const VrModel *model);

#endif
