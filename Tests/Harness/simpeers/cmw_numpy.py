"""CMW-1 in vectorised NumPy."""

import numpy as np

from cmw import (
    AUDIT_PM,
    BID_MAX,
    BID_MIN,
    BOND,
    CHEAT_COST_PM,
    CHEAT_PM,
    CHEATER_PM,
    ENTRY_PM,
    EXIT_STREAK,
    FEE_PM,
    MIN_BOND,
    SHOCK_FROM,
    SHOCK_TO,
    SLASH_PM,
    X0,
    Y0,
    agent_digest_np,
    args,
    clock,
    draws,
    emission,
    finish,
    fold,
    since,
    swap_out,
)

i64 = np.int64


def init(N, M, seed):
    s = {}
    z = lambda n: np.zeros(n, i64)
    s["cost"] = 20 + draws(seed, 0, 1, N, 60)
    s["price"] = s["cost"] + 1 + draws(seed, 0, 2, N, 60)
    s["cap"] = 50 + draws(seed, 0, 3, N, 151)
    s["honest"] = (draws(seed, 0, 4, N, 1000) >= CHEATER_PM).astype(i64)
    s["sell"] = 200 + draws(seed, 0, 5, N, 801)
    s["fixed"] = 500 + draws(seed, 0, 6, N, 2501)
    s["active"] = (draws(seed, 0, 7, N, 1000) < 800).astype(i64)
    s["bond"] = np.full(N, BOND, i64) * s["active"]
    for k in ("tokens", "cash", "ema", "streak"):
        s[k] = z(N)
    s["income"] = 4000 + draws(seed, 0, 11, M, 12001)
    s["bid"] = 40 + draws(seed, 0, 12, M, 121)
    s["base"] = 40 + draws(seed, 0, 13, M, 161)
    s["budget"] = s["income"] * 3
    s["x"], s["y"] = N * X0, N * Y0
    return s


