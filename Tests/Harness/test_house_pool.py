"""A house that pays through a pool on Solana where that is cheaper: real processes, the real payout
program, lost answers, `kill -9`, a guardian who drops a root and a thief who has the settler's key.
Everybody has what it is owed once, to the unit."""

import base64
import hashlib
import json
import urllib.error

import pytest
from base58 import b58decode
from payout_program import ELF, Pool, read_pool
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from test_house_chain import eventually, exchequer
from test_house_costs import audit, is_exact_after_ticks, lamports, spent_on_solana, totals
from test_house_payouts import DOLLARS, Payer
from test_solana_watch import look

# What a root costs is reckoned as next to nothing: two payees are enough for one.
CHEAP = [word for name in ("commit", "activate", "claim", "record")
         for word in ("--solana-lamports", f"{name}=1")]
SETTLER, GUARDIAN, OPENER = 0, 1, 2


class PoolHouse(Payer):
    """The house's key is the settler of a pool; others open it and watch over it."""

    def __init__(self, folder):
        super().__init__(folder)
        program = Keypair.from_seed(hashlib.sha256(b"payout program").digest()).pubkey()
        elf = base64.b64encode(ELF.read_bytes()).decode()
        self.solana.call("test_addProgram", str(program), elf)
        mint = Pubkey.from_string(self.solana.mint)
        genesis = b58decode(self.solana.call("getGenesisHash"))
        token = Pubkey.from_string(self.solana.program)
        self.pool = Pool(program, self.named(OPENER), mint, genesis, token)
        self.owners = {account: Keypair.from_seed(bytes([50 + account]) * 32)
                       for account in (1, 2, 3)}

    def named(self, place):
        return Pubkey.from_string(self.solana.keys[place][1])

    def at(self, command, place, *arguments, code=0):
        """`exchequer pool` with one of the cluster's keys."""
        return exchequer(
            "pool", *command.split(), "--rpc", self.solana.rpc, "--key-file",
            self.solana.keys[place][0], *map(str, arguments), code=code)

    def open_pool(self, delay, guardian=GUARDIAN):
        self.at("open", OPENER, "--program", self.pool.program, "--mint", self.solana.mint,
                "--settler", self.named(SETTLER), "--guardian", self.named(guardian),
                "--delay", delay)

    def go(self, *more):
        self.begin("--solana-pool", str(self.pool.address), *CHEAP, *more)

    def choose(self, account):
        file = self.folder / f"owner-{account}.key"
        file.write_text(bytes(self.owners[account])[:32].hex())
        file.chmod(0o600)
        exchequer("payout", "--house", self.base, "--api-key-file", self.key(account),
                  "--solana-key-file", file)

    def state(self):
        found = self.solana.call("getAccountInfo", str(self.pool.address), {
            "encoding": "base64", "commitment": "finalized"})
        return read_pool(base64.b64decode(found["value"]["data"][0]))

    def vault(self):
        return self.solana.tokens(str(self.pool.address)) or 0

    def roots(self):
        return [one for one in self.get("/v1/dispersals")["data"] if one["rail"] == "pool"]

    def is_at(self, stage, count=1):
        """Whether the last of so many roots is at a stage."""
        roots = self.roots()
        return len(roots) == count and roots[-1]["root"]["stage"] == stage

    def claimable(self, account):
        return json.loads(exchequer(
            "claimable", "--house", self.base, "--api-key-file", self.key(account), "--json"))

    def claim(self, account):
        """Has the bearer of the fees claim for a party, out of what the house told it."""
        file = self.folder / f"claimable-{account}.json"
        file.write_text(json.dumps(self.claimable(account)))
        self.at("claim", OPENER, "--pool", self.pool.address, "--proof", file)

    def has(self, account):
        return self.solana.tokens(str(self.owners[account].pubkey())) or 0

    def ask(self, *amounts):
        """Withdrawals for the next settlement, by account."""
        for account, amount in amounts:
            self.withdraw(account, amount)

    def expect_root(self, owed, epoch):
        """The root that pays is that of these sums, by another client's reckoning, and names the
        books of the house's last root."""
        state = self.state()
        tree = self.pool.tree({self.owners[one].pubkey(): sum_ for one, sum_ in owed.items()})
        assert state["active_root"] == tree.root and state["active_epoch"] == epoch
        assert state["active_total"] == sum(owed.values())
        books = self.roots()[-1]["books"]
        assert state["active_journal"].hex() == books["journal_head"]
        assert state["active_liabilities"].hex() == books["liabilities_root"]

    def is_balanced(self):
        found = look(self)
        lines = {one["name"]: one for one in found["lines"]}
        return found["balanced"] and {"pool_promised", "pool_held"} <= set(lines)

    def stuck(self):
        return {(one["alert"], one["name"]) for one in look(self)["stranded"]}

    def is_booked(self, before):
        spent = int(totals(self, "lamports")["units"])
        return before - lamports(self) == spent and spent > 0


