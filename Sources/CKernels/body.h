// The layers, written once and built once per path. The including file defines
//   NAME(x)   the name of x in this path
//   TARGET    the function attribute that allows the path's instructions
//   AVX2      1 if the path may use AVX2 and F16C
//   VNNI      1 if it may also use AVX-512 VNNI on 256-bit registers
// Only the integer dot products and the widening of halves differ between paths, and both are
// exact. All other arithmetic is IEEE single precision in the order written here, eight lanes at
// a time, with no fused multiply-add.
#include "internal.h"

#include <string.h>

#pragma STDC FP_CONTRACT OFF

typedef float f8 __attribute__((vector_size(32)));
typedef int32_t i8 __attribute__((vector_size(32)));
typedef float f8_loose __attribute__((vector_size(32), aligned(4), may_alias));
typedef signed char c8 __attribute__((vector_size(8)));

#define LOAD8(p) ((f8)*(const f8_loose *)(p))
#define STORE8(p, v) (*(f8_loose *)(p) = (v))
#define SPLAT8(x) ((f8){x, x, x, x, x, x, x, x})

// The fixed tree over eight lanes: ((0+4)+(2+6)) + ((1+5)+(3+7)).
#define TREE8(v) __extension__({ \
    f8 tree_in = (v); \
    __auto_type tree_4 = __builtin_shufflevector(tree_in, tree_in, 0, 1, 2, 3) \
        + __builtin_shufflevector(tree_in, tree_in, 4, 5, 6, 7); \
    (tree_4[0] + tree_4[2]) + (tree_4[1] + tree_4[3]); \
})

#if AVX2
#include <immintrin.h>
#define HALF8(p) ((f8)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p))))
#else
#define HALF8(p) ((f8){ \
    half_to_float((p)[0]), half_to_float((p)[1]), half_to_float((p)[2]), half_to_float((p)[3]), \
    half_to_float((p)[4]), half_to_float((p)[5]), half_to_float((p)[6]), half_to_float((p)[7])})
#endif

// The processor's rounding mode and flush flags, as the contract wants them, for one pass.
#if defined(__x86_64__)
#define ENTER_CONTRACT unsigned saved_mode = __builtin_ia32_stmxcsr(); __builtin_ia32_ldmxcsr(0x1f80)
#define LEAVE_CONTRACT __builtin_ia32_ldmxcsr(saved_mode)
#else
#define ENTER_CONTRACT
#define LEAVE_CONTRACT
#endif

// x[i] = exp(x[i]) for `count` values, a multiple of eight.
static inline TARGET void NAME(exp_all)(float *x, int32_t count) {
    for (int32_t index = 0; index < count; index += 8) {
        f8 v = LOAD8(x + index);
        i8 over = v > SPLAT8(88.0f);
        i8 under = v < SPLAT8(-87.0f);
        v = (f8)(((i8)v & ~over) | ((i8)SPLAT8(88.0f) & over));
        f8 t = v * 1.44269504f + 12582912.0f;
        f8 n = t - 12582912.0f;
        f8 r = (v - n * 0.693359375f) - n * -2.12194440e-4f;
        f8 p = r * 1.9875691500e-4f + 1.3981999507e-3f;
        p = p * r + 8.3334519073e-3f;
        p = p * r + 4.1665795894e-2f;
        p = p * r + 1.6666665459e-1f;
        p = p * r + 5.0000001201e-1f;
        f8 y = (p * (r * r) + r) + 1.0f;
        i8 bits = (i8)y + ((i8)t << 23);
        STORE8(x + index, (f8)(bits & ~under));
    }
}

static TARGET void NAME(normalise)(
    const float *x, const float *weight, int32_t count, float epsilon, float *out
) {
    f8 lanes = {0};
    for (int32_t index = 0; index < count; index += 8) {
        f8 v = LOAD8(x + index);
        lanes = lanes + v * v;
    }
    float mean = TREE8(lanes) / (float)count;
    float factor = 1.0f / __builtin_sqrtf(mean + epsilon);
    for (int32_t index = 0; index < count; index += 8) {
        STORE8(out + index, (LOAD8(x + index) * factor) * LOAD8(weight + index));
    }
}

