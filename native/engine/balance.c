/* How many threads a call begins with: as many as the load of the machine leaves processors. */
#define _GNU_SOURCE
#include "balance.h"

#include <stdlib.h>
#include <string.h>

#if defined(__linux__)
#include <fcntl.h>
#include <unistd.h>
#endif

#include "clock.h"
#include "processor.h"

/* 1 in tests of the team: what else runs on the machine then makes no difference. */
#ifndef ALWAYS_FULL_SIZE
#define ALWAYS_FULL_SIZE 0
#endif

/* How long one reading of the load is used. A reading takes two microseconds, and a short call about a hundred. */
#define LOOK_NANOSECONDS 500000

#if defined(__linux__)

static int open_load(void) { return open("/proc/loadavg", O_RDONLY | O_CLOEXEC); }

static void close_load(int file) {
    if (file >= 0) close(file);
}

/* Return how many threads on this machine run or wait for a processor, or 0 if that is not known. The fourth field of
 * /proc/loadavg begins with that number (proc(5)). */
static int runnable_threads(int file) {
    char text[64];
    ssize_t bytes = file < 0 ? 0 : pread(file, text, sizeof text - 1, 0);
    if (bytes <= 0) return 0;
    text[bytes] = 0;
    const char *field = text;
    for (int number = 0; number < 3 && field; number++) {
        field = strchr(field, ' ');
        if (field) field++;
    }
    return field ? atoi(field) : 0;
}

#else

static int open_load(void) { return -1; }
static void close_load(int file) { (void)file; }

static int runnable_threads(int file) {
    (void)file;
    return 0;
}

#endif

/* Return how many threads find a processor that nothing else uses, the caller's included. */
static int room(const Balance *balance, int threads, int awake) {
    int running = runnable_threads(balance->file);
    if (running == 0) return threads;
    int size = balance->cpus - (running - 1 - awake);
    return size < 1 ? 1 : size > threads ? threads : size;
}

void vr_open_balance(Balance *balance, int threads) {
    *balance = (Balance){.file = open_load()};
    balance->cpus = vr_processor_count();
    balance->seen = room(balance, threads, 0);
}

void vr_close_balance(Balance *balance) { close_load(balance->file); }

int vr_choose_size(Balance *balance, int threads, int awake) {
    if (ALWAYS_FULL_SIZE) return threads;
    int64_t now = vr_nanoseconds_now();
    if (now - balance->looked_at > LOOK_NANOSECONDS) {
        int seen = room(balance, threads, awake);
        /* One busy moment is no reason to compute alone; two are. */
        balance->size = seen > balance->seen ? seen : balance->seen;
        balance->seen = seen;
        balance->looked_at = now;
    }
    return balance->size;
}
