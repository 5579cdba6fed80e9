/* The kernel for AVX-512 VNNI, for x86-64-v4. */
#if defined(__x86_64__)
#define INSTRUCTIONS AVX512_VNNI
#define FEATURES "avx2,fma,f16c,bmi,bmi2,lzcnt,movbe,popcnt,cx16,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni"
#include "kernel.h"
#endif
