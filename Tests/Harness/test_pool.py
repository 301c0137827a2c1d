"""`exchequer pool` on a cluster with the real payout program: every step of an operator, a guardian
and payees; what is refused, with the program's number; addresses, roots and proofs as the client of
the program's own tests has them."""

import json
import struct
import subprocess
from base64 import b64decode, b64encode
from functools import reduce

import pytest
from base58 import b58decode
from merkle import parent
from payout_program import ELF, Pool, read_pool
from solders.keypair import Keypair
from test_channels import Cluster
from test_house_chain import EXCHEQUER

DELAY = 5_000
OPENER, SETTLER, GUARDIAN = 0, 1, 2
BOOKS = ("--journal-head", "ab" * 32, "--liabilities-root", "0x" + "cd" * 32)
OTHER_BOOKS = ("--journal-head", "ab" * 32, "--liabilities-root", "ce" * 32)


class Site(Cluster):
    """A cluster with the payout program, an opener with 5,000 tokens, a settler and a guardian."""

    def __init__(self, folder):
        super().__init__(folder)
        self.payout = self.named("payout program")
        self.call("test_addProgram", str(self.payout), b64encode(ELF.read_bytes()).decode())
        genesis = b58decode(self.call("getGenesisHash"))
        self.pool = Pool(self.payout, self.keys[OPENER][1], self.mint, genesis)
        self.payees = [Keypair.from_seed(bytes([7 + number]) * 32) for number in range(4)]

    def run(self, command, account, *arguments, code=0):
        """A command's JSON, or what it says when it ends with another code."""
        line = [EXCHEQUER, "pool", *command.split(), "--rpc", self.rpc]
        if account is not None:
            line += ["--key-file", self.keys[account][0]]
        done = subprocess.run([*map(str, line), *map(str, arguments), *self.json(command)],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == code, f"{line}: {done.returncode} {done.stdout}{done.stderr}"
        return json.loads(done.stdout) if code == 0 and done.stdout else done.stderr

    @staticmethod
    def json(command):
        return [] if command == "proof" else ["--json"]

    def at(self, command, account, *arguments, code=0):
        return self.run(command, account, "--pool", self.pool.address, *arguments, code=code)

    def commit(self, account, file, code=0, books=BOOKS):
        return self.at("commit", account, "--leaves", file, *books, code=code)

    def refused(self, number, command, account, *arguments):
        said = self.at(command, account, *arguments, code=1)
        assert f"refusal {number}: " in said, said

    def text(self, command):
        """What a command prints for people."""
        line = [EXCHEQUER, "pool", command, "--rpc", self.rpc, "--pool", str(self.pool.address)]
        return subprocess.run(
            line, capture_output=True, text=True, timeout=60, check=True).stdout

    def open(self):
        return self.run("open", OPENER, "--program", self.payout, "--mint", self.mint,
                        "--settler", self.keys[SETTLER][1], "--guardian", self.keys[GUARDIAN][1],
                        "--delay", DELAY)

    def state(self):
        found = self.call("getAccountInfo", str(self.pool.address), {
            "encoding": "base64", "commitment": "processed"})
        return read_pool(b64decode(found["value"]["data"][0]))

    def held(self, owner):
        found = self.call("getAccountInfo", str(self.tokens(owner)), {
            "encoding": "base64", "commitment": "processed"})["value"]
        if found is None:
            return None
        return struct.unpack_from("<Q", b64decode(found["data"][0]), 64)[0]

    def leaves(self, owed, name="owed.csv"):
        file = self.folder / name
        file.write_text("".join(f"{owner},{units}\n" for owner, units in owed.items()))
        return file


@pytest.fixture
def site(tmp_path):
    if not EXCHEQUER.exists():
        pytest.fail(f"{EXCHEQUER} is missing: run `make build`")
    site = Site(tmp_path)
    yield site
    site.stop()


def test_a_pool_from_its_opening_to_the_last_claim(site):
    opened = site.open()
    assert opened == {"pool": str(site.pool.address), "vault": str(site.pool.vault)}
    # The same again is another transaction, which the program refuses; nothing is lost.
    again = site.run("open", OPENER, "--program", site.payout, "--mint", site.mint, code=1)
    assert "refusal 109: the pool or record exists already" in again
    assert "nobody else can dispute" in again
    owners = [payee.pubkey() for payee in site.payees]
    owed = dict(zip(owners[:3], [100, 250, 50]))
    file = site.leaves(owed)
    site.refused(122, "commit", SETTLER, "--leaves", file, *BOOKS)
    assert site.at("fund", OPENER, "--amount", 1_000)["call"] == "fund"
    site.at("fund", OPENER, "--amount", 7, "--memo", "party 7")
    assert site.balance(site.pool.address) == 1_007 and site.balance(site.keys[0][1]) == 3_993
    site.refused(107, "commit", GUARDIAN, "--leaves", file, *BOOKS)
    for place, number in [(1, 129), (3, 130)]:
        empty = [*BOOKS[:place], "00" * 32, *BOOKS[place + 1:]]
        site.refused(number, "commit", SETTLER, "--leaves", file, *empty)
    assert site.state()["epoch"] == 0
    site.commit(SETTLER, file)
    tree = site.pool.tree(owed)
    shown = site.at("show", None)
    assert shown["waiting"] == {"epoch": 1, "root": tree.root.hex(), "total": "400",
                                "journal_head": "ab" * 32, "liabilities_root": "cd" * 32}
    assert f"  liabilities root {'cd' * 32}" in site.text("show")
    assert (shown.get("active"), shown["claimed_total"], shown["delay"]) == (None, "0", DELAY)
    assert (shown["settler"], shown["guardian"]) == tuple(str(site.keys[k][1]) for k in (1, 2))
    # The same file again sends nothing, and says so if its books are others.
    said = site.commit(SETTLER, file)
    assert "this root waits already, as epoch 1" in said and "books" not in said
    said = site.commit(SETTLER, file, books=OTHER_BOOKS)
    assert f"stays with the books it was committed with: journal head {'ab' * 32}" in said
    assert f"liabilities root {'cd' * 32}" in said
    site.refused(118, "activate", OPENER)
    site.refused(107, "dispute", SETTLER, "--epoch", 1)
    site.refused(117, "dispute", GUARDIAN, "--epoch", 2)
    site.at("dispute", GUARDIAN, "--epoch", 1)
    site.refused(117, "activate", OPENER)
    # The number is used up; the next root waits its whole delay.
    site.commit(SETTLER, file)
    site.call("test_tick", DELAY)
    site.refused(119, "dispute", GUARDIAN, "--epoch", 2)
    site.at("activate", OPENER)
    assert "this root pays already, as epoch 2" in site.commit(SETTLER, file)
    paying = site.at("show", None)["active"]
    assert (paying["root"], paying["journal_head"], paying["liabilities_root"]) == (
        tree.root.hex(), "ab" * 32, "cd" * 32)
    assert site.state()["active_epoch"] == 2

    # One payee with its proof alone, one out of the whole file; both without an account yet.
    proof = site.at("proof", None, "--leaves", file, "--owner", owners[1])
    path = [bytes.fromhex(sibling) for sibling in proof["proof"]]
    assert reduce(parent, path, site.pool.leaf(owners[1], 250)) == tree.root
    kept = site.folder / "proof.json"
    kept.write_text(json.dumps(proof))
    assert site.held(owners[1]) is None
    claim = ("claim", GUARDIAN, "--proof", kept)
    assert site.at(*claim)["call"] == "claim"
    assert site.held(owners[1]) == 250
    site.refused(124, *claim)
    for change, number in [({"cumulative": "251"}, 123), ({"proof": proof["proof"][:-1]}, 123),
                           ({"owner": str(owners[0])}, 123)]:
        kept.write_text(json.dumps({**proof, **change}))
        site.refused(number, *claim)
    kept.write_text(json.dumps({**proof, "pool": str(site.payout)}))
    assert "the proof is of the pool" in site.at(*claim, code=3)
    site.at("claim", GUARDIAN, "--leaves", file, "--owner", owners[0])
    assert site.held(owners[0]) == 100
    said = site.at("claim", GUARDIAN, "--leaves", file, code=1)
    assert f"the leaves have nothing for {site.keys[GUARDIAN][1]}" in said

    # The next root has to repeat everybody who was paid, with no less: the sum counts them.
    owed = {owners[0]: 100, owners[1]: 300, owners[2]: 60, owners[3]: 40}
    for wrong, words in [({owners[0]: 0}, "leave out payees who were paid 100"),
                         ({owners[1]: 249}, f"{owners[1]} was paid 250, and its leaf says 249")]:
        file = site.leaves({k: v for k, v in {**owed, **wrong}.items() if v}, "wrong.csv")
        assert words in site.commit(SETTLER, file, 5)
    more = site.leaves(owed, "more.csv")
    site.commit(SETTLER, more)
    site.call("test_tick", DELAY)
    site.at("activate", OPENER)
    less = site.leaves({**owed, owners[3]: 39}, "less.csv")
    site.refused(121, "commit", SETTLER, "--leaves", less, *BOOKS)
    kept.write_text(json.dumps(proof))
    site.refused(123, *claim)
    for owner, amount in [(owners[1], 300), (owners[2], 60), (owners[3], 40)]:
        site.at("claim", OPENER, "--leaves", more, "--owner", owner)
        assert site.held(owner) == amount
        shown = site.at("show", None, "--owner", owner)
        assert shown["claimed"] == str(amount)
    # To the unit: what was paid in is in the vault or with the payees.
    assert shown["claimed_total"] == "500"
    assert site.balance(site.pool.address) == 1_007 - 500


def test_a_root_is_committed_with_its_books_only(site):
    site.open()
    site.at("fund", OPENER, "--amount", 1_000)
    file = site.leaves({site.payees[0].pubkey(): 5})
    for books, words in [
        ((), "--journal-head"), (BOOKS[:2], "--liabilities-root"), (BOOKS[2:], "--journal-head"),
        ((*BOOKS[:3], "cd" * 31), "--liabilities-root is a hash of 64 hexadecimal digits"),
        (("--journal-head", "head", *BOOKS[2:]), "--journal-head is a hash of 64 hexadecimal"),
    ]:
        assert words in site.commit(SETTLER, file, 64, books)
    assert site.state()["epoch"] == 0
    site.commit(SETTLER, file)
    assert site.state()["waiting_journal"] == b"\xab" * 32
    assert site.state()["waiting_liabilities"] == b"\xcd" * 32


def test_files_of_leaves_are_read_or_say_what_is_wrong(site):
    site.open()
    site.at("fund", OPENER, "--amount", 1_000)
    first, second = (payee.pubkey() for payee in site.payees[:2])
    file = site.folder / "leaves"
    for text, words in [
        (f"{first},5\n{first},6\n", "leaf 2: "), (f"{first},0\n", "not a whole number above 0"),
        (f"{first},1.5\n", "leaf 1: 1.5 is not"), ("abc,5\n", "abc is not an address"),
        (f"{first};5\n", "is not OWNER,UNITS"), ("", "has no leaf"),
        (f"{first},{2**64 - 1}\n{second},1\n", "leaf 2: the sum is beyond 64 bits"),
        ('[{"owner": 7}]', "is not a list of"), (f"{first},{2**64}\n", "not a whole number"),
    ]:
        file.write_text(text)
        assert words in site.commit(SETTLER, file, 3)
    assert "cannot be read" in site.commit(SETTLER, site.folder / "x", 3)
    # Comments, the header and JSON are the same leaves.
    file.write_text(f"# epoch 1\nowner,cumulative\r\n{first},5\r\n{second},6\r\n")
    owed = [{"owner": str(second), "cumulative": "6"}, {"owner": str(first), "cumulative": "5"}]
    other = site.folder / "leaves.json"
    other.write_text(json.dumps(owed))
    site.commit(SETTLER, file)
    assert site.state()["waiting_root"] == site.pool.tree({first: 5, second: 6}).root
    assert "waits already" in site.commit(SETTLER, other)
    assert "no pool" in site.run("show", None, "--pool", site.mint, code=3)


def test_keys_of_a_pool_change_after_its_delay(site):
    site.open()
    site.refused(107, "roles propose", SETTLER, "--settler", site.keys[GUARDIAN][1])
    site.at("roles propose", OPENER, "--settler", site.keys[GUARDIAN][1])
    site.refused(118, "roles take", SETTLER)
    assert site.at("show", None)["roles_from"] > 0
    site.call("test_tick", DELAY)
    site.at("roles take", SETTLER)
    shown = site.at("show", None)
    assert shown["settler"] == shown["guardian"] == str(site.keys[GUARDIAN][1])
    assert shown["admin"] == str(site.keys[OPENER][1]) and shown.get("roles_from") is None
    site.refused(127, "roles take", SETTLER)
