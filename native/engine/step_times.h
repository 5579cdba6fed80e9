/* Where the time of a forward pass goes. Compiled in with -DTIME_STEPS=1, for `python -m benchmarks steps`. */
#ifndef VIBE_ROUTER_STEP_TIMES_H
#define VIBE_ROUTER_STEP_TIMES_H

#include "team.h"

#if TIME_STEPS
/* Add the times of the caller's current step to the totals: it computed until `computed`, and has waited since then. */
void note_step(const Member *member, int64_t computed);

/* Print a line for each kind of step: its name, and nanoseconds of computing and of waiting in all calls. */
void print_step_times(int layers);
#else
static inline void note_step(const Member *member, int64_t computed) { (void)member, (void)computed; }
static inline void print_step_times(int layers) { (void)layers; }
#endif

#endif
