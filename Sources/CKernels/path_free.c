// The VNNI path with the order of sums freed and multiplications fused: other bytes, and what the
// contract costs is the difference in speed. For measurement only.
#if defined(__x86_64__)
#define NAME(x) x##_free
#define TARGET __attribute__((target("avx2,f16c,fma,avx512f,avx512bw,avx512vl,avx512vnni")))
#define PATH XK_PATH_FREE
#define AVX2 1
#define VNNI 1
#define ROWS 16
#define FREE 1
#include "body.h"
#endif
