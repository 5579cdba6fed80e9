/* What the steps of a forward pass are made of: a team's shares of rows and of strips, and the weights that are asked of
 * memory before they are needed. */
#ifndef VIBE_ROUTER_STEPS_H
#define VIBE_ROUTER_STEPS_H

#include "products.h"

/* Tokens that one item of a product has at most: few enough that their int8 rows stay in a core's cache. Every chunk of
 * tokens reads the whole matrix again. */
#define MOST_ROWS 1024
/* Items that each thread finds in a product at least, so that none waits long for the last. */
#define FEWEST_ITEMS 4

/* A matrix and the order in which its strips are items. With three parts, query, key and value, those of a head come one
 * behind the other, so that they belong to one share, as the head does in attention. */
typedef struct {
    const VrMatrix *matrix; /* null: none */
    int parts;
} Weights;

static Weights query_key_value(const VrLayer *layer) { return (Weights){&layer->query_key_value, 3}; }

static int strip_of(Weights weights, int item) {
    int strips = weights.matrix->strips, place = item % strips;
    return place % weights.parts * (strips / weights.parts) + place / weights.parts;
}

static int64_t strip_bytes(const VrMatrix *matrix) {
    return (int64_t)matrix->inputs * VR_STRIP * (matrix->scales ? 1 : (int)sizeof(float));
}

static const char *strip_at(Weights weights, int item) {
    return (const char *)weights.matrix->values + strip_of(weights, item) * strip_bytes(weights.matrix);
}

/* A matrix that is used next, and what of a member's share of it has not been asked of memory yet: the rest of one
 * item's strip, and the items behind it. */
typedef struct {
    Weights weights;
    int item, end;
    const char *from;
    int64_t left; /* bytes */
} Soon;

typedef struct {
    const VrModel *model;
    const Request *request;
    const Activations *at;
    float *scratch; /* this thread's */
    Member member;
    Soon soon;
} Pass;

/* Ask memory for a little of what is used next; return whether there was anything. */
static bool ask_for_some(Soon *soon) {
    if (soon->left <= 0) {
        if (soon->item >= soon->end) return false;
        soon->from = strip_at(soon->weights, soon->item++);
        soon->left = strip_bytes(soon->weights.matrix);
    }
    for (int line = 0; line < 4; line++) __builtin_prefetch(soon->from + CACHE_LINE * line, 0, 2);
    soon->from += 4 * CACHE_LINE;
    soon->left -= 4 * CACHE_LINE;
    return true;
}

/* Wait until every member has ended the current step, and go to the next. Memory is not idle meanwhile. */
static void finish_step(Pass *pass) {
    arrive(&pass->member);
    for (int turns = 0; !all_arrived(&pass->member);)
        if (!ask_for_some(&pass->soon)) turns = wait_a_turn(turns);
    pass->member.step++;
}

/* Rows that one item of a step has: a few, and so few that every member has some. */
static int item_rows(const Pass *pass) {
    int size = pass->member.team->size, rows = (pass->request->tokens + size - 1) / size;
    return rows < VR_TILE_ROWS ? rows : VR_TILE_ROWS;
}

/* Take the rows of a step from one another. */
#define FOR_ROWS(pass, token)                                                                                          \
    for (int tokens_ = (pass)->request->tokens, rows_ = item_rows(pass), items_ = (tokens_ + rows_ - 1) / rows_,       \
             item_;                                                                                                    \
         (item_ = take(&(pass)->member, items_)) != NOTHING;)                                                          \
        for (int token = item_ * rows_; token < tokens_ && token < (item_ + 1) * rows_; token++)

/* How a product with `rows` tokens is cut into items: `chunks` of the tokens, in each all strips of the matrix. */
typedef struct {
    int chunks;
    int chunk_rows;
} Cut;

static Cut cut(const VrMatrix *matrix, int rows, int members) {
    int wanted = (FEWEST_ITEMS * members + matrix->strips - 1) / matrix->strips;
    int needed = (rows + MOST_ROWS - 1) / MOST_ROWS;
    int chunk_rows = (int)rounded_up((rows - 1) / (wanted > needed ? wanted : needed) + 1, BLOCK_ROWS);
    return (Cut){(rows + chunk_rows - 1) / chunk_rows, chunk_rows};
}

/* A member's share of a product that comes next, which nothing has been asked of yet. */
static Soon share_of(Weights weights, int rows, const Member *member) {
    if (!weights.matrix) return (Soon){0};
    int size = member->team->size, items = cut(weights.matrix, rows, size).chunks * weights.matrix->strips;
    return (Soon){
        .weights = weights,
        .item = share_begin(items, member->number, size),
        .end = share_begin(items, member->number + 1, size),
    };
}

/* Multiply `rows` rows. While a strip is at work, the one that this member is likely to need next comes from memory,
 * behind the last the first of its share in `next`. */
static void product(Pass *pass, Weights weights, Operand x, int rows, Result result, Weights next) {
    const Member *member = &pass->member;
    const VrMatrix *matrix = weights.matrix;
    int size = member->team->size;
    Cut here = cut(matrix, rows, size);
    int items = here.chunks * matrix->strips;
    Soon soon = share_of(next, rows, member);
    /* With nothing to come, what is there already: that costs nothing. */
    const char *behind = soon.item < soon.end ? strip_at(next, soon.item++) : matrix->values;
    Unended unended;
    begin_products(&unended);
    for (int item = take(member, items), following; item != NOTHING; item = following) {
        following = take(member, items);
        int first = item / matrix->strips * here.chunk_rows, last = first + here.chunk_rows;
        multiply(matrix, strip_of(weights, item), following == NOTHING ? behind : strip_at(weights, following), x, first,
                 last < rows ? last : rows, result, &unended);
    }
    end_rest(&unended);
    pass->soon = soon;
    finish_step(pass);
}

#endif
