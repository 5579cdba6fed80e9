/* Threads that compute the steps of a forward pass together.
 *
 * A step has items. Each member first claims those of its own share, which is the same part of every step that has as
 * many items: what it wrote in one step is still in its own cache in the next, and it knows which weights it will need.
 * Then it claims what others have left, so that a member whose processor is busy does not hold up the rest for long. A
 * barrier ends each step. Members wait there on the processor, because a step takes microseconds.
 */
#ifndef VIBE_ROUTER_TEAM_H
#define VIBE_ROUTER_TEAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* State that the members of a team share during one call. */
typedef struct {
    int size;
    int row;             /* counters from one member's first to the next member's first */
    atomic_int *claimed; /* [size][row]: claimed items of a member's share, for each step; all zero at first */
    atomic_int *arrived; /* [steps]: members that have finished a step; all zero at first */
    atomic_bool stopped;
} Team;

/* A member, and its position in the sequence of steps, which is the same for all. */
typedef struct {
    Team *team;
    int number; /* 0 and up */
    int step;
} Member;

/* The result of `claim` if no item is left. */
#define NOTHING (-1)

/* The first item of a member's share. The share of the next member begins where it ends. */
static inline int share_begin(int items, int number, int size) { return (int)((int64_t)items * number / size); }

/* Return an item of the current step, 0 to `items` - 1, that no other member has claimed, or NOTHING. */
static inline int claim(const Member *member, int items) {
    const Team *team = member->team;
    for (int other = 0; other < team->size; other++) {
        int number = (member->number + other) % team->size;
        int begin = share_begin(items, number, team->size), end = share_begin(items, number + 1, team->size);
        atomic_int *claimed = team->claimed + number * team->row + member->step;
        int item = begin + atomic_load_explicit(claimed, memory_order_relaxed);
        if (item >= end) continue;
        if (team->size > 1)
            item = begin + atomic_fetch_add_explicit(claimed, 1, memory_order_relaxed);
        else
            atomic_store_explicit(claimed, item + 1, memory_order_relaxed);
        if (item < end) return item;
    }
    return NOTHING;
}

/* Report that this member has finished the current step. */
static inline void arrive(const Member *member) {
    if (member->team->size > 1)
        atomic_fetch_add_explicit(member->team->arrived + member->step, 1, memory_order_acq_rel);
}

/* Return whether every member has finished the current step. */
static inline bool all_arrived(const Member *member) {
    const Team *team = member->team;
    return team->size == 1 || atomic_load_explicit(team->arrived + member->step, memory_order_acquire) == team->size;
}

/* Let some nanoseconds pass. `turns` is the number of earlier calls; while it is small, this thread keeps its
 * processor. Return the number of calls now. */
int wait_a_turn(int turns);

/* Wait until `counter` is `value`. */
void wait_for(atomic_int *counter, int value);

#endif
