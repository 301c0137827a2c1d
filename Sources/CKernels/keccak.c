// Keccak-256 as Ethereum uses it ("The Keccak reference", version 3.0; rate 1088, padding 0x01).

#include "CKernels.h"

#include <string.h>

enum { LANES = 25, RATE_LANES = 17, DIGEST_WORDS = 4 };

static const uint64_t constants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

static inline uint64_t rotl(uint64_t value, int count) {
    return value << count | value >> (64 - count);
}

// Keccak-f[1600]. Lane (x, y) is at x + 5 y.
static void permute(uint64_t *a) {
    uint64_t b[LANES];
    for (int round = 0; round < 24; round++) {
        uint64_t c[5], d[5];
#pragma clang loop unroll(full)
        for (int x = 0; x < 5; x++) {
            c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
        }
#pragma clang loop unroll(full)
        for (int x = 0; x < 5; x++) { d[x] = c[(x + 4) % 5] ^ rotl(c[(x + 1) % 5], 1); }
        b[0] = a[0] ^ d[0];
        b[10] = rotl(a[1] ^ d[1], 1);
        b[20] = rotl(a[2] ^ d[2], 62);
        b[5] = rotl(a[3] ^ d[3], 28);
        b[15] = rotl(a[4] ^ d[4], 27);
        b[16] = rotl(a[5] ^ d[0], 36);
        b[1] = rotl(a[6] ^ d[1], 44);
        b[11] = rotl(a[7] ^ d[2], 6);
        b[21] = rotl(a[8] ^ d[3], 55);
        b[6] = rotl(a[9] ^ d[4], 20);
        b[7] = rotl(a[10] ^ d[0], 3);
        b[17] = rotl(a[11] ^ d[1], 10);
        b[2] = rotl(a[12] ^ d[2], 43);
        b[12] = rotl(a[13] ^ d[3], 25);
        b[22] = rotl(a[14] ^ d[4], 39);
        b[23] = rotl(a[15] ^ d[0], 41);
        b[8] = rotl(a[16] ^ d[1], 45);
        b[18] = rotl(a[17] ^ d[2], 15);
        b[3] = rotl(a[18] ^ d[3], 21);
        b[13] = rotl(a[19] ^ d[4], 8);
        b[14] = rotl(a[20] ^ d[0], 18);
        b[24] = rotl(a[21] ^ d[1], 2);
        b[9] = rotl(a[22] ^ d[2], 61);
        b[19] = rotl(a[23] ^ d[3], 56);
        b[4] = rotl(a[24] ^ d[4], 14);
#pragma clang loop unroll(full)
        for (int y = 0; y < LANES; y += 5) {
#pragma clang loop unroll(full)
            for (int x = 0; x < 5; x++) {
                a[y + x] = b[y + x] ^ (~b[y + (x + 1) % 5] & b[y + (x + 2) % 5]);
            }
        }
        a[0] ^= constants[round];
    }
}

static uint64_t load(const uint8_t *bytes) {
    uint64_t lane;
    memcpy(&lane, bytes, 8);
    return lane;
}

static void squeeze(const uint64_t *state, uint64_t *digest) {
    for (int word = 0; word < DIGEST_WORDS; word++) {
        digest[word] = __builtin_bswap64(state[word]);
    }
}

void xk_keccak256(const uint8_t *data, size_t count, uint64_t *digest) {
    uint64_t state[LANES] = {0};
    const size_t rate = 8 * RATE_LANES;
    for (; count >= rate; data += rate, count -= rate) {
        for (int lane = 0; lane < RATE_LANES; lane++) { state[lane] ^= load(data + 8 * lane); }
        permute(state);
    }
    uint8_t last[8 * RATE_LANES] = {0};
    if (count > 0) { memcpy(last, data, count); }
    last[count] = 0x01;
    last[rate - 1] |= 0x80;
    for (int lane = 0; lane < RATE_LANES; lane++) { state[lane] ^= load(last + 8 * lane); }
    permute(state);
    squeeze(state, digest);
}

void xk_keccak256_words(const uint64_t *words, size_t count, uint64_t *digest) {
    uint64_t state[LANES] = {0};
    size_t lane = 0;
    for (size_t word = 0; word < count; word++) {
        state[lane++] ^= __builtin_bswap64(words[word]);
        if (lane == RATE_LANES) {
            permute(state);
            lane = 0;
        }
    }
    state[lane] ^= 0x01;
    state[RATE_LANES - 1] ^= 0x80ull << 56;
    permute(state);
    squeeze(state, digest);
}
