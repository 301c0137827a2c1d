"""CMW-1 with one Python object an agent: the logic that Mesa, radCAD and cadCAD object variants share.
Run directly it is the plain-Python implementation (no framework)."""

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
    below,
    clock,
    draws,
    emission,
    finish,
    fold,
    since,
    swap_out,
    u64,
)


class ProviderLogic:
    def init_provider(self, i, d, active):
        self.i = i
        self.enter(d)
        self.tokens = 0
        self.active = active
        if not active:
            self.bond = 0

    def enter(self, d):  # d: the draws of kinds 1..6
        self.cost = 20 + d[0]
        self.price = self.cost + 1 + d[1]
        self.cap = 50 + d[2]
        self.honest = int(d[3] >= CHEATER_PM)
        self.sell = 200 + d[4]
        self.fixed = 500 + d[5]
        self.bond = BOND
        self.cash = self.ema = self.streak = 0
        self.active = 1
        self.served = self.net = self.exp = self.fee = self.gross = self.sold = 0
        self.caught = self.was = False

    def verify(self, cheat_draw, audit_draw):
        cheat = not self.honest and cheat_draw < CHEAT_PM
        self.caught = self.served > 0 and cheat and audit_draw < AUDIT_PM
        self.gross = self.served * self.price
        self.slash = 0
        if self.caught:
            self.fee = self.net = 0
            self.slash = self.bond * SLASH_PM // 1000
            self.bond -= self.slash
        else:
            self.fee = self.gross * FEE_PM // 1000
            self.net = self.gross - self.fee
        unit = self.cost * CHEAT_COST_PM // 1000 if cheat else self.cost
        self.exp = self.served * unit + self.fixed if self.active else 0

    def offer_tokens(self):
        self.sold = self.tokens * self.sell // 1000 if self.active else self.tokens
        self.tokens -= self.sold

    def adapt(self, proceeds):  # returns True on exit
        if not self.active:
            return False
        profit = self.net + proceeds - self.exp
        self.cash += profit
        self.ema += (profit - self.ema) >> 3
        self.streak = self.streak + 1 if self.ema < 0 else 0
        p = self.price
        if self.served * 10 >= self.cap * 9:
            self.price = p + (p >> 5) + 1
        elif self.served * 2 < self.cap:
            self.price = max(p - (p >> 5) - 1, self.cost)
        if self.streak >= EXIT_STREAK or self.bond < MIN_BOND:
            self.cash += self.bond
            self.bond = self.active = 0
            return True
        return False


