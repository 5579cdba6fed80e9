/* What the targets of libFuzzer share: a check that ends the process, numbers from an input, and the kernels. */
#ifndef VIBE_ROUTER_FUZZ_HARNESS_H
#define VIBE_ROUTER_FUZZ_HARNESS_H

#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "../engine/api.h"

/* libFuzzer's own mutation, which a target's mutator may ask for (compiler-rt, FuzzerInterface.h). */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

static inline void check(int holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "%s\n", what);
    abort();
}

#define MOST_SECONDS 20

static inline void take_too_long(int signal) {
    (void)signal;
    check(0, "an input takes longer than 20 s of a processor");
}

/* An input may take so many seconds of a processor; libFuzzer counts those in which others had it, too. */
static inline void begin_input(void) {
    const struct itimerval most = {.it_value.tv_sec = MOST_SECONDS};
    static int ready;
    if (!ready) signal(SIGPROF, take_too_long);
    ready = 1;
    setitimer(ITIMER_PROF, &most, 0);
}

/* The rest of an input. Behind its end there are zeros. */
typedef struct {
    const uint8_t *next;
    size_t left;
} Input;

static inline uint32_t take(Input *input) {
    if (!input->left) return 0;
    input->left--;
    return *input->next++;
}

static inline uint32_t take_word(Input *input) {
    uint32_t low = take(input);
    low |= take(input) << 8;
    low |= take(input) << 16;
    return low | take(input) << 24;
}

/* Return one of some numbers. */
#define ONE_OF(input, ...)                                                                                             \
    (((const int32_t[]){__VA_ARGS__})[take(input) % (sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))])

/* The instruction sets that run here. */
typedef struct {
    int32_t sets[VR_WASM];
    int count;
} Runnable;

/* Asking a processor takes long in a virtual machine: once. */
static inline Runnable find_runnable(void) {
    Runnable found = {.count = 0};
    for (int32_t one = VR_AVX_VNNI; one <= VR_WASM; one++)
        if (vr_supports(one)) found.sets[found.count++] = one;
    check(found.count > 0, "the engine does not run on this processor");
    return found;
}

/* A few calls have a team, the others are made by one thread: starting threads takes longer than most calls. */
static inline int32_t threads_of(uint32_t byte) { return byte % 128 == 93 ? 2 : byte == 94 ? 3 : 1; }

/* Return whether two logits are the same bits, or neither is finite: routers refuse the latter whatever their bits. */
static inline int same_logit(float one, float other) {
    return !memcmp(&one, &other, sizeof one) || (!isfinite(one) && !isfinite(other));
}

#endif