// Quantises blocks `first` to `end` of one position's values.
static TARGET void NAME(quantise)(
    activations *target, int32_t position, int32_t first, int32_t end
) {
    for (int32_t block = first; block < end; block++) {
        size_t at = (size_t)position * (size_t)target->blocks + (size_t)block;
        const float *values = target->values + at * BLOCK;
        int8_t *quants = target->quants + at * BLOCK;
        i8 top = {0};
        for (int32_t group = 0; group < BLOCK; group += 8) {
            i8 size = (i8)LOAD8(values + group) & 0x7fffffff;
            i8 larger = size > top;
            top = (size & larger) | (top & ~larger);
        }
        int32_t bits = 0;
        for (int32_t lane = 0; lane < 8; lane++) bits = top[lane] > bits ? top[lane] : bits;
        if (bits < 0x0d800000 || bits >= 0x7f800000) {
            memset(quants, 0, BLOCK);
            target->scales[at] = bits < 0x0d800000 ? 0.0f : __builtin_nanf("");
            target->sums[at] = target->scales[at];
            target->eights[at] = 0;
            target->offsets[at] = 0;
            continue;
        }
        float largest;
        memcpy(&largest, &bits, sizeof largest);
        float scale = largest / 127.0f;
        float inverse = 127.0f / largest;
        i8 total = {0};
        for (int32_t group = 0; group < BLOCK; group += 8) {
            f8 shifted = LOAD8(values + group) * inverse + 12582912.0f;
            i8 whole = (i8)shifted - 0x4b400000;
            total = total + whole;
            c8 narrow = __builtin_convertvector(whole, c8);
            memcpy(quants + group, &narrow, sizeof narrow);
        }
        int32_t sum = 0;
        for (int32_t lane = 0; lane < 8; lane++) sum += total[lane];
        target->scales[at] = scale;
        target->sums[at] = scale * (float)sum;
        target->eights[at] = 8 * sum;
        target->offsets[at] = 128 * sum;
    }
}

// What a tile reads of one position.
typedef struct {
    const int8_t *quants;
    const float *scales;
    const float *sums;
    const int32_t *eights;
    const int32_t *offsets;
} NAME(column);

#if AVX2

#define SPREAD4(p) _mm256_set1_epi32(NAME(load4)(p))
static inline TARGET int32_t NAME(load4)(const int8_t *bytes) {
    int32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

// Eight rows of a 4-bit matrix by up to four positions.
static inline __attribute__((always_inline)) TARGET void NAME(tile4)(
    const uint8_t *panel, int32_t blocks, const NAME(column) *columns, const int count,
    const int with_minimum, float *out
) {
    const __m256i mask = _mm256_set1_epi8(15);
#if !VNNI
    const __m256i ones = _mm256_set1_epi16(1);
#endif
    __m256 dots[4], minima[4];
    for (int c = 0; c < count; c++) dots[c] = minima[c] = _mm256_setzero_ps();
    for (int32_t block = 0; block < blocks; block++) {
        __m256 scale = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)panel));
        panel += 16;
        __m256 minimum = scale;
        if (with_minimum) {
            minimum = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)panel));
            panel += 16;
        }
        __m256i whole[4];
        for (int c = 0; c < count; c++) whole[c] = _mm256_setzero_si256();
