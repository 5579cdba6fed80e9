/* Threads that go through the steps of a forward pass together.
 *
 * Within a step, members take items from one another until there are none; between steps they wait for each other, on
 * the processor, for a step takes microseconds.
 */
#ifndef VIBE_ROUTER_TEAM_H
#define VIBE_ROUTER_TEAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* One step's counters, on a cache line of its own. */
typedef struct {
    _Alignas(64) atomic_int taken;
    atomic_int arrived;
} Step;

/* What the members of a team share during one call. */
typedef struct {
    Step *steps; /* all zero at first */
    int size;
    atomic_bool stopped;
} Team;

/* A member's place in the sequence of steps, which is the same for all members. */
typedef struct {
    Team *team;
    int step;
} Member;

/* Return an item of the current step that no other member has: 0, 1, 2... */
static inline int take(const Member *member) {
    atomic_int *taken = &member->team->steps[member->step].taken;
    if (member->team->size > 1) return atomic_fetch_add_explicit(taken, 1, memory_order_relaxed);
    int item = atomic_load_explicit(taken, memory_order_relaxed);
    atomic_store_explicit(taken, item + 1, memory_order_relaxed);
    return item;
}

/* Wait until every member has ended the current step, and go to the next. */
void finish_step(Member *member);

/* Wait until `counter` is `value`, on the processor at first. */
void wait_for(atomic_int *counter, int value);

#endif
