/* The monotonic clock. */
#ifndef VIBE_ROUTER_CLOCK_H
#define VIBE_ROUTER_CLOCK_H

#include <stdint.h>

int64_t nanoseconds_now(void);

#endif
