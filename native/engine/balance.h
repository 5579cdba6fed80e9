/* How many threads a call begins with, from how busy the machine is. */
#ifndef VIBE_ROUTER_BALANCE_H
#define VIBE_ROUTER_BALANCE_H

#include <stdint.h>

typedef struct {
    int file;          /* /proc/loadavg; negative: the system has none */
    int cpus;          /* of the machine */
    int64_t looked_at; /* when the load was last read: nanoseconds of the monotonic clock */
    int seen;          /* threads that there was room for then */
    int size;          /* threads that a call begins with */
} Balance;

void vr_open_balance(Balance *balance, int threads);
void vr_close_balance(Balance *balance);

/* Return how many of `threads` threads a call begins with. `awake` is the number of
 * the engine's own workers that are not asleep yet. */
int vr_choose_size(Balance *balance, int threads, int awake);

#endif
