// The layers, written once and built once per path. The including file defines
//   NAME(x)   the name of x in this path
//   TARGET    the function attribute that allows the path's instructions
//   PATH      its number
//   AVX2      1 if the path may use AVX2 and F16C
//   VNNI      1 if it may also use AVX-512 VNNI
//   ROWS      rows of a panel, if not eight
//   NEON      1 if it may use NEON with dot products
//   FREE      1 if the compiler may fuse and reorder sums
// Only the integer dot products and the widening of halves differ between paths, and both are
// exact. All other arithmetic is IEEE single precision in the order written here, eight lanes at
// a time, with no fused multiply-add.
#include "lanes.h"

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
            target->totals[at] = 0;
            target->halves[at] = 0;
            continue;
        }
        float largest;
        memcpy(&largest, &bits, sizeof largest);
        float scale = largest / 127.0f;
        float inverse = 127.0f / largest;
        i8 total = {0};
        i8 half = {0};
        for (int32_t group = 0; group < BLOCK; group += 8) {
            if (group == 16) half = total;
            f8 shifted = LOAD8(values + group) * inverse + 12582912.0f;
            i8 whole = (i8)shifted - 0x4b400000;
            total = total + whole;
            c8 narrow = __builtin_convertvector(whole, c8);
            memcpy(quants + group, &narrow, sizeof narrow);
        }
        int32_t sum = 0;
        int32_t first = 0;
        for (int32_t lane = 0; lane < 8; lane++) {
            sum += total[lane];
            first += half[lane];
        }
        target->scales[at] = scale;
        target->sums[at] = scale * (float)sum;
        target->totals[at] = sum;
        target->halves[at] = first;
    }
}

#include "multiply.h"

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
#elif NEON
    for (int32_t i = 0; i < count; i += 4) {
        vst1_u16(out + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(values + i))));
    }
#else
    for (int32_t i = 0; i < count; i++) out[i] = xk_float_to_half(values[i]);
#endif
}

// 64 numbers of the values of `count` positions, each times its score, in the order of the
// positions; `start` is where the values of the first begin in their pages.
static inline TARGET void NAME(mix64)(
    uint16_t *const *pages, size_t start, int32_t size, const float *scores, int32_t count,
    float inverse, float *out
) {
    row_floats sums[64 / ROWS] = {{0}};
    for (int32_t first = 0; first < count; first += XK_PAGE) {
        const uint16_t *values = pages[first / XK_PAGE] + start;
        int32_t end = count - first < XK_PAGE ? count : first + XK_PAGE;
        for (int32_t s = first; s < end; s++, values += size) {
            float score = scores[s];
#pragma clang loop unroll(full)
            for (int i = 0; i < 64 / ROWS; i++) {
                sums[i] = sums[i] + score * ROW_HALVES(values + ROWS * i);
            }
        }
    }
    for (int i = 0; i < 64 / ROWS; i++) *(loose_floats *)(out + ROWS * i) = sums[i] * inverse;
}

// The same for eight numbers.
static inline TARGET void NAME(mix8)(
    uint16_t *const *pages, size_t start, int32_t size, const float *scores, int32_t count,
    float inverse, float *out
) {
    f8 sum = {0};
    for (int32_t s = 0; s < count; s++) {
        const uint16_t *page = pages[s / XK_PAGE] + start;
        sum = sum + scores[s] * HALF8(page + (size_t)(s % XK_PAGE) * (size_t)size);
    }
    STORE8(out, sum * inverse);
}

// The products of a query with the keys of `count` positions, times `factor`; the largest.
static inline TARGET float NAME(score_keys)(
    uint16_t *const *pages, size_t start, int32_t size, const float *query, float factor,
    int32_t count, float *scores
) {
    float top = -__builtin_inff();
    for (int32_t first = 0; first < count; first += XK_PAGE) {
        const uint16_t *key = pages[first / XK_PAGE] + start;
        int32_t end = count - first < XK_PAGE ? count : first + XK_PAGE;
        for (int32_t s = first; s < end; s++, key += size) {
            f8 lanes = {0};
            for (int32_t i = 0; i < size; i += 8) {
                lanes = lanes + LOAD8(query + i) * HALF8(key + i);
            }
            float score = TREE8(lanes) * factor;
            scores[s] = score;
            if (score > top) top = score;
        }
    }
    return top;
}

