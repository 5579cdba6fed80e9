/* Threads that compute the steps of a forward pass together, and never wait for one that is not running.
 *
 * A step has items, which members claim one by one. A member begins with its own share: the same part of every step
 * that has as many items, so that what it wrote in one step is still in its own cache in the next. Then it claims items
 * of the other shares that nobody has claimed. A step is finished when all its items are. Nobody waits for a member
 * that has claimed nothing. So the caller alone can finish a call, and a member may join late, leave early, come again,
 * or never come.
 *
 * The caller that has waited long for a member rests from the team: the others leave, and it computes alone what nobody
 * has claimed. When the rest is over, in this call or a later one, it invites them again.
 *
 * Every counter holds the number of its call. A member that was not running when its call ended finds another number,
 * and leaves without having changed anything.
 */
#ifndef VIBE_ROUTER_TEAM_H
#define VIBE_ROUTER_TEAM_H

#include <stdatomic.h>
#include <stdbool.h>

#include "clock.h"

/* 1: the time of each step is noted (step_times.h). */
#ifndef TIME_STEPS
#define TIME_STEPS 0
#endif

/* A count in the low half, and the number of the call that it belongs to in the high half. */
typedef _Atomic(uint64_t) Counter;

static inline uint64_t counted(uint32_t call, uint32_t count) { return (uint64_t)call << 32 | count; }

/* State that the members share. It lives as long as the engine. */
typedef struct Team {
    int row;             /* counters of one member, filled up to whole cache lines */
    Counter *claimed;    /* [threads][row]: claimed items of a member's share, for each step */
    Counter *finished;   /* [row]: finished items of a step */
    int counters;        /* of all members */
    atomic_uint stopped; /* number of the call that is to compute nothing more */
    atomic_uint alone;   /* number of the call that its caller computes without the others, until its rest is over */
    /* Wakes the other members up, for the current call. */
    void (*invite)(struct Team *team);
    /* Only the caller uses these, nanoseconds. */
    int64_t rest_until; /* of the monotonic clock; 0: there is no rest */
    int64_t next_rest;  /* how long the next one is */
} Team;

/* A member, and its position in the sequence of steps, which is the same for all. */
typedef struct {
    Team *team;
    uint32_t call;
    int size;   /* members of this call */
    int number; /* 0: the caller */
    int step;
    int done;      /* items of the current step that this member has claimed */
    int64_t began; /* when the current step began: nanoseconds of the monotonic clock */
    bool left;     /* it takes no further part in the call, unless it is invited again */
    bool stalled;  /* the caller has waited too long for another member */
} Member;

/* The result of `claim` if no item is left. */
#define NOTHING (-1)

/* The first item of a member's share. The share of the next member begins where it ends. */
static inline int share_begin(int items, int number, int size) { return (int)((int64_t)items * number / size); }

/* Claim an item of one member's share; return NOTHING if none is left, or if the call is over. */
static inline int claim_from(Member *member, int items, int number) {
    int begin = share_begin(items, number, member->size), end = share_begin(items, number + 1, member->size);
    Counter *claimed = member->team->claimed + number * member->team->row + member->step;
    uint64_t count = atomic_load_explicit(claimed, memory_order_relaxed);
    do {
        if (count >> 32 != member->call) member->left = true;
        if (member->left || begin + (int)(uint32_t)count >= end) return NOTHING;
    } while (
        !atomic_compare_exchange_weak_explicit(claimed, &count, count + 1, memory_order_relaxed, memory_order_relaxed));
    return begin + (int)(uint32_t)count;
}

/* Return an item of the current step, 0 to `items` - 1, that no other member has claimed, or NOTHING. */
static inline int claim(Member *member, int items) {
    if (member->size == 1) return member->done < items ? member->done++ : NOTHING;
    if (member->number && atomic_load_explicit(&member->team->alone, memory_order_relaxed) == member->call)
        member->left = true;
    for (int other = 0; other < member->size && !member->left; other++) {
        int item = claim_from(member, items, (member->number + other) % member->size);
        if (item == NOTHING) continue;
        member->done++;
        return item;
    }
    return NOTHING;
}

/* Report the items that this member has finished in the current step. */
static inline void report(const Member *member) {
    if (member->size > 1 && member->done)
        atomic_fetch_add_explicit(member->team->finished + member->step, (uint64_t)member->done, memory_order_acq_rel);
}

/* Return whether this member need not wait any longer: all items are finished, or it has left. */
static inline bool step_is_over(Member *member, int items) {
    if (member->size == 1 || member->left) return true;
    uint64_t count = atomic_load_explicit(member->team->finished + member->step, memory_order_acquire);
    if (count >> 32 != member->call) member->left = true;
    return member->left || (int)(uint32_t)count == items;
}

/* End the caller's rest: the others may compute again. */
void vr_end_rest(Team *team);

/* Go to the next step. */
static inline void advance(Member *member) {
    member->step++;
    member->done = 0;
    if (member->size > 1 || TIME_STEPS) member->began = vr_nanoseconds_now();
    if (member->size > 1 && member->number == 0 && member->team->rest_until && member->began > member->team->rest_until)
        vr_end_rest(member->team);
}

/* Return whether this call is stopped. Its members then claim the items that are left, and compute none of them. */
static inline bool is_stopped(const Member *member) {
    return atomic_load_explicit(&member->team->stopped, memory_order_relaxed) == member->call;
}

static inline void stop(const Member *member) {
    atomic_store_explicit(&member->team->stopped, member->call, memory_order_relaxed);
}

/* Begin a call, in which nothing is claimed or finished yet. Only the caller's thread calls this. */
void vr_prepare_team(Team *team, uint32_t call);

/* Invite the others to a call that has been prepared, now or when the caller's rest is over. */
void vr_start_team(Team *team, uint32_t call);

/* Note that a call is over, and whether its caller has waited too long for another member. */
void vr_finish_team(Team *team, bool stalled);

/* A wait for other members. It begins as {0}. */
typedef struct {
    int turns;
    int64_t since;    /* nanoseconds of the monotonic clock */
    int64_t patience; /* nanoseconds */
} Wait;

/* Let a short time pass: spin at first, then give the processor to others. A caller that has run out of patience
 * begins a rest. */
void vr_wait_a_turn(Member *member, Wait *wait);

#endif
