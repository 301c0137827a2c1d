// SHA-256 (FIPS 180-4) with the processor's own instructions, where it has them.

#include "CKernels.h"

#include <string.h>

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

// A message under way, as libsodium lays its `crypto_hash_sha256_state` out.
typedef struct {
    uint32_t words[8];
    uint64_t bits;
    uint8_t held[64];
} xk_sha256;

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

int32_t xk_sha256_is_fast(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) { return 0; }
    return (b >> 29 & 1) && __builtin_cpu_supports("sse4.1");
}

// The compression function (section 6.2.2) over whole blocks.
__attribute__((target("sha,sse4.1")))
static void compress(uint32_t words[8], const uint8_t *data, size_t blocks) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    // The instructions want the eight words as ABEF and CDGH.
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)words), 0xB1);
    __m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(words + 4)), 0x1B);
    __m128i abef = _mm_alignr_epi8(low, high, 8);
    __m128i cdgh = _mm_blend_epi16(high, low, 0xF0);
    for (; blocks > 0; blocks--, data += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i schedule[4];
#pragma clang loop unroll(full)
        for (int round = 0; round < 16; round++) {
            __m128i *w = &schedule[round & 3];
            if (round < 4) {
                __m128i bytes = _mm_loadu_si128((const __m128i *)(data + 16 * round));
                *w = _mm_shuffle_epi8(bytes, swap);
            } else {
                __m128i last = schedule[(round + 3) & 3];
                __m128i sum = _mm_sha256msg1_epu32(*w, schedule[(round + 1) & 3]);
                sum = _mm_add_epi32(sum, _mm_alignr_epi8(last, schedule[(round + 2) & 3], 4));
                *w = _mm_sha256msg2_epu32(sum, last);
            }
            __m128i k = _mm_loadu_si128((const __m128i *)(constants + 4 * round));
            __m128i input = _mm_add_epi32(*w, k);
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, input);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(input, 0x0E));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    low = _mm_shuffle_epi32(abef, 0x1B);
    high = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)words, _mm_blend_epi16(low, high, 0xF0));
    _mm_storeu_si128((__m128i *)(words + 4), _mm_alignr_epi8(high, low, 8));
}

// Bytes of the message that do not fill a block yet.
static size_t held_bytes(const xk_sha256 *message) { return message->bits >> 3 & 63; }

void xk_sha256_update(void *state, const uint8_t *data, size_t count) {
    xk_sha256 *message = state;
    size_t held = held_bytes(message);
    message->bits += (uint64_t)count << 3;
    if (held > 0) {
        size_t part = 64 - held < count ? 64 - held : count;
        memcpy(message->held + held, data, part);
        if (held + part < 64) { return; }
        compress(message->words, message->held, 1);
        data += part;
        count -= part;
    }
    if (count >= 64) { compress(message->words, data, count / 64); }
    memcpy(message->held, data + count / 64 * 64, count % 64);
}

// Padding: section 5.1.1.
void xk_sha256_finish(void *state, uint8_t *digest) {
    xk_sha256 *message = state;
    size_t held = held_bytes(message);
    message->held[held++] = 0x80;
    if (held > 56) {
        memset(message->held + held, 0, 64 - held);
        compress(message->words, message->held, 1);
        held = 0;
    }
    memset(message->held + held, 0, 56 - held);
    uint64_t bits = __builtin_bswap64(message->bits);
    memcpy(message->held + 56, &bits, 8);
    compress(message->words, message->held, 1);
    for (int place = 0; place < 8; place++) {
        uint32_t word = __builtin_bswap32(message->words[place]);
        memcpy(digest + 4 * place, &word, 4);
    }
    // The message may have been a secret.
    memset(message, 0, sizeof *message);
    __asm__ volatile("" : : "r"(message) : "memory");
}

#else

int32_t xk_sha256_is_fast(void) { return 0; }

void xk_sha256_update(void *state, const uint8_t *data, size_t count) {
    (void)state;
    (void)data;
    (void)count;
    __builtin_trap();
}

void xk_sha256_finish(void *state, uint8_t *digest) {
    (void)state;
    (void)digest;
    __builtin_trap();
}

#endif
