#include "team.h"

#include <sched.h>

/* Turns of some nanoseconds, after which a waiting thread offers its processor to others: the one that it waits for may
 * have none. */
#define PATIENCE 2048

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

int wait_a_turn(int turns) {
    if (turns >= PATIENCE) {
        sched_yield();
        return turns;
    }
    relax();
    return turns + 1;
}

void wait_for(atomic_int *counter, int value) {
    for (int turns = 0; atomic_load_explicit(counter, memory_order_acquire) != value;) turns = wait_a_turn(turns);
}
