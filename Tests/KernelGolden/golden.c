#include "KernelGolden.h"

#include "CKernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int32_t type;
    const char *name;
    int32_t block;
    int32_t bytes;
    // Where the halves of a block lie; -1 for none.
    int32_t halves[2];
} layout;

static const layout layouts[] = {
    {XK_F32, "F32", 1, 4, {-1, -1}},        {XK_F16, "F16", 1, 2, {0, -1}},
    {XK_BF16, "BF16", 1, 2, {-1, -1}},      {XK_Q8_0, "Q8_0", 32, 34, {0, -1}},
    {XK_Q4_0, "Q4_0", 32, 18, {0, -1}},     {XK_Q4_1, "Q4_1", 32, 20, {0, 2}},
    {XK_Q5_0, "Q5_0", 32, 22, {0, -1}},     {XK_Q4_K, "Q4_K", 256, 144, {0, 2}},
    {XK_Q6_K, "Q6_K", 256, 210, {208, -1}},
};
static const int32_t shapes[][2] = {{1, 256}, {13, 512}, {40, 768}};
static const int32_t counts[] = {1, 6, 66};

enum { TYPES = 9, SHAPES = 3, COUNTS = 3 };

int32_t golden_type_count(void) { return TYPES; }
int32_t golden_type_at(int32_t index) { return layouts[index].type; }
int32_t golden_case_count(void) { return TYPES * SHAPES * COUNTS; }

static const layout *layout_of(int32_t type) {
    const layout *found = layouts;
    while (found->type != type) found++;
    return found;
}

const char *golden_type_name(int32_t type) { return layout_of(type)->name; }

golden_case golden_case_at(int32_t index) {
    const int32_t *shape = shapes[index / COUNTS % SHAPES];
    return (golden_case){
        layouts[index / COUNTS / SHAPES].type, shape[0], shape[1], counts[index % COUNTS],
        (uint64_t)index + 1};
}

void golden_name(const golden_case *item, char *text) {
    snprintf(
        text, 64, "%s %dx%d %d", golden_type_name(item->type), (int)item->rows,
        (int)item->columns, (int)item->count);
}

static uint32_t next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

golden_case golden_random_case(uint64_t seed) {
    uint64_t state = seed * 0x9e3779b97f4a7c15u;
    golden_case item = {0};
    const layout *type = &layouts[next(&state) % TYPES];
    item.type = type->type;
    item.rows = (int32_t)(next(&state) % 40) + 1;
    int32_t block = type->block < 32 ? 32 : type->block;
    item.columns = block * ((int32_t)(next(&state) % (block == 32 ? 20 : 4)) + 1);
    item.count = (int32_t)(next(&state) % 9) + 1;
    item.seed = next(&state);
    return item;
}

// A half from 2^-`low` to 2^-`low - 3`, of either sign; if `wild`, also zeros and subnormals.
static void put_half(uint8_t *bytes, uint64_t *state, uint32_t low, int wild) {
    uint32_t random = next(state);
    uint32_t half = (random & 0x83ffu) | ((15 - low - (random >> 28) % 3) << 10);
    if (wild && (random >> 20) % 16 == 0) half = random & ((random >> 24) & 1 ? 0x83ffu : 0x8000u);
    bytes[0] = (uint8_t)half;
    bytes[1] = (uint8_t)(half >> 8);
}

// Every block has random bits; its halves are finite, and floats lie within 2^-4 and 2^-9.
static uint8_t *make_weights(int32_t type, int32_t rows, int32_t columns, uint64_t seed, int wild) {
    const layout *form = layout_of(type);
    size_t blocks = (size_t)rows * (size_t)columns / (size_t)form->block;
    uint8_t *bytes = malloc(blocks * (size_t)form->bytes + 1);
    uint64_t state = seed;
    if (bytes == NULL) abort();
    for (size_t block = 0; block < blocks; block++) {
        uint8_t *at = bytes + block * (size_t)form->bytes;
        for (int32_t i = 0; i < form->bytes; i++) at[i] = (uint8_t)(next(&state) >> 13);
        for (int part = 0; part < 2; part++) {
            uint32_t low = form->block == 1 ? 4 : form->block == 32 ? 7 : 11;
            if (form->halves[part] < 0) continue;
            put_half(at + form->halves[part], &state, low, wild);
        }
        if (form->type == XK_F32 || form->type == XK_BF16) {
            uint8_t *top = at + form->bytes - 2;
            uint32_t exponent = 118 + (next(&state) >> 13) % 5;
            top[0] = (uint8_t)((top[0] & 0x7f) | (exponent << 7));
            top[1] = (uint8_t)((top[1] & 0x80) | (exponent >> 1));
        }
    }
    return bytes;
}

