/* The part of POSIX threads that the engine uses, made of Windows threads. Builds for Windows search this folder first.
 */
#ifndef VIBE_ROUTER_WINDOWS_PTHREAD_H
#define VIBE_ROUTER_WINDOWS_PTHREAD_H

#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
/* After windows.h, which process.h needs. */
#include <process.h>
#include <stdint.h>
#include <stdlib.h>

typedef HANDLE pthread_t;
typedef SRWLOCK pthread_mutex_t;
typedef CONDITION_VARIABLE pthread_cond_t;

typedef struct {
    void *(*run)(void *);
    void *argument;
} ThreadStart;

static inline unsigned __stdcall run_thread(void *argument) {
    ThreadStart start = *(ThreadStart *)argument;
    free(argument);
    start.run(start.argument);
    return 0;
}

static inline int pthread_create(pthread_t *thread, const void *attributes, void *(*run)(void *), void *argument) {
    (void)attributes;
    ThreadStart *start = malloc(sizeof *start);
    if (!start) return -1;
    *start = (ThreadStart){run, argument};
    *thread = (HANDLE)_beginthreadex(0, 0, run_thread, start, 0, 0);
    if (*thread) return 0;
    free(start);
    return -1;
}

static inline void pthread_join(pthread_t thread, void **result) {
    (void)result;
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

static inline void pthread_mutex_init(pthread_mutex_t *mutex, const void *attributes) {
    (void)attributes;
    InitializeSRWLock(mutex);
}

static inline int pthread_mutex_lock(pthread_mutex_t *mutex) { return AcquireSRWLockExclusive(mutex), 0; }
static inline int pthread_mutex_trylock(pthread_mutex_t *mutex) { return !TryAcquireSRWLockExclusive(mutex); }
static inline void pthread_mutex_unlock(pthread_mutex_t *mutex) { ReleaseSRWLockExclusive(mutex); }
/* Locks and conditions of Windows need not be freed. */
static inline void pthread_mutex_destroy(pthread_mutex_t *mutex) { (void)mutex; }

static inline void pthread_cond_init(pthread_cond_t *condition, const void *attributes) {
    (void)attributes;
    InitializeConditionVariable(condition);
}

static inline void pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
    SleepConditionVariableSRW(condition, mutex, INFINITE, 0);
}

static inline void pthread_cond_signal(pthread_cond_t *condition) { WakeConditionVariable(condition); }
static inline void pthread_cond_broadcast(pthread_cond_t *condition) { WakeAllConditionVariable(condition); }
static inline void pthread_cond_destroy(pthread_cond_t *condition) { (void)condition; }

#endif
