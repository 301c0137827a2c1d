// The operations of the contract one at a time, in plain C and without blocks of positions, caches
// or threads: what a referee executes (docs/reference/bisection.md). Written apart from body.h, so
// that each checks the other.
#include "lanes.h"

#pragma STDC FP_CONTRACT OFF

// The sum of eight lanes in the contract's order.
static float lanes8(const float lanes[8]) {
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6]))
        + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

void xk_operation_norm(
    const float *x, int32_t count, float epsilon, const float *weights, int32_t first, int32_t rows,
    float *out
) {
    ENTER_CONTRACT;
    float lanes[8] = {0};
    for (int32_t i = 0; i < count; i++) {
        float square = x[i] * x[i];
        lanes[i % 8] = lanes[i % 8] + square;
    }
    float factor = 1.0f / __builtin_sqrtf(lanes8(lanes) / (float)count + epsilon);
    for (int32_t i = 0; i < rows; i++) out[i] = (x[first + i] * factor) * weights[i];
    LEAVE_CONTRACT;
}

void xk_operation_rotate(
    const float *values, int32_t first, int32_t count, int32_t rope_size, double rope_base,
    int32_t position, float *out
) {
    ENTER_CONTRACT;
    double slope = xk_log(rope_base) / (double)rope_size;
    for (int32_t i = 0; i < count; i += 2) {
        int32_t place = first + i;
        if (place >= rope_size) {
            out[i] = values[i];
            out[i + 1] = values[i + 1];
            continue;
        }
        double sine;
        double cosine;
        xk_sincos((double)position * xk_exp(-(slope * (double)place)), &sine, &cosine);
        float c = (float)cosine;
        float s = (float)sine;
        out[i] = values[i] * c - values[i + 1] * s;
        out[i + 1] = values[i] * s + values[i + 1] * c;
    }
    LEAVE_CONTRACT;
}

void xk_operation_scores(
    const float *query, int32_t size, const uint8_t *keys, size_t stride, int32_t count, float *out
) {
    ENTER_CONTRACT;
    float factor = 1.0f / __builtin_sqrtf((float)size);
    for (int32_t s = 0; s < count; s++) {
        const uint8_t *key = keys + stride * (size_t)s;
        float lanes[8] = {0};
        for (int32_t i = 0; i < size; i++) {
            float product = query[i] * half_to_float(load_half(key + 2 * i));
            lanes[i % 8] = lanes[i % 8] + product;
        }
        out[s] = lanes8(lanes) * factor;
    }
    LEAVE_CONTRACT;
}

void xk_operation_softmax(const float *scores, int32_t count, float *out) {
    ENTER_CONTRACT;
    float top = -__builtin_inff();
    for (int32_t s = 0; s < count; s++) {
        if (scores[s] > top) top = scores[s];
    }
    float lanes[8] = {0};
    for (int32_t s = 0; s < count; s++) {
        out[s] = xk_exp_single(scores[s] - top);
        lanes[s % 8] = lanes[s % 8] + out[s];
    }
    out[count] = 1.0f / lanes8(lanes);
    LEAVE_CONTRACT;
}

void xk_operation_mix(
    const float *weights, int32_t positions, const uint8_t *values, size_t stride, int32_t count,
    float *out
) {
    ENTER_CONTRACT;
    for (int32_t i = 0; i < count; i++) {
        float sum = 0.0f;
        for (int32_t s = 0; s < positions; s++) {
            float product = weights[s] * half_to_float(load_half(values + stride * (size_t)s + 2 * i));
            sum = sum + product;
        }
        out[i] = sum * weights[positions];
    }
    LEAVE_CONTRACT;
}

void xk_operation_activate(const float *gate, const float *up, int32_t count, float *out) {
    ENTER_CONTRACT;
    for (int32_t i = 0; i < count; i++) {
        out[i] = (gate[i] / (1.0f + xk_exp_single(-gate[i]))) * up[i];
    }
    LEAVE_CONTRACT;
}

void xk_operation_add(const float *x, const float *y, int32_t count, float *out) {
    ENTER_CONTRACT;
    for (int32_t i = 0; i < count; i++) out[i] = x[i] + y[i];
    LEAVE_CONTRACT;
}
