// The path of x86-64 machines with AVX2 and F16C.
#if defined(__x86_64__)
#define NAME(x) x##_avx2
#define TARGET __attribute__((target("avx2,f16c")))
#define PATH XK_PATH_AVX2
#define AVX2 1
#include "body.h"
#endif
