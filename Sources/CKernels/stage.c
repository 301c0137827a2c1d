// Making, running and freeing stages.
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
    return activations_make(&stage->normed, shape->hidden)
        && activations_make(&stage->attended, wide) && activations_make(&stage->gated, shape->feed)
        && stage->query && stage->key && stage->value && stage->gate;
}

static int make_rotation(
    rotation *target, int32_t size, double base, double scale, const float *factors
) {
    target->pairs = block_of(BATCH * (size_t)size, sizeof(float));
    target->frequencies = block_of((size_t)size, sizeof(double));
    if (target->pairs == NULL || target->frequencies == NULL) return 0;
    double slope = xk_log(base) / (double)size;
    for (int32_t i = 0; i < size; i += 2) {
        double frequency = xk_exp(-(slope * (double)i));
        if (factors != NULL) frequency = frequency / (double)factors[i / 2];
        target->frequencies[i / 2] = scale > 0 ? frequency / scale : frequency;
    }
    return 1;
}

// Whether a vector that an architecture need not have is there and infinite or not a number.
static int is_bad(const float *values, int32_t count) {
    return values != NULL && !xk_all_finite(values, (size_t)count);
}

static int32_t prepare_vectors(layer *target, const xk_layer *source, const xk_shape *shape) {
    int32_t hidden = shape->hidden;
    int32_t size = shape->head_size;
    int32_t narrow = shape->kv_heads * size;
    if (is_bad(source->attention_norm, hidden) || is_bad(source->feed_norm, hidden)
        || is_bad(source->query_bias, shape->heads * size) || is_bad(source->key_bias, narrow)
        || is_bad(source->value_bias, narrow) || is_bad(source->query_norm, size)
        || is_bad(source->key_norm, size) || is_bad(source->attention_post_norm, hidden)
        || is_bad(source->feed_post_norm, hidden)) {
        return XK_NOT_FINITE;
    }
    target->attention_norm = source->attention_norm;
    target->feed_norm = source->feed_norm;
    target->query_bias = source->query_bias;
    target->key_bias = source->key_bias;
    target->value_bias = source->value_bias;
    target->query_norm = source->query_norm;
    target->key_norm = source->key_norm;
    target->attention_post_norm = source->attention_post_norm;
    target->feed_post_norm = source->feed_post_norm;
    target->window = source->window;
    return XK_OK;
}

