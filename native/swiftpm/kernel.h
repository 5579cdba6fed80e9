/* A kernel that brings its own instruction set, for builds that cannot give one source flags of its own.
 *
 * Swift packages are such builds. Each file that includes this one defines INSTRUCTIONS, which build_hook.py sets by a
 * flag, and FEATURES, which the compiler may use. A kernel runs only where processor.c has found these features. */
#pragma STDC FP_CONTRACT OFF

/* First, because their own functions keep the attributes that they have. */
#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../kernel/instructions.h"

/* Vectors that are wider than a register are passed between functions of this file alone, and are inlined. */
#pragma clang diagnostic ignored "-Wpsabi"

#pragma clang attribute push(__attribute__((target(FEATURES))), apply_to = function)
#include "../kernel/forward.c"
#pragma clang attribute pop
