#pragma once
// Deterministic transformer kernels. The arithmetic is the contract `numerics-v1`
// (docs/reference/numerics-v1.md): the same bytes come out on every machine, for any number of
// threads, any split of the layers and any chunking of the positions.

#include <stddef.h>
#include <stdint.h>

// How the numbers of a tensor are stored; the values are those of the GGUF format.
enum {
    XK_F32 = 0, XK_F16 = 1, XK_Q4_0 = 2, XK_Q4_1 = 3, XK_Q5_0 = 6, XK_Q8_0 = 8, XK_Q4_K = 12,
    XK_Q6_K = 14, XK_BF16 = 30
};

// Which instructions compute the dot products. All give the same bytes, except the free path: it
// may fuse and reorder, is never chosen by itself, and only measures what the fixed order costs.
enum {
    XK_PATH_AUTOMATIC = 0, XK_PATH_SCALAR = 1, XK_PATH_AVX2 = 2, XK_PATH_VNNI = 3,
    XK_PATH_NEON = 4, XK_PATH_FREE = 5
};

// What a call can return.
enum { XK_OK = 0, XK_NO_MEMORY = 1, XK_NOT_FINITE = 2, XK_UNSUPPORTED_PATH = 3 };

// A matrix of `rows` outputs by `columns` inputs, row by row.
typedef struct {
    const void *data;
    int32_t type;
    int32_t rows;
    int32_t columns;
} xk_tensor;

// The tensors of one layer. The norm weights are `hidden` 32-bit floats. What comes after `down` is
// null or 0 where the architecture has no such thing.
typedef struct {
    const float *attention_norm;
    xk_tensor query;
    xk_tensor key;
    xk_tensor value;
    xk_tensor output;
    const float *feed_norm;
    xk_tensor gate;
    xk_tensor up;
    xk_tensor down;
    // Added to the products, as many floats as they have rows.
    const float *query_bias;
    const float *key_bias;
    const float *value_bias;
    // Norms of each head before the rotation: `head_size` floats.
    const float *query_norm;
    const float *key_norm;
    // Norms of what attention and feed-forward add to the residual stream: `hidden` floats.
    const float *attention_post_norm;
    const float *feed_post_norm;
    // How many positions a row sees, its own included; 0 for all. A layer with a window rotates by
    // `local_rope_base`.
    int32_t window;
} xk_layer;

// The sizes a model's layers share. What comes after `rope_base` is 0 or null where the
// architecture has no such thing.
typedef struct {
    int32_t hidden;
    int32_t feed;
    int32_t heads;
    int32_t kv_heads;
    int32_t head_size;
    int32_t rope_size;
    float epsilon;
    double rope_base;
    // What angles are divided by in layers without a window: a number for all, or for each pair.
    double rope_scale;
    const float *rope_factors;
    double local_rope_base;
    // Whether the pairs of the rotation are (i, i + rope_size / 2), and not (2i, 2i + 1).
    int32_t rope_halves;
    // Whether the feed-forward part takes GELU, and not SiLU.
    int32_t gelu;
    // Scores are divided by its square root; 0 for `head_size`.
    int32_t score_size;
} xk_shape;

// Positions whose keys and values lie in one page of memory.
enum { XK_PAGE = 64 };

// Consecutive positions of one session in a pass. `pages[i]` holds the session's positions from
// `i * XK_PAGE` on. The pass reads the pages of positions below `position` and writes those of its
// own.
typedef struct {
    uint16_t *const *pages;
    int32_t position;
    int32_t count;
} xk_segment;

typedef struct xk_stage xk_stage;

// Makes a stage of `layer_count` layers. `tail_norm` and `tail` belong to the last stage and may
// be null. The tensors must stay readable while the stage lives. On failure returns null and sets
// `*error`.
xk_stage *xk_stage_create(
    const xk_shape *shape, const xk_layer *layers, int32_t layer_count, const float *tail_norm,
    const xk_tensor *tail, int32_t threads, int32_t path, int32_t *error);
void xk_stage_destroy(xk_stage *stage);
// The path the stage chose: never XK_PATH_AUTOMATIC.
int32_t xk_stage_path(const xk_stage *stage);

// Bytes of a page: keys and values of XK_PAGE positions in all layers of the stage, at half
// precision. It needs no initial content.
size_t xk_stage_page_bytes(const xk_stage *stage);
// A page; null when there is not enough memory.
uint16_t *xk_page_create(const xk_stage *stage);
void xk_page_destroy(uint16_t *page);

