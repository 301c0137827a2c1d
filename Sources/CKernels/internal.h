#pragma once
// What the files of this target share. Nothing here is seen from Swift.

#include "CKernels.h"

#include <pthread.h>
#include <string.h>

// Numbers in one quantisation block.
enum { BLOCK = 32 };
// Positions that go through the layers together. It cannot change a result.
enum { BATCH = 64 };
// Rows of a panel, unless the path says otherwise.
enum { PANEL = 8 };

// Activations of up to BATCH positions: the floats and their int8 form, block by block.
typedef struct {
    int32_t columns;       // floats per position
    int32_t blocks;        // columns / BLOCK
    float *values;         // [position][columns]
    int8_t *quants;        // [position][columns]
    float *scales;         // [position][blocks]
    float *sums;           // [position][blocks]: scale * sum of the block's quants
    int32_t *totals;       // [position][blocks]: sum of the block's quants
    int32_t *halves;       // [position][blocks]: sum of the block's first 16 quants
} activations;

// A matrix as a path wants it: the file's rows, or panels of rows (packing.c).
typedef struct {
    xk_tensor source;
    int32_t panels;
    size_t panel_bytes;
    uint8_t *packed;       // null for the scalar path
} matrix;

typedef struct {
    const float *attention_norm;
    const float *feed_norm;
    matrix query, key, value, output, gate, up, down;
    // Null or 0 where the architecture has none.
    const float *query_bias, *key_bias, *value_bias;
    const float *query_norm, *key_norm;
    const float *attention_post_norm, *feed_post_norm;
    int32_t window;
} layer;

// The rotation of a pass's rows. A stage has one for layers without a window and one for others.
typedef struct {
    float *pairs;          // [position][rope_size]: cosine, sine pairs
    double *frequencies;   // [rope_size / 2]: radians per position
} rotation;

typedef struct pool pool;
typedef void (*pool_job)(void *context, int32_t thread);
pool *pool_create(int32_t threads);
void pool_destroy(pool *workers);
// Runs `job` on every thread, the caller being thread 0, and returns when all are done.
void pool_run(pool *workers, pool_job job, void *context);
// Inside a job: waits until every thread got here.
void pool_barrier(pool *workers);

// What a path has of its own: its build of `body.h`.
typedef struct {
    int32_t path;
    int32_t rows;          // of a panel
    pool_job run_layers;   // context is a pass
    pool_job run_tail;
    // All rows of `weight` by `count` positions of `in`, which holds the values.
    void (*multiply)(const matrix *weight, activations *in, int32_t count, float *out);
} path_functions;

// The functions of a path, of the best one for XK_PATH_AUTOMATIC; null if this machine lacks it.
const path_functions *path_choose(int32_t path);

struct xk_stage {
    xk_shape shape;
    int32_t threads;
    const path_functions *path;
    int32_t layer_count;
    layer *layers;
    const float *tail_norm;
    matrix tail;
    pool *workers;
    pthread_mutex_t lock;
    // Working memory for BATCH positions.
    activations normed;    // hidden; its values also hold what is normed before it is added
    activations attended;  // heads * head_size
    activations gated;     // feed
    float *query;          // [position][heads * head_size]
    float *key;            // [position][width]
    float *value;          // [position][width]
    float *gate;           // [position][feed]
    rotation rotations[2]; // without a window, with one
    float *scores;         // [thread][score_stride], grown when a longer session runs
    int32_t score_stride;
};

// Whose keys and values a row of a pass sees, and where it stands among them. A page is
// [layer][key-value head][keys, values][XK_PAGE][head_size].
typedef struct {
    uint16_t *const *pages;
    int32_t position;
} place;

// One pass over up to BATCH rows of any sessions, shared by all threads.
typedef struct {
    xk_stage *stage;
    float *x;
    float *logits;
    int32_t count;
    place places[BATCH];
} pass;

// Where the keys of a key-value head of a layer start in a page, and, XK_PAGE * head_size further,
// its values.
static inline size_t page_offset(const xk_shape *shape, int32_t layer_index, int32_t head) {
    return (size_t)(layer_index * shape->kv_heads + head) * 2 * XK_PAGE * (size_t)shape->head_size;
}

float exp_single_scalar(float x);

// Exact: every half is a single.
static inline float half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 31u;
    uint32_t mantissa = half & 0x3ffu;
    uint32_t bits;
    if (exponent == 31) {
        bits = sign | 0x7f800000u | (mantissa << 13);
    } else if (exponent != 0) {
        bits = sign | ((exponent + 112) << 23) | (mantissa << 13);
    } else if (mantissa == 0) {
        bits = sign;
    } else {
        uint32_t shift = (uint32_t)__builtin_clz(mantissa) - 21;
        bits = sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ffu) << 13);
    }
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint16_t load_half(const uint8_t *bytes) {
    uint16_t half;
    memcpy(&half, bytes, sizeof half);
    return half;
}

// Memory for BATCH positions of `columns` floats; 0 if there is not enough.
int activations_make(activations *target, int32_t columns);
void activations_free(activations *target);

// 0 when all is well, XK_NO_MEMORY or XK_NOT_FINITE.
int32_t matrix_prepare(
    matrix *target, const xk_tensor *source, const path_functions *path);
void matrix_release(matrix *target);
int32_t matrix_all_finite(const xk_tensor *tensor);