// Attention of one head of one row over all positions of its session up to it, in their order.
static TARGET void NAME(attend)(
    const pass *run, int32_t layer_index, int32_t row, int32_t head, float *scores
) {
    const xk_shape *shape = &run->stage->shape;
    const place *at = &run->places[row];
    int32_t size = shape->head_size;
    int32_t count = at->position + 1;
    size_t place_of_head = (size_t)row * (size_t)(shape->heads * size) + (size_t)(head * size);
    size_t keys = page_offset(shape, layer_index, head / (shape->heads / shape->kv_heads));
    size_t values = keys + XK_PAGE * (size_t)size;
    float top = NAME(score_keys)(
        at->pages, keys, size, run->stage->query + place_of_head,
        1.0f / __builtin_sqrtf((float)size), count, scores);
    int32_t padded = (count + 7) & ~7;
    for (int32_t s = count; s < padded; s++) scores[s] = -__builtin_inff();
    for (int32_t s = 0; s < padded; s += 8) STORE8(scores + s, LOAD8(scores + s) - top);
    NAME(exp_all)(scores, padded);
    f8 lanes = {0};
    for (int32_t s = 0; s < padded; s += 8) lanes = lanes + LOAD8(scores + s);
    float inverse = 1.0f / TREE8(lanes);
    float *out = run->stage->attended.values + place_of_head;
    int32_t done = 0;
    for (; done + 64 <= size; done += 64) {
        NAME(mix64)(
            at->pages, values + (size_t)done, size, scores, count, inverse, out + done);
    }
    for (; done < size; done += 8) {
        NAME(mix8)(at->pages, values + (size_t)done, size, scores, count, inverse, out + done);
    }
}

// gated = silu(gate) * gated, for the rows this thread computed.
static TARGET void NAME(activate_share)(const pass *run, int32_t thread) {
    xk_stage *stage = run->stage;
    int64_t panels = stage->layers[0].gate.panels;
    int32_t first = (int32_t)(panels * thread / stage->threads) * ROWS;
    int32_t end = (int32_t)(panels * (thread + 1) / stage->threads) * ROWS;
    if (end > stage->shape.feed) end = stage->shape.feed;
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
    int32_t size = shape->head_size;
    size_t width = (size_t)(shape->kv_heads * size);
    for (int32_t row = thread; row < run->count; row += stage->threads) {
        const place *at = &run->places[row];
        const float *rope = stage->rope + (size_t)row * (size_t)shape->rope_size;
        float *query = stage->query + (size_t)row * (size_t)(shape->heads * size);
        float *key = stage->key + (size_t)row * width;
        const float *value = stage->value + (size_t)row * width;
        NAME(rotate)(query, shape->heads, size, rope, shape->rope_size);
        NAME(rotate)(key, shape->kv_heads, size, rope, shape->rope_size);
        for (int32_t head = 0; head < shape->kv_heads; head++) {
            uint16_t *keys = at->pages[at->position / XK_PAGE] + page_offset(shape, index, head)
                + (size_t)(at->position % XK_PAGE) * (size_t)size;
            NAME(store_halves)(keys, key + head * size, size);
            NAME(store_halves)(keys + XK_PAGE * (size_t)size, value + head * size, size);
        }
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
    float *scores = stage->scores + (size_t)thread * (size_t)stage->score_stride;
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

static TARGET void NAME(run_layers)(void *context, int32_t thread) {
    const pass *run = context;
    ENTER_CONTRACT;
    for (int32_t index = 0; index < run->stage->layer_count; index++) {
        NAME(run_attention)(run, thread, index);
        NAME(run_feed)(run, thread, index);
    }
    LEAVE_CONTRACT;
}

static TARGET void NAME(run_tail)(void *context, int32_t thread) {
    const pass *run = context;
    ENTER_CONTRACT;
    NAME(norm_positions)(run, thread, run->stage->tail_norm);
    NAME(multiply_share)(
        run, thread, &run->stage->tail, &run->stage->normed, run->logits,
        run->stage->tail.source.rows, 0);
    LEAVE_CONTRACT;
}

const path_functions NAME(functions) = {
    PATH, ROWS, NAME(run_layers), NAME(run_tail), NAME(multiply_all)};
