/* The kernel for AMX, for x86-64-v4 with AVX-512 VNNI. Only Linux gives a process the tile registers. */
#if defined(__x86_64__) && defined(__linux__)
#define INSTRUCTIONS AMX
#define FEATURES                                                                                                       \
    "avx2,fma,f16c,bmi,bmi2,lzcnt,movbe,popcnt,cx16,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni,amx-tile,"  \
    "amx-int8"
#include "kernel.h"
#endif
