/* The kernels that are compiled in. */
#include "forward.h"

#if defined(INSTRUCTIONS)
/* A build of one command compiles one kernel, and says which: -DINSTRUCTIONS=AVX2. */
#define KERNELS(_) _(INSTRUCTIONS)
#elif defined(__x86_64__) && defined(__linux__)
#define KERNELS(_) _(AVX2) _(AVX_VNNI) _(AVX512_VNNI) _(AMX)
#elif defined(__x86_64__)
#define KERNELS(_) _(AVX2) _(AVX_VNNI) _(AVX512_VNNI)
#else
#define KERNELS(_) _(NEON)
#endif

#define DECLARE(instructions) Forward PASTE(vr_forward_, instructions);
KERNELS(DECLARE)

#define ENTRY(instructions) {PASTE(VR_, instructions), PASTE(vr_forward_, instructions)},
static const struct {
    int32_t instructions;
    Forward *forward;
} kernels[] = {KERNELS(ENTRY)};

Forward *vr_find_forward(int32_t instructions) {
    for (unsigned place = 0; place < sizeof kernels / sizeof *kernels; place++)
        if (kernels[place].instructions == instructions) return kernels[place].forward;
    return 0;
}
