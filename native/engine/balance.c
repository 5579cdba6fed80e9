#define _GNU_SOURCE
#include "balance.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 1 in tests of the team, which must not depend on what else runs. */
#ifndef ALWAYS_FULL_SIZE
#define ALWAYS_FULL_SIZE 0
#endif

/* Calls that the caller computes alone after a stall: twice as many after each further one. */
#define FIRST_REST 4
#define LONGEST_REST 256

/* Return the threads on this machine that run or wait for a processor, or 0 if that is not known. The fourth field of
 * /proc/loadavg begins with them (proc(5)). */
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

/* Return how many threads find a processor that nothing else uses, the caller's included. */
static int room(const Balance *balance, int threads, int awake) {
    int running = runnable_threads(balance->file);
    if (running == 0) return threads;
    int size = balance->cpus - (running - 1 - awake);
    return size < 1 ? 1 : size > threads ? threads : size;
}

void open_balance(Balance *balance, int threads) {
    *balance = (Balance){.file = -1, .penalty = FIRST_REST};
#if defined(__linux__)
    balance->file = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
#endif
    balance->cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    balance->previous = room(balance, threads, 0);
}

void close_balance(Balance *balance) {
    if (balance->file >= 0) close(balance->file);
}

int choose_size(Balance *balance, int threads, int awake) {
    int now = room(balance, threads, awake);
    /* One busy moment is no reason to compute alone; two are. */
    int size = now > balance->previous ? now : balance->previous;
    balance->previous = now;
    if (ALWAYS_FULL_SIZE) return threads;
    if (balance->rest > 0 && size > 1) {
        balance->rest--;
        return 1;
    }
    return size;
}

void record_call(Balance *balance, bool stalled) {
    if (!stalled) {
        balance->penalty = balance->penalty / 2 < FIRST_REST ? FIRST_REST : balance->penalty / 2;
        return;
    }
    balance->rest = balance->penalty;
    balance->penalty = balance->penalty * 2 > LONGEST_REST ? LONGEST_REST : balance->penalty * 2;
}
