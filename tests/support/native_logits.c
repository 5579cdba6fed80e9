/* Prints the logits of an image that native_image.py has written, as bits, one a line. Ends with 1, and says why, if an
 * engine of up to THREADS threads, asked for one sequence at a time by CALLERS threads at once, gives other bits. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../native/engine/api.h"

#define MOST_CALLERS 16

/* What a file begins with. */
typedef struct {
    const void *address; /* where it must be mapped, for what follows points into it */
    VrModel model;
    int32_t instructions;
    int32_t sequences;
    const int32_t *lengths;
    const int64_t *ids;
} Image;

typedef struct {
    const Image *image;
    VrEngine *engine;
    const float *expected;
    int different;
} Caller;

static _Noreturn void fail(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(1);
}

static const Image *map(const char *path) {
    const void *address;
    struct stat status;
    int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &status) || read(file, &address, sizeof address) != sizeof address)
        fail("the image cannot be read");
    const Image *image = mmap((void *)address, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (image != address) fail("the image cannot be mapped to its address");
    return image;
}

static void *ask_one_by_one(void *argument) {
    Caller *caller = argument;
    const Image *image = caller->image;
    const int64_t *ids = image->ids;
    const int32_t going_on = 0;
    for (int sequence = 0; sequence < image->sequences; ids += image->lengths[sequence++]) {
        float logit;
        int32_t status = vr_logits(caller->engine, ids, image->lengths + sequence, 1, &going_on, &logit);
        caller->different |= status != VR_OK || memcmp(&logit, caller->expected + sequence, sizeof logit) != 0;
    }
    return 0;
}

static void compare(const Image *image, VrEngine *engine, int count, const float *expected) {
    pthread_t threads[MOST_CALLERS];
    Caller callers[MOST_CALLERS];
    for (int number = 0; number < count; number++) {
        callers[number] = (Caller){image, engine, expected, 0};
        if (pthread_create(threads + number, 0, ask_one_by_one, callers + number)) fail("no thread");
    }
    for (int number = 0; number < count; number++) {
        pthread_join(threads[number], 0);
        if (callers[number].different) fail("one by one, a logit is another");
    }
}

int main(int count, char **arguments) {
    int most_threads = count == 4 ? atoi(arguments[2]) : 0, callers = count == 4 ? atoi(arguments[3]) : 0;
    if (most_threads < 1 || callers < 1 || callers > MOST_CALLERS) fail("usage: native_logits IMAGE THREADS CALLERS");
    const Image *image = map(arguments[1]);
    const int32_t going_on = 0;
    size_t bytes = (size_t)image->sequences * sizeof(float);
    float *expected = malloc(bytes), *logits = malloc(bytes);
    if (!expected || !logits) fail("no memory");
    for (int threads = 1; threads <= most_threads; threads++) {
        VrEngine *engine = vr_open(&image->model, image->instructions, threads);
        if (!engine) fail("no engine with these instructions");
        float *to = threads == 1 ? expected : logits;
        if (vr_logits(engine, image->ids, image->lengths, image->sequences, &going_on, to) != VR_OK) fail("no logits");
        if (memcmp(to, expected, bytes) != 0) fail("with more threads, a logit is another");
        compare(image, engine, callers, expected);
        vr_close(engine);
    }
    for (int sequence = 0; sequence < image->sequences; sequence++) {
        uint32_t bits;
        memcpy(&bits, expected + sequence, sizeof bits);
        printf("%08x\n", bits);
    }
    free(expected);
    free(logits);
    return 0;
}
