// Matrix products: tiles of a panel's rows by up to four positions. In every tile a lane is a row,
// so a sum has the same order whatever the width of the machine's vectors. One position is a GEMV;
// with more, a panel is read from the nearest cache for four positions at a time.
// Part of `body.h`.

#if FREE
#pragma clang fp contract(fast) reassociate(on)
#else
#pragma STDC FP_CONTRACT OFF
#endif

// What a tile reads of one position.
typedef struct {
    const float *values;
    const int8_t *quants;
    const float *scales;
    const float *sums;
    const int32_t *totals;
    const int32_t *halves;
} NAME(column);

static inline TARGET NAME(column) NAME(column_of)(const activations *in, int32_t position) {
    size_t at = (size_t)position * (size_t)in->blocks;
    return (NAME(column)){
        in->values + (size_t)position * (size_t)in->columns, in->quants + at * BLOCK,
        in->scales + at, in->sums + at, in->totals + at, in->halves + at};
}

#if AVX2 || NEON

#define TILE static inline __attribute__((always_inline)) TARGET void

static inline TARGET int32_t NAME(load4)(const int8_t *bytes) {
    int32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

// Numbers of four bits and their top bits; `type` and `count` are constants.
TILE NAME(tile_bits)(
    const uint8_t *panel, int32_t blocks, const NAME(column) *columns, const int type,
    const int count, float *out
) {
    const int six = type == XK_Q6_K;
    const int minimal = type == XK_Q4_1 || type == XK_Q4_K;
    const int split = six || (SIXTEEN && type == XK_Q5_0);
    const int32_t zero = type == XK_Q4_0 ? 8 : type == XK_Q5_0 ? 16 : six ? 32 : 0;
    row_floats dots[4] = {{0}}, minima[4] = {{0}};
    row_floats super_scale = {0}, super_minimum = {0};
    for (int32_t block = 0; block < blocks; block++) {
        row_floats scale, minimum = {0};
        row_words factors[2] = {{0}, {0}};
        if (type == XK_Q4_K || six) {
            if (block % 8 == 0) {
                super_scale = ROW_HALVES(panel);
                panel += 2 * ROWS;
                if (!six) {
                    super_minimum = ROW_HALVES(panel);
                    panel += 2 * ROWS;
                }
            }
            scale = super_scale;
            if (six) {
                factors[0] = ROW_SIGNED(panel);
                factors[1] = ROW_SIGNED(panel + ROWS);
            } else {
                row_words factor = ROW_UNSIGNED(panel);
                row_words lower = ROW_UNSIGNED(panel + ROWS);
                scale = scale * __builtin_convertvector(factor, row_floats);
                minimum = -(super_minimum * __builtin_convertvector(lower, row_floats));
            }
            panel += 2 * ROWS;
        } else {
            scale = ROW_HALVES(panel);
            panel += 2 * ROWS;
            if (minimal) {
                minimum = ROW_HALVES(panel);
                panel += 2 * ROWS;
            }
        }
        // Sums of the low and, if they are kept apart, of the high numbers.
        SUMS sums[8] = {{0}};
        row_words whole[8] = {{0}};
#pragma clang loop unroll(full)
        for (int group = 0; group < 4; group++) {
            row_bytes bytes = ROW_BYTES(panel + 4 * ROWS * group);
            row_bytes low = bytes & 15;
            row_bytes high = bytes >> 4;
            if (type == XK_Q5_0) {
                row_bytes top = ROW_BYTES(panel + 16 * ROWS);
                low |= (top << (4 - group)) & 16;
                high |= (top >> group) & 16;
            } else if (six) {
                row_bytes top = ROW_BYTES(panel + 4 * ROWS * (4 + group / 2)) >> (4 * (group & 1));
                low |= (top & 3) << 4;
                high |= (top & 12) << 2;
            }
            for (int c = 0; c < count; c++) {
                const int8_t *x = columns[c].quants + (size_t)block * BLOCK + 4 * group;
                int other = split ? 4 + c : c;
                sums[c] = DOT(sums[c], low, NAME(load4)(x));
                sums[other] = DOT(sums[other], high, NAME(load4)(x + 16));
                if (group == 3 || (SIXTEEN && six && group == 1)) {
                    whole[c] = whole[c] + WIDE(sums[c]);
                    if (split) whole[4 + c] = whole[4 + c] + WIDE(sums[4 + c]);
                    sums[c] = sums[other] = (SUMS){0};
                }
            }
        }
        panel += ROWS * (type == XK_Q5_0 ? 20 : six ? 24 : 16);
        for (int c = 0; c < count; c++) {
            row_words dot = whole[c];
            if (six) {
                int32_t half = columns[c].halves[block];
                dot = factors[0] * (dot - (half << 5))
                    + factors[1] * (whole[4 + c] - ((columns[c].totals[block] - half) << 5));
            } else {
                if (split) dot = dot + whole[4 + c];
                if (zero) dot = dot - ((row_words){0} + columns[c].totals[block]) * zero;
            }
            row_floats factor = scale * columns[c].scales[block];
            dots[c] = dots[c] + factor * __builtin_convertvector(dot, row_floats);
            if (minimal) minima[c] = minima[c] + minimum * columns[c].sums[block];
        }
    }
    for (int c = 0; c < count; c++) {
        *(loose_floats *)(out + ROWS * c) = minimal ? dots[c] + minima[c] : dots[c];
    }
}

// Numbers of eight bits.
TILE NAME(tile_bytes)(
    const uint8_t *panel, int32_t blocks, const NAME(column) *columns, const int count, float *out
) {
    row_floats dots[4] = {{0}};
    for (int32_t block = 0; block < blocks; block++) {
        row_floats scale = ROW_HALVES(panel);
        panel += 2 * ROWS;
        row_words whole[4] = {{0}};
#pragma clang loop unroll(full)
        for (int group = 0; group < 8; group++) {
            row_bytes bytes = ROW_BYTES(panel + 4 * ROWS * group);
            for (int c = 0; c < count; c++) {
                const int8_t *x = columns[c].quants + (size_t)block * BLOCK + 4 * group;
                whole[c] = DOT_SIGNED(whole[c], bytes, NAME(load4)(x));
            }
        }
        panel += 32 * ROWS;
        for (int c = 0; c < count; c++) {
            row_words dot = whole[c];
            if (RAISE) dot = dot - ((row_words){0} + columns[c].totals[block]) * RAISE;
            row_floats factor = scale * columns[c].scales[block];
            dots[c] = dots[c] + factor * __builtin_convertvector(dot, row_floats);
        }
    }
    for (int c = 0; c < count; c++) *(loose_floats *)(out + ROWS * c) = dots[c];
}

// Floats, over activations that are not quantised.
TILE NAME(tile_floats)(
    const uint8_t *panel, int32_t length, const NAME(column) *columns, const int type,
    const int count, float *out
) {
    row_floats sums[4] = {{0}};
    for (int32_t i = 0; i < length; i++) {
        row_floats w;
        if (type == XK_F32) w = ROW_FLOATS(panel + 4 * ROWS * (size_t)i);
        else if (type == XK_F16) w = ROW_HALVES(panel + 2 * ROWS * (size_t)i);
        else w = ROW_BRAINS(panel + 2 * ROWS * (size_t)i);
        for (int c = 0; c < count; c++) sums[c] = sums[c] + w * columns[c].values[i];
    }
    for (int c = 0; c < count; c++) *(loose_floats *)(out + ROWS * c) = sums[c];
}

static TARGET void NAME(tile)(
    const matrix *weight, int32_t panel, const NAME(column) *columns, int32_t count, float *out
) {
    int32_t length = weight->source.columns;
    int32_t blocks = length / BLOCK;
    const uint8_t *packed = weight->packed + weight->panel_bytes * (size_t)panel;
#define COUNTS(call) \
    switch (count) { \
    case 1: call(1); break; \
    case 2: call(2); break; \
    case 3: call(3); break; \
    default: call(4); break; \
    }
#define BITS_CASE(type) case type: COUNTS(BITS_##type) break;
#define FLOATS_CASE(type) case type: COUNTS(FLOATS_##type) break;
#define BITS_XK_Q4_0(n) NAME(tile_bits)(packed, blocks, columns, XK_Q4_0, n, out)
#define BITS_XK_Q4_1(n) NAME(tile_bits)(packed, blocks, columns, XK_Q4_1, n, out)
#define BITS_XK_Q5_0(n) NAME(tile_bits)(packed, blocks, columns, XK_Q5_0, n, out)
#define BITS_XK_Q4_K(n) NAME(tile_bits)(packed, blocks, columns, XK_Q4_K, n, out)
#define BITS_XK_Q6_K(n) NAME(tile_bits)(packed, blocks, columns, XK_Q6_K, n, out)
#define FLOATS_XK_F32(n) NAME(tile_floats)(packed, length, columns, XK_F32, n, out)
#define FLOATS_XK_F16(n) NAME(tile_floats)(packed, length, columns, XK_F16, n, out)
#define FLOATS_XK_BF16(n) NAME(tile_floats)(packed, length, columns, XK_BF16, n, out)
#define BYTES(n) NAME(tile_bytes)(packed, blocks, columns, n, out)
    switch (weight->source.type) {
    BITS_CASE(XK_Q4_0)
    BITS_CASE(XK_Q4_1)
    BITS_CASE(XK_Q5_0)
    BITS_CASE(XK_Q4_K)
    BITS_CASE(XK_Q6_K)
    FLOATS_CASE(XK_F32)
    FLOATS_CASE(XK_F16)
    FLOATS_CASE(XK_BF16)
    default: COUNTS(BYTES)
    }
}

#else

// The reference: straight from the file's blocks, as the contract is written.
static void NAME(row_dots)(
    const uint8_t *row, const xk_tensor *source, const NAME(column) *columns, int32_t count,
    float *dots, float *minima
) {
    int32_t type = source->type;
    int32_t zero = block_zero(type);
    for (int32_t block = 0; block < source->columns / BLOCK; block++) {
        uint8_t numbers[BLOCK];
        block_numbers(row, type, block, numbers);
        block_scales scales = scales_of(row, type, block);
        for (int32_t c = 0; c < count; c++) {
            const int8_t *x = columns[c].quants + (size_t)block * BLOCK;
            int32_t halves[2] = {0, 0};
            for (int i = 0; i < 16; i++) {
                halves[0] += ((int32_t)numbers[i] - zero) * (int32_t)x[i];
                halves[1] += ((int32_t)numbers[16 + i] - zero) * (int32_t)x[16 + i];
            }
            int32_t dot = scales.factors[0] * halves[0] + scales.factors[1] * halves[1];
            float factor = scales.scale * columns[c].scales[block];
            dots[c] = dots[c] + factor * (float)dot;
            minima[c] = minima[c] + scales.minimum * columns[c].sums[block];
        }
    }
}

static float NAME(float_dot)(const uint8_t *row, const xk_tensor *source, const float *x) {
    float sum = 0.0f;
    for (size_t i = 0; i < (size_t)source->columns; i++) {
        float w;
        if (source->type == XK_F32) memcpy(&w, row + 4 * i, sizeof w);
        else if (source->type == XK_F16) w = half_to_float(load_half(row + 2 * i));
        else w = brain_to_float(load_half(row + 2 * i));
        sum = sum + w * x[i];
    }
    return sum;
}

static void NAME(tile)(
    const matrix *weight, int32_t panel, const NAME(column) *columns, int32_t count, float *out
) {
    const xk_tensor *source = &weight->source;
    size_t stride = file_row_bytes(source);
    for (int32_t r = 0; r < ROWS && panel * ROWS + r < source->rows; r++) {
        const uint8_t *row = (const uint8_t *)source->data + stride * (size_t)(panel * ROWS + r);
        float dots[4] = {0}, minima[4] = {0};
        if (is_float(source->type)) {
            for (int32_t c = 0; c < count; c++) {
                dots[c] = NAME(float_dot)(row, source, columns[c].values);
            }
        } else {
            NAME(row_dots)(row, source, columns, count, dots, minima);
        }
        for (int32_t c = 0; c < count; c++) {
            out[ROWS * c + r] = has_minimum(source->type) ? dots[c] + minima[c] : dots[c];
        }
    }
}

#endif

// Panels `first` to `end` of `weight` by `count` positions of `in`; the result replaces or is
// added to `out`.
static TARGET void NAME(multiply)(
    const matrix *weight, const activations *in, int32_t count, int32_t first, int32_t end,
    float *out, int32_t stride, int add
) {
    for (int32_t panel = first; panel < end; panel++) {
        int32_t rows = weight->source.rows - panel * ROWS;
        if (rows > ROWS) rows = ROWS;
        for (int32_t position = 0; position < count; position += 4) {
            int32_t live = count - position < 4 ? count - position : 4;
            NAME(column) columns[4];
            float tile[4 * ROWS];
            for (int32_t c = 0; c < live; c++) columns[c] = NAME(column_of)(in, position + c);
            NAME(tile)(weight, panel, columns, live, tile);
            for (int32_t c = 0; c < live; c++) {
                float *target = out + (size_t)(position + c) * (size_t)stride + panel * ROWS;
                const float *result = tile + ROWS * c;
                if (rows == ROWS) {
                    row_floats value = ROW_FLOATS(result);
                    if (add) value = ROW_FLOATS(target) + value;
                    *(loose_floats *)target = value;
                } else {
                    for (int32_t r = 0; r < rows; r++) {
                        target[r] = add ? target[r] + result[r] : result[r];
                    }
                }
            }
        }
    }
}

static TARGET void NAME(multiply_all)(
    const matrix *weight, activations *in, int32_t count, float *out
) {
    ENTER_CONTRACT;
    for (int32_t position = 0; position < count && !is_float(weight->source.type); position++) {
        NAME(quantise)(in, position, 0, in->blocks);
    }
    NAME(multiply)(weight, in, count, 0, weight->panels, out, weight->source.rows, 0);
    LEAVE_CONTRACT;
}
