"""What the contract costs: docs/reference/contracts.md says the same figures."""

import re

import pytest
from conftest import AT_ONCE, DAY, GUARDED, ROOT, House, leaf_hash
from eth_utils import keccak
from merkle import parent

DOCUMENT = ROOT / "docs" / "reference" / "contracts.md"
# The bars of the project, by the row of the table: (first, later). That of a claim is for a tree of
# 16,384 leaves, by which it was set; six more siblings, of a million leaves, are 3,072 gas of call
# data before anything is computed.
BARS = {
    "`commitRoot`, whatever the number of leaves": (None, 40_000),
    "`claim`, 16,384 leaves (14 siblings)": (None, 58_000),
    "`claimMany` of 20, 16,384 leaves, each": (None, 40_000),
    "`claimMany` of 20, a million leaves, each": (None, 40_000),
    "`disperse` to 500, each": (None, 9_500),
}


def path(leaf, depth):
    """A tree of 2^depth leaves, of which one way up is known: its root and that way."""
    siblings = []
    for level in range(depth):
        siblings.append(keccak(b"%d" % level + leaf))
        leaf = parent(leaf, siblings[-1])
    return leaf, siblings


class Meter:
    """Each operation twice: into slots that were zero, and again."""

    def __init__(self):
        self.house = House(GUARDED)
        self.f = self.house.vault.functions
        self.boss, self.provider = self.house.operator, self.house.people[3]
        self.rows = {}
        self.total = 0

    def measure(self, row, column, sender, call, share=1, **options):
        used = self.house.send(sender, call, **options).gasUsed
        self.rows.setdefault(row, [None, None])[column] = round(used / share)

    def twice(self, row, sender, calls, **options):
        for column, call in enumerate(calls):
            self.measure(row, column, sender, call, **options)

    def settle(self, root, column, commit="`commitRoot`, whatever the number of leaves"):
        """Commits and activates a root of USDC and TLY."""
        batch = self.f.batch().call() + 1
        told = (root, keccak(b"j%d" % batch), keccak(b"l%d" % batch))
        self.total += 10**9
        call = self.f.commitRoot(batch, root, self.total, 10 * self.total, *told[1:])
        self.measure(commit, column, self.boss, call)
        self.house.later(DAY)
        self.measure("`activateRoot` with both tokens", column, self.boss,
                     self.f.activateRoot(*told))

    def deployments(self):
        for name in ("Token", "Vault", "Exchequer"):
            row = f"deploy `{name}`" + (" as a blueprint" if name == "Vault" else "")
            self.rows[row] = [self.house.deployed[name], None]

    def entries(self):
        f, house, buyer = self.f, self.house, self.house.people[1]
        transfer = house.usdc.functions.transfer
        fresh = house.web3.to_checksum_address(keccak(b"fresh")[12:])
        self.twice("ERC-20 transfer, for comparison", buyer, [transfer(fresh, 5)] * 2)
        self.twice("`deposit`", buyer, [f.deposit(10**6)] * 2)
        for column in (0, 1):
            terms = house.authorization(buyer, house.vault.address, 10**6)
            self.measure("`depositWithAuthorization`", column, self.boss,
                         f.depositWithAuthorization(*terms[:1], *terms[2:]))
        self.twice("`bond`", self.provider, [f.bond(10**9)] * 2)
        self.twice("`requestUnbond`", self.provider, [f.requestUnbond(10**6)] * 2)

    def slashes(self):
        f, target = self.f, self.provider.address
        for column in (0, 1):
            name = keccak(b"v%d" % column)
            self.measure("`slash`, requested", column, self.boss,
                         f.slash(target, 10**6, 10**5, name))
            self.measure("`appealSlash`", column, self.provider, f.appealSlash(name, name))
            self.house.later(4 * DAY)
            self.measure("`executeSlash` with a burn", column, self.boss, f.executeSlash(name))
        self.house.later(7 * DAY)
        self.measure("`withdrawBond`, two entries", 1, self.provider, f.withdrawBond())

    def claims(self):
        f, house, usdc = self.f, self.house, self.house.usdc.address
        house.send(self.boss, f.deposit(10**11))
        rows = [("`claim`, 1,024 leaves (10 siblings)", 10),
                ("`claim`, 16,384 leaves (14 siblings)", 14),
                ("`claim`, a million leaves (20 siblings)", 20)]
        for place, (row, depth) in enumerate(rows, 6):
            payee = house.people[place].address
            owed = 0
            for column in (0, 1):
                owed += 12_345_678
                leaf = leaf_hash(31337, house.vault.address, usdc, payee, owed)
                root, siblings = path(leaf, depth)
                self.settle(root, min(self.f.batch().call(), 1))
                self.measure(row, column, self.boss, f.claim(usdc, payee, owed, siblings))

    def at_once(self):
        """A contract without delays, where a root pays when it is committed."""
        house, row = House(AT_ONCE), "`commitRoot` without a delay, which makes it pay"
        house.send(house.operator, house.vault.functions.deposit(10**12))
        for batch in (1, 2, 3):
            root, head, owed = (keccak(b"%d %d" % (batch, word)) for word in range(3))
            call = house.vault.functions.commitRoot(
                batch, root, batch * 10**9, batch * 10**10, head, owed)
            used = house.send(house.operator, call).gasUsed
            self.rows.setdefault(row, [None, None])[min(batch - 1, 1)] = used

    def many(self):
        house, f, tly = self.house, self.f, self.house.tly.address
        payees = [house.web3.to_checksum_address(keccak(b"p%d" % i)[12:]) for i in range(20)]
        rows = [("`claimMany` of 20, 16,384 leaves, each", 14, (0, 1)),
                ("`claimMany` of 20, a million leaves, each", 20, (1,))]
        owed = 0
        for row, depth, columns in rows:
            for column in columns:
                owed += 10**6
                # Twenty leaves side by side, and a way up that they share.
                tree = house.tree({(tly, payee): owed for payee in payees})
                root, top = path(tree.root, depth - 5)
                claims = [(tly, p, owed, tree.proof((tly, p)) + top) for p in payees]
                assert max(len(proof) for *_, proof in claims) == depth
                self.settle(root, 1)
                self.measure(row, column, self.boss, f.claimMany(claims), share=20)
        house.send(self.boss, house.usdc.functions.approve(house.vault.address, 2**256 - 1))
        for count in (50, 500):
            to = [house.web3.to_checksum_address(keccak(b"%d %d" % (count, i))[12:])
                  for i in range(count)]
            for column in (0, 1):
                call = f.disperse(house.usdc.address, keccak(b"%d%d" % (count, column)), to,
                                  [1_234_567 + column] * count)
                # With the books it is made under, of which no byte is zero.
                self.measure(f"`disperse` to {count}, each", column, self.boss, call,
                             share=count, gas=30_000_000, tail=b"\x77" * 64)


