#define _POSIX_C_SOURCE 200809L
#include "team.h"

#include <sched.h>
#include <time.h>

/* Turns of some ten nanoseconds that a waiting thread spins, because most steps end within them. */
#define SPIN_TURNS 1024
/* Then it offers its processor to others, for a quarter of its patience, and then sleeps: the kernel can move a member
 * that has lost its processor to the one that becomes free. */
#define SLEEP_NANOSECONDS 20000

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void begin_call(Team *team, uint32_t call) {
    for (int counter = 0; counter < team->counters; counter++)
        atomic_store_explicit(team->claimed + counter, counted(call, 0), memory_order_relaxed);
}

void wait_a_turn(Member *member, Wait *wait) {
    if (wait->turns < SPIN_TURNS) {
        wait->turns++;
        relax();
        return;
    }
    if (!wait->since) wait->since = now();
    int64_t waited = now() - wait->since;
    if (waited < member->patience / 4) {
        sched_yield();
        return;
    }
    if (!member->stalled && waited > member->patience) {
        member->stalled = true;
        if (member->number)
            member->left = true;
        else
            atomic_store_explicit(&member->team->alone, member->call, memory_order_relaxed);
    }
    struct timespec time = {.tv_nsec = SLEEP_NANOSECONDS};
    nanosleep(&time, 0);
}
