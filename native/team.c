#include "team.h"

#include <sched.h>

/* Turns of some nanoseconds after which a waiting thread leaves its processor to others: the one it waits for may have
 * none. */
#define PATIENCE 2048

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void wait_for(atomic_int *counter, int value) {
    int turns = 0;
    while (atomic_load_explicit(counter, memory_order_acquire) != value) {
        if (turns < PATIENCE) {
            turns++;
            relax();
        } else {
            sched_yield();
        }
    }
}

void finish_step(Member *member) {
    Team *team = member->team;
    if (team->size > 1) {
        atomic_int *arrived = team->arrived + member->step;
        atomic_fetch_add_explicit(arrived, 1, memory_order_acq_rel);
        wait_for(arrived, team->size);
    }
    member->step++;
}