def demand(s, seed, t):
    M = len(s["bid"])
    budget = np.minimum(s["budget"] + s["income"], 8 * s["income"])
    want = draws(seed, t, 21, M, 2 * s["base"] + 1)
    if SHOCK_FROM <= t < SHOCK_TO:
        want >>= 1
    return budget, np.minimum(want, budget // s["bid"])


def match(price, cap, active, bid, q):
    """Cheapest-first, pay-as-ask. Returns served, got, paid."""
    N, M = len(price), len(bid)
    pi = np.flatnonzero(active)
    bi = np.flatnonzero(q)
    served = np.zeros(N, i64)
    got = np.zeros(M, i64)
    paid = np.zeros(M, i64)
    if not len(pi) or not len(bi):
        return served, got, paid
    pi = pi[np.argsort(price[pi], kind="stable")]
    bi = bi[np.argsort(-bid[bi], kind="stable")]
    cs = np.cumsum(cap[pi])
    cd = np.cumsum(q[bi])
    end = np.concatenate((cs, cd))
    end.sort()
    end = end[end <= min(cs[-1], cd[-1])]
    start = np.empty_like(end)
    start[0] = 0
    start[1:] = end[:-1]
    p = pi[np.searchsorted(cs, start, "right").clip(max=len(pi) - 1)]
    b = bi[np.searchsorted(cd, start, "right").clip(max=len(bi) - 1)]
    ln = (end - start) * (price[p] <= bid[b])
    served += np.bincount(p, ln, N).astype(i64)
    got += np.bincount(b, ln, M).astype(i64)
    paid += np.bincount(b, ln * price[p], M).astype(i64)
    return served, got, paid


def verify(s, served, seed, t):
    N = len(served)
    cheat = (s["honest"] == 0) & (draws(seed, t, 31, N, 1000) < CHEAT_PM)
    caught = (served > 0) & cheat & (draws(seed, t, 32, N, 1000) < AUDIT_PM)
    gross = served * s["price"]
    fee = np.where(caught, 0, gross * FEE_PM // 1000)
    net = np.where(caught, 0, gross - fee)
    slash = np.where(caught, s["bond"] * SLASH_PM // 1000, 0)
    unit = np.where(cheat, s["cost"] * CHEAT_COST_PM // 1000, s["cost"])
    cost = (served * unit + s["fixed"]) * s["active"]
    return caught, gross, fee, net, slash, cost


def reward(served, caught, N, t):
    w = np.where(caught, 0, served)
    W = int(w.sum())
    return emission(N, t) * w // W if W else np.zeros_like(w)


def market(tokens, sell, active, fees, x, y):
    s = np.where(active == 1, tokens * sell // 1000, tokens)
    S = int(s.sum())
    out = 0
    proceeds = np.zeros_like(s)
    if S:
        out = swap_out(S, x, y)
        x += S
        y -= out
        proceeds = out * s // S
    burned = 0
    if fees:
        burned = swap_out(fees, y, x)
        y += fees
        x -= burned
    return s, S, out, proceeds, burned, x, y


def adapt(s, served, got, q, profit, seed, t):
    """Learning, exit and entry. Returns a dict of new arrays, exits, entries."""
    N = len(served)
    act = s["active"] == 1
    n = {}
    n["cash"] = s["cash"] + np.where(act, profit, 0)
    n["ema"] = np.where(act, s["ema"] + ((profit - s["ema"]) >> 3), s["ema"])
    n["streak"] = np.where(act, np.where(n["ema"] < 0, s["streak"] + 1, 0), s["streak"])
    p = s["price"]
    up = act & (served * 10 >= s["cap"] * 9)
    dn = act & ~up & (served * 2 < s["cap"])
    n["price"] = np.where(
        up, p + (p >> 5) + 1, np.where(dn, np.maximum(p - (p >> 5) - 1, s["cost"]), p)
    )
    b = s["bid"]
    n["bid"] = np.where(
        got < q,
        np.minimum(b + (b >> 6) + 1, BID_MAX),
        np.where(q > 0, np.maximum(b - (b >> 6), BID_MIN), b),
    )
    ex = act & ((n["streak"] >= EXIT_STREAK) | (s["bond"] < MIN_BOND))
    n["cash"] += np.where(ex, s["bond"], 0)
    n["bond"] = np.where(ex, 0, s["bond"])
    active = np.where(ex, 0, s["active"])
    entries = 0
    if int(n["ema"][active == 1].sum()) > 0:
        e = np.flatnonzero(~act & (draws(seed, t, 41, N, 1000) < ENTRY_PM))
        entries = len(e)
        if entries:
            for k in ("cost", "cap", "honest", "sell", "fixed"):
                n[k] = s[k].copy()
            n["cost"][e] = 20 + draws(seed, t, 1, N, 60, e)
            n["price"][e] = n["cost"][e] + 1 + draws(seed, t, 2, N, 60, e)
            n["cap"][e] = 50 + draws(seed, t, 3, N, 151, e)
            n["honest"][e] = draws(seed, t, 4, N, 1000, e) >= CHEATER_PM
            n["sell"][e] = 200 + draws(seed, t, 5, N, 801, e)
            n["fixed"][e] = 500 + draws(seed, t, 6, N, 2501, e)
            n["bond"][e] = BOND
            n["cash"][e] = 0
            n["ema"][e] = 0
            n["streak"][e] = 0
            active[e] = 1
    n["active"] = active
    return n, int(ex.sum()), entries


PF = ("active", "honest", "price", "bond", "tokens", "cash", "ema", "streak")
BF = ("bid", "budget")


def step(s, N, seed, t):
    budget, q = demand(s, seed, t)
    served, got, paid = match(s["price"], s["cap"], s["active"], s["bid"], q)
    s["budget"] = budget - paid
    caught, gross, fee, net, slash, cost = verify(s, served, seed, t)
    s["bond"] = s["bond"] - slash
    r = reward(served, caught, N, t)
    s["tokens"] = s["tokens"] + r
    fees = int(fee.sum())
    sold, S, out, proceeds, burned, s["x"], s["y"] = market(
        s["tokens"], s["sell"], s["active"], fees, s["x"], s["y"]
    )
    s["tokens"] = s["tokens"] - sold
    active0 = int(s["active"].sum())
    new, exits, entries = adapt(s, served, got, q, net + proceeds - cost, seed, t)
    s.update(new)
    return (
        active0,
        int(q.sum()),
        int(served.sum()),
        int(gross.sum()),
        fees,
        int(gross[caught].sum()),
        int(slash.sum()),
        int(r.sum()),
        S,
        out,
        burned,
        s["x"],
        s["y"],
        exits,
        entries,
        int(caught.sum()),
    )


def digest(s):
    return agent_digest_np([s[k] for k in PF], [s[k] for k in BF])


if __name__ == "__main__":
    N, M, T, seed = args()
    t0 = clock()
    s = init(N, M, seed)
    rows = []
    h = seed
    for t in range(1, T + 1):
        row = step(s, N, seed, t)
        rows.append(row)
        for v in row:
            h = fold(h, v)
    finish("numpy", "arrays", N, M, T, since(t0), h, digest(s))
