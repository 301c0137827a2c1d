// Making, running and freeing stages and their key-value memory.
#include "internal.h"

#include <stdlib.h>

#pragma STDC FP_CONTRACT OFF

static void *block_of(size_t count, size_t size) {
    void *memory = NULL;
    if (posix_memalign(&memory, 64, count * size + 64) != 0) return NULL;
    return memory;
}

static int make_memory(xk_stage *stage) {
    const xk_shape *shape = &stage->shape;
    int32_t wide = shape->heads * shape->head_size;
    size_t narrow = (size_t)(shape->kv_heads * shape->head_size);
    stage->query = block_of(BATCH * (size_t)wide, sizeof(float));
    stage->key = block_of(BATCH * narrow, sizeof(float));
    stage->value = block_of(BATCH * narrow, sizeof(float));
    stage->gate = block_of(BATCH * (size_t)shape->feed, sizeof(float));
    stage->rope = block_of(BATCH * (size_t)shape->rope_size, sizeof(float));
    return activations_make(&stage->normed, shape->hidden)
        && activations_make(&stage->attended, wide) && activations_make(&stage->gated, shape->feed)
        && stage->query && stage->key && stage->value && stage->gate && stage->rope;
}

static int32_t prepare_layer(
    layer *target, const xk_layer *source, int32_t hidden, const path_functions *path
) {
    target->attention_norm = source->attention_norm;
    target->feed_norm = source->feed_norm;
    if (!xk_all_finite(source->attention_norm, (size_t)hidden)) return XK_NOT_FINITE;
    if (!xk_all_finite(source->feed_norm, (size_t)hidden)) return XK_NOT_FINITE;
    const xk_tensor *tensors[7] = {
        &source->query, &source->key, &source->value, &source->output, &source->gate, &source->up,
        &source->down};
    matrix *matrices[7] = {
        &target->query, &target->key, &target->value, &target->output, &target->gate, &target->up,
        &target->down};
    for (int index = 0; index < 7; index++) {
        int32_t error = matrix_prepare(matrices[index], tensors[index], path);
        if (error != XK_OK) return error;
    }
    return XK_OK;
}

static int32_t fill_stage(
    xk_stage *stage, const xk_layer *layers, const float *tail_norm, const xk_tensor *tail
) {
    stage->layers = calloc((size_t)stage->layer_count, sizeof *stage->layers);
    stage->workers = pool_create(stage->threads);
    if (stage->layers == NULL || stage->workers == NULL) return XK_NO_MEMORY;
    if (!make_memory(stage)) return XK_NO_MEMORY;
    for (int32_t index = 0; index < stage->layer_count; index++) {
        int32_t error = prepare_layer(
            &stage->layers[index], &layers[index], stage->shape.hidden, stage->path);
        if (error != XK_OK) return error;
    }
    if (tail == NULL) return XK_OK;
    stage->tail_norm = tail_norm;
    if (!xk_all_finite(tail_norm, (size_t)stage->shape.hidden)) return XK_NOT_FINITE;
    return matrix_prepare(&stage->tail, tail, stage->path);
}

xk_stage *xk_stage_create(
    const xk_shape *shape, const xk_layer *layers, int32_t layer_count, const float *tail_norm,
    const xk_tensor *tail, int32_t threads, int32_t path, int32_t *error
) {
    *error = XK_UNSUPPORTED_PATH;
    const path_functions *chosen = path_choose(path);
    if (chosen == NULL) return NULL;
    *error = XK_NO_MEMORY;
    xk_stage *stage = calloc(1, sizeof *stage);
    if (stage == NULL) return NULL;
    stage->shape = *shape;
    stage->threads = threads;
    stage->path = chosen;
    stage->layer_count = layer_count;
    pthread_mutex_init(&stage->lock, NULL);
    *error = fill_stage(stage, layers, tail_norm, tail);
    if (*error == XK_OK) return stage;
    xk_stage_destroy(stage);
    return NULL;
}