#pragma clang loop unroll(full)
        for (int group = 0; group < 4; group++) {
            __m256i bytes = _mm256_loadu_si256((const __m256i *)(panel + 32 * group));
            __m256i low = _mm256_and_si256(bytes, mask);
            __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask);
            for (int c = 0; c < count; c++) {
                const int8_t *x = columns[c].quants + (size_t)block * BLOCK + 4 * group;
#if VNNI
                whole[c] = _mm256_dpbusd_epi32(whole[c], low, SPREAD4(x));
                whole[c] = _mm256_dpbusd_epi32(whole[c], high, SPREAD4(x + 16));
#else
                // At most 8 * 2 * 15 * 127 = 30480: sixteen bits hold the block.
                whole[c] = _mm256_add_epi16(whole[c], _mm256_maddubs_epi16(low, SPREAD4(x)));
                whole[c] = _mm256_add_epi16(whole[c], _mm256_maddubs_epi16(high, SPREAD4(x + 16)));
#endif
            }
        }
        panel += 128;
        for (int c = 0; c < count; c++) {
#if VNNI
            __m256i dot = whole[c];
#else
            __m256i dot = _mm256_madd_epi16(whole[c], ones);
#endif
            if (!with_minimum) {
                dot = _mm256_sub_epi32(dot, _mm256_set1_epi32(columns[c].eights[block]));
            }
            __m256 factor = _mm256_mul_ps(scale, _mm256_set1_ps(columns[c].scales[block]));
            dots[c] = _mm256_add_ps(dots[c], _mm256_mul_ps(factor, _mm256_cvtepi32_ps(dot)));
            if (with_minimum) {
                minima[c] = _mm256_add_ps(
                    minima[c], _mm256_mul_ps(minimum, _mm256_set1_ps(columns[c].sums[block])));
            }
        }
    }
    for (int c = 0; c < count; c++) {
        if (with_minimum) dots[c] = _mm256_add_ps(dots[c], minima[c]);
        _mm256_storeu_ps(out + 8 * c, dots[c]);
    }
}

// Eight rows of an 8-bit matrix by up to four positions.
static inline __attribute__((always_inline)) TARGET void NAME(tile8)(
    const uint8_t *panel, int32_t blocks, const NAME(column) *columns, const int count, float *out
) {
    __m256 dots[4];
    for (int c = 0; c < count; c++) dots[c] = _mm256_setzero_ps();
    for (int32_t block = 0; block < blocks; block++) {
        __m256 scale = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)panel));
        panel += 16;
        __m256i whole[4];
        for (int c = 0; c < count; c++) whole[c] = _mm256_setzero_si256();
#pragma clang loop unroll(full)
        for (int group = 0; group < 8; group++) {
            __m256i bytes = _mm256_loadu_si256((const __m256i *)(panel + 32 * group));
#if VNNI
            __m256i raised = _mm256_xor_si256(bytes, _mm256_set1_epi8((char)0x80));
#else
            __m256i size = _mm256_abs_epi8(bytes);
#endif
            for (int c = 0; c < count; c++) {
                const int8_t *x = columns[c].quants + (size_t)block * BLOCK + 4 * group;
#if VNNI
                whole[c] = _mm256_dpbusd_epi32(whole[c], raised, SPREAD4(x));
#else
                __m256i pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(SPREAD4(x), bytes));
                whole[c] = _mm256_add_epi32(
                    whole[c], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#endif
            }
        }
        panel += 256;
        for (int c = 0; c < count; c++) {
            __m256i dot = whole[c];
#if VNNI
            dot = _mm256_sub_epi32(dot, _mm256_set1_epi32(columns[c].offsets[block]));
#endif
            __m256 factor = _mm256_mul_ps(scale, _mm256_set1_ps(columns[c].scales[block]));
            dots[c] = _mm256_add_ps(dots[c], _mm256_mul_ps(factor, _mm256_cvtepi32_ps(dot)));
        }
    }
    for (int c = 0; c < count; c++) _mm256_storeu_ps(out + 8 * c, dots[c]);
}

