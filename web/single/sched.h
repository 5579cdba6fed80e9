/* See pthread.h. */
static inline int sched_yield(void) { return 0; }
