// The panels that the vector paths read: eight or sixteen rows side by side, so that one load holds
// the same place of all. A panel is as large as its rows in the file, and three per cent more for
// the scales of Q4_K, which get a byte each.
//
// Floats: for each column the numbers of all rows. Quantised: for each block of 32
//     a superblock's first: d of all rows, for Q4_K then dmin (halves)
//     Q4_0, Q5_0, Q8_0: d of all rows; Q4_1: d, then m
//     Q4_K: scales, then minima (bytes); Q6_K: the factors of the first halves, then of the others
//     the numbers: groups of four bytes of all rows. Four low bits: byte i holds number i low and
//     number 16 + i high. Then the top bits, of groups g = 0...3 of four low and four high numbers:
//     Q5_0 bit g low and bit 4 + g high; Q6_K, for groups 0, 1 and then 2, 3, two bits each at
//     4 * (g & 1) low and 2 more high. Q8_0: 32 bytes.
#include "formats.h"

#include <stdlib.h>

// Bytes of the numbers of one block of 32 of one row.
static int32_t body_bytes(int32_t type) {
    switch (type) {
    case XK_Q5_0: return 20;
    case XK_Q6_K: return 24;
    case XK_Q8_0: return 32;
    default: return 16;
    }
}

// Bytes before the numbers of one row.
static int32_t head_bytes(int32_t type, int32_t block) {
    switch (type) {
    case XK_Q4_K: return block % 8 == 0 ? 6 : 2;
    case XK_Q6_K: return block % 8 == 0 ? 4 : 2;
    case XK_Q4_1: return 4;
    default: return 2;
    }
}

static void pack_numbers(
    const uint8_t *row, int32_t type, int32_t block, uint8_t *restrict body
) {
    uint8_t numbers[BLOCK];
    if (type == XK_Q8_0) {
        memcpy(body, file_block(row, type, block) + 2, BLOCK);
        return;
    }
    block_numbers(row, type, block, numbers);
    for (int i = 0; i < 16; i++) {
        body[i] = (uint8_t)((numbers[i] & 15) | (numbers[16 + i] << 4));
    }
    if (type == XK_Q5_0) memset(body + 16, 0, 4);
    if (type == XK_Q6_K) memset(body + 16, 0, 8);
    for (int i = 0; i < 16 && (type == XK_Q5_0 || type == XK_Q6_K); i++) {
        int group = i / 4;
        uint8_t *top = body + 16 + i % 4;
        int low = numbers[i] >> 4;
        int high = numbers[16 + i] >> 4;
        if (type == XK_Q5_0) {
            *top |= (uint8_t)(low << group | high << (4 + group));
        } else {
            top[4 * (group / 2)] |= (uint8_t)((low | high << 2) << (4 * (group & 1)));
        }
    }
}

// The block `block` of one row of a panel of `rows`; `out` is the panel's block.
static void pack_block(
    uint8_t *out, const uint8_t *row, int32_t type, int32_t block, int32_t lane, int32_t rows
) {
    const uint8_t *bytes = file_block(row, type, block);
    int32_t part = block % 8;
    uint8_t *head = out;
    if (is_super(type)) {
        if (part == 0) {
            memcpy(head + 2 * lane, type == XK_Q6_K ? bytes + 208 : bytes, 2);
            head += 2 * rows;
            if (type == XK_Q4_K) {
                memcpy(head + 2 * lane, bytes + 2, 2);
                head += 2 * rows;
            }
        }
        if (type == XK_Q4_K) {
            k_scales(bytes, part, head + lane, head + rows + lane);
        } else {
            head[lane] = bytes[192 + 2 * part];
            head[rows + lane] = bytes[193 + 2 * part];
        }
    } else {
        memcpy(head + 2 * lane, bytes, 2);
        if (type == XK_Q4_1) memcpy(head + 2 * rows + 2 * lane, bytes + 2, 2);
    }
    uint8_t body[BLOCK];
    pack_numbers(row, type, block, body);
    uint8_t *groups = out + rows * head_bytes(type, block) + 4 * lane;
    for (int32_t at = 0; at < body_bytes(type); at += 4) memcpy(groups + rows * at, body + at, 4);
}

static size_t packed_row_bytes(const xk_tensor *source) {
    int32_t type = source->type;
    if (is_float(type)) return file_row_bytes(source);
    size_t blocks = (size_t)(source->columns / BLOCK);
    size_t bytes = blocks * (size_t)(head_bytes(type, 1) + body_bytes(type));
    if (is_super(type)) {
        bytes += blocks / 8 * (size_t)(head_bytes(type, 0) - head_bytes(type, 1));
    }
    return bytes;
}

static void pack_row(
    uint8_t *panel, const uint8_t *row, const xk_tensor *source, int32_t lane, int32_t rows
) {
    int32_t type = source->type;
    if (is_float(type)) {
        size_t size = (size_t)file_block_bytes(type);
        for (size_t i = 0; i < (size_t)source->columns; i++) {
            memcpy(panel + ((size_t)rows * i + (size_t)lane) * size, row + i * size, size);
        }
        return;
    }
    for (int32_t block = 0; block < source->columns / BLOCK; block++) {
        pack_block(panel, row, type, block, lane, rows);
        panel += rows * (head_bytes(type, block) + body_bytes(type));
    }
}

int32_t matrix_prepare(
    matrix *target, const xk_tensor *source, const path_functions *path
) {
    int32_t rows = path->rows;
    target->source = *source;
    target->panels = (source->rows + rows - 1) / rows;
    target->panel_bytes = packed_row_bytes(source) * (size_t)rows;
    target->packed = NULL;
    if (!matrix_all_finite(source)) return XK_NOT_FINITE;
    if (path->path == XK_PATH_SCALAR) return XK_OK;
    size_t total = target->panel_bytes * (size_t)target->panels;
    if (posix_memalign((void **)&target->packed, 64, total + 64) != 0) {
        target->packed = NULL;
        return XK_NO_MEMORY;
    }
    size_t stride = file_row_bytes(source);
    // The rows that the last panel lacks are zero.
    if (source->rows % rows != 0) {
        size_t last = (size_t)(target->panels - 1) * target->panel_bytes;
        memset(target->packed + last, 0, target->panel_bytes);
    }
    for (int32_t row = 0; row < source->rows; row++) {
        uint8_t *panel = target->packed + target->panel_bytes * (size_t)(row / rows);
        const uint8_t *bytes = (const uint8_t *)source->data + stride * (size_t)row;
        pack_row(panel, bytes, source, row % rows, rows);
    }
    return XK_OK;
}

void matrix_release(matrix *target) {
    free(target->packed);
    target->packed = NULL;
}
