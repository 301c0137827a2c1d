// The path of x86-64 machines that also have AVX-512 VNNI.
#if defined(__x86_64__)
#define NAME(x) x##_vnni
#define TARGET __attribute__((target("avx2,f16c,avx512f,avx512bw,avx512vl,avx512vnni")))
#define PATH XK_PATH_VNNI
#define AVX2 1
#define VNNI 1
#define ROWS 16
#include "body.h"
#endif
