/* Threads that go through the steps of a forward pass together.
 *
 * A step has items. Every member first takes those of its own share, the same part of every step that has as many items:
 * what it wrote in one step it finds in its own cache in the next, and it knows which weights it will need. Then it
 * helps whoever has some left, so that a member whose processor is busy with something else does not hold up the rest
 * for long. Between steps all wait for each other, on the processor, for a step takes microseconds.
 */
#ifndef VIBE_ROUTER_TEAM_H
#define VIBE_ROUTER_TEAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What the members of a team share during one call. */
typedef struct {
    int size;
    int row;             /* counters from one member's to the next member's */
    atomic_int *taken;   /* [size][row]: items of a member's share that are taken, by step; all zero at first */
    atomic_int *arrived; /* [steps]: members that have ended a step; all zero at first */
    atomic_bool stopped;
} Team;

/* A member, and its place in the sequence of steps, which is the same for all. */
typedef struct {
    Team *team;
    int number; /* 0 and up */
    int step;
} Member;

/* What `take` returns where nothing is left. */
#define NOTHING (-1)

/* Where the share of a member begins; that of the next one begins where it ends. */
static inline int share_begin(int items, int number, int size) { return (int)((int64_t)items * number / size); }

/* Return an item of the current step, 0 to `items` - 1, that no other member has, or NOTHING. */
static inline int take(const Member *member, int items) {
    const Team *team = member->team;
    for (int other = 0; other < team->size; other++) {
        int number = (member->number + other) % team->size;
        int begin = share_begin(items, number, team->size), end = share_begin(items, number + 1, team->size);
        atomic_int *taken = team->taken + number * team->row + member->step;
        int item = begin + atomic_load_explicit(taken, memory_order_relaxed);
        if (item >= end) continue;
        if (team->size > 1)
            item = begin + atomic_fetch_add_explicit(taken, 1, memory_order_relaxed);
        else
            atomic_store_explicit(taken, item + 1, memory_order_relaxed);
        if (item < end) return item;
    }
    return NOTHING;
}

/* Tell the others that this member has ended the current step. */
static inline void arrive(const Member *member) {
    if (member->team->size > 1)
        atomic_fetch_add_explicit(member->team->arrived + member->step, 1, memory_order_acq_rel);
}

/* Whether every member has ended the current step. */
static inline bool all_arrived(const Member *member) {
    const Team *team = member->team;
    return team->size == 1 || atomic_load_explicit(team->arrived + member->step, memory_order_acquire) == team->size;
}

/* Let some nanoseconds pass, on the processor where `turns`, how often that has been called before, are few; return how
 * often it has been called now. */
int wait_a_turn(int turns);

/* Wait until `counter` is `value`. */
void wait_for(atomic_int *counter, int value);

#endif
