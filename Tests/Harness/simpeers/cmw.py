"""CMW-1 (docs/reference/simulation-cmw1.md): constants, portable random numbers, swap, checksum."""

import argparse
import json
import sys
import time

import numpy as np

M64 = (1 << 64) - 1
G = 0x9E3779B97F4A7C15
C1 = 0xBF58476D1CE4E5B9
C2 = 0x94D049BB133111EB

CHEATER_PM, CHEAT_PM, CHEAT_COST_PM = 200, 500, 400
AUDIT_PM, SLASH_PM, FEE_PM = 50, 500, 50
BOND, MIN_BOND = 200_000, 60_000
E0, HALVING = 1000, 120
X0, Y0 = 100_000, 200_000  # pool reserves per provider slot
ENTRY_PM, EXIT_STREAK = 20, 10
BID_MAX, BID_MIN = 400, 10
SHOCK_FROM, SHOCK_TO = 200, 230  # want halves for SHOCK_FROM <= t < SHOCK_TO


# ---- counter-based PRNG: u64(seed, t, kind, i); no draw order to keep ----
def mix(z):
    z &= M64
    z = ((z ^ (z >> 30)) * C1) & M64
    z = ((z ^ (z >> 27)) * C2) & M64
    return z ^ (z >> 31)


def key(seed, t, kind):
    return mix(mix(seed + G * (t + 1)) + G * (kind + 1))


def u64(seed, t, kind, i):
    return mix(key(seed, t, kind) + G * (i + 1))


def below(u, n):
    return ((u >> 32) * n) >> 32


_g = np.uint64(G)
_c1 = np.uint64(C1)
_c2 = np.uint64(C2)
_s30, _s27, _s31, _s32 = (np.uint64(s) for s in (30, 27, 31, 32))
_one = np.uint64(1)


def npmix(z):
    z = (z ^ (z >> _s30)) * _c1
    z = (z ^ (z >> _s27)) * _c2
    return z ^ (z >> _s31)


_base = {}


def ramp(n):
    r = _base.get(n)
    if r is None:
        r = _base[n] = (np.arange(n, dtype=np.uint64) + _one) * _g
    return r


def draws(seed, t, kind, n, bound, idx=None):
    """int64 array, below(u64(seed,t,kind,i), bound) for i in 0..<n (or for idx)."""
    z = (ramp(n) if idx is None else (idx.astype(np.uint64) + _one) * _g) + np.uint64(
        key(seed, t, kind)
    )
    b = bound.astype(np.uint64) if isinstance(bound, np.ndarray) else np.uint64(bound)
    return (((npmix(z) >> _s32) * b) >> _s32).astype(np.int64)


def swap_out(dx, x, y):
    """Uniswap v2 getAmountOut, 0.3 % fee, exact integers of any size."""
    f = dx * 997
    return f * y // (x * 1000 + f)


def fold(h, v):
    return mix((h ^ (v & M64)) + G)


def emission(N, t):
    return (N * E0) >> ((t - 1) // HALVING)


METRICS = (
    "active demand traded gross fees confiscated slashed minted sold out "
    "burned x y exits entries caught"
).split()


def agent_digest_np(providers, buyers):
    """providers/buyers: lists of int64 arrays in the field order of README.md."""
    total = 0
    for fields in (providers, buyers):
        h = np.arange(len(fields[0]), dtype=np.uint64)
        for f in fields:
            h = npmix((h ^ f.astype(np.int64).view(np.uint64)) + _g)
        total = (total + int(h.sum(dtype=np.uint64))) & M64
    return total


def clock():
    return time.perf_counter(), time.process_time()


def since(c):
    n = clock()
    return n[0] - c[0], n[1] - c[1]


def peak_mib():
    """The most memory this process had."""
    with open("/proc/self/status") as status:
        words = next(line for line in status if line.startswith("VmHWM:")).split()
    return round(int(words[1]) / 1024, 1)


def finish(name, variant, N, M, T, took, h, digest):
    """Print the one-line result every implementation prints. took: (wall, CPU) seconds."""
    secs, cpu = took
    print(
        json.dumps(
            {
                "impl": name,
                "variant": variant,
                "agents": N + M,
                "steps": T,
                "secs": round(secs, 4),
                "cpu_secs": round(cpu, 4),
                "agent_steps_per_s": int((N + M) * T / secs),
                "agent_steps_per_cpu_s": int((N + M) * T / cpu),
                "peak_mib": peak_mib(),
                "checksum": f"{fold(h, digest):016x}",
            }
        )
    )
    sys.stdout.flush()


def args():
    p = argparse.ArgumentParser()
    p.add_argument("--agents", type=int, default=1000)
    p.add_argument("--steps", type=int, default=365)
    p.add_argument("--seed", type=int, default=42)
    a = p.parse_args()
    N = a.agents // 2
    return N, a.agents - N, a.steps, a.seed
