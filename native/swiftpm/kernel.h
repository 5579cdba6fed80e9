/* A kernel whose source names its instruction set, for builds that have the same flags for all sources.
 *
 * Swift packages are such builds. Each file that includes this one defines INSTRUCTIONS, which is a flag in other
 * builds, and FEATURES, which the compiler may use. A kernel runs only where processor.c has found these features. */
#pragma STDC FP_CONTRACT OFF

/* Included here, so that functions of these headers do not get the attribute below. */
#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../kernel/instructions.h"

/* Vectors wider than a register are passed only between functions of this file, all of which are inlined. */
#pragma clang diagnostic ignored "-Wpsabi"

#pragma clang attribute push(__attribute__((target(FEATURES))), apply_to = function)
#include "../kernel/forward.c"
#pragma clang attribute pop
