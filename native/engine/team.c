/* The beginning of a call, and how a member waits for the others. */
#include "team.h"

/* How often a waiting thread spins, some ten nanoseconds each time. Most steps end within that time. */
#define SPIN_TURNS 1024
/* After that it offers its processor to other threads, and later it sleeps. The kernel can then move a member that has
 * lost its processor to this one. */
#define YIELD_NANOSECONDS 75000
#define SLEEP_NANOSECONDS 20000
/* How long the caller waits for another member, in times of one item. The other may still have two items to compute, on
 * a processor that is half as fast. */
#define PATIENCE_ITEMS 4
#define LEAST_PATIENCE_NANOSECONDS 300000
/* How long a caller rests from the team. Each further stall doubles it, each call of the team without one halves it. It
 * is time, not a number of steps or calls, so that an idle machine never computes alone for long. */
#define FIRST_REST_NANOSECONDS 4000000
#define LONGEST_REST_NANOSECONDS 128000000

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void vr_prepare_team(Team *team, uint32_t call) {
    for (int counter = 0; counter < team->counters; counter++)
        atomic_store_explicit(team->claimed + counter, counted(call, 0), memory_order_relaxed);
}

void vr_end_rest(Team *team) {
    team->rest_until = 0;
    atomic_store_explicit(&team->alone, 0, memory_order_relaxed);
    team->invite(team);
}

static void begin_rest(Team *team, uint32_t call, int64_t now) {
    if (team->next_rest < FIRST_REST_NANOSECONDS) team->next_rest = FIRST_REST_NANOSECONDS;
    team->rest_until = now + team->next_rest;
    team->next_rest *= 2;
    if (team->next_rest > LONGEST_REST_NANOSECONDS) team->next_rest = LONGEST_REST_NANOSECONDS;
    atomic_store_explicit(&team->alone, call, memory_order_relaxed);
}

void vr_start_team(Team *team, uint32_t call) {
    if (team->rest_until > vr_nanoseconds_now()) atomic_store_explicit(&team->alone, call, memory_order_relaxed);
    else vr_end_rest(team);
}

void vr_finish_team(Team *team, bool stalled) {
    /* A caller that is still at rest had nobody to wait for. */
    if (!stalled && !team->rest_until) team->next_rest /= 2;
}

/* Return how long to wait. A member that has computed nothing does not know how long an item takes. */
static int64_t patience(const Member *member, int64_t now) {
    if (!member->done) return INT64_MAX;
    int64_t items = PATIENCE_ITEMS * (now - member->began) / member->done;
    return items > LEAST_PATIENCE_NANOSECONDS ? items : LEAST_PATIENCE_NANOSECONDS;
}

void vr_wait_a_turn(Member *member, Wait *wait) {
    if (wait->turns < SPIN_TURNS) {
        wait->turns++;
        relax();
        return;
    }
    int64_t now = vr_nanoseconds_now();
    if (!wait->since) {
        wait->since = now;
        wait->patience = patience(member, now);
    }
    int64_t waited = now - wait->since;
    if (waited < YIELD_NANOSECONDS) {
        vr_yield_processor();
        return;
    }
    if (waited > wait->patience && member->number == 0 && !member->team->rest_until) {
        member->stalled = true;
        begin_rest(member->team, member->call, now);
    }
    vr_sleep_briefly(SLEEP_NANOSECONDS);
}