void xk_stage_destroy(xk_stage *stage) {
    if (stage == NULL) return;
    pool_destroy(stage->workers);
    for (int32_t index = 0; stage->layers != NULL && index < stage->layer_count; index++) {
        layer *weights = &stage->layers[index];
        matrix *matrices[7] = {
            &weights->query, &weights->key, &weights->value, &weights->output, &weights->gate,
            &weights->up, &weights->down};
        for (int part = 0; part < 7; part++) matrix_release(matrices[part]);
    }
    matrix_release(&stage->tail);
    free(stage->layers);
    activations_free(&stage->normed);
    activations_free(&stage->attended);
    activations_free(&stage->gated);
    free(stage->query);
    free(stage->key);
    free(stage->value);
    free(stage->gate);
    free(stage->rope);
    pthread_mutex_destroy(&stage->lock);
    free(stage);
}

int32_t xk_stage_path(const xk_stage *stage) { return stage->path->path; }

xk_cache *xk_cache_create(const xk_stage *stage, int32_t capacity) {
    xk_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL) return NULL;
    cache->capacity = capacity;
    cache->layer_count = stage->layer_count;
    cache->width = stage->shape.kv_heads * stage->shape.head_size;
    cache->threads = stage->threads;
    cache->score_stride = (capacity + 31) & ~15;
    size_t numbers = (size_t)capacity * (size_t)cache->width * (size_t)stage->layer_count;
    cache->keys = calloc(numbers, sizeof(uint16_t));
    cache->values = calloc(numbers, sizeof(uint16_t));
    cache->scores = calloc((size_t)cache->score_stride * (size_t)stage->threads, sizeof(float));
    if (cache->keys && cache->values && cache->scores) return cache;
    xk_cache_destroy(cache);
    return NULL;
}

void xk_cache_destroy(xk_cache *cache) {
    if (cache == NULL) return;
    free(cache->keys);
    free(cache->values);
    free(cache->scores);
    free(cache);
}

// Cosine and sine of position * base^(-i / rope_size) for each pair, rounded once to single.
static void fill_rope(const xk_stage *stage, int32_t count, int32_t position) {
    int32_t size = stage->shape.rope_size;
    double slope = xk_log(stage->shape.rope_base) / (double)size;
    for (int32_t i = 0; i < size; i += 2) {
        double frequency = xk_exp(-(slope * (double)i));
        for (int32_t column = 0; column < count; column++) {
            double sine;
            double cosine;
            xk_sincos((double)(position + column) * frequency, &sine, &cosine);
            float *pair = stage->rope + (size_t)column * (size_t)size + i;
            pair[0] = (float)cosine;
            pair[1] = (float)sine;
        }
    }
}

int32_t xk_stage_run(
    xk_stage *stage, xk_cache *cache, float *x, int32_t count, int32_t position
) {
    pthread_mutex_lock(&stage->lock);
    size_t hidden = (size_t)stage->shape.hidden;
    for (int32_t start = 0; start < count; start += BATCH) {
        pass run = {0};
        run.stage = stage;
        run.cache = cache;
        run.x = x + (size_t)start * hidden;
        run.count = count - start < BATCH ? count - start : BATCH;
        run.position = position + start;
        fill_rope(stage, run.count, run.position);
        pool_run(stage->workers, stage->path->run_layers, &run);
    }
    pthread_mutex_unlock(&stage->lock);
    return xk_all_finite(x, (size_t)count * hidden) ? XK_OK : XK_NOT_FINITE;
}

int32_t xk_stage_logits(xk_stage *stage, const float *x, int32_t count, float *logits) {
    size_t rows = (size_t)stage->tail.source.rows;
    pthread_mutex_lock(&stage->lock);
    for (int32_t start = 0; start < count; start += BATCH) {
        pass run = {0};
        run.stage = stage;
        run.x = (float *)x + (size_t)start * (size_t)stage->shape.hidden;
        run.logits = logits + (size_t)start * rows;
        run.count = count - start < BATCH ? count - start : BATCH;
        pool_run(stage->workers, stage->path->run_tail, &run);
    }
    pthread_mutex_unlock(&stage->lock);
    return xk_all_finite(logits, (size_t)count * rows) ? XK_OK : XK_NOT_FINITE;
}