// Activations of either sign; if `wild`, each block of 32 has its own size from 2^-120 to 2^8, and
// some blocks are zero.
static float *make_floats(size_t count, uint64_t seed, int wild) {
    float *values = malloc(count * sizeof *values);
    uint64_t state = seed ^ 0x5bd1e995u;
    float size = 1.0f / 8388608.0f;
    if (values == NULL) abort();
    for (size_t i = 0; i < count; i++) {
        if (wild && i % 32 == 0) {
            uint32_t random = next(&state) >> 8;
            uint32_t exponent = random % 16 == 0 ? 2 + random / 16 % 20 : 100 + random / 16 % 15;
            uint32_t bits = exponent << 23;
            if (random % 16 == 1) bits = 0;
            memcpy(&size, &bits, sizeof size);
        }
        values[i] = (float)((int32_t)next(&state) >> 8) * size;
    }
    return values;
}

static uint64_t hash(uint64_t seed, const float *values, size_t count) {
    uint64_t result = seed;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        for (int part = 0; part < 32; part += 8) {
            result = (result ^ ((bits >> part) & 255)) * 0x100000001b3u;
        }
    }
    return result;
}

static const uint64_t basis = 0xcbf29ce484222325u;

uint64_t golden_multiply_hash(const golden_case *item, int32_t path) {
    size_t inputs = (size_t)item->count * (size_t)item->columns;
    size_t outputs = (size_t)item->count * (size_t)item->rows;
    uint8_t *weights = make_weights(item->type, item->rows, item->columns, item->seed, 1);
    float *x = make_floats(inputs, item->seed, 1);
    float *out = calloc(outputs, sizeof *out);
    if (out == NULL) abort();
    xk_tensor tensor = {weights, item->type, item->rows, item->columns};
    int32_t status = xk_multiply(&tensor, x, item->count, path, out);
    uint64_t result = status == XK_OK ? hash(basis, out, outputs) : 0;
    if (status == XK_NOT_FINITE) abort();
    free(weights);
    free(x);
    free(out);
    return result;
}

enum { LAYERS = 2, HIDDEN = 256, FEED = 512, HEADS = 4, KV_HEADS = 2, SIZE = 64, WORDS = 77 };
enum { POSITIONS = 10, TENSORS = 7 };

// Runs the stage; the activations of all positions and the logits of the last.
static uint64_t run_stage(xk_stage *stage, uint64_t seed) {
    uint16_t *page = xk_page_create(stage);
    xk_segment most = {&page, 0, POSITIONS - 1};
    xk_segment rest = {&page, POSITIONS - 1, 1};
    float *x = make_floats(POSITIONS * HIDDEN, seed, 0);
    float logits[WORDS];
    float *last = x + (POSITIONS - 1) * HIDDEN;
    if (page == NULL) abort();
    int32_t status = xk_stage_run(stage, &most, 1, x);
    if (status == XK_OK) status = xk_stage_run(stage, &rest, 1, last);
    if (status == XK_OK) status = xk_stage_logits(stage, last, 1, logits);
    if (status != XK_OK) abort();
    uint64_t result = hash(hash(basis, x, POSITIONS * HIDDEN), logits, WORDS);
    xk_page_destroy(page);
    free(x);
    return result;
}

// What an architecture has beside Llama's.
typedef struct {
    const char *name;
    int rope_factors, rope_halves, biases, head_norms, post_norms, gelu;
    int32_t window;        // of the first layer
} family;

static const family families[] = {
    {.name = "llama3", .rope_factors = 1},
    {.name = "qwen2", .rope_halves = 1, .biases = 1},
    {.name = "qwen3", .rope_halves = 1, .head_norms = 1},
    {.name = "gemma3", .rope_halves = 1, .head_norms = 1, .post_norms = 1, .gelu = 1, .window = 4},
};

int32_t golden_family_count(void) { return sizeof families / sizeof *families; }
const char *golden_family_name(int32_t index) { return families[index].name; }

