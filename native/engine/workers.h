/* The threads of an engine, which sleep between calls. */
#ifndef VIBE_ROUTER_WORKERS_H
#define VIBE_ROUTER_WORKERS_H

#include <pthread.h>

#include "workspace.h"

typedef struct {
    const VrModel *model;
    Forward *forward;
    pthread_t *threads;
    int count;       /* of threads */
    bool background; /* the only worker computes at low priority while the caller sleeps */
    Team team;
    pthread_mutex_t mutex; /* guards the members below */
    pthread_cond_t called;
    pthread_cond_t answered;
    Job job; /* the current one */
    uint32_t calls;
    uint32_t invitations; /* one for each call, and one more whenever the caller's rest from the team is over */
    uint32_t answers;     /* the last call that the background worker has finished */
    int awake;
    bool closing;
} Workers;

/* Start `count` threads; return 0, or -1 if there is not enough memory. Call vr_close_workers in either case. */
int vr_open_workers(Workers *workers, const VrModel *model, Forward *forward, int count, bool background);
void vr_close_workers(Workers *workers);

/* Compute a job on the caller's thread alone. */
VrStatus vr_run_alone(const Workers *workers, const Job *job);

/* Compute a job of `size` members, the caller included. */
VrStatus vr_run_together(Workers *workers, Job *job, int size);

/* Compute a job on the worker of low priority. */
VrStatus vr_run_in_background(Workers *workers, Job *job);

#endif
