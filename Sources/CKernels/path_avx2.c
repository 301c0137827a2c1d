// The path of x86-64 machines with AVX2 and F16C.
#if defined(__x86_64__)
#define NAME(x) x##_avx2
#define TARGET __attribute__((target("avx2,f16c")))
#define AVX2 1
#define VNNI 0
#include "body.h"
#endif