class BuyerLogic:
    def init_buyer(self, i, d):
        self.i = i
        self.income = 4000 + d[0]
        self.bid = 40 + d[1]
        self.base = 40 + d[2]
        self.budget = self.income * 3
        self.q = self.got = 0

    def ask(self, u, shock):  # u: 32-bit draw
        self.budget = min(self.budget + self.income, 8 * self.income)
        want = (u * (2 * self.base + 1)) >> 32
        if shock:
            want >>= 1
        self.q = min(want, self.budget // self.bid)
        self.got = 0

    def adapt(self):
        b = self.bid
        if self.got < self.q:
            self.bid = min(b + (b >> 6) + 1, BID_MAX)
        elif self.q > 0:
            self.bid = max(b - (b >> 6), BID_MIN)


class Provider(ProviderLogic):
    pass


class Buyer(BuyerLogic):
    pass


def batch(seed, t, kind, n, bound):
    return draws(seed, t, kind, n, bound).tolist()


def init_draws(seed, N, M):
    pd = list(
        zip(
            *(
                batch(seed, 0, k, N, b)
                for k, b in ((1, 60), (2, 60), (3, 151), (4, 1000), (5, 801), (6, 2501))
            )
        )
    )
    act = [int(a < 800) for a in batch(seed, 0, 7, N, 1000)]
    bd = list(zip(*(batch(seed, 0, k, M, b) for k, b in ((11, 12001), (12, 121), (13, 161)))))
    return pd, act, bd


def reentry(seed, t, i):
    return [
        below(u64(seed, t, k, i), b)
        for k, b in ((1, 60), (2, 60), (3, 151), (4, 1000), (5, 801), (6, 2501))
    ]


def demand_phase(bs, seed, t):
    us = batch(seed, t, 21, len(bs), 1 << 32)
    shock = SHOCK_FROM <= t < SHOCK_TO
    for b, u in zip(bs, us):
        b.ask(u, shock)


def match_phase(ps, bs):
    for p in ps:
        p.served = 0
    sup = sorted((p for p in ps if p.active), key=lambda p: p.price)  # stable, so ties by id
    dem = sorted((b for b in bs if b.q), key=lambda b: -b.bid)
    i = j = 0
    while i < len(sup) and j < len(dem):
        p, b = sup[i], dem[j]
        if p.price > b.bid:
            break
        rs, rd = p.cap - p.served, b.q - b.got
        n = rs if rs < rd else rd
        p.served += n
        b.got += n
        b.budget -= n * p.price
        if n == rs:
            i += 1
        if n == rd:
            j += 1


def verify_phase(ps, seed, t):
    for p, c, a in zip(ps, batch(seed, t, 31, len(ps), 1000), batch(seed, t, 32, len(ps), 1000)):
        p.verify(c, a)


def reward_phase(ps, t):
    W = sum(p.served for p in ps if not p.caught)
    E = emission(len(ps), t)
    minted = 0
    if W:
        for p in ps:
            if not p.caught:
                r = E * p.served // W
                p.tokens += r
                minted += r
    return minted


def market_phase(ps, x, y):
    for p in ps:
        p.offer_tokens()
    S = sum(p.sold for p in ps)
    out = burned = 0
    if S:
        out = swap_out(S, x, y)
        x += S
        y -= out
    F = sum(p.fee for p in ps)
    if F:
        burned = swap_out(F, y, x)
        y += F
        x -= burned
    return S, out, F, burned, x, y


def adapt_phase(ps, bs, S, out, seed, t):
    exits = entries = 0
    for p in ps:
        p.was = p.active
        exits += p.adapt(out * p.sold // S if S else 0)
    for b in bs:
        b.adapt()
    if sum(p.ema for p in ps if p.active) > 0:
        for p, d in zip(ps, batch(seed, t, 41, len(ps), 1000)):
            if not p.was and d < ENTRY_PM:
                p.enter(reentry(seed, t, p.i))
                entries += 1
    return exits, entries


def observe(ps, bs):
    """The aggregates that must be read between verify and adapt."""
    return (
        sum(p.active for p in ps),
        sum(b.q for b in bs),
        sum(p.served for p in ps),
        sum(p.gross for p in ps),
        sum(p.gross for p in ps if p.caught),
        sum(p.slash for p in ps),
        sum(p.caught for p in ps),
    )


def make_row(o, minted, S, out, F, burned, x, y, exits, entries):
    return (
        o[0],
        o[1],
        o[2],
        o[3],
        F,
        o[4],
        o[5],
        minted,
        S,
        out,
        burned,
        x,
        y,
        exits,
        entries,
        o[6],
    )


def digest_objects(ps, bs):
    col = lambda xs, k: np.array([getattr(a, k) for a in xs], dtype=np.int64)
    return agent_digest_np(
        [
            col(ps, k)
            for k in ("active", "honest", "price", "bond", "tokens", "cash", "ema", "streak")
        ],
        [col(bs, k) for k in ("bid", "budget")],
    )


def build(N, M, seed):
    pd, act, bd = init_draws(seed, N, M)
    ps, bs = [], []
    for i in range(N):
        p = Provider()
        p.init_provider(i, pd[i], act[i])
        ps.append(p)
    for j in range(M):
        b = Buyer()
        b.init_buyer(j, bd[j])
        bs.append(b)
    return ps, bs


def step(ps, bs, x, y, seed, t):
    demand_phase(bs, seed, t)
    match_phase(ps, bs)
    verify_phase(ps, seed, t)
    minted = reward_phase(ps, t)
    o = observe(ps, bs)
    S, out, F, burned, x, y = market_phase(ps, x, y)
    exits, entries = adapt_phase(ps, bs, S, out, seed, t)
    return make_row(o, minted, S, out, F, burned, x, y, exits, entries), x, y


if __name__ == "__main__":
    N, M, T, seed = args()
    t0 = clock()
    ps, bs = build(N, M, seed)
    x, y = N * X0, N * Y0
    rows = []
    h = seed
    for t in range(1, T + 1):
        row, x, y = step(ps, bs, x, y, seed, t)
        rows.append(row)
        for v in row:
            h = fold(h, v)
    finish("python", "objects", N, M, T, since(t0), h, digest_objects(ps, bs))
