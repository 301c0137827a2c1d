// Attention of one head of one position over the pages of its session.
// Part of `body.h`.

#if FREE
#pragma clang fp contract(fast) reassociate(on)
#else
#pragma STDC FP_CONTRACT OFF
#endif

// The positions that a row sees: `first` up to before `end`.
typedef struct {
    int32_t first;
    int32_t end;
} NAME(view);

// The first position after `s` that lies in another page or is not seen.
static inline int32_t NAME(page_end)(NAME(view) seen, int32_t s) {
    int32_t end = (s / XK_PAGE + 1) * XK_PAGE;
    return end < seen.end ? end : seen.end;
}

// 64 numbers of the values of the positions seen, each times its score, in the order of the
// positions; `start` is where the values of a page's first position begin in it.
static inline TARGET void NAME(mix64)(
    uint16_t *const *pages, size_t start, int32_t size, const float *scores, NAME(view) seen,
    float inverse, float *out
) {
    row_floats sums[64 / ROWS] = {{0}};
    for (int32_t s = seen.first; s < seen.end;) {
        const uint16_t *values =
            pages[s / XK_PAGE] + start + (size_t)(s % XK_PAGE) * (size_t)size;
        for (int32_t end = NAME(page_end)(seen, s); s < end; s++, values += size) {
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
    uint16_t *const *pages, size_t start, int32_t size, const float *scores, NAME(view) seen,
    float inverse, float *out
) {
    f8 sum = {0};
    for (int32_t s = seen.first; s < seen.end; s++) {
        const uint16_t *page = pages[s / XK_PAGE] + start;
        sum = sum + scores[s] * HALF8(page + (size_t)(s % XK_PAGE) * (size_t)size);
    }
    STORE8(out, sum * inverse);
}

// The products of a query with the keys of the positions seen, times `factor`; the largest.
static inline TARGET float NAME(score_keys)(
    uint16_t *const *pages, size_t start, int32_t size, const float *query, float factor,
    NAME(view) seen, float *scores
) {
    float top = -__builtin_inff();
    for (int32_t s = seen.first; s < seen.end;) {
        const uint16_t *key = pages[s / XK_PAGE] + start + (size_t)(s % XK_PAGE) * (size_t)size;
        for (int32_t end = NAME(page_end)(seen, s); s < end; s++, key += size) {
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

// Attention of one head of one row over the positions of its session up to it that its window
// holds, in their order. Those before the window in its first eight have a power of zero.
static TARGET void NAME(attend)(
    const pass *run, int32_t layer_index, int32_t row, int32_t head, float *scores
) {
    const xk_shape *shape = &run->stage->shape;
    const place *at = &run->places[row];
    int32_t size = shape->head_size;
    int32_t window = run->stage->layers[layer_index].window;
    NAME(view) seen = {0, at->position + 1};
    if (window > 0 && seen.end > window) seen.first = seen.end - window;
    size_t place_of_head = (size_t)row * (size_t)(shape->heads * size) + (size_t)(head * size);
    size_t keys = page_offset(shape, layer_index, head / (shape->heads / shape->kv_heads));
    size_t values = keys + XK_PAGE * (size_t)size;
    float top = NAME(score_keys)(
        at->pages, keys, size, run->stage->query + place_of_head,
        1.0f / __builtin_sqrtf((float)shape->score_size), seen, scores);
    int32_t start = seen.first & ~7;
    int32_t padded = (seen.end + 7) & ~7;
    for (int32_t s = start; s < seen.first; s++) scores[s] = -__builtin_inff();
    for (int32_t s = seen.end; s < padded; s++) scores[s] = -__builtin_inff();
    for (int32_t s = start; s < padded; s += 8) STORE8(scores + s, LOAD8(scores + s) - top);
    NAME(exp_all)(scores + start, padded - start);
    f8 lanes = {0};
    for (int32_t s = start; s < padded; s += 8) lanes = lanes + LOAD8(scores + s);
    float inverse = 1.0f / TREE8(lanes);
    float *out = run->stage->attended.values + place_of_head;
    int32_t done = 0;
    for (; done + 64 <= size; done += 64) {
        NAME(mix64)(at->pages, values + (size_t)done, size, scores, seen, inverse, out + done);
    }
    for (; done < size; done += 8) {
        NAME(mix8)(at->pages, values + (size_t)done, size, scores, seen, inverse, out + done);
    }
}
