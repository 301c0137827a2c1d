// The path of 64-bit ARM machines with dot product instructions.
#if defined(__aarch64__)
#define NAME(x) x##_neon
#define TARGET __attribute__((target("dotprod")))
#define PATH XK_PATH_NEON
#define NEON 1
#include "body.h"
#endif