static int32_t prepare_layer(
    layer *target, const xk_layer *source, const xk_shape *shape, const path_functions *path
) {
    int32_t error = prepare_vectors(target, source, shape);
    if (error != XK_OK) return error;
    const xk_tensor *tensors[7] = {
        &source->query, &source->key, &source->value, &source->output, &source->gate, &source->up,
        &source->down};
    matrix *matrices[7] = {
        &target->query, &target->key, &target->value, &target->output, &target->gate, &target->up,
        &target->down};
    for (int index = 0; index < 7; index++) {
        error = matrix_prepare(matrices[index], tensors[index], path);
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
    const xk_shape *shape = &stage->shape;
    if (is_bad(shape->rope_factors, shape->rope_size / 2)) return XK_NOT_FINITE;
    if (!make_memory(stage)
        || !make_rotation(
            &stage->rotations[0], shape->rope_size, shape->rope_base, shape->rope_scale,
            shape->rope_factors)) {
        return XK_NO_MEMORY;
    }
    if (shape->local_rope_base > 0
        && !make_rotation(
            &stage->rotations[1], shape->rope_size, shape->local_rope_base, 0, NULL)) {
        return XK_NO_MEMORY;
    }
    for (int32_t index = 0; index < stage->layer_count; index++) {
        int32_t error = prepare_layer(
            &stage->layers[index], &layers[index], shape, stage->path);
        if (error != XK_OK) return error;
    }
    if (tail == NULL) return XK_OK;
    stage->tail_norm = tail_norm;
    if (is_bad(tail_norm, shape->hidden)) return XK_NOT_FINITE;
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
    if (stage->shape.score_size == 0) stage->shape.score_size = shape->head_size;
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
    for (int index = 0; index < 2; index++) {
        free(stage->rotations[index].pairs);
        free(stage->rotations[index].frequencies);
    }
    free(stage->scores);
    pthread_mutex_destroy(&stage->lock);
    free(stage);
}

int32_t xk_stage_path(const xk_stage *stage) { return stage->path->path; }

size_t xk_stage_page_bytes(const xk_stage *stage) {
    return page_offset(&stage->shape, stage->layer_count, 0) * sizeof(uint16_t);
}

uint16_t *xk_page_create(const xk_stage *stage) {
    return block_of(xk_stage_page_bytes(stage), 1);
}

void xk_page_destroy(uint16_t *page) { free(page); }

// Room for the scores of a session with `positions` positions.
static int grow_scores(xk_stage *stage, int32_t positions) {
    if (positions <= stage->score_stride) return 1;
    int32_t stride = (positions + XK_PAGE - 1) / XK_PAGE * XK_PAGE * 2;
    float *scores = block_of((size_t)stage->threads * (size_t)stride, sizeof(float));
    if (scores == NULL) return 0;
    free(stage->scores);
    stage->scores = scores;
    stage->score_stride = stride;
    return 1;
}

// Cosine and sine of position * frequency for each pair, rounded once to single.
static void fill_rotation(const pass *run, const rotation *target) {
    int32_t size = run->stage->shape.rope_size;
    for (int32_t row = 0; row < run->count; row++) {
        float *pair = target->pairs + (size_t)row * (size_t)size;
        for (int32_t i = 0; i < size; i += 2) {
            double sine;
            double cosine;
            xk_sincos(
                (double)run->places[row].position * target->frequencies[i / 2], &sine, &cosine);
            pair[i] = (float)cosine;
            pair[i + 1] = (float)sine;
        }
    }
}

static void run_rows(pass *run) {
    const xk_stage *stage = run->stage;
    fill_rotation(run, &stage->rotations[0]);
    if (stage->shape.local_rope_base > 0) fill_rotation(run, &stage->rotations[1]);
    pool_run(stage->workers, stage->path->run_layers, run);
    run->x += (size_t)run->count * (size_t)stage->shape.hidden;
    run->count = 0;
}

int32_t xk_stage_run(
    xk_stage *stage, const xk_segment *segments, int32_t segment_count, float *x
) {
    pthread_mutex_lock(&stage->lock);
    int32_t error = XK_OK;
    for (int32_t index = 0; index < segment_count; index++) {
        if (!grow_scores(stage, segments[index].position + segments[index].count)) {
            error = XK_NO_MEMORY;
        }
    }
    pass run = {.stage = stage, .x = x};
    for (int32_t index = 0; error == XK_OK && index < segment_count; index++) {
        const xk_segment *segment = &segments[index];
        for (int32_t row = 0; row < segment->count; row++) {
            run.places[run.count] = (place){segment->pages, segment->position + row};
            run.count += 1;
            if (run.count == BATCH) run_rows(&run);
        }
    }
    if (run.count > 0) run_rows(&run);
    pthread_mutex_unlock(&stage->lock);
    return error;
}

int32_t xk_stage_logits(xk_stage *stage, const float *x, int32_t count, float *logits) {
    size_t rows = (size_t)stage->tail.source.rows;
    pthread_mutex_lock(&stage->lock);
    for (int32_t start = 0; start < count; start += BATCH) {
        pass run = {
            .stage = stage, .x = (float *)x + (size_t)start * (size_t)stage->shape.hidden,
            .logits = logits + (size_t)start * rows,
            .count = count - start < BATCH ? count - start : BATCH};
        pool_run(stage->workers, stage->path->run_tail, &run);
    }
    pthread_mutex_unlock(&stage->lock);
    return xk_all_finite(logits, (size_t)count * rows) ? XK_OK : XK_NOT_FINITE;
}
