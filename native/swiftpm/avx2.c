/* The kernel for AVX2, for x86-64-v3. */
#if defined(__x86_64__)
#define INSTRUCTIONS AVX2
#define FEATURES "avx2,fma,f16c,bmi,bmi2,lzcnt,movbe,popcnt,cx16"
#include "kernel.h"
#endif