static TARGET void NAME(tile)(
    const matrix *weight, int32_t panel, const NAME(column) *columns, int32_t count, float *out
) {
    int32_t blocks = weight->source.columns / BLOCK;
    int32_t type = weight->source.type;
    size_t bytes = (size_t)block_bytes(type) * PANEL * (size_t)blocks;
    const uint8_t *packed = weight->packed + bytes * (size_t)panel;
#define COUNTS(call1, call2, call3, call4) \
    switch (count) { \
    case 1: call1; break; \
    case 2: call2; break; \
    case 3: call3; break; \
    default: call4; break; \
    }
#define TILE4(n) NAME(tile4)(packed, blocks, columns, n, 0, out)
#define TILE4M(n) NAME(tile4)(packed, blocks, columns, n, 1, out)
#define TILE8(n) NAME(tile8)(packed, blocks, columns, n, out)
    if (type == XK_Q4_1) {
        COUNTS(TILE4M(1), TILE4M(2), TILE4M(3), TILE4M(4))
    } else if (type == XK_Q4_0) {
        COUNTS(TILE4(1), TILE4(2), TILE4(3), TILE4(4))
    } else {
        COUNTS(TILE8(1), TILE8(2), TILE8(3), TILE8(4))
    }
}

#else

// The reference: one row by one position, straight from the file's blocks.
static float NAME(row_dot)(const uint8_t *bytes, int32_t type, int32_t blocks,
    const NAME(column) *column) {
    float dots = 0.0f;
    float minima = 0.0f;
    for (int32_t block = 0; block < blocks; block++) {
        const int8_t *x = column->quants + (size_t)block * BLOCK;
        int32_t dot = 0;
        if (type == XK_Q8_0) {
            const int8_t *w = (const int8_t *)(bytes + 2);
            for (int i = 0; i < BLOCK; i++) dot += (int32_t)w[i] * (int32_t)x[i];
        } else {
            const uint8_t *w = bytes + (type == XK_Q4_1 ? 4 : 2);
            for (int i = 0; i < 16; i++) {
                dot += (int32_t)(w[i] & 15) * (int32_t)x[i];
                dot += (int32_t)(w[i] >> 4) * (int32_t)x[i + 16];
            }
            if (type == XK_Q4_0) dot -= column->eights[block];
        }
        float factor = half_to_float(load_half(bytes)) * column->scales[block];
        dots = dots + factor * (float)dot;
        if (type == XK_Q4_1) {
            minima = minima + half_to_float(load_half(bytes + 2)) * column->sums[block];
        }
        bytes += block_bytes(type);
    }
    return type == XK_Q4_1 ? dots + minima : dots;
}

static void NAME(tile)(
    const matrix *weight, int32_t panel, const NAME(column) *columns, int32_t count, float *out
) {
    int32_t blocks = weight->source.columns / BLOCK;
    size_t stride = (size_t)block_bytes(weight->source.type) * (size_t)blocks;
    for (int32_t r = 0; r < PANEL; r++) {
        int32_t row = panel * PANEL + r;
        if (row >= weight->source.rows) break;
        const uint8_t *bytes = (const uint8_t *)weight->source.data + stride * (size_t)row;
        for (int32_t c = 0; c < count; c++) {
            out[8 * c + r] = NAME(row_dot)(bytes, weight->source.type, blocks, &columns[c]);
        }
    }
}

#endif

// A float matrix: unquantised activations, one term after the other.
static TARGET void NAME(multiply_floats)(
    const matrix *weight, const activations *in, int32_t count, int32_t first, int32_t end,
    float *out, int32_t stride, int add
) {
    int32_t columns = weight->source.columns;
    for (int32_t row = first * PANEL; row < end * PANEL && row < weight->source.rows; row++) {
        size_t start = (size_t)row * (size_t)columns;
        for (int32_t position = 0; position < count; position++) {
            const float *x = in->values + (size_t)position * (size_t)columns;
            float sum = 0.0f;
            if (weight->source.type == XK_F32) {
                const float *w = (const float *)weight->source.data + start;
                for (int32_t i = 0; i < columns; i++) sum = sum + w[i] * x[i];
            } else {
                const uint16_t *w = (const uint16_t *)weight->source.data + start;
                for (int32_t i = 0; i < columns; i++) sum = sum + half_to_float(w[i]) * x[i];
            }
            float *target = out + (size_t)position * (size_t)stride + row;
            *target = add ? *target + sum : sum;
        }
    }
}

