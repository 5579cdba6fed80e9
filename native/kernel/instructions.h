/* The instruction set that a kernel is compiled for: the compiler is given its name, such as -DINSTRUCTIONS=AVX2. */
#ifndef VIBE_ROUTER_INSTRUCTIONS_H
#define VIBE_ROUTER_INSTRUCTIONS_H

#include "../engine/forward.h"

#define KERNEL_AVX2 1
#define KERNEL_AVX_VNNI 2
#define KERNEL_AVX512_VNNI 3
#define KERNEL_AMX 4
#define KERNEL_NEON 5
#define KERNEL_WASM 6
#define KERNEL PASTE(KERNEL_, INSTRUCTIONS)

/* The kernel for AMX has its own products; everything else is as for AVX-512 VNNI. */
#define WITH_AMX (KERNEL == KERNEL_AMX)
#define WITH_AVX512 (KERNEL == KERNEL_AVX512_VNNI || KERNEL == KERNEL_AMX)

#if KERNEL == KERNEL_NEON
#include <arm_neon.h>
#elif KERNEL == KERNEL_WASM
#include <wasm_simd128.h>
#elif KERNEL
#include <immintrin.h>
#else
#error "INSTRUCTIONS must name an instruction set"
#endif

/* The function that the kernel defines. */
#define FORWARD PASTE(vr_forward_, INSTRUCTIONS)

#endif
