// Which build of the kernels this machine runs.
#include "internal.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

extern const path_functions functions_scalar;
#if defined(__x86_64__)
extern const path_functions functions_avx2, functions_vnni, functions_free;
#elif defined(__aarch64__)
extern const path_functions functions_neon;

// Whether the processor has the dot product instructions of ARMv8.4 (optional from 8.2).
static int has_dot_products(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & (1ul << 20)) != 0;
#else
    return 1;
#endif
}
#endif

const path_functions *path_choose(int32_t path) {
    int automatic = path == XK_PATH_AUTOMATIC;
#if defined(__x86_64__)
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c");
    int vnni = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni");
    if (vnni && (automatic || path == XK_PATH_VNNI)) return &functions_vnni;
    if (avx2 && (automatic || path == XK_PATH_AVX2)) return &functions_avx2;
    if (vnni && __builtin_cpu_supports("fma") && path == XK_PATH_FREE) return &functions_free;
#elif defined(__aarch64__)
    if (has_dot_products() && (automatic || path == XK_PATH_NEON)) return &functions_neon;
#endif
    return automatic || path == XK_PATH_SCALAR ? &functions_scalar : NULL;
}