// Panels `first` to `end` of `weight` by `count` positions of `in`; the result replaces or is
// added to `out`.
static TARGET void NAME(multiply)(
    const matrix *weight, const activations *in, int32_t count, int32_t first, int32_t end,
    float *out, int32_t stride, int add
) {
    if (block_bytes(weight->source.type) == 0) {
        NAME(multiply_floats)(weight, in, count, first, end, out, stride, add);
        return;
    }
    for (int32_t panel = first; panel < end; panel++) {
        int32_t rows = weight->source.rows - panel * PANEL;
        if (rows > PANEL) rows = PANEL;
        for (int32_t position = 0; position < count; position += 4) {
            int32_t live = count - position < 4 ? count - position : 4;
            NAME(column) columns[4];
            float tile[4 * PANEL];
            for (int32_t c = 0; c < live; c++) {
                size_t at = (size_t)(position + c) * (size_t)in->blocks;
                columns[c].quants = in->quants + at * BLOCK;
                columns[c].scales = in->scales + at;
                columns[c].sums = in->sums + at;
                columns[c].eights = in->eights + at;
                columns[c].offsets = in->offsets + at;
            }
            NAME(tile)(weight, panel, columns, live, tile);
            for (int32_t c = 0; c < live; c++) {
                float *target = out + (size_t)(position + c) * (size_t)stride + panel * PANEL;
                const float *result = tile + PANEL * c;
                if (rows == PANEL) {
                    f8 value = LOAD8(result);
                    STORE8(target, add ? LOAD8(target) + value : value);
                } else {
                    for (int32_t r = 0; r < rows; r++) {
                        target[r] = add ? target[r] + result[r] : result[r];
                    }
                }
            }
        }
    }
}

// This thread's share of a matrix.
static TARGET void NAME(multiply_share)(
    const pass *run, int32_t thread, const matrix *weight, const activations *in, float *out,
    int32_t stride, int add
) {
    int64_t panels = weight->panels;
    int64_t threads = run->stage->threads;
    NAME(multiply)(
        weight, in, run->count, (int32_t)(panels * thread / threads),
        (int32_t)(panels * (thread + 1) / threads), out, stride, add);
}

static inline TARGET void NAME(rotate)(
    float *values, int32_t heads, int32_t head_size, const float *rope, int32_t rope_size
) {
    for (int32_t head = 0; head < heads; head++) {
        float *pair = values + (size_t)head * (size_t)head_size;
        for (int32_t i = 0; i < rope_size; i += 2) {
            float a = pair[i];
            float b = pair[i + 1];
            pair[i] = a * rope[i] - b * rope[i + 1];
            pair[i + 1] = a * rope[i + 1] + b * rope[i];
        }
    }
}

static inline TARGET void NAME(store_halves)(uint16_t *out, const float *values, int32_t count) {
#if AVX2
    for (int32_t i = 0; i < count; i += 8) {
        _mm_storeu_si128(
            (__m128i *)(out + i),
            _mm256_cvtps_ph(_mm256_loadu_ps(values + i), _MM_FROUND_TO_NEAREST_INT));
    }
#else
    for (int32_t i = 0; i < count; i++) out[i] = xk_float_to_half(values[i]);
#endif
}

