/* The monotonic clock, and short waits. */
#ifndef VIBE_ROUTER_CLOCK_H
#define VIBE_ROUTER_CLOCK_H

#include <stdint.h>

int64_t nanoseconds_now(void);

/* Offer the processor to other threads. */
void yield_processor(void);

/* Sleep for less than a millisecond. */
void sleep_briefly(int64_t nanoseconds);

#endif