// The matrices of a layer, with memory that the caller frees.
static void make_matrices(xk_layer *layer, int32_t type, int32_t index, uint8_t **weights) {
    static const int32_t sizes[TENSORS][2] = {
        {HEADS * SIZE, HIDDEN}, {KV_HEADS * SIZE, HIDDEN}, {KV_HEADS * SIZE, HIDDEN},
        {HIDDEN, HEADS * SIZE}, {FEED, HIDDEN}, {FEED, HIDDEN}, {HIDDEN, FEED}};
    xk_tensor *tensors[TENSORS] = {
        &layer->query, &layer->key, &layer->value, &layer->output, &layer->gate, &layer->up,
        &layer->down};
    for (int i = 0; i < TENSORS; i++) {
        uint64_t seed = (uint64_t)(type * 100 + index * TENSORS + i);
        weights[i] = make_weights(type, sizes[i][0], sizes[i][1], seed, 0);
        *tensors[i] = (xk_tensor){weights[i], type, sizes[i][0], sizes[i][1]};
    }
}

// Gives a layer the vectors of its architecture, all parts of `pool`.
static void add_vectors(xk_layer *layer, const family *form, const float *pool) {
    if (form->biases) {
        layer->query_bias = pool;
        layer->key_bias = pool + 17;
        layer->value_bias = pool + 35;
    }
    if (form->head_norms) {
        layer->query_norm = pool + 53;
        layer->key_norm = pool + 71;
    }
    if (form->post_norms) {
        layer->attention_post_norm = pool + 5;
        layer->feed_post_norm = pool + 11;
    }
}

static uint64_t stage_hash(int32_t type, const family *form, int32_t path, int32_t threads) {
    enum { POOL = 2 * HIDDEN };
    float *pool = make_floats(POOL, 77, 0);
    float factors[SIZE / 2];
    for (int i = 0; i < SIZE / 2; i++) factors[i] = (float)(64 + i * i) / 64.0f;
    xk_shape shape = {
        .hidden = HIDDEN, .feed = FEED, .heads = HEADS, .kv_heads = KV_HEADS, .head_size = SIZE,
        .rope_size = SIZE, .epsilon = 1e-5f, .rope_base = 10000.0,
        .rope_factors = form->rope_factors ? factors : NULL,
        .rope_scale = form->window > 0 ? 8.0 : 0.0, .score_size = form->window > 0 ? 24 : 0,
        .local_rope_base = form->window > 0 ? 500.0 : 0.0, .rope_halves = form->rope_halves,
        .gelu = form->gelu};
    xk_layer layers[LAYERS] = {0};
    uint8_t *weights[LAYERS * TENSORS + 1];
    float *norms[2 * LAYERS + 1];
    for (int i = 0; i < 2 * LAYERS + 1; i++) norms[i] = make_floats(HIDDEN, (uint64_t)i + 90, 0);
    for (int index = 0; index < LAYERS; index++) {
        make_matrices(&layers[index], type, index, weights + index * TENSORS);
        layers[index].attention_norm = norms[2 * index];
        layers[index].feed_norm = norms[2 * index + 1];
        add_vectors(&layers[index], form, pool + 97 * index);
    }
    layers[0].window = form->window;
    weights[LAYERS * TENSORS] = make_weights(type, WORDS, HIDDEN, (uint64_t)type, 0);
    xk_tensor tail = {weights[LAYERS * TENSORS], type, WORDS, HIDDEN};
    int32_t error = 0;
    xk_stage *stage = xk_stage_create(
        &shape, layers, LAYERS, norms[2 * LAYERS], &tail, threads, path, &error);
    uint64_t result = stage == NULL ? 0 : run_stage(stage, (uint64_t)type + 7);
    xk_stage_destroy(stage);
    for (int i = 0; i < LAYERS * TENSORS + 1; i++) free(weights[i]);
    for (int i = 0; i < 2 * LAYERS + 1; i++) free(norms[i]);
    free(pool);
    return result;
}

uint64_t golden_stage_hash(int32_t type, int32_t path, int32_t threads) {
    const family llama = {.name = "llama"};
    return stage_hash(type, &llama, path, threads);
}

uint64_t golden_family_hash(int32_t index, int32_t path, int32_t threads) {
    return stage_hash(XK_Q8_0, &families[index], path, threads);
}