@pytest.fixture
def house(tmp_path):
    house = PoolHouse(tmp_path)
    yield house
    house.stop()


def test_what_is_cheaper_is_a_root_of_the_pool(house):
    """Cumulative leaves, claims out of what the house tells, and costs to the lamport, although
    answers are lost and the house is killed at every stage."""
    house.open_pool(100)
    held, begun = house.solana.tokens(house.solana.keys[0][1]), lamports(house)
    house.go()
    house.fill(1, 2, 3)
    for account in (1, 2, 3):
        house.choose(account)
    house.ask((1, "1.5"), (2, "2.25"))
    house.solana.everywhere("test_fault", {"method": "sendTransaction", "kind": "lost", "count": 2})
    house.operate("settle")
    house.kill()
    house.go()
    eventually("the root is committed", lambda: house.is_at("committed"))
    (made,) = house.roots()
    assert made["open"] and made["root"]["epoch"] == 1 and made["books"]["journal_head"]
    assert "pays from slot" in made["waits_for"]
    # Nothing can be claimed yet; what will be is told.
    (due,) = house.claimable(1)["solana"]["pool"]
    assert (due["cumulative"], due["waiting"], due["proof"]) == ("0", "1.50", [])
    house.kill()
    house.go()
    eventually("the root pays", lambda: house.is_at("active"))
    house.expect_root({1: 1_500_000, 2: 2_250_000}, epoch=1)
    assert house.vault() == 3_750_000
    assert held - house.solana.tokens(house.solana.keys[0][1]) == 3_750_000
    quotes = house.get("/v1/settlements")["data"][-1]
    assert quotes["lamports"] == 2 and quotes["quotes"]["pool"]["commit"] == 1

    # The next one says all that was ever owed, whoever has claimed by then.
    house.claim(1)
    assert house.has(1) == 1_500_000
    house.ask((1, "0.5"), (3, "3"))
    house.operate("settle")
    house.kill()
    house.go()
    eventually("the second root pays", lambda: house.is_at("active", 2))
    house.expect_root({1: 2_000_000, 2: 2_250_000, 3: 3_000_000}, epoch=2)
    for account, sum_ in ((1, 2_000_000), (2, 2_250_000), (3, 3_000_000)):
        house.claim(account)
        assert house.has(account) == sum_
        (due,) = house.claimable(account)["solana"]["pool"]
        assert (due["amount"], due["claimed"]) == ("0.00", str(sum_))
    assert house.vault() == 0
    # Whoever asks without a key is told the proof, and the cluster is not asked for it.
    found = house.get(f"/v1/claimable/{house.chain.keys[2][1]}")["solana"]["pool"][0]
    assert found["proof"] and "amount" not in found

    # When there is no house to ask, a copy of its journal has the leaves.
    leaves = exchequer("pool", "leaves", "--data", house.folder / "house", "--rpc",
                       house.solana.rpc, "--pool", str(house.pool.address)).splitlines()
    assert leaves[0] == "owner,cumulative" and set(leaves[1:]) == {
        f"{house.owners[one].pubkey()},{sum_}"
        for one, sum_ in ((1, 2_000_000), (2, 2_250_000), (3, 3_000_000))}

    # At once is sent, and the costs are those of the cluster.
    house.withdraw(2, "0.25", key="june")
    eventually("the payment at once", lambda: house.has(2) == 2_500_000)
    eventually("the costs", is_exact_after_ticks(house.solana, lambda: house.is_booked(begun)))
    for one in house.roots():
        costs = [cost for cost in spent_on_solana(house)
                 if (cost["subject"], cost.get("number")) == ("dispersal", one["dispersal"])]
        assert len(costs) >= 2, "its commit, and its activation"
        assert one["cost_units"] == str(sum(int(cost["units"]) for cost in costs))
    eventually("books and chain are equal", house.is_balanced)
    assert house.stuck() == set()
    audit(house)


