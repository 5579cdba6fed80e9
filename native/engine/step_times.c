/* The times of steps, added up over all calls. */
#include "step_times.h"

#if TIME_STEPS
#include <stdio.h>

#include "forward.h"

#define MOST_STEPS 1024

typedef struct {
    int64_t computing, waiting;
} Times;

static Times times[MOST_STEPS];

void note_step(const Member *member, int64_t computed) {
    if (member->number || member->step >= MOST_STEPS) return;
    times[member->step].computing += computed - member->began;
    times[member->step].waiting += vr_nanoseconds_now() - computed;
}

/* Print the sum of `count` steps that are LAYER_STEPS apart. */
static void print_sum(const char *name, int first, int count) {
    Times sum = {0};
    for (int place = 0; place < count && first + place * LAYER_STEPS < MOST_STEPS; place++) {
        sum.computing += times[first + place * LAYER_STEPS].computing;
        sum.waiting += times[first + place * LAYER_STEPS].waiting;
    }
    fprintf(stderr, "%s %lld %lld\n", name, (long long)sum.computing, (long long)sum.waiting);
}

void print_step_times(int layers) {
    static const char *const names[LAYER_STEPS] = {
        "attention_norm", "query_key_value", "attention",  "rounding_of_attention", "attention_output", "mlp_norm",
        "mlp_input",      "rounding",        "mlp_output",
    };
    print_sum("embedding", 0, EMBEDDING_STEPS);
    for (int step = 0; step < LAYER_STEPS; step++) print_sum(names[step], EMBEDDING_STEPS + step, layers);
    for (int step = 0; step < HEAD_STEPS; step++) print_sum("head", EMBEDDING_STEPS + layers * LAYER_STEPS + step, 1);
}
#endif
