/* The kernel for NEON, for ARMv8.2 with dot products. */
#if defined(__aarch64__)
#define INSTRUCTIONS NEON
#define FEATURES "dotprod"
#include "kernel.h"
#endif