def test_a_dropped_root_is_committed_anew_at_a_word_and_its_money_moves_once(house):
    house.open_pool(1_000)
    held = house.solana.tokens(house.solana.keys[0][1])
    house.go()
    house.fill(1, 2)
    for account in (1, 2):
        house.choose(account)
    house.ask((1, "1"), (2, "2"))
    house.operate("settle")
    eventually("the root is committed", lambda: house.is_at("committed"))
    # While it waits nobody starts without the pool, or with another one.
    house.kill()
    with pytest.raises(AssertionError, match="start with --solana-pool"):
        house.begin()
    house.process.wait(30)
    # Dropped while the house is away.
    house.at("dispute", GUARDIAN, "--pool", house.pool.address, "--epoch", 1)
    house.go()
    eventually("it is known to be dropped", lambda: house.is_at("disputed"))
    eventually("it is told", lambda: (6, "root_disputed") in house.stuck())
    assert house.is_balanced() and house.vault() == 3 * DOLLARS
    (made,) = house.roots()
    assert {one["stage"] for one in made["payments"]} == {"refused"}
    assert "the pool's guardian dropped its root" in made["waits_for"]
    # Others are sent their money meanwhile.
    house.ask((1, "0.5"))
    house.operate("settle")
    eventually("what is sent meanwhile", lambda: house.has(1) == 500_000)
    house.operate(f"dispersals/{made['dispersal']}/commit-again")
    with pytest.raises(urllib.error.HTTPError):
        house.operate(f"dispersals/{made['dispersal']}/commit-again")
    eventually("it is committed anew", lambda: house.is_at("committed"))
    assert house.roots()[0]["root"]["epoch"] == 2
    told = house.told()["solana"]["pool"]
    assert (told["pool"], told["epoch"]) == (str(house.pool.address), 2)
    assert told["active_from"] > told["slot"] and "trouble" not in told
    house.solana.call("test_tick", 1_100)
    eventually("it pays", lambda: house.is_at("active"))
    house.expect_root({1: 1_000_000, 2: 2_000_000}, epoch=2)
    assert house.vault() == 3 * DOLLARS
    assert held - house.solana.tokens(house.solana.keys[0][1]) == 3_500_000
    for account, sum_ in ((1, 1_500_000), (2, 2_000_000)):
        house.claim(account)
        assert house.has(account) == sum_
    eventually("books and chain are equal", house.is_balanced)
    audit(house)