// Attention of one head of one position over all positions up to it, in their order.
static TARGET void NAME(attend)(
    const pass *run, int32_t layer_index, int32_t column, int32_t head, float *scores
) {
    const xk_shape *shape = &run->stage->shape;
    const xk_cache *cache = run->cache;
    int32_t size = shape->head_size;
    int32_t last = run->position + column;
    size_t row = (size_t)column * (size_t)(shape->heads * size) + (size_t)(head * size);
    const float *query = run->stage->query + row;
    size_t start = (size_t)layer_index * (size_t)cache->capacity * (size_t)cache->width
        + (size_t)(head / (shape->heads / shape->kv_heads) * size);
    const uint16_t *key = cache->keys + start;
    const uint16_t *value = cache->values + start;
    float factor = 1.0f / __builtin_sqrtf((float)size);
    float top = -__builtin_inff();
    for (int32_t s = 0; s <= last; s++, key += cache->width) {
        f8 lanes = {0};
        for (int32_t i = 0; i < size; i += 8) lanes = lanes + LOAD8(query + i) * HALF8(key + i);
        float score = TREE8(lanes) * factor;
        scores[s] = score;
        if (score > top) top = score;
    }
    int32_t padded = (last + 8) & ~7;
    for (int32_t s = last + 1; s < padded; s++) scores[s] = -__builtin_inff();
    for (int32_t s = 0; s < padded; s += 8) STORE8(scores + s, LOAD8(scores + s) - top);
    NAME(exp_all)(scores, padded);
    f8 lanes = {0};
    for (int32_t s = 0; s < padded; s += 8) lanes = lanes + LOAD8(scores + s);
    float inverse = 1.0f / TREE8(lanes);
    float *out = run->stage->attended.values + row;
    // Eight lanes of the head at a time, in groups of eight registers.
    for (int32_t group = 0; group < size; group += 64) {
        int32_t width = size - group < 64 ? size - group : 64;
        f8 sums[8] = {{0}};
        const uint16_t *v = value + group;
        for (int32_t s = 0; s <= last; s++, v += cache->width) {
            float weight = scores[s];
            if (width == 64) {
#pragma clang loop unroll(full)
                for (int i = 0; i < 8; i++) sums[i] = sums[i] + weight * HALF8(v + 8 * i);
            } else {
                for (int i = 0; i < width / 8; i++) sums[i] = sums[i] + weight * HALF8(v + 8 * i);
            }
        }
        for (int i = 0; i < width / 8; i++) STORE8(out + group + 8 * i, sums[i] * inverse);
    }
}

// gated = silu(gate) * gated, for the rows this thread computed.
static TARGET void NAME(activate_share)(const pass *run, int32_t thread) {
    xk_stage *stage = run->stage;
    int64_t panels = stage->shape.feed / PANEL;
    int32_t first = (int32_t)(panels * thread / stage->threads) * PANEL;
    int32_t end = (int32_t)(panels * (thread + 1) / stage->threads) * PANEL;
    for (int32_t position = 0; position < run->count; position++) {
        size_t row = (size_t)position * (size_t)stage->shape.feed;
        for (int32_t i = first; i < end; i += 8) {
            float powers[8];
            f8 gate = LOAD8(stage->gate + row + i);
            STORE8(powers, -gate);
            NAME(exp_all)(powers, 8);
            f8 silu = gate / (1.0f + LOAD8(powers));
            STORE8(stage->gated.values + row + i, silu * LOAD8(stage->gated.values + row + i));
        }
    }
}

static TARGET void NAME(norm_positions)(
    const pass *run, int32_t thread, const float *weight
) {
    xk_stage *stage = run->stage;
    int32_t hidden = stage->shape.hidden;
    for (int32_t position = thread; position < run->count; position += stage->threads) {
        size_t row = (size_t)position * (size_t)hidden;
        NAME(normalise)(
            run->x + row, weight, hidden, stage->shape.epsilon, stage->normed.values + row);
        NAME(quantise)(&stage->normed, position, 0, stage->normed.blocks);
    }
    pool_barrier(stage->workers);
}

static TARGET void NAME(quantise_share)(const pass *run, int32_t thread, activations *target) {
    int64_t items = (int64_t)target->blocks * run->count;
    int64_t threads = run->stage->threads;
    int64_t end = items * (thread + 1) / threads;
    for (int64_t item = items * thread / threads; item < end;) {
        int32_t position = (int32_t)(item / target->blocks);
        int32_t first = (int32_t)(item % target->blocks);
        int64_t left = end - item;
        int32_t last = left < target->blocks - first ? first + (int32_t)left : target->blocks;
        NAME(quantise)(target, position, first, last);
        item += last - first;
    }
    pool_barrier(run->stage->workers);
}

