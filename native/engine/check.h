/* Checks of a model from a file that may be damaged or malicious. */
#ifndef VIBE_ROUTER_CHECK_H
#define VIBE_ROUTER_CHECK_H

#include "api.h"

/* Return whether every pointer that the kernels follow is there and every size fits the others. */
int vr_model_is_whole(const VrModel *model);

#endif
