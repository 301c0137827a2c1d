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

// Rotates pairs that start `step` apart and whose second number is `other` after the first.
static inline TARGET void NAME(rotate_pairs)(
    float *values, const float *rope, int32_t rope_size, const int32_t step, int32_t other
) {
    for (int32_t i = 0; i < rope_size; i += 2) {
        float *pair = values + i / 2 * step;
        float a = pair[0];
        float b = pair[other];
        pair[0] = a * rope[i] - b * rope[i + 1];
        pair[other] = a * rope[i + 1] + b * rope[i];
    }
}

static inline TARGET void NAME(rotate)(
    const xk_shape *shape, float *values, int32_t heads, const float *rope
) {
    for (int32_t head = 0; head < heads; head++, values += shape->head_size) {
        if (shape->rope_halves) {
            NAME(rotate_pairs)(values, rope, shape->rope_size, 1, shape->rope_size / 2);
        } else {
            NAME(rotate_pairs)(values, rope, shape->rope_size, 2, 1);
        }
    }
}

// values = values + addends, for a multiple of eight.
static inline TARGET void NAME(add_all)(float *values, const float *addends, int32_t count) {
    for (int32_t i = 0; i < count; i += 8) {
        STORE8(values + i, LOAD8(values + i) + LOAD8(addends + i));
    }
}

// What comes between the products and the rotation of `heads` heads: the bias and the norm of each
// head, where the architecture has them.
static inline TARGET void NAME(finish_heads)(
    const xk_shape *shape, float *values, int32_t heads, const float *bias, const float *norm
) {
    int32_t size = shape->head_size;
    if (bias != NULL) NAME(add_all)(values, bias, heads * size);
    for (int32_t head = 0; norm != NULL && head < heads; head++) {
        float *own = values + (size_t)head * (size_t)size;
        NAME(normalise)(own, norm, size, shape->epsilon, own);
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

#include "attention.h"

// up = activation(gate) * up for `count` numbers, a multiple of eight. `gelu` is a constant.
static inline TARGET void NAME(activate)(
    const float *gate, float *up, int32_t count, const int gelu
) {
    for (int32_t i = 0; i < count; i += 8) {
        float powers[8];
        f8 x = LOAD8(gate + i);
        f8 slope = gelu ? (x * (1.0f + (x * x) * 0.044715f)) * 1.59576912f : x;
        STORE8(powers, -slope);
        NAME(exp_all)(powers, 8);
        f8 active = x / (1.0f + LOAD8(powers));
        STORE8(up + i, active * LOAD8(up + i));
    }
}

// Activates the numbers that this thread computed.
static TARGET void NAME(activate_share)(const pass *run, int32_t thread) {
    xk_stage *stage = run->stage;
    int64_t panels = stage->layers[0].gate.panels;
    int32_t first = (int32_t)(panels * thread / stage->threads) * ROWS;
    int32_t end = (int32_t)(panels * (thread + 1) / stage->threads) * ROWS;
    if (end > stage->shape.feed) end = stage->shape.feed;
    for (int32_t position = 0; position < run->count; position++) {
        size_t at = (size_t)position * (size_t)stage->shape.feed + (size_t)first;
        const float *gate = stage->gate + at;
        float *up = stage->gated.values + at;
        if (stage->shape.gelu) NAME(activate)(gate, up, end - first, 1);
        else NAME(activate)(gate, up, end - first, 0);
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
    const layer *weights = &stage->layers[index];
    const float *ropes = stage->rotations[weights->window > 0].pairs;
    int32_t size = shape->head_size;
    size_t width = (size_t)(shape->kv_heads * size);
    for (int32_t row = thread; row < run->count; row += stage->threads) {
        const place *at = &run->places[row];
        const float *rope = ropes + (size_t)row * (size_t)shape->rope_size;
        float *query = stage->query + (size_t)row * (size_t)(shape->heads * size);
        float *key = stage->key + (size_t)row * width;
        float *value = stage->value + (size_t)row * width;
        NAME(finish_heads)(
            shape, query, shape->heads, weights->query_bias, weights->query_norm);
        NAME(finish_heads)(shape, key, shape->kv_heads, weights->key_bias, weights->key_norm);
        NAME(finish_heads)(shape, value, shape->kv_heads, weights->value_bias, NULL);
        NAME(rotate)(shape, query, shape->heads, rope);
        NAME(rotate)(shape, key, shape->kv_heads, rope);
        for (int32_t head = 0; head < shape->kv_heads; head++) {
            uint16_t *keys = at->pages[at->position / XK_PAGE] + page_offset(shape, index, head)
                + (size_t)(at->position % XK_PAGE) * (size_t)size;
            NAME(store_halves)(keys, key + head * size, size);
            NAME(store_halves)(keys + XK_PAGE * (size_t)size, value + head * size, size);
        }
    }
    pool_barrier(stage->workers);
}

// Adds `weight` by `in` to the residual stream, through `norm` if there is one.
static TARGET void NAME(add_positions)(
    const pass *run, int32_t thread, const matrix *weight, const activations *in,
    const float *norm
) {
    xk_stage *stage = run->stage;
    int32_t hidden = stage->shape.hidden;
    float *out = norm == NULL ? run->x : stage->normed.values;
    NAME(multiply_share)(run, thread, weight, in, out, hidden, norm == NULL);
    pool_barrier(stage->workers);
    if (norm == NULL) return;
    // The thread of a position is that of `norm_positions`, which comes next: no need to wait.
    for (int32_t position = thread; position < run->count; position += stage->threads) {
        size_t row = (size_t)position * (size_t)hidden;
        NAME(normalise)(out + row, norm, hidden, stage->shape.epsilon, out + row);
        NAME(add_all)(run->x + row, out + row, hidden);
    }
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
    NAME(add_positions)(
        run, thread, &weights->output, &stage->attended, weights->attention_post_norm);
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
    NAME(add_positions)(run, thread, &weights->down, &stage->gated, weights->feed_post_norm);
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
