/* The monotonic clock, and short waits. */
#ifndef VIBE_ROUTER_CLOCK_H
#define VIBE_ROUTER_CLOCK_H

#include <stdint.h>

int64_t vr_nanoseconds_now(void);

/* Offer the processor to other threads. */
void vr_yield_processor(void);

/* Sleep for less than a millisecond. */
void vr_sleep_briefly(int64_t nanoseconds);

#endif
