// Vectors, written once for every path: eight lanes wherever lanes are summed, and in matrices a
// lane for each row of a panel (ROWS: eight, with AVX-512 sixteen). What differs between paths is
// here: the widening of halves and the dot product of four bytes, which are exact everywhere.
#include "formats.h"

#include <string.h>

#if FREE
#pragma clang fp contract(fast) reassociate(on)
#else
#pragma STDC FP_CONTRACT OFF
#endif

typedef float f8 __attribute__((vector_size(32)));
typedef int32_t i8 __attribute__((vector_size(32)));
typedef float f8_loose __attribute__((vector_size(32), aligned(4), may_alias));
typedef signed char c8 __attribute__((vector_size(8)));

#ifndef ROWS
#define ROWS PANEL
#endif
typedef float row_floats __attribute__((vector_size(4 * ROWS)));
typedef int32_t row_words __attribute__((vector_size(4 * ROWS)));
typedef uint8_t row_bytes __attribute__((vector_size(4 * ROWS)));
typedef float loose_floats __attribute__((vector_size(4 * ROWS), aligned(1), may_alias));
typedef uint8_t loose_bytes __attribute__((vector_size(4 * ROWS), aligned(1), may_alias));
typedef uint8_t loose_small __attribute__((vector_size(ROWS), aligned(1), may_alias));
typedef int8_t loose_signed __attribute__((vector_size(ROWS), aligned(1), may_alias));
typedef uint16_t loose_brains __attribute__((vector_size(2 * ROWS), aligned(1), may_alias));

#define LOAD8(p) ((f8)*(const f8_loose *)(p))
#define STORE8(p, v) (*(f8_loose *)(p) = (v))
#define SPLAT8(x) ((f8){x, x, x, x, x, x, x, x})

// For each row: a float, four bytes, an unsigned byte, a signed byte, a brain float.
#define ROW_FLOATS(p) ((row_floats)*(const loose_floats *)(p))
#define ROW_BYTES(p) ((row_bytes)*(const loose_bytes *)(p))
#define ROW_UNSIGNED(p) __builtin_convertvector(*(const loose_small *)(p), row_words)
#define ROW_SIGNED(p) __builtin_convertvector(*(const loose_signed *)(p), row_words)
#define ROW_BRAINS(p) \
    ((row_floats)(__builtin_convertvector(*(const loose_brains *)(p), row_words) << 16))

// The fixed tree over eight lanes: ((0+4)+(2+6)) + ((1+5)+(3+7)).
#define TREE8(v) __extension__({ \
    f8 tree_in = (v); \
    __auto_type tree_4 = __builtin_shufflevector(tree_in, tree_in, 0, 1, 2, 3) \
        + __builtin_shufflevector(tree_in, tree_in, 4, 5, 6, 7); \
    (tree_4[0] + tree_4[2]) + (tree_4[1] + tree_4[3]); \
})

// HALF8(p): eight halves as singles; ROW_HALVES(p): a half for each row.
//
// DOT(sum, w, x): adds to each lane the dot product of its four bytes of `w`, below 128, and the
// four signed bytes of the word `x`. SUMS is the type of `sum`, WIDE makes 32 bits of it. AVX2 sums
// in pairs of 16 bits (SIXTEEN): 8 times 4 bits, 4 times 5 bits or 2 times 6 bits by 127 fit.
//
// DOT_SIGNED(sum, w, x): the same with 32-bit sums and signed bytes `w`, plus RAISE times the sum
// of the bytes of `x`.
#if AVX2
#include <immintrin.h>
#define HALF8(p) ((f8)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p))))
#endif

#if VNNI
#define SIXTEEN 0
#define SUMS row_words
#define ROW_HALVES(p) ((row_floats)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p))))
#define DOT(sum, w, x) \
    ((row_words)_mm512_dpbusd_epi32((__m512i)(sum), (__m512i)(w), _mm512_set1_epi32(x)))
#define WIDE(sum) (sum)
#define RAISE 128
#define DOT_SIGNED(sum, w, x) DOT(sum, (w) ^ 0x80, x)
#elif AVX2
#define SIXTEEN 1
#define SUMS __m256i
#define ROW_HALVES(p) HALF8(p)
#define SPREAD(x) _mm256_set1_epi32(x)
#define DOT(sum, w, x) \
    _mm256_add_epi16(sum, _mm256_maddubs_epi16((__m256i)(w), SPREAD(x)))
#define WIDE(sum) ((row_words)_mm256_madd_epi16(sum, _mm256_set1_epi16(1)))
#define RAISE 0
#define DOT_SIGNED(sum, w, x) ((sum) + WIDE(_mm256_maddubs_epi16( \
    _mm256_abs_epi8((__m256i)(w)), _mm256_sign_epi8(SPREAD(x), (__m256i)(w)))))
#elif NEON
#include <arm_neon.h>
#define HALF8(p) __extension__({ \
    float16x8_t half_in = vreinterpretq_f16_u16(vld1q_u16((const uint16_t *)(p))); \
    (f8)__builtin_shufflevector( \
        vcvt_f32_f16(vget_low_f16(half_in)), vcvt_f32_f16(vget_high_f16(half_in)), \
        0, 1, 2, 3, 4, 5, 6, 7); \
})
#define ROW_HALVES(p) HALF8(p)
#define SIXTEEN 0
#define SUMS row_words
static inline __attribute__((always_inline)) TARGET row_words NAME(dot)(
    row_words sum, row_bytes w, int32_t x
) {
    int8x16_t spread = vreinterpretq_s8_s32(vdupq_n_s32(x));
    int32x4_t low = vdotq_s32(
        __builtin_shufflevector(sum, sum, 0, 1, 2, 3),
        (int8x16_t)__builtin_shufflevector(
            w, w, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
        spread);
    int32x4_t high = vdotq_s32(
        __builtin_shufflevector(sum, sum, 4, 5, 6, 7),
        (int8x16_t)__builtin_shufflevector(
            w, w, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31),
        spread);
    return (row_words)__builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
}
#define DOT(sum, w, x) NAME(dot)(sum, w, x)
#define WIDE(sum) (sum)
#define RAISE 0
#define DOT_SIGNED(sum, w, x) NAME(dot)(sum, w, x)
#else
#define HALF8(p) ((f8){ \
    half_to_float((p)[0]), half_to_float((p)[1]), half_to_float((p)[2]), half_to_float((p)[3]), \
    half_to_float((p)[4]), half_to_float((p)[5]), half_to_float((p)[6]), half_to_float((p)[7])})
#define ROW_HALVES(p) HALF8(p)
#endif

// The processor's rounding mode and flush flags, as the contract wants them, for one pass.
#if defined(__x86_64__)
#define ENTER_CONTRACT \
    unsigned saved_mode = __builtin_ia32_stmxcsr(); \
    __builtin_ia32_ldmxcsr(0x1f80)
#define LEAVE_CONTRACT __builtin_ia32_ldmxcsr(saved_mode)
#elif defined(__aarch64__)
#define ENTER_CONTRACT \
    uint64_t saved_mode; \
    __asm__ __volatile__("mrs %0, fpcr\n\tmsr fpcr, xzr" : "=&r"(saved_mode))
#define LEAVE_CONTRACT __asm__ __volatile__("msr fpcr, %0" : : "r"(saved_mode))
#else
#define ENTER_CONTRACT
#define LEAVE_CONTRACT
#endif