// Runs the positions of all segments through the layers of the stage. `x` holds a row of `hidden`
// floats for each, segment after segment, and is replaced by the result; a row that is not finite
// disturbs only later positions of its own session. Positions below a segment's first must have
// been run before. No page that a segment writes may be in another segment, except that segments
// of one session follow each other in order. Calls on one stage wait for each other. XK_OK or
// XK_NO_MEMORY.
int32_t xk_stage_run(
    xk_stage *stage, const xk_segment *segments, int32_t segment_count, float *x);

// Final norm and output matrix: `count` rows of `hidden` floats give `count` rows of logits.
int32_t xk_stage_logits(xk_stage *stage, const float *x, int32_t count, float *logits);

// Unpacks row `row` of a tensor to `columns` floats.
void xk_tensor_row(const xk_tensor *tensor, int32_t row, float *out);

// Multiplies a matrix by `count` rows of `columns` floats as the layers do, activations quantised
// if the weights are, on one thread: `count` rows of `rows` floats. For tests and measurements; it
// packs the matrix each time.
int32_t xk_multiply(
    const xk_tensor *tensor, const float *x, int32_t count, int32_t path, float *out);

// The operations of one position one by one, in plain C, for traces and referees. They give the
// bytes that xk_stage_run gives; a matrix product is xk_multiply with the scalar path.
//
// Numbers `first` to `first + rows` of the norm of `count` floats; `weights` are theirs.
void xk_operation_norm(
    const float *x, int32_t count, float epsilon, const float *weights, int32_t first, int32_t rows,
    float *out);
// Numbers `first` to `first + count` of one head, rotated; both even.
void xk_operation_rotate(
    const float *values, int32_t first, int32_t count, int32_t rope_size, double rope_base,
    int32_t position, float *out);
// The scores of a head of `size` numbers and `count` keys (halves, `stride` bytes apart).
void xk_operation_scores(
    const float *query, int32_t size, const uint8_t *keys, size_t stride, int32_t count, float *out);
// exp(score - largest) of `count` scores, then the inverse of their sum: `count + 1` floats.
void xk_operation_softmax(const float *scores, int32_t count, float *out);
// `count` numbers of the values (halves, `stride` bytes apart) of `positions` positions, weighted by
// what xk_operation_softmax gave.
void xk_operation_mix(
    const float *weights, int32_t positions, const uint8_t *values, size_t stride, int32_t count,
    float *out);
// (gate / (1 + exp(-gate))) * up.
void xk_operation_activate(const float *gate, const float *up, int32_t count, float *out);
// x + y.
void xk_operation_add(const float *x, const float *y, int32_t count, float *out);

// Whether all of `count` floats are finite.
int32_t xk_all_finite(const float *values, size_t count);

// Natural exponential and logarithm in double precision from additions, multiplications and
// divisions only: the same bits everywhere.
double xk_exp(double x);
double xk_log(double x);
// The contract's 32-bit exponential.
float xk_exp_single(float x);
// Sine and cosine for 0 <= x < 100000000.
void xk_sincos(double x, double *sine, double *cosine);

// Half precision to single and back, to nearest, ties to even.
float xk_half_to_float(uint16_t half);
uint16_t xk_float_to_half(float value);

// A file mapped into memory for reading. `error` is an errno, 0 if all is well.
typedef struct {
    const uint8_t *bytes;
    size_t count;
    int32_t error;
} xk_mapping;
xk_mapping xk_map_file(const char *path);
void xk_unmap(xk_mapping mapping);

// How many processors are online, at least 1.
int32_t xk_processor_count(void);
// Bytes of the machine's memory.
size_t xk_memory_bytes(void);

// SHA-256 with this processor's own instructions. Whether it has them; only then the next two may
// be called.
int32_t xk_sha256_is_fast(void);
// Appends bytes to a message. `state` is a `crypto_hash_sha256_state` that libsodium made.
void xk_sha256_update(void *state, const uint8_t *data, size_t count);
// Ends the message, writes the 32 bytes of its hash and zeroes `state`.
void xk_sha256_finish(void *state, uint8_t *digest);

// Keccak-256 of bytes. The digest is four words that are the hash's bytes as big-endian numbers.
void xk_keccak256(const uint8_t *data, size_t count, uint64_t *digest);
// The same of words of big-endian bytes, as digests are kept.
void xk_keccak256_words(const uint64_t *words, size_t count, uint64_t *digest);
