/* The monotonic clock and short waits, on Windows and on POSIX. */
#define _POSIX_C_SOURCE 200809L
#include "clock.h"

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

int64_t vr_nanoseconds_now(void) {
    LARGE_INTEGER count, a_second;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&a_second);
    /* Whole seconds are converted separately: the count times 10^9 would overflow within a day or two. */
    int64_t seconds = count.QuadPart / a_second.QuadPart, rest = count.QuadPart % a_second.QuadPart;
    return seconds * 1000000000 + rest * 1000000000 / a_second.QuadPart;
}

void vr_yield_processor(void) { SwitchToThread(); }

/* Windows rounds a sleep up to a millisecond or more, so this only lets another thread run. */
void vr_sleep_briefly(int64_t nanoseconds) {
    (void)nanoseconds;
    Sleep(0);
}

#else

#include <sched.h>
#include <time.h>

int64_t vr_nanoseconds_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void vr_yield_processor(void) { sched_yield(); }

void vr_sleep_briefly(int64_t nanoseconds) {
    struct timespec time = {.tv_nsec = (long)nanoseconds};
    nanosleep(&time, 0);
}

#endif
