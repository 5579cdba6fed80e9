/* How many processors there are, and which instruction sets they and the operating system run. */
#define _GNU_SOURCE
#include "processor.h"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#elif !defined(__wasm__)
#include <unistd.h>
#endif

int vr_processor_count(void) {
#if defined(_WIN32)
    long count = (long)GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
#elif defined(__wasm__)
    long count = 1;
#else
    long count = sysconf(_SC_NPROCESSORS_ONLN);
#endif
    return count < 1 ? 1 : count > 1024 ? 1024 : (int)count;
}

#if defined(__x86_64__)
#include <cpuid.h>

#if defined(__linux__)
#include <sys/syscall.h>
#endif

#define BIT(word, number) (((word) >> (number)) & 1u)

/* The registers that the operating system saves for each thread (Intel SDM, XCR0). */
static uint64_t saved_registers(void) {
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !BIT(c, 27)) return 0;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return ((uint64_t)d << 32) | a;
}

/* Ask Linux for the tile registers. A process may use them only after it has asked. */
static int ask_for_tiles(void) {
#if defined(__linux__)
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return 0;
#endif
}

/* Whether all these bits of a register of CPUID are set. */
#define ALL(word, ...) has_all(word, (const int[]){__VA_ARGS__, -1})

static int has_all(uint32_t word, const int *bits) {
    for (; *bits >= 0; bits++)
        if (!BIT(word, *bits)) return 0;
    return 1;
}

bool vr_processor_has(int32_t instructions) {
    uint32_t a, b, c, d, a1, feature_c, extended, unused[3];
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if (!__get_cpuid_count(7, 1, &a1, unused, unused + 1, unused + 2)) a1 = 0;
    if (!__get_cpuid(1, unused, unused + 1, &feature_c, unused + 2)) return 0;
    if (!__get_cpuid(0x80000001, unused, unused + 1, &extended, unused + 2)) return 0;
    uint64_t saved = saved_registers();
    int avx = (saved & 0x6) == 0x6, avx512 = avx && (saved & 0xe0) == 0xe0, tiles = (saved & 0x60000) == 0x60000;
    /* x86-64-v3, as compilers call it: SSE3, SSSE3, FMA, CMPXCHG16B, SSE4.1, SSE4.2, MOVBE, POPCNT, AVX, F16C; BMI1,
     * AVX2, BMI2; LZCNT. x86-64-v4 adds AVX512F, DQ, CD, BW, VL. */
    int third = avx && ALL(feature_c, 0, 9, 12, 13, 19, 20, 22, 23, 28, 29) && ALL(b, 3, 5, 8) && BIT(extended, 5);
    int fourth = third && avx512 && ALL(b, 16, 17, 28, 30, 31);
    switch (instructions) {
    case VR_AVX2: return third;
    case VR_AVX_VNNI: return third && BIT(a1, 4);
    case VR_AVX512_VNNI: return fourth && BIT(c, 11);
    /* AMX-TILE and AMX-INT8. */
    case VR_AMX: return fourth && BIT(c, 11) && tiles && ALL(d, 24, 25) && ask_for_tiles();
    default: return 0;
    }
}

#elif defined(__wasm__)

/* An engine of WebAssembly refuses to load a module with instructions that it does not have. */
bool vr_processor_has(int32_t instructions) { return instructions == VR_WASM; }

#elif defined(__aarch64__)

#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

bool vr_processor_has(int32_t instructions) {
    if (instructions != VR_NEON) return 0;
#if defined(__linux__)
    enum { HWCAP_ASIMDDP_BIT = 20 };
    return (getauxval(AT_HWCAP) >> HWCAP_ASIMDDP_BIT) & 1;
#elif defined(__APPLE__)
    int value = 0;
    unsigned long size = sizeof value;
    return sysctlbyname("hw.optional.arm.FEAT_DotProd", &value, &size, 0, 0) == 0 && value;
#else
    return 0;
#endif
}

#endif