def test_a_root_that_can_never_be_committed_is_called_off(house):
    """The pool has another settler meanwhile: nothing is sent, nobody's money is stuck, and payees
    are sent it."""
    house.open_pool(40)
    house.go()
    house.fill(1, 2)
    for account in (1, 2):
        house.choose(account)
    house.ask((1, "1"), (2, "2"))
    pool = ("--pool", house.pool.address)
    # Signed and lost: it may land until its blockhash is too old.
    house.solana.call("test_drop", 1_000)
    held = house.solana.tokens(house.solana.keys[0][1])
    house.operate("settle")
    eventually("the root is under way", lambda: house.is_at("due"))
    eventually("its commit is signed", lambda: house.told()["solana"]["unbooked"] > 0)
    (made,) = house.roots()
    with pytest.raises(urllib.error.HTTPError) as refused:
        house.operate(f"dispersals/{made['dispersal']}/call-off")
    assert refused.value.code == 503 and "ask again" in refused.value.read().decode()
    house.solana.call("test_drop", 0)
    house.kill()
    house.at("roles propose", OPENER, *pool, "--settler", house.named(OPENER))
    house.solana.call("test_tick", 80)
    house.at("roles take", OPENER, *pool)
    # It starts all the same, says why it waits, and burns no fees on it.
    house.go()
    eventually("it is said why", lambda: "the pool's settler is" in (
        house.roots()[0].get("waits_for") or ""))
    fees = lamports(house)
    house.solana.call("test_tick", 700)

    def is_called_off():
        try:
            return house.operate(f"dispersals/{made['dispersal']}/call-off")
        except urllib.error.HTTPError as error:
            assert error.code == 503
            house.solana.call("test_tick", 100)
            return False

    eventually("it is called off", is_called_off)
    assert lamports(house) == fees
    assert {one["stage"] for one in house.roots()[0]["payments"]} == {"returned"}
    assert house.vault() == 0 and held == house.solana.tokens(house.solana.keys[0][1])
    # No root is compared while another is the settler.
    house.operate("settle")
    eventually("they are sent it", lambda: (house.has(1), house.has(2)) == (DOLLARS, 2 * DOLLARS))
    assert "pool" not in house.get("/v1/settlements")["data"][-1]["quotes"]
    eventually("books and chain are equal", house.is_balanced)
    assert house.stuck() == set()
    audit(house)


def test_a_thief_with_the_settlers_key_is_told_and_stops_what_is_sent_there(house):
    house.open_pool(2_000)
    house.go()
    house.fill(1)
    house.choose(1)
    thief = Keypair().pubkey()
    leaves = house.folder / "stolen.csv"
    leaves.write_text(f"{thief},1\n")
    house.at("fund", SETTLER, "--pool", house.pool.address, "--amount", 1)
    house.at("commit", SETTLER, "--pool", house.pool.address, "--leaves", leaves,
             "--journal-head", "ab" * 32, "--liabilities-root", "cd" * 32)
    eventually("it is told", lambda: (29, "pool_foreign") in house.stuck())
    # Tokens left the account that pays, and no payment of the books explains it.
    assert (10, "solana_outflow") in house.stuck() and not house.is_balanced()
    with pytest.raises(urllib.error.HTTPError) as refused:
        house.withdraw(1, "1.00", key="june")
    assert refused.value.code == 503 and "another hand" in refused.value.read().decode()
    house.at("dispute", GUARDIAN, "--pool", house.pool.address, "--epoch", 1)
    eventually("it is gone", lambda: (29, "pool_foreign") not in house.stuck())
    house.withdraw(1, "1.00", key="june")
    eventually("the payment", lambda: house.has(1) == DOLLARS)
    # An epoch was used up by another hand: the house goes on with the next.
    house.ask((1, "0.5"))
    house.operate("settle")
    eventually("the house's own root", lambda: house.is_at("committed"))
    assert house.roots()[0]["root"]["epoch"] == 2


def test_only_a_pool_of_the_houses_own_is_taken(house):
    def refused(words, *more, key=()):
        with pytest.raises(AssertionError, match=words):
            house.begin(*more, key=key)
        house.process.wait(30)

    pool = ("--solana-pool", str(house.pool.address))
    refused("is no pool of the payout program", *pool)
    house.open_pool(10, guardian=SETTLER)
    operator = ("--operator-key", house.chain.keys[0][0])
    refused("own key as guardian or admin", *pool, key=operator)
    refused("goes with --solana-pool", "--solana-lamports", "commit=1")
    # One that has had roots which are in no book of this house.
    house.at("fund", SETTLER, "--pool", house.pool.address, "--amount", 1)
    leaves = house.folder / "leaves.csv"
    leaves.write_text(f"{Keypair().pubkey()},1\n")
    house.at("commit", SETTLER, "--pool", house.pool.address, "--leaves", leaves,
             "--journal-head", "ab" * 32, "--liabilities-root", "cd" * 32)
    refused("has had roots that are not in these books", *pool)
