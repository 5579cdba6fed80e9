/* The processor's rounding mode: to nearest, and denormal numbers are not replaced by 0. */
#ifndef VIBE_ROUTER_ROUNDING_H
#define VIBE_ROUTER_ROUNDING_H

#include <stdint.h>

#if defined(__x86_64__)
#define DEFAULT_ROUNDING 0x1f80 /* MXCSR: every exception is masked */
#else
#define DEFAULT_ROUNDING 0 /* FPCR */
#endif

/* Set this thread's mode, which the host application may have changed; return what it was. */
static inline uint64_t set_rounding(uint64_t wanted) {
#if defined(__x86_64__)
    uint64_t found = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr((unsigned)wanted);
#elif defined(__wasm__)
    uint64_t found = wanted; /* there is one mode only */
#else
    uint64_t found;
    __asm__ volatile("mrs %0, fpcr" : "=r"(found));
    __asm__ volatile("msr fpcr, %0" : : "r"(wanted));
#endif
    return found;
}

#endif
