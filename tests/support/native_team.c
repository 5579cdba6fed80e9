/* A caller and one other member of a team, on a clock that only waiting moves: what a stall does, and what ends it. */
#include "../../native/engine/team.h"

#define STEPS 8
#define ITEMS 4
#define MILLISECOND 1000000
/* Return the line of what is not so. */
#define CHECK(holds)                                                                                                   \
    if (!(holds)) return __LINE__

static int64_t now = 1;
static int invitations;

int64_t vr_nanoseconds_now(void) { return now; }
void vr_yield_processor(void) { now += 10000; }
void vr_sleep_briefly(int64_t nanoseconds) { now += nanoseconds; }

static void invite(Team *team) {
    (void)team;
    invitations++;
}

static Member member_of(Team *team, uint32_t call, int number) {
    return (Member){.team = team, .call = call, .size = 2, .number = number, .began = now};
}

/* Compute all items that are left of the caller's step, each in a microsecond. */
static void compute(Member *member) {
    while (claim(member, ITEMS) != NOTHING) now += 1000;
    report(member);
}

/* Have the other member claim one item and stop, and the caller compute the rest; what the caller waited until it began
 * a rest comes to `waited`. */
static int stall(Team *team, Member *caller, Member *other, int64_t *waited) {
    int64_t before = team->next_rest;
    CHECK(claim(other, ITEMS) != NOTHING);
    compute(caller);
    int64_t began = now;
    for (Wait wait = {0}; !team->rest_until;) vr_wait_a_turn(caller, &wait);
    *waited = now - began;
    /* Each rest is longer than the one before. The others leave, and what was claimed before is finished. */
    CHECK(team->next_rest > before);
    CHECK(claim(other, ITEMS) == NOTHING && other->left);
    report(other);
    CHECK(step_is_over(caller, ITEMS));
    return 0;
}

/* Return 0, or the line of what is not so. */
int a_rest_ends_within_the_call(void) {
    static Counter counters[3 * STEPS];
    Team team = {.row = STEPS, .claimed = counters, .finished = counters + 2 * STEPS, .counters = 3 * STEPS};
    team.invite = invite;
    int64_t waited;
    int line;

    vr_prepare_team(&team, 1);
    vr_start_team(&team, 1);
    CHECK(invitations == 1);
    Member caller = member_of(&team, 1, 0), other = member_of(&team, 1, 1);
    if ((line = stall(&team, &caller, &other, &waited))) return line;
    CHECK(waited >= MILLISECOND / 4 && waited < MILLISECOND);
    int64_t rest = team.rest_until - now;

    /* The rest is longer than the step, and the caller finishes the next one alone. */
    advance(&caller);
    CHECK(invitations == 1 && team.rest_until);
    compute(&caller);
    CHECK(step_is_over(&caller, ITEMS));
    /* The others are invited when it is over. Who comes again passes the steps that are finished. */
    now += rest;
    advance(&caller);
    CHECK(invitations == 2 && !team.rest_until);
    Member again = member_of(&team, 1, 1);
    CHECK(claim(&again, ITEMS) == NOTHING && !again.left);
    advance(&again);
    advance(&again);
    CHECK(claim(&again, ITEMS) != NOTHING);
    report(&again);
    compute(&caller);
    CHECK(step_is_over(&caller, ITEMS));
    advance(&caller);
    advance(&again);
    if ((line = stall(&team, &caller, &again, &waited))) return line;
    CHECK(team.rest_until - now > rest);
    vr_finish_team(&team, true);

    /* A call that begins within a rest begins without the others, and invites them when it is over. */
    vr_prepare_team(&team, 2);
    vr_start_team(&team, 2);
    caller = member_of(&team, 2, 0), other = member_of(&team, 2, 1);
    CHECK(invitations == 2);
    CHECK(claim(&other, ITEMS) == NOTHING && other.left);
    /* Short calls within a rest have no stall, which says nothing of the machine. */
    int64_t next = team.next_rest;
    vr_finish_team(&team, false);
    CHECK(team.next_rest == next);
    now = team.rest_until + 1;
    compute(&caller);
    advance(&caller);
    CHECK(invitations == 3);
    vr_finish_team(&team, false);
    CHECK(team.next_rest < next);
    return 0;
}
