/* How many threads a call begins with, from how busy the machine is. */
#ifndef VIBE_ROUTER_BALANCE_H
#define VIBE_ROUTER_BALANCE_H

#include <stdbool.h>

typedef struct {
    int file;     /* /proc/loadavg; negative: the system has none */
    int cpus;     /* of the machine */
    int previous; /* threads that there was room for at the previous call */
    int rest;     /* calls that the caller computes alone before the team is tried again */
    int penalty;  /* the next value of `rest` */
} Balance;

void open_balance(Balance *balance, int threads);
void close_balance(Balance *balance);

/* Return how many of `threads` threads a call begins with. `awake` of the engine's own workers are not asleep yet. */
int choose_size(Balance *balance, int threads, int awake);

/* Record whether a call of several threads had to wait for one that was not running. */
void record_call(Balance *balance, bool stalled);

#endif
