"""A random walk over Exchequer.vy beside a plain model that predicts every outcome.

Each step either succeeds as the model says or reverts for exactly the reason the model says;
after each step no unit has appeared or vanished. A failure names its seed in the test's name.
"""

import random
from collections import Counter

import pytest
from conftest import BURN_ADDRESS, DELAY, TLY_RESERVE, USDC_SUPPLY
from eth_utils import keccak

STEPS = 120
SEEDS = range(3)
HEAD = b"\x33" * 32
OWED = b"\x44" * 32
OUTCOMES = Counter()


class Walk:
    def __init__(self, house, seed):
        self.house, self.random = house, random.Random(seed)
        self.f = house.vault.functions
        self.people = house.people[1:5]
        self.tokens = (house.usdc, house.tly)
        self.bonded = Counter()
        self.waiting = {person.address: [] for person in self.people}
        self.verdicts = []
        self.owed = Counter()  # what the house's ledger says, not yet committed
        self.entries, self.tree = {}, None  # what the last root says
        self.old_claims = []
        self.claimed = Counter()
        self.inflow, self.outflow = Counter(), Counter()  # of the vault, by token
        self.inflow[house.tly.address] = TLY_RESERVE
        self.burned = 0
        self.paused = False

    # ---- the model's sums

    def slashable(self, account):
        return self.bonded[account] + sum(amount for amount, _ in self.waiting[account])

    def bonds(self):
        return sum(self.slashable(person.address) for person in self.people)

    def held(self, token):
        return self.inflow[token] - self.outflow[token]

    def total(self, amounts, token):
        return sum(amount for (which, _), amount in amounts.items() if which == token)

    # ---- one step

    def attempt(self, kind, sender, call, reason):
        """Sends it; it must succeed (reason None, returns True) or revert for the reason."""
        OUTCOMES[kind, reason or "done"] += 1
        if reason:
            self.house.refused(sender, call, reason)
            return False
        self.house.send(sender, call)
        return True

    def step(self):
        actions = {
            self.deposit: 3,
            self.bond: 3,
            self.request_unbond: 4,
            self.withdraw: 3,
            self.wait: 2,
            self.slash: 2,
            self.commit: 4,
            self.claim: 6,
            self.claim_many: 2,
            self.toggle_pause: 1,
        }
        self.random.choices(list(actions), list(actions.values()))[0]()

    def deposit(self):
        amount = self.random.choice([0, 1, 10**3, self.random.randrange(10**6)])
        reason = "paused" if self.paused else "zero amount" if amount == 0 else None
        sender = self.random.choice(self.people)
        if self.attempt("deposit", sender, self.f.deposit(amount), reason):
            self.inflow[self.house.usdc.address] += amount

    def bond(self):
        amount = self.random.choice([0, 1, self.random.randrange(10**6)])
        reason = "paused" if self.paused else "zero amount" if amount == 0 else None
        sender = self.random.choice(self.people)
        if self.attempt("bond", sender, self.f.bond(amount), reason):
            self.inflow[self.house.usdc.address] += amount
            self.bonded[sender.address] += amount

    def request_unbond(self):
        sender = self.random.choice(self.people)
        account, held = sender.address, self.bonded[sender.address]
        choices = [0, 1, held, held + 1, self.random.randrange(held + 1), held // 7]
        amount, reason = self.random.choice(choices), None
        if amount == 0:
            reason = "zero amount"
        elif amount > held:
            reason = "exceeds bond"
        elif len(self.waiting[account]) == 16:
            reason = "too many unbondings"
        if self.attempt("requestUnbond", sender, self.f.requestUnbond(amount), reason):
            stamp = self.house.node.chain.head.timestamp
            self.bonded[account] -= amount
            self.waiting[account].append((amount, stamp + DELAY))

    def wait(self):
        self.house.later(self.random.choice([1, DELAY // 3, DELAY]))

    def withdraw(self):
        sender = self.random.choice(self.people)
        # A quiet hour first keeps every entry clear of the very second it unlocks.
        self.house.later(3600)
        now = self.house.node.chain.head.timestamp
        queue = self.waiting[sender.address]
        if any(now - 60 < unlocks <= now + 60 for _, unlocks in queue):
            return
        matured = sum(amount for amount, unlocks in queue if unlocks <= now)
        reason = None if matured else "nothing matured"
        if self.attempt("withdrawBond", sender, self.f.withdrawBond(), reason):
            self.waiting[sender.address] = [entry for entry in queue if entry[1] > now]
            self.outflow[self.house.usdc.address] += matured

    def slash(self):
        account = self.random.choice(self.people).address
        there = self.slashable(account)
        amount = self.random.choice([1, there + 5, self.random.randrange(there + 1) + 1])
        burned = self.random.choice([0, amount, (amount + 1) // 2, amount + 1])
        verdict, reason = keccak(text=f"walk {len(self.verdicts)}"), None
        if self.verdicts and self.random.random() < 0.2:
            verdict = self.random.choice(self.verdicts)
        if burned > amount:
            reason = "burn exceeds slash"
        elif verdict in self.verdicts:
            reason = "verdict used"
        elif there == 0:
            reason = "no bond"
        call = self.f.slash(account, amount, burned, verdict)
        if not self.attempt("slash", self.house.operator, call, reason):
            return
        self.verdicts.append(verdict)
        taken = min(amount, there)
        destroyed = burned if taken == amount else -(-burned * taken // amount)
        left = taken - min(taken, self.bonded[account])
        self.bonded[account] -= taken - left
        kept = []
        for entry, unlocks in self.waiting[account]:
            part = min(entry, left)
            left -= part
            if entry > part:
                kept.append((entry - part, unlocks))
        self.waiting[account] = kept
        self.burned += destroyed
        self.outflow[self.house.usdc.address] += destroyed

    def commit(self):
        usdc, tly = (token.address for token in self.tokens)
        grown = Counter(self.owed)
        for _ in range(self.random.randrange(1, 6)):
            token = self.random.choice((usdc, tly))
            account = self.random.choice(self.people).address
            grown[token, account] += self.random.randrange(1, 10**5)
        totals = [self.total(grown, token) for token in (usdc, tly)]
        open_usdc = totals[0] - self.total(self.claimed, usdc)
        batch = self.f.batch().call() + 1
        tree, reason = self.house.tree(grown), None
        if self.paused:
            reason = "paused"
        elif self.random.random() < 0.1:
            batch, reason = batch + 1, "batch order"
        elif open_usdc + self.bonds() > self.held(usdc):
            reason = "underfunded"
        call = self.f.commitRoot(batch, tree.root, *totals, HEAD, OWED)
        if self.attempt("commitRoot", self.house.operator, call, reason):
            self.owed, self.entries, self.tree = grown, dict(grown), tree

    def claim(self):
        if not self.tree:
            return
        caller = self.random.choice(self.house.people)
        key = self.random.choice(list(self.entries))
        amount, proof, reason = self.entries[key], self.tree.proof(key), None
        trick = self.random.random()
        if trick < 0.1:
            amount, reason = amount + 1, "bad proof"
        elif trick < 0.2 and self.old_claims:
            key, amount, proof, root = self.random.choice(self.old_claims)
            reason = "bad proof" if root != self.tree.root else None
        if not reason and amount <= self.claimed[key]:
            reason = "nothing to claim"
        if self.attempt("claim", caller, self.f.claim(*key, amount, proof), reason):
            self.paid(key, amount)
            self.old_claims.append((key, amount, proof, self.tree.root))

    def claim_many(self):
        if not self.tree:
            return
        keys = self.random.choices(list(self.entries), k=self.random.randrange(1, 6))
        claims = [(*key, self.entries[key], self.tree.proof(key)) for key in keys]
        news = [key for key in keys if self.entries[key] > self.claimed[key]]
        reason = None if news else "nothing to claim"
        caller = self.random.choice(self.house.people)
        if self.attempt("claimMany", caller, self.f.claimMany(claims), reason):
            for key in set(news):
                self.paid(key, self.entries[key])

    def paid(self, key, cumulative):
        self.outflow[key[0]] += cumulative - self.claimed[key]
        self.claimed[key] = cumulative

    def toggle_pause(self):
        call = self.f.unpause() if self.paused else self.f.pause()
        self.attempt("unpause" if self.paused else "pause", self.house.operator, call, None)
        self.paused = not self.paused

    # ---- what must hold after every step

    def check(self):
        f, vault = self.f, self.house.vault.address
        usdc = self.house.usdc.functions
        assert f.bondTotal().call() == self.bonds()
        for person in self.people:
            account = person.address
            assert f.bonded(account).call() == self.bonded[account]
            assert f.slashable(account).call() == self.slashable(account)
        for token in self.tokens:
            claimable = token.functions.balanceOf(vault).call()
            held = claimable + token.functions.balanceOf(self.house.safe).call()
            reserved = self.bonds() if token is self.house.usdc else 0
            unclaimed = self.total(self.entries, token.address)
            unclaimed -= self.total(self.claimed, token.address)
            assert held == self.held(token.address)
            assert claimable == unclaimed
            assert unclaimed >= 0
            assert held == reserved + unclaimed + f.uncommitted(token.address).call()
            claimed = self.total(self.claimed, token.address)
            assert f.claimedTotal(token.address).call() == claimed
            assert claimed <= f.committedTotal(token.address).call()
        everyone = [person.address for person in self.house.people] + [
            vault, self.house.safe, BURN_ADDRESS]
        assert sum(usdc.balanceOf(account).call() for account in everyone) == USDC_SUPPLY
        assert usdc.balanceOf(BURN_ADDRESS).call() == self.burned
        for key, amount in self.claimed.items():
            assert f.claimed(*key).call() == amount <= self.entries.get(key, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_walk_conserves_value(house, seed):
    walk = Walk(house, seed)
    for _ in range(STEPS):
        walk.step()
        walk.check()
    # Whatever happened, everybody can leave, also while paused.
    if not walk.paused:
        walk.toggle_pause()
    if walk.tree:
        for key, amount in walk.entries.items():
            if amount > walk.claimed[key]:
                house.send(house.people[9], walk.f.claim(*key, amount, walk.tree.proof(key)))
                walk.paid(key, amount)
    for person in walk.people:
        # Before it ends by itself.
        for call in (walk.f.unpause(), walk.f.pause()):
            house.send(house.operator, call)
        house.later(2 * DELAY)
        if walk.waiting[person.address]:
            house.send(person, walk.f.withdrawBond())
        if walk.bonded[person.address]:
            house.send(person, walk.f.requestUnbond(walk.bonded[person.address]))
            house.later(2 * DELAY)
            house.send(person, walk.f.withdrawBond())
        walk.outflow[house.usdc.address] += walk.slashable(person.address)
        walk.bonded[person.address], walk.waiting[person.address] = 0, []
    walk.check()
    assert walk.f.bondTotal().call() == 0


def test_walks_saw_every_outcome():
    """Runs after the walks: an outcome nobody met is an outcome nobody tested."""
    if not OUTCOMES:
        pytest.skip("the walks were not selected")
    wanted = {
        ("deposit", "done"),
        ("deposit", "paused"),
        ("deposit", "zero amount"),
        ("bond", "done"),
        ("bond", "paused"),
        ("requestUnbond", "done"),
        ("requestUnbond", "exceeds bond"),
        ("withdrawBond", "done"),
        ("withdrawBond", "nothing matured"),
        ("slash", "done"),
        ("slash", "verdict used"),
        ("slash", "no bond"),
        ("slash", "burn exceeds slash"),
        ("commitRoot", "done"),
        ("commitRoot", "paused"),
        ("commitRoot", "batch order"),
        ("commitRoot", "underfunded"),
        ("claim", "done"),
        ("claim", "bad proof"),
        ("claim", "nothing to claim"),
        ("claimMany", "done"),
        ("claimMany", "nothing to claim"),
        ("pause", "done"),
        ("unpause", "done"),
    }
    assert wanted <= set(OUTCOMES), wanted - set(OUTCOMES)
