/* What this processor can do. */
#define _GNU_SOURCE
#include "api.h"

#if defined(__x86_64__)
#include <cpuid.h>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define BIT(word, number) (((word) >> (number)) & 1u)

/* The registers that the operating system saves (Intel SDM, XCR0). */
static uint64_t saved_registers(void) {
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !BIT(c, 27)) return 0;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return ((uint64_t)d << 32) | a;
}

/* Linux gives a process the tile registers when it asks for them. */
static int ask_for_tiles(void) {
#if defined(__linux__)
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return 0;
#endif
}

int32_t vr_supports(int32_t instructions) {
    uint32_t a, b, c, d, a1, b1, c1, d1;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if (!__get_cpuid_count(7, 1, &a1, &b1, &c1, &d1)) a1 = 0;
    uint64_t saved = saved_registers();
    int avx = (saved & 0x6) == 0x6, avx512 = avx && (saved & 0xe0) == 0xe0, tiles = (saved & 0x60000) == 0x60000;
    uint32_t a0, b0, c0, d0;
    __get_cpuid(1, &a0, &b0, &c0, &d0);
    /* With FMA, which everything here is compiled with. */
    int avx2 = avx && BIT(b, 5) && BIT(c0, 12);
    /* F, DQ, BW, VL and VNNI. */
    int wide = avx512 && BIT(b, 16) && BIT(b, 17) && BIT(b, 30) && BIT(b, 31) && BIT(c, 11);
    switch (instructions) {
    case VR_AVX2: return avx2;
    case VR_AVX_VNNI: return avx2 && BIT(a1, 4);
    case VR_AVX512_VNNI: return wide;
    /* AMX-TILE and AMX-INT8. */
    case VR_AMX: return wide && tiles && BIT(d, 24) && BIT(d, 25) && ask_for_tiles();
    default: return 0;
    }
}

#elif defined(__aarch64__)

#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

int32_t vr_supports(int32_t instructions) {
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
