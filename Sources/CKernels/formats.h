#pragma once
// How the bytes of a tensor are numbers: the block layouts of ggml (ggml-common.h), each seen as
// blocks of 32 small integers with what scales them. Rows of the K types are made of superblocks
// of eight such blocks.

#include "internal.h"

// Numbers in one block of the file; 1 for floats.
static inline int32_t file_block_count(int32_t type) {
    switch (type) {
    case XK_F32: case XK_F16: case XK_BF16: return 1;
    case XK_Q4_K: case XK_Q6_K: return 256;
    default: return BLOCK;
    }
}

// Bytes of one block of the file.
static inline int32_t file_block_bytes(int32_t type) {
    switch (type) {
    case XK_F32: return 4;
    case XK_F16: case XK_BF16: return 2;
    case XK_Q4_0: return 18;
    case XK_Q4_1: return 20;
    case XK_Q5_0: return 22;
    case XK_Q8_0: return 34;
    case XK_Q4_K: return 144;
    default: return 210;
    }
}

static inline int is_float(int32_t type) { return file_block_count(type) == 1; }

static inline int is_super(int32_t type) { return file_block_count(type) == 256; }

static inline int has_minimum(int32_t type) { return type == XK_Q4_1 || type == XK_Q4_K; }

// Bytes of one row.
static inline size_t file_row_bytes(const xk_tensor *tensor) {
    return (size_t)(tensor->columns / file_block_count(tensor->type))
        * (size_t)file_block_bytes(tensor->type);
}

// Exact: a brain float is the upper half of a single.
static inline float brain_to_float(uint16_t brain) {
    uint32_t bits = (uint32_t)brain << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// What is subtracted from the unsigned numbers of `block_numbers`.
static inline int32_t block_zero(int32_t type) {
    switch (type) {
    case XK_Q4_0: return 8;
    case XK_Q5_0: return 16;
    case XK_Q6_K: return 32;
    case XK_Q8_0: return 128;
    default: return 0;
    }
}

// The block of the file that holds block `block` of 32 of a row.
static inline const uint8_t *file_block(const uint8_t *row, int32_t type, int32_t block) {
    return row + (size_t)(is_super(type) ? block / 8 : block) * (size_t)file_block_bytes(type);
}

// The 32 numbers of a block, unsigned.
static inline void block_numbers(
    const uint8_t *row, int32_t type, int32_t block, uint8_t *restrict numbers
) {
    const uint8_t *bytes = file_block(row, type, block);
    int32_t part = block % 8;
    if (type == XK_Q8_0) {
        for (int i = 0; i < 32; i++) numbers[i] = bytes[2 + i] ^ 0x80;
    } else if (type == XK_Q4_K) {
        const uint8_t *nibbles = bytes + 16 + 32 * (part / 2);
        int shift = 4 * (part & 1);
        for (int i = 0; i < 32; i++) numbers[i] = (nibbles[i] >> shift) & 15;
    } else if (type == XK_Q6_K) {
        int quarter = part % 4;
        const uint8_t *nibbles = bytes + 64 * (part / 4) + 32 * (quarter & 1);
        const uint8_t *tops = bytes + 128 + 32 * (part / 4);
        int shift = quarter < 2 ? 0 : 4;
        for (int i = 0; i < 32; i++) {
            int top = (tops[i] >> (2 * quarter)) & 3;
            numbers[i] = (uint8_t)(((nibbles[i] >> shift) & 15) | (top << 4));
        }
    } else {
        const uint8_t *nibbles = bytes + file_block_bytes(type) - 16;
        for (int i = 0; i < 16; i++) {
            numbers[i] = nibbles[i] & 15;
            numbers[16 + i] = nibbles[i] >> 4;
        }
        if (type != XK_Q5_0) return;
        uint32_t tops;
        memcpy(&tops, bytes + 2, sizeof tops);
        for (int i = 0; i < 32; i++) numbers[i] |= (uint8_t)(((tops >> i) & 1) << 4);
    }
}

// The six-bit scale and minimum of block `part` of a Q4_K superblock.
static inline void k_scales(const uint8_t *bytes, int32_t part, uint8_t *scale, uint8_t *minimum) {
    const uint8_t *packed = bytes + 4;
    if (part < 4) {
        *scale = packed[part] & 63;
        *minimum = packed[part + 4] & 63;
    } else {
        *scale = (uint8_t)((packed[part + 4] & 15) | ((packed[part - 4] >> 6) << 4));
        *minimum = (uint8_t)((packed[part + 4] >> 4) | ((packed[part] >> 6) << 4));
    }
}

// What scales the numbers of a block: weight = scale * (factor * number) + minimum, with one
// factor for each half of the block. Scales, minima and factors are exact.
typedef struct {
    float scale;
    float minimum;
    int32_t factors[2];
} block_scales;

static inline block_scales scales_of(const uint8_t *row, int32_t type, int32_t block) {
    const uint8_t *bytes = file_block(row, type, block);
    int32_t part = block % 8;
    block_scales scales = {0.0f, 0.0f, {1, 1}};
    if (type == XK_Q6_K) {
        scales.scale = half_to_float(load_half(bytes + 208));
        scales.factors[0] = (int8_t)bytes[192 + 2 * part];
        scales.factors[1] = (int8_t)bytes[193 + 2 * part];
        return scales;
    }
    scales.scale = half_to_float(load_half(bytes));
    if (has_minimum(type)) scales.minimum = half_to_float(load_half(bytes + 2));
    if (type == XK_Q4_K) {
        uint8_t scale;
        uint8_t minimum;
        k_scales(bytes, part, &scale, &minimum);
        scales.scale = scales.scale * (float)scale;
        scales.minimum = -(scales.minimum * (float)minimum);
    }
    return scales;
}