static TARGET void NAME(remember_positions)(const pass *run, int32_t thread, int32_t index) {
    xk_stage *stage = run->stage;
    const xk_shape *shape = &stage->shape;
    xk_cache *cache = run->cache;
    int32_t width = cache->width;
    for (int32_t position = thread; position < run->count; position += stage->threads) {
        const float *rope = stage->rope + (size_t)position * (size_t)shape->rope_size;
        float *query = stage->query + (size_t)position * (size_t)(shape->heads * shape->head_size);
        float *key = stage->key + (size_t)position * (size_t)width;
        const float *value = stage->value + (size_t)position * (size_t)width;
        NAME(rotate)(query, shape->heads, shape->head_size, rope, shape->rope_size);
        NAME(rotate)(key, shape->kv_heads, shape->head_size, rope, shape->rope_size);
        size_t at = ((size_t)index * (size_t)cache->capacity + (size_t)(run->position + position))
            * (size_t)width;
        NAME(store_halves)(cache->keys + at, key, width);
        NAME(store_halves)(cache->values + at, value, width);
    }
    pool_barrier(stage->workers);
}

static TARGET void NAME(run_attention)(const pass *run, int32_t thread, int32_t index) {
    xk_stage *stage = run->stage;
    const xk_shape *shape = &stage->shape;
    const layer *weights = &stage->layers[index];
    NAME(norm_positions)(run, thread, weights->attention_norm);
    int32_t wide = shape->heads * shape->head_size;
    int32_t narrow = shape->kv_heads * shape->head_size;
    NAME(multiply_share)(run, thread, &weights->query, &stage->normed, stage->query, wide, 0);
    NAME(multiply_share)(run, thread, &weights->key, &stage->normed, stage->key, narrow, 0);
    NAME(multiply_share)(run, thread, &weights->value, &stage->normed, stage->value, narrow, 0);
    pool_barrier(stage->workers);
    NAME(remember_positions)(run, thread, index);
    float *scores = run->cache->scores + (size_t)thread * (size_t)run->cache->score_stride;
    int32_t items = run->count * shape->heads;
    for (int32_t item = thread; item < items; item += stage->threads) {
        NAME(attend)(run, index, item / shape->heads, item % shape->heads, scores);
    }
    pool_barrier(stage->workers);
    NAME(quantise_share)(run, thread, &stage->attended);
    NAME(multiply_share)(
        run, thread, &weights->output, &stage->attended, run->x, shape->hidden, 1);
    pool_barrier(stage->workers);
}

static TARGET void NAME(run_feed)(const pass *run, int32_t thread, int32_t index) {
    xk_stage *stage = run->stage;
    const layer *weights = &stage->layers[index];
    int32_t feed = stage->shape.feed;
    NAME(norm_positions)(run, thread, weights->feed_norm);
    NAME(multiply_share)(run, thread, &weights->gate, &stage->normed, stage->gate, feed, 0);
    NAME(multiply_share)(
        run, thread, &weights->up, &stage->normed, stage->gated.values, feed, 0);
    NAME(activate_share)(run, thread);
    pool_barrier(stage->workers);
    NAME(quantise_share)(run, thread, &stage->gated);
    NAME(multiply_share)(
        run, thread, &weights->down, &stage->gated, run->x, stage->shape.hidden, 1);
    pool_barrier(stage->workers);
}

TARGET void NAME(run_layers)(void *context, int32_t thread) {
    const pass *run = context;
    ENTER_CONTRACT;
    for (int32_t index = 0; index < run->stage->layer_count; index++) {
        NAME(run_attention)(run, thread, index);
        NAME(run_feed)(run, thread, index);
    }
    LEAVE_CONTRACT;
}

TARGET void NAME(run_tail)(void *context, int32_t thread) {
    const pass *run = context;
    ENTER_CONTRACT;
    NAME(norm_positions)(run, thread, run->stage->tail_norm);
    NAME(multiply_share)(
        run, thread, &run->stage->tail, &run->stage->normed, run->logits,
        run->stage->tail.source.rows, 0);
    LEAVE_CONTRACT;
}
