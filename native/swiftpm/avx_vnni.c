/* The kernel for AVX-VNNI, for x86-64-v3. */
#if defined(__x86_64__)
#define INSTRUCTIONS AVX_VNNI
#define FEATURES "avx2,fma,f16c,bmi,bmi2,lzcnt,movbe,popcnt,cx16,avxvnni"
#include "kernel.h"
#endif
