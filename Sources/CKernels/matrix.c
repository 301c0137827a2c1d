// Weights: row unpacking, checks, and the panels the vector paths read.
#include "internal.h"

#include <stdlib.h>

#pragma STDC FP_CONTRACT OFF

static int finite_half(uint16_t half) { return (half & 0x7c00u) != 0x7c00u; }

static int32_t all_finite(const xk_tensor *tensor) {
    size_t count = (size_t)tensor->rows * (size_t)tensor->columns;
    const uint8_t *bytes = tensor->data;
    if (tensor->type == XK_F32) return xk_all_finite(tensor->data, count);
    if (tensor->type == XK_F16) {
        for (size_t i = 0; i < count; i++) {
            if (!finite_half(load_half(bytes + 2 * i))) return 0;
        }
        return 1;
    }
    size_t stride = (size_t)block_bytes(tensor->type);
    for (size_t block = 0; block < count / BLOCK; block++, bytes += stride) {
        if (!finite_half(load_half(bytes))) return 0;
        if (tensor->type == XK_Q4_1 && !finite_half(load_half(bytes + 2))) return 0;
    }
    return 1;
}

// One block of eight rows: the scales, the minima if any, then the groups of four bytes of all
// rows. Rows past the end of the matrix are zero.
static void pack_block(
    uint8_t *out, const uint8_t *first, size_t stride, int32_t rows, int32_t head, int32_t body
) {
    for (int32_t row = 0; row < rows; row++) {
        const uint8_t *block = first + stride * (size_t)row;
        for (int32_t part = 0; part < head; part += 2) {
            memcpy(out + 8 * part + 2 * row, block + part, 2);
        }
        uint8_t *groups = out + 8 * head + 4 * row;
        for (int32_t part = 0; part < body; part += 4) {
            memcpy(groups + 8 * part, block + head + part, 4);
        }
    }
}

int32_t matrix_prepare(matrix *target, const xk_tensor *source, int32_t path) {
    target->source = *source;
    target->panels = (source->rows + PANEL - 1) / PANEL;
    target->packed = NULL;
    if (!all_finite(source)) return XK_NOT_FINITE;
    int32_t bytes = block_bytes(source->type);
    if (path == XK_PATH_SCALAR || bytes == 0) return XK_OK;
    size_t blocks = (size_t)(source->columns / BLOCK);
    size_t stride = blocks * (size_t)bytes;
    size_t panel_bytes = stride * PANEL;
    if (posix_memalign(
            (void **)&target->packed, 64, panel_bytes * (size_t)target->panels + 64) != 0) {
        target->packed = NULL;
        return XK_NO_MEMORY;
    }
    int32_t head = source->type == XK_Q4_1 ? 4 : 2;
    for (int32_t panel = 0; panel < target->panels; panel++) {
        int32_t rows = source->rows - panel * PANEL;
        if (rows > PANEL) rows = PANEL;
        const uint8_t *first = (const uint8_t *)source->data + stride * PANEL * (size_t)panel;
        uint8_t *out = target->packed + panel_bytes * (size_t)panel;
        if (rows < PANEL) memset(out, 0, panel_bytes);
        for (size_t block = 0; block < blocks; block++) {
            pack_block(
                out + block * (size_t)bytes * PANEL, first + block * (size_t)bytes, stride, rows,
                head, bytes - head);
        }
    }
    return XK_OK;
}

void matrix_release(matrix *target) {
    free(target->packed);
    target->packed = NULL;
}

static void quantised_row(const uint8_t *bytes, int32_t type, int32_t blocks, float *out) {
    for (int32_t block = 0; block < blocks; block++, bytes += block_bytes(type), out += BLOCK) {
        float scale = half_to_float(load_half(bytes));
        if (type == XK_Q8_0) {
            const int8_t *w = (const int8_t *)(bytes + 2);
            for (int i = 0; i < BLOCK; i++) out[i] = scale * (float)w[i];
            continue;
        }
        float minimum = type == XK_Q4_1 ? half_to_float(load_half(bytes + 2)) : 0.0f;
        int32_t zero = type == XK_Q4_1 ? 0 : 8;
        const uint8_t *w = bytes + (type == XK_Q4_1 ? 4 : 2);
        for (int i = 0; i < 16; i++) {
            float low = scale * (float)((int32_t)(w[i] & 15) - zero);
            float high = scale * (float)((int32_t)(w[i] >> 4) - zero);
            out[i] = type == XK_Q4_1 ? low + minimum : low;
            out[i + 16] = type == XK_Q4_1 ? high + minimum : high;
        }
    }
}

void xk_tensor_row(const xk_tensor *tensor, int32_t row, float *out) {
    size_t columns = (size_t)tensor->columns;
    const uint8_t *bytes = tensor->data;
    if (tensor->type == XK_F32) {
        memcpy(out, bytes + 4 * columns * (size_t)row, 4 * columns);
    } else if (tensor->type == XK_F16) {
        bytes += 2 * columns * (size_t)row;
        for (size_t i = 0; i < columns; i++) out[i] = half_to_float(load_half(bytes + 2 * i));
    } else {
        int32_t blocks = tensor->columns / BLOCK;
        size_t stride = (size_t)block_bytes(tensor->type) * (size_t)blocks;
        quantised_row(bytes + stride * (size_t)row, tensor->type, blocks, out);
    }
}