@pytest.fixture(scope="module")
def rows():
    meter = Meter()
    meter.deployments()
    meter.entries()
    meter.slashes()
    meter.claims()
    meter.at_once()
    meter.many()
    return meter.rows


def documented():
    table = DOCUMENT.read_text().split("## Gas\n")[1].split("\n## ")[0]
    found = {}
    for line in re.findall(r"^\| (.+?) \| *(.*?) *\| *(.*?) *\|$", table, re.M):
        figures = [int(text.strip("* ").replace(",", "")) if text.strip("* ")[:1].isdigit()
                   else None for text in line[1:]]
        if any(figures):
            found[line[0]] = figures
    return found


def test_the_bars_are_kept(rows):
    for row, bars in BARS.items():
        for used, bar in zip(rows[row], bars):
            assert bar is None or used <= bar, (row, used, bar)


def test_the_documented_table_is_what_is_measured(rows):
    """Within 60 gas: addresses and amounts with more zero bytes make calls cheaper."""
    table = documented()
    assert list(table) == list(rows), set(table) ^ set(rows)
    for row, figures in rows.items():
        for mine, theirs in zip(figures, table[row]):
            near = mine == theirs or (mine and theirs and abs(mine - theirs) <= 60)
            assert near, (row, figures, table[row])


if __name__ == "__main__":
    meter = Meter()
    for part in (meter.deployments, meter.entries, meter.slashes, meter.claims, meter.at_once, meter.many):
        part()
    for row, figures in meter.rows.items():
        print(f"| {row} | " + " | ".join(f"{n:,}" if n else "" for n in figures) + " |")
