// Weights: row unpacking, checks, and a multiplication by itself.
#include "formats.h"

#include <stdlib.h>

#pragma STDC FP_CONTRACT OFF

static int finite_half(const uint8_t *bytes) { return (load_half(bytes) & 0x7c00u) != 0x7c00u; }

int32_t matrix_all_finite(const xk_tensor *tensor) {
    size_t count = (size_t)tensor->rows * (size_t)tensor->columns;
    const uint8_t *bytes = tensor->data;
    int32_t type = tensor->type;
    if (type == XK_F32) return xk_all_finite(tensor->data, count);
    size_t stride = (size_t)file_block_bytes(type);
    count /= (size_t)file_block_count(type);
    for (size_t block = 0; block < count; block++, bytes += stride) {
        if (type == XK_BF16) {
            if ((load_half(bytes) & 0x7f80u) == 0x7f80u) return 0;
            continue;
        }
        if (!finite_half(type == XK_Q6_K ? bytes + 208 : bytes)) return 0;
        if (has_minimum(type) && !finite_half(bytes + 2)) return 0;
    }
    return 1;
}

static void quantised_row(const uint8_t *row, int32_t type, int32_t blocks, float *out) {
    int32_t zero = block_zero(type);
    for (int32_t block = 0; block < blocks; block++, out += BLOCK) {
        uint8_t numbers[BLOCK];
        block_numbers(row, type, block, numbers);
        block_scales scales = scales_of(row, type, block);
        for (int i = 0; i < BLOCK; i++) {
            int32_t number = scales.factors[i / 16] * ((int32_t)numbers[i] - zero);
            float value = scales.scale * (float)number;
            out[i] = has_minimum(type) ? value + scales.minimum : value;
        }
    }
}

void xk_tensor_row(const xk_tensor *tensor, int32_t row, float *out) {
    size_t columns = (size_t)tensor->columns;
    const uint8_t *bytes = (const uint8_t *)tensor->data + file_row_bytes(tensor) * (size_t)row;
    switch (tensor->type) {
    case XK_F32:
        memcpy(out, bytes, 4 * columns);
        break;
    case XK_F16:
        for (size_t i = 0; i < columns; i++) out[i] = half_to_float(load_half(bytes + 2 * i));
        break;
    case XK_BF16:
        for (size_t i = 0; i < columns; i++) out[i] = brain_to_float(load_half(bytes + 2 * i));
        break;
    default:
        quantised_row(bytes, tensor->type, tensor->columns / BLOCK, out);
    }
}

int32_t xk_multiply(
    const xk_tensor *tensor, const float *x, int32_t count, int32_t path, float *out
) {
    const path_functions *functions = path_choose(path);
    if (functions == NULL) return XK_UNSUPPORTED_PATH;
    matrix weight = {0};
    activations in = {0};
    int32_t error = matrix_prepare(&weight, tensor, functions);
    if (error == XK_OK && !activations_make(&in, tensor->columns)) error = XK_NO_MEMORY;
    for (int32_t start = 0; error == XK_OK && start < count; start += BATCH) {
        int32_t live = count - start < BATCH ? count - start : BATCH;
        size_t columns = (size_t)tensor->columns;
        memcpy(in.values, x + (size_t)start * columns, (size_t)live * columns * sizeof *x);
        functions->multiply(&weight, &in, live, out + (size_t)start * (size_t)tensor->rows);
    }
    activations_free(&in);
    matrix_release(&weight);
    if (error != XK_OK) return error;
    return xk_all_finite(out, (size_t)count * (size_t)tensor->rows) ? XK_OK : XK_NOT_FINITE;
}
