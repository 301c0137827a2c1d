"""CMW-1 in Mesa 3: Agent subclasses, AgentSet.do for the per-agent phases, DataCollector for the metrics."""

import mesa

import cmw_objects as o
from cmw import (
    ENTRY_PM,
    METRICS,
    SHOCK_FROM,
    SHOCK_TO,
    X0,
    Y0,
    args,
    clock,
    finish,
    fold,
    since,
    swap_out,
)


class ProviderAgent(mesa.Agent, o.ProviderLogic):
    def __init__(self, model, i, d, active):
        mesa.Agent.__init__(self, model)
        self.init_provider(i, d, active)

    def do_verify(self):
        m = self.model
        self.verify(m.cheat[self.i], m.audit[self.i])

    def do_adapt(self):
        m = self.model
        self.was = self.active
        m.exits += self.adapt(m.out * self.sold // m.S if m.S else 0)


class BuyerAgent(mesa.Agent, o.BuyerLogic):
    def __init__(self, model, i, d):
        mesa.Agent.__init__(self, model)
        self.init_buyer(i, d)

    def do_ask(self):
        self.ask(self.model.us[self.i], self.model.shock)


class Market(mesa.Model):
    def __init__(self, N, M, s):
        super().__init__(seed=s)
        self.N, self.M, self.s, self.t = N, M, s, 0
        pd, act, bd = o.init_draws(s, N, M)
        ProviderAgent.create_agents(self, N, list(range(N)), pd, act)
        BuyerAgent.create_agents(self, M, list(range(M)), bd)
        self.ps, self.bs = self.agents_by_type[ProviderAgent], self.agents_by_type[BuyerAgent]
        self.x, self.y = N * X0, N * Y0
        self.datacollector = mesa.DataCollector(
            model_reporters={k: (lambda m, j=j: m.row[j]) for j, k in enumerate(METRICS)}
        )

    def step(self):
        self.t += 1
        t, s = self.t, self.s
        self.us = o.batch(s, t, 21, self.M, 1 << 32)
        self.shock = SHOCK_FROM <= t < SHOCK_TO
        self.bs.do("do_ask")
        o.match_phase(list(self.ps), list(self.bs))
        self.cheat, self.audit = o.batch(s, t, 31, self.N, 1000), o.batch(s, t, 32, self.N, 1000)
        self.ps.do("do_verify")
        minted = o.reward_phase(list(self.ps), t)
        ob = o.observe(self.ps, self.bs)
        self.ps.do("offer_tokens")
        self.S = self.ps.agg("sold", sum)
        self.out = burned = 0
        if self.S:
            self.out = swap_out(self.S, self.x, self.y)
            self.x += self.S
            self.y -= self.out
        F = self.ps.agg("fee", sum)
        if F:
            burned = swap_out(F, self.y, self.x)
            self.y += F
            self.x -= burned
        self.exits = entries = 0
        self.ps.do("do_adapt")
        self.bs.do("adapt")
        if sum(p.ema for p in self.ps if p.active) > 0:
            for p, d in zip(self.ps, o.batch(s, t, 41, self.N, 1000)):
                if not p.was and d < ENTRY_PM:
                    p.enter(o.reentry(s, t, p.i))
                    entries += 1
        self.row = o.make_row(
            ob, minted, self.S, self.out, F, burned, self.x, self.y, self.exits, entries
        )
        self.datacollector.collect(self)


if __name__ == "__main__":
    N, M, T, seed = args()
    t0 = clock()
    m = Market(N, M, seed)
    for _ in range(T):
        m.step()
    df = m.datacollector.get_model_vars_dataframe()
    secs = since(t0)
    rows = [tuple(int(v) for v in r) for r in df[METRICS].to_numpy().tolist()]
    h = seed
    for r in rows:
        for v in r:
            h = fold(h, v)
    finish(
        "mesa " + mesa.__version__,
        "AgentSet.do",
        N,
        M,
        T,
        secs,
        h,
        o.digest_objects(list(m.ps), list(m.bs)),
    )
