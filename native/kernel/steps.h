/* Building blocks of a forward pass: the work of a step divided among the team, and barriers. */
#ifndef VIBE_ROUTER_STEPS_H
#define VIBE_ROUTER_STEPS_H

#include "../engine/step_times.h"
#include "products.h"

/* The most tokens of one item of a product: few enough that their int8 rows stay in a core's cache. More chunks would
 * cost time, because the whole matrix is read again for each chunk. */
#define CHUNK_ROWS_LIMIT 1024
/* A product has at least this many items for each member, so that nobody waits long for the last one. */
#define ITEMS_PER_MEMBER 4

/* One member's view of a forward pass. */
typedef struct {
    const VrModel *model;
    const Request *request;
    const Activations *at;
    float *scratch; /* this member's */
    Member *member;
    PrefetchQueue queue;
} Pass;

/* Return whether the call is to compute no more. The caller alone reads `stop`: a member that comes late may find that
 * the call, and `stop` with it, is over. */
static bool is_to_stop(const Pass *pass) {
    if (pass->member->number == 0 && atomic_load_explicit(pass->request->stop, memory_order_relaxed))
        stop(pass->member);
    return is_stopped(pass->member);
}

/* Claim an item of the current step and return it, or NOTHING if none is left to compute. After a stop, claim all that
 * are left and compute none. */
static int next_item(const Pass *pass, int items) {
    int item = claim(pass->member, items);
    while (item != NOTHING && is_to_stop(pass)) item = claim(pass->member, items);
    return item;
}

/* Wait until all items of the current step are finished, and prefetch meanwhile. Then go to the next step. */
static void finish_step(Pass *pass, int items) {
    Wait wait = {0};
    report(pass->member);
    int64_t computed = TIME_STEPS ? vr_nanoseconds_now() : 0;
    while (!step_is_over(pass->member, items)) {
        /* Only the caller reads `stop`, so it must go on reading it while it waits for the others. */
        is_to_stop(pass);
        if (!prefetch_some(&pass->queue)) vr_wait_a_turn(pass->member, &wait);
    }
    note_step(pass->member, computed);
    advance(pass->member);
}

/* Tokens from `first` to `last`. */
typedef struct {
    int first, last;
} Rows;

/* Return how many tokens one item of a step of rows has: few enough that every member has some. */
static int item_rows(const Pass *pass) {
    int size = pass->member->size, rows = (pass->request->tokens + size - 1) / size;
    return rows < TILE_ROWS ? rows : TILE_ROWS;
}

static int row_items(const Pass *pass) {
    int rows = item_rows(pass);
    return (pass->request->tokens + rows - 1) / rows;
}

/* Claim rows of a step; return false if none are left. */
static bool claim_rows(const Pass *pass, Rows *rows) {
    int tokens = pass->request->tokens, each = item_rows(pass), item = next_item(pass, row_items(pass));
    if (item == NOTHING) return false;
    rows->first = item * each;
    rows->last = rows->first + each < tokens ? rows->first + each : tokens;
    return true;
}

/* How a product is divided into items: one for each chunk of the tokens and each panel of the matrix. */
typedef struct {
    int chunks;
    int chunk_rows;
} Division;

static Division divide(const VrMatrix *matrix, int rows, int members) {
    int wanted = (ITEMS_PER_MEMBER * members + matrix->panels - 1) / matrix->panels;
    int needed = (rows + CHUNK_ROWS_LIMIT - 1) / CHUNK_ROWS_LIMIT;
    int chunk_rows = (int)rounded_up((rows - 1) / (wanted > needed ? wanted : needed) + 1, BLOCK_ROWS);
    return (Division){(rows + chunk_rows - 1) / chunk_rows, chunk_rows};
}

/* Return a member's share of the panels of the next product. */
static PrefetchQueue share_of(Weights weights, int rows, const Member *member) {
    if (!weights.matrix) return (PrefetchQueue){0};
    int size = member->size, items = divide(weights.matrix, rows, size).chunks * weights.matrix->panels;
    return (PrefetchQueue){
        .weights = weights,
        .item = share_begin(items, member->number, size),
        .end = share_begin(items, member->number + 1, size),
    };
}

/* Multiply `rows` rows by a matrix. Before a member multiplies a panel, it claims the one that it multiplies next, and
 * prefetches that meanwhile. If members only guessed what they multiply next, two would prefetch the same panel. While
 * it multiplies its last panel, it prefetches the first one of its share of `next_weights`. */
static void product(Pass *pass, Weights weights, Operand x, int rows, Result result, Weights next_weights) {
    const Member *member = pass->member;
    const VrMatrix *matrix = weights.matrix;
    Division division = divide(matrix, rows, member->size);
    int items = division.chunks * matrix->panels;
    PrefetchQueue queue = share_of(next_weights, rows, member);
    /* If there is nothing to prefetch, this is memory that is in the cache already, which costs nothing. */
    const char *after_last = queue.item < queue.end ? panel_at(next_weights, queue.item++) : matrix->values;
    Pending pending;
    begin_pending(&pending);
    for (int item = next_item(pass, items), following; item != NOTHING; item = following) {
        following = next_item(pass, items);
        const char *next = following == NOTHING ? after_last : panel_at(weights, following);
        int first = item / matrix->panels * division.chunk_rows, last = first + division.chunk_rows;
        multiply(matrix, panel_of(weights, item), next, x, first, last < rows ? last : rows, result, &pending);
    }
    finish_pending(&pending);
    pass->queue = queue;
    finish_step(pass, items);
}

#endif
