/* The threads of an engine: each waits for a job, computes its part, and waits again. */
#define _GNU_SOURCE
#include "workers.h"

#include <stddef.h>
#include <stdlib.h>

#if defined(__APPLE__)
#include <pthread/qos.h>
#elif !defined(_WIN32) && !defined(__wasm__)
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "memory.h"
#include "rounding.h"

typedef struct {
    Workers *workers;
    int number; /* 1 and up; the caller is 0 */
} Start;

static void run(const Workers *workers, const Job *job, Member *member) {
    uint64_t hosts = set_rounding(DEFAULT_ROUNDING);
    workers->forward(workers->model, &job->request, &job->activations,
                     job->scratch + member->number * job->scratch_floats, member);
    set_rounding(hosts);
}

static Member member_of(Team *team, const Job *job, int number) {
    return (Member){
        .team = team, .call = job->call, .size = job->size, .number = number, .began = vr_nanoseconds_now()};
}

VrStatus vr_run_alone(const Workers *workers, const Job *job) {
    Team team = {0};
    Member member = {.team = &team, .call = 1, .size = 1, .began = vr_nanoseconds_now()};
    run(workers, job, &member);
    return is_stopped(&member) ? VR_STOPPED : VR_OK;
}

/* With this, a thread gets a tenth of a processor that it shares with a thread of normal priority. With less, such as
 * SCHED_IDLE, it may never run. */
#define BACKGROUND_NICE 10

/* Lower the priority of this thread. Linux does not let it rise again, so this thread must not be the caller's. */
static void lower_priority(void) {
#if defined(__APPLE__)
    pthread_set_qos_class_self_np(QOS_CLASS_UTILITY, 0);
#elif defined(_WIN32)
    SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_LOWEST);
#elif !defined(__wasm__)
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), BACKGROUND_NICE);
#endif
}

static void answer(Workers *workers, Job *job) {
    job->status = vr_run_alone(workers, job);
    pthread_mutex_lock(&workers->mutex);
    workers->job.status = job->status;
    workers->answers = job->call;
    pthread_cond_signal(&workers->answered);
    pthread_mutex_unlock(&workers->mutex);
}

static void *work(void *argument) {
    Start start = *(Start *)argument;
    Workers *workers = start.workers;
    free(argument);
    if (workers->background) lower_priority();
    for (uint32_t seen = 0;;) {
        pthread_mutex_lock(&workers->mutex);
        workers->awake--;
        while (workers->invitations == seen && !workers->closing) pthread_cond_wait(&workers->called, &workers->mutex);
        workers->awake++;
        seen = workers->invitations;
        Job job = workers->job;
        bool closing = workers->closing;
        pthread_mutex_unlock(&workers->mutex);
        if (closing) return 0;
        if (workers->background) {
            answer(workers, &job);
        } else if (start.number < job.size) {
            Member member = member_of(&workers->team, &job, start.number);
            run(workers, &job, &member);
        }
    }
}

static void invite(Team *team) {
    Workers *workers = (Workers *)((char *)team - offsetof(Workers, team));
    pthread_mutex_lock(&workers->mutex);
    workers->invitations++;
    pthread_cond_broadcast(&workers->called);
    pthread_mutex_unlock(&workers->mutex);
}

/* Allocate the counters. Those of each member have cache lines of their own. */
static int open_team(Team *team, int layers, int members) {
    team->invite = invite;
    team->row = (int)rounded_up(forward_steps(layers), 64 / sizeof(Counter));
    team->counters = (members + 1) * team->row;
    team->claimed = allocate_lines((size_t)team->counters * sizeof(Counter));
    if (!team->claimed) return -1;
    team->finished = team->claimed + (size_t)members * (size_t)team->row;
    vr_prepare_team(team, 0);
    return 0;
}

int vr_open_workers(Workers *workers, const VrModel *model, Forward *forward, int count, bool background) {
    *workers = (Workers){.model = model, .forward = forward, .background = background};
    pthread_mutex_init(&workers->mutex, 0);
    pthread_cond_init(&workers->called, 0);
    pthread_cond_init(&workers->answered, 0);
    workers->threads = calloc((size_t)count + 1, sizeof(pthread_t));
    if (!workers->threads || open_team(&workers->team, model->layer_count, count + 1)) return -1;
    for (int place = 0; place < count; place++) {
        Start *start = malloc(sizeof *start);
        if (!start) return -1;
        *start = (Start){workers, place + 1};
        pthread_mutex_lock(&workers->mutex);
        workers->awake++;
        pthread_mutex_unlock(&workers->mutex);
        if (pthread_create(workers->threads + place, 0, work, start)) {
            free(start);
            return -1;
        }
        workers->count = place + 1;
    }
    return 0;
}

void vr_close_workers(Workers *workers) {
    pthread_mutex_lock(&workers->mutex);
    workers->closing = true;
    pthread_cond_broadcast(&workers->called);
    pthread_mutex_unlock(&workers->mutex);
    for (int place = 0; place < workers->count; place++) pthread_join(workers->threads[place], 0);
    pthread_mutex_destroy(&workers->mutex);
    pthread_cond_destroy(&workers->called);
    pthread_cond_destroy(&workers->answered);
    free_lines((void *)workers->team.claimed);
    free(workers->threads);
}

/* Give a job a number, and have the workers find it when they are invited. */
static void publish(Workers *workers, Job *job, int size) {
    uint32_t call = workers->calls + 1 ? workers->calls + 1 : 1;
    job->call = call;
    job->size = size;
    vr_prepare_team(&workers->team, call);
    pthread_mutex_lock(&workers->mutex);
    workers->job = *job;
    workers->calls = call;
    pthread_mutex_unlock(&workers->mutex);
}

VrStatus vr_run_together(Workers *workers, Job *job, int size) {
    publish(workers, job, size);
    vr_start_team(&workers->team, job->call);
    Member member = member_of(&workers->team, job, 0);
    run(workers, job, &member);
    vr_finish_team(&workers->team, member.stalled);
    return is_stopped(&member) ? VR_STOPPED : VR_OK;
}

VrStatus vr_run_in_background(Workers *workers, Job *job) {
    publish(workers, job, 1);
    invite(&workers->team);
    pthread_mutex_lock(&workers->mutex);
    while (workers->answers != job->call) pthread_cond_wait(&workers->answered, &workers->mutex);
    VrStatus status = workers->job.status;
    pthread_mutex_unlock(&workers->mutex);
    return status;
}
