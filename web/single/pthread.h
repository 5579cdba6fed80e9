/* POSIX threads for a program that has only one thread: WebAssembly without shared memory. */
#ifndef VIBE_ROUTER_SINGLE_PTHREAD_H
#define VIBE_ROUTER_SINGLE_PTHREAD_H

typedef int pthread_t;
typedef int pthread_mutex_t; /* 1: locked */
typedef int pthread_cond_t;

static inline int pthread_mutex_init(pthread_mutex_t *mutex, const void *attributes) {
    (void)attributes;
    return *mutex = 0;
}
static inline int pthread_mutex_trylock(pthread_mutex_t *mutex) { return *mutex ? 1 : (*mutex = 1, 0); }
static inline int pthread_mutex_lock(pthread_mutex_t *mutex) { return *mutex = 1, 0; }
static inline int pthread_mutex_unlock(pthread_mutex_t *mutex) { return *mutex = 0; }
static inline int pthread_mutex_destroy(pthread_mutex_t *mutex) { return (void)mutex, 0; }
static inline int pthread_cond_init(pthread_cond_t *condition, const void *attributes) {
    (void)condition, (void)attributes;
    return 0;
}
static inline int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
    (void)condition, (void)mutex;
    return 1;
}
static inline int pthread_cond_broadcast(pthread_cond_t *condition) { return (void)condition, 0; }
static inline int pthread_cond_signal(pthread_cond_t *condition) { return (void)condition, 0; }
static inline int pthread_cond_destroy(pthread_cond_t *condition) { return (void)condition, 0; }
/* This fails, so an engine of several threads cannot be opened. */
static inline int pthread_create(pthread_t *thread, const void *attributes, void *(*start)(void *), void *argument) {
    (void)thread, (void)attributes, (void)start, (void)argument;
    return 1;
}
static inline int pthread_join(pthread_t thread, void **result) { return (void)thread, (void)result, 1; }

#endif
