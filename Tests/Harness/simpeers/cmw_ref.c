/* CMW-1 (docs/reference/simulation-cmw1.md) in C99: one thread, columns, radix sort. The reference
   that others are compared with: cc -O2 -o cmw_ref cmw_ref.c; cmw_ref [agents [steps [seed]]] */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
typedef int64_t i64;
typedef uint64_t u64;
typedef unsigned __int128 u128;
#define G 0x9E3779B97F4A7C15ull
static inline u64 mix(u64 z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}
static inline u64 key(u64 s, u64 t, u64 k) { return mix(mix(s + G * (t + 1)) + G * (k + 1)); }
static inline i64 dr(u64 key, u64 i, u64 n) {
    return (i64)(((mix(key + G * (i + 1)) >> 32) * n) >> 32);
}
static inline u64 fold(u64 h, u64 v) { return mix((h ^ v) + G); }
static i64 swap_out(i64 d, i64 x, i64 y) {
    u128 f = (u128)d * 997;
    return (i64)(f * (u128)y / ((u128)x * 1000 + f));
}
static u64 *tmp;
/* keys: price in the high 32 bits, id in the low; price < 2^22 here */
static void sortkeys(u64 *a, long n) {
    for (int sh = 32; sh < 54; sh += 11) {
        long c[2049] = {0};
        for (long i = 0; i < n; i++)
            c[((a[i] >> sh) & 2047) + 1]++;
        for (int i = 0; i < 2048; i++)
            c[i + 1] += c[i];
        for (long i = 0; i < n; i++)
            tmp[c[(a[i] >> sh) & 2047]++] = a[i];
        memcpy(a, tmp, n * 8);
    }
}
/* The most memory this process had, in MiB. */
static double peak(void) {
    char line[256];
    double kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %lf", &kib) == 1)
            break;
    fclose(f);
    return kib / 1024;
}
#define A(n) calloc(n, sizeof(i64))
int main(int c, char **v) {
    long tot = c > 1 ? atol(v[1]) : 1000;
    int T = c > 2 ? atoi(v[2]) : 365;
    u64 seed = c > 3 ? strtoull(v[3], 0, 10) : 42;
    long N = tot / 2, M = tot - N;
    struct timespec a, b, ca, cb;
    clock_gettime(CLOCK_MONOTONIC, &a);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ca);
    i64 *cost = A(N), *price = A(N), *cap = A(N), *honest = A(N), *sell = A(N), *fixed = A(N),
        *act = A(N), *bond = A(N), *tok = A(N), *cash = A(N), *ema = A(N), *streak = A(N),
        *served = A(N), *net = A(N), *cst = A(N), *w = A(N), *sold = A(N);
    i64 *income = A(M), *bid = A(M), *base = A(M), *budget = A(M), *q = A(M), *got = A(M);
    u64 *kp = A(N), *kb = A(M);
    tmp = A(N > M ? N : M);
    u64 k[16];
    for (int j = 1; j < 14; j++)
        k[j] = key(seed, 0, j);
    for (long i = 0; i < N; i++) {
        cost[i] = 20 + dr(k[1], i, 60);
        price[i] = cost[i] + 1 + dr(k[2], i, 60);
        cap[i] = 50 + dr(k[3], i, 151);
        honest[i] = dr(k[4], i, 1000) >= 200;
        sell[i] = 200 + dr(k[5], i, 801);
        fixed[i] = 500 + dr(k[6], i, 2501);
        act[i] = dr(k[7], i, 1000) < 800;
        bond[i] = act[i] ? 200000 : 0;
    }
    for (long j = 0; j < M; j++) {
        income[j] = 4000 + dr(k[11], j, 12001);
        bid[j] = 40 + dr(k[12], j, 121);
        base[j] = 40 + dr(k[13], j, 161);
        budget[j] = 3 * income[j];
    }
    i64 x = N * 100000, y = N * 200000, m[16] = {0};
    u64 h = seed;
    for (int t = 1; t <= T; t++) {
        memset(m, 0, sizeof m);
        u64 k21 = key(seed, t, 21), k31 = key(seed, t, 31), k32 = key(seed, t, 32),
            k41 = key(seed, t, 41);
        long nb = 0, np = 0;
        for (long j = 0; j < M; j++) {
            i64 bu = budget[j] + income[j];
            if (bu > 8 * income[j])
                bu = 8 * income[j];
            budget[j] = bu;
            i64 want = dr(k21, j, 2 * base[j] + 1);
            if (t >= 200 && t < 230)
                want >>= 1;
            i64 lim = bu / bid[j];
            q[j] = want < lim ? want : lim;
            got[j] = 0;
            m[1] += q[j];
            if (q[j])
                kb[nb++] = ((u64)(65535 - bid[j]) << 32) | (u64)j;
        }
        for (long i = 0; i < N; i++) {
            served[i] = 0;
            if (act[i]) {
                kp[np++] = ((u64)price[i] << 32) | (u64)i;
                m[0]++;
            }
        }
        sortkeys(kp, np);
        sortkeys(kb, nb);
        long p = 0, d = 0;
        while (p < np && d < nb) {
            long i = (uint32_t)kp[p], j = (uint32_t)kb[d];
            if (price[i] > bid[j])
                break;
            i64 rs = cap[i] - served[i], rd = q[j] - got[j], l = rs < rd ? rs : rd;
            served[i] += l;
            got[j] += l;
            budget[j] -= l * price[i];
            if (l == rs)
                p++;
            if (l == rd)
                d++;
        }
        i64 W = 0;
        for (long i = 0; i < N; i++) {
            int cheat = !honest[i] && dr(k31, i, 1000) < 500;
            int caught = served[i] > 0 && cheat && dr(k32, i, 1000) < 50;
            i64 gross = served[i] * price[i], fee = gross * 50 / 1000;
            m[2] += served[i];
            m[3] += gross;
            cst[i] = act[i] ? served[i] * (cheat ? cost[i] * 400 / 1000 : cost[i]) + fixed[i] : 0;
            if (caught) {
                i64 s = bond[i] * 500 / 1000;
                bond[i] -= s;
                m[6] += s;
                m[5] += gross;
                m[15]++;
                net[i] = 0;
                w[i] = 0;
            } else {
                m[4] += fee;
                net[i] = gross - fee;
                w[i] = served[i];
                W += w[i];
            }
        }
        i64 E = (N * 1000) >> ((t - 1) / 120), S = 0, out = 0;
        for (long i = 0; i < N; i++) {
            i64 r = W ? E * w[i] / W : 0;
            tok[i] += r;
            m[7] += r;
            sold[i] = act[i] ? tok[i] * sell[i] / 1000 : tok[i];
            S += sold[i];
        }
        if (S) {
            out = swap_out(S, x, y);
            x += S;
            y -= out;
        }
        if (m[4]) {
            m[10] = swap_out(m[4], y, x);
            y += m[4];
            x -= m[10];
        }
        m[8] = S;
        m[9] = out;
        m[11] = x;
        m[12] = y;
        i64 sumEma = 0;
        for (long i = 0; i < N; i++) {
            i64 pr = net[i] - cst[i] + (S ? out * sold[i] / S : 0);
            tok[i] -= sold[i];
            if (!act[i])
                continue;
            cash[i] += pr;
            ema[i] += (pr - ema[i]) >> 3;
            streak[i] = ema[i] < 0 ? streak[i] + 1 : 0;
            if (served[i] * 10 >= cap[i] * 9)
                price[i] += (price[i] >> 5) + 1;
            else if (served[i] * 2 < cap[i]) {
                i64 z = price[i] - (price[i] >> 5) - 1;
                price[i] = z > cost[i] ? z : cost[i];
            }
            if (streak[i] >= 10 || bond[i] < 60000) {
                act[i] = 2;
                m[13]++;
                cash[i] += bond[i];
                bond[i] = 0;
            } else
                sumEma += ema[i];
        }
        for (long j = 0; j < M; j++) {
            if (got[j] < q[j]) {
                i64 z = bid[j] + (bid[j] >> 6) + 1;
                bid[j] = z < 400 ? z : 400;
            } else if (q[j] > 0) {
                i64 z = bid[j] - (bid[j] >> 6);
                bid[j] = z > 10 ? z : 10;
            }
        }
        for (int j = 1; j < 7; j++)
            k[j] = key(seed, t, j);
        for (long i = 0; i < N; i++) {
            if (act[i] == 2)
                act[i] = 0;
            else if (act[i] == 0 && sumEma > 0 && dr(k41, i, 1000) < 20) {
                m[14]++;
                cost[i] = 20 + dr(k[1], i, 60);
                price[i] = cost[i] + 1 + dr(k[2], i, 60);
                cap[i] = 50 + dr(k[3], i, 151);
                honest[i] = dr(k[4], i, 1000) >= 200;
                sell[i] = 200 + dr(k[5], i, 801);
                fixed[i] = 500 + dr(k[6], i, 2501);
                bond[i] = 200000;
                cash[i] = 0;
                ema[i] = 0;
                streak[i] = 0;
                act[i] = 1;
            }
        }
        for (int j = 0; j < 16; j++)
            h = fold(h, (u64)m[j]);
    }
    u64 dg = 0;
    for (long i = 0; i < N; i++) {
        u64 z = i;
        i64 f[8] = {act[i], honest[i], price[i], bond[i], tok[i], cash[i], ema[i], streak[i]};
        for (int j = 0; j < 8; j++)
            z = fold(z, (u64)f[j]);
        dg += z;
    }
    for (long j = 0; j < M; j++) {
        u64 z = j;
        z = fold(z, (u64)bid[j]);
        z = fold(z, (u64)budget[j]);
        dg += z;
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cb);
    double cpu = (cb.tv_sec - ca.tv_sec) + (cb.tv_nsec - ca.tv_nsec) * 1e-9,
           s = (b.tv_sec - a.tv_sec) + (b.tv_nsec - a.tv_nsec) * 1e-9;
    printf("{\"impl\": \"c\", \"variant\": \"radix\", \"agents\": %ld, \"steps\": %d, "
           "\"secs\": %.4f, \"cpu_secs\": %.4f, \"agent_steps_per_s\": %.0f, "
           "\"agent_steps_per_cpu_s\": %.0f, \"peak_mib\": %.1f, \"checksum\": \"%016llx\"}\n",
           tot, T, s, cpu, tot * (double)T / s, tot * (double)T / cpu, peak(),
           (unsigned long long)fold(h, dg));
    return 0;
}
