"""The payout program on a real SVM with the real SPL Token: what it pays, and what it refuses."""

import base64
import json
import re
import struct
import subprocess
import sys
from collections import Counter

import pytest
from conftest import ROOT
from merkle import parent
from payout_program import (
    ASSOCIATED,
    ELF,
    SYSTEM,
    TOKEN,
    TOKEN_2022,
    Pool,
    read_pool,
    read_record,
    token_account,
)
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, TransferParams, create_account, transfer
from solders.transaction import VersionedTransaction
from svm_node import Node
from test_svm_node import Caller

SOURCES = ROOT / "contracts-abi" / "solana"
IDL = json.loads((SOURCES / "payout.idl.json").read_text())
CODES = {error["name"]: error["code"] for error in IDL["errors"]}
SEEN = Counter()
CLUSTER = bytes(range(32))
DELAY = 40
# With 20 siblings. What Token-2022 takes more is its own transfer.
CLAIM_UNITS = {TOKEN: 5_000, TOKEN_2022: 7_000}


def key(label) -> Keypair:
    return Keypair.from_seed(label.encode().ljust(32, b"."))


class World:
    """A node with the program, a mint and, once it is opened, a pool."""

    def __init__(self, token=TOKEN):
        self.call = Caller(Node(accounts=4))
        self.opener, self.settler, self.guardian, self.payer = self.call.node.keys
        self.token = token
        self.program = key("program").pubkey()
        self.call.ok(
            "test_addProgram", str(self.program), base64.b64encode(ELF.read_bytes()).decode())
        self.mint = self.make_mint("mint")
        self.pool = Pool(self.program, self.opener.pubkey(), self.mint, CLUSTER, token)
        self.payees = [key(f"payee {number}") for number in range(6)]
        self.fund(self.pool.address, 0)

    # ---- the chain

    def run(self, *instructions, signers=()):
        """Runs them with the opener paying; returns the compute units that were used."""
        signers = [self.opener, *[s for s in signers if s != self.opener]]
        answer, _ = self.call.send(list(instructions), signers, skipPreflight=True)
        landed = self.call.node.chain.landed.get(answer["result"])
        self.call.node.chain.svm.expire_blockhash()
        self.call.ok("test_tick")
        assert landed, "it is in no block"
        return landed

    def done(self, *instructions, signers=()):
        landed = self.run(*instructions, signers=signers)
        assert landed.error is None, (landed.error, landed.logs)
        return landed.units

    def refused(self, name, *instructions, signers=()):
        """It must fail with exactly this error of the program, and change no account of it."""
        before = self.content(instructions)
        error = self.run(*instructions, signers=signers).error
        code = getattr(getattr(error, "err", None), "code", error)
        assert code == CODES[name], (name, code)
        assert self.content(instructions) == before
        SEEN[name] += 1

    def beside(self, instruction, *signers):
        """The error of an instruction that no node would take, given to the machine itself."""
        svm = self.call.node.chain.svm
        message = MessageV0.try_compile(
            self.opener.pubkey(), [instruction], [], svm.latest_blockhash())
        return svm.send_transaction(VersionedTransaction(message, [self.opener, *signers])).err()

    def content(self, instructions):
        keys = {meta.pubkey for one in instructions for meta in one.accounts}
        keys |= {self.pool.address, self.pool.vault}
        keys -= {self.opener.pubkey()}
        return {str(k): a and bytes(a.data) for k in keys for a in [self.account(k)]}

    def account(self, address):
        return self.call.node.chain.svm.get_account(address)

    def put(self, address, owner, content, lamports=10**9):
        self.call.ok("test_setAccount", str(address), lamports, str(owner),
                     base64.b64encode(content).decode())

    # ---- tokens

    def make_mint(self, label, freezer=None):
        mint, owner = key(label), self.opener.pubkey()
        rent = self.call.ok("getMinimumBalanceForRentExemption", 82)
        data = bytes([20, 6]) + bytes(owner) + b"\1" + bytes(freezer or owner)
        self.done(
            create_account(CreateAccountParams(
                from_pubkey=owner, to_pubkey=mint.pubkey(), lamports=rent, space=82,
                owner=self.token)),
            Instruction(self.token, data, [AccountMeta(mint.pubkey(), False, True)]),
            signers=[mint])
        return mint.pubkey()

    def make_account(self, owner, mint=None):
        mint = mint or self.mint
        return Instruction(ASSOCIATED, b"\1", [
            AccountMeta(self.opener.pubkey(), True, True),
            AccountMeta(token_account(owner, mint, self.token), False, True),
            AccountMeta(owner, False, False), AccountMeta(mint, False, False),
            AccountMeta(SYSTEM, False, False), AccountMeta(self.token, False, False)])

    def fund(self, owner, amount, mint=None):
        mint = mint or self.mint
        self.done(self.make_account(owner, mint), Instruction(
            self.token, b"\7" + struct.pack("<Q", amount), [
                AccountMeta(mint, False, True),
                AccountMeta(token_account(owner, mint, self.token), False, True),
                AccountMeta(self.opener.pubkey(), True, False)]))

    def balance(self, owner):
        found = self.account(token_account(owner, self.mint, self.token))
        return struct.unpack_from("<Q", bytes(found.data), 64)[0] if found else None

    # ---- the pool

    def state(self):
        return read_pool(bytes(self.account(self.pool.address).data))

    def open(self, delay=DELAY):
        self.done(self.pool.open(self.settler.pubkey(), self.guardian.pubkey(), delay))

    def commit(self, owed, total=None, epoch=None, activate=True):
        tree = self.pool.tree(owed)
        epoch = epoch or self.state()["epoch"] + 1
        total = sum(owed.values()) if total is None else total
        units = self.done(self.pool.commit(self.settler.pubkey(), epoch, total, tree.root),
                          signers=[self.settler])
        if activate:
            self.call.ok("test_tick", self.state()["delay"])
            self.done(self.pool.activate())
        return tree, units

    def enrol(self, payee):
        self.done(self.pool.enrol(self.payer.pubkey(), payee), signers=[self.payer])

    def ready(self, owed=None, funds=10**9):
        """Open, funded, with an active root and records and accounts of all payees."""
        self.open()
        self.fund(self.pool.address, funds)
        owed = owed or {p.pubkey(): 100 * n for n, p in enumerate(self.payees[:5], 1)}
        tree, _ = self.commit(owed)
        for payee in self.payees:
            self.enrol(payee.pubkey())
            self.fund(payee.pubkey(), 0)
        return owed, tree


@pytest.fixture(params=[TOKEN, TOKEN_2022], ids=["token", "token-2022"])
def any_world(request):
    return World(request.param)


@pytest.fixture
def world():
    return World()


# ---- what it does


def test_everybody_is_paid_what_the_root_says_and_once(any_world):
    world = any_world
    owed, tree = world.ready()
    for payee, amount in owed.items():
        claim = world.pool.claim(payee, amount, tree.proof(payee))
        world.done(claim)
        assert world.balance(payee) == amount
        world.refused("NothingToClaim", claim)
    assert world.state()["claimed_total"] == sum(owed.values())
    assert world.balance(world.pool.address) == 10**9 - sum(owed.values())
    # The next root repeats everything and adds.
    more = {payee: amount + 7 for payee, amount in owed.items()}
    later, _ = world.commit(more)
    payee = world.payees[2].pubkey()
    world.refused("BadProof", world.pool.claim(payee, owed[payee], tree.proof(payee)))
    world.done(world.pool.claim(payee, more[payee], later.proof(payee)))
    assert world.balance(payee) == more[payee]
    record = read_record(bytes(world.account(world.pool.record(payee)).data))
    assert record["cumulative"] == more[payee] and record["payee"] == bytes(payee)


def test_a_pool_is_as_documented(world):
    world.open(delay=77)
    state = world.state()
    assert state["tag"] == int.from_bytes(b"XCHPOOL1", "little")
    assert (state["delay"], state["epoch"], state["bump"]) == (77, 0, world.pool.bump)
    assert state["cluster"] == CLUSTER and state["address"] == bytes(world.pool.address)
    assert state["mint"] == bytes(world.mint) and state["vault"] == bytes(world.pool.vault)
    assert state["opener"] == state["admin"] == bytes(world.opener.pubkey())
    assert state["settler"] == bytes(world.settler.pubkey())
    assert state["guardian"] == bytes(world.guardian.pubkey())
    again = world.pool.open(world.settler.pubkey(), world.guardian.pubkey(), 1)
    world.refused("AlreadyThere", again)


def test_lamports_that_a_stranger_sent_keep_nobody_out(world):
    payee = world.payees[0].pubkey()
    for address, lamports in [(world.pool.address, 1_000_000), (world.pool.record(payee), 10**9)]:
        world.done(transfer(TransferParams(
            from_pubkey=world.opener.pubkey(), to_pubkey=address, lamports=lamports)))
    world.open()
    world.enrol(payee)
    world.refused("AlreadyThere", world.pool.enrol(world.payer.pubkey(), payee),
                  signers=[world.payer])
    rent = world.call.ok("getMinimumBalanceForRentExemption", 688)
    assert world.account(world.pool.address).lamports == rent
    assert world.account(world.pool.record(payee)).lamports == 10**9


def test_a_root_waits_and_can_be_disputed(world):
    owed, tree = world.ready()
    pool, settler = world.pool, world.settler.pubkey()
    wrong, _ = world.commit({world.payees[0].pubkey(): 10**6}, epoch=2, activate=False)
    payee = world.payees[0].pubkey()
    world.refused("BadProof", pool.claim(payee, 10**6, wrong.proof(payee)))
    world.refused("TooEarly", pool.activate())
    world.refused("RootWaiting", pool.commit(settler, 3, 10**6, tree.root), signers=[world.settler])
    world.refused("NoRootWaiting", pool.dispute(world.guardian.pubkey(), 1),
                  signers=[world.guardian])
    world.done(pool.dispute(world.guardian.pubkey(), 2), signers=[world.guardian])
    again = pool.dispute(world.guardian.pubkey(), 2)
    world.refused("NoRootWaiting", again, signers=[world.guardian])
    world.call.ok("test_tick", DELAY)
    world.refused("NoRootWaiting", pool.activate())
    # What was active is active still, and the number of the disputed root is used up.
    world.done(pool.claim(payee, owed[payee], tree.proof(payee)))
    world.refused("EpochOrder", pool.commit(settler, 2, 10**6, tree.root), signers=[world.settler])
    world.commit(owed, epoch=3)
    assert world.state()["active_epoch"] == 3


def test_the_delay_is_exact(world):
    world.open(delay=5)
    world.fund(world.pool.address, 10)
    start = world.call.node.chain.slot
    world.commit({world.payees[0].pubkey(): 10}, activate=False)
    assert world.state()["active_from"] == start + 5
    while world.call.node.chain.slot < start + 4:
        world.call.ok("test_tick")
    # Each run passes a slot: at start + 4 it is too early, at start + 5 too late to dispute.
    world.refused("TooEarly", world.pool.activate())
    world.refused("TooLate", world.pool.dispute(world.guardian.pubkey(), 1),
                  signers=[world.guardian])
    world.done(world.pool.activate())


def test_a_root_names_its_books(world):
    """The journal's head and the root of what is owed wait and become active with their root."""
    world.open(delay=DELAY)
    world.fund(world.pool.address, 10)
    pool, settler, root = world.pool, world.settler.pubkey(), b"r" * 32
    names = [f"{when}_{what}" for when in ("active", "waiting")
             for what in ("root", "journal", "liabilities")]

    def kept():
        return [world.state()[name] for name in names]

    nothing = [bytes(32)] * 3
    assert kept() == nothing * 2
    for books, error in [((bytes(32), b"o" * 32), "EmptyJournal"),
                         ((b"h" * 32, bytes(32)), "EmptyLiabilities"),
                         ((bytes(32), bytes(32)), "EmptyJournal")]:
        world.refused(error, pool.commit(settler, 1, 10, root, *books), signers=[world.settler])
    assert kept() == nothing * 2 and world.state()["epoch"] == 0
    # One bit is enough, wherever it is.
    for place in range(0, 32, 8):
        books = [bytes(place + 7) + bytes([shift]) + bytes(24 - place) for shift in (1, 128)]
        epoch = world.state()["epoch"] + 1
        world.done(pool.commit(settler, epoch, 10, root, *books), signers=[world.settler])
        assert kept() == [*nothing, root, *books]
        world.done(pool.dispute(world.guardian.pubkey(), epoch), signers=[world.guardian])
    first, second = [b"1" * 32, b"h" * 32, b"o" * 32], [b"2" * 32, b"H" * 32, b"O" * 32]
    world.done(pool.commit(settler, 5, 10, *first), signers=[world.settler])
    assert kept() == [*nothing, *first]
    world.call.ok("test_tick", DELAY)
    world.done(pool.activate())
    assert kept() == [*first, *first]
    world.done(pool.commit(settler, 6, 10, *second), signers=[world.settler])
    assert kept() == [*first, *second]
    # A disputed root leaves what pays as it was.
    world.done(pool.dispute(world.guardian.pubkey(), 6), signers=[world.guardian])
    assert kept() == [*first, *second]
    world.done(pool.commit(settler, 7, 10, *second), signers=[world.settler])
    world.call.ok("test_tick", DELAY)
    world.done(pool.activate())
    assert kept() == [*second, *second]


def test_roles_change_after_the_delay(world):
    world.ready()
    pool, news = world.pool, [key("a"), key("s"), key("g")]
    world.refused("WrongRole", pool.propose_roles(
        world.settler.pubkey(), *[k.pubkey() for k in news]), signers=[world.settler])
    world.refused("NoRolesWaiting", pool.take_roles())
    world.done(pool.propose_roles(world.opener.pubkey(), *[k.pubkey() for k in news]))
    world.refused("TooEarly", pool.take_roles())
    world.call.ok("test_tick", DELAY)
    world.done(pool.take_roles())
    world.refused("NoRolesWaiting", pool.take_roles())
    for place in range(3):
        keys = [k.pubkey() for k in news]
        keys[place] = SYSTEM
        world.refused("EmptyKey", pool.propose_roles(news[0].pubkey(), *keys), signers=[news[0]])
    names = ("admin", "settler", "guardian")
    assert [world.state()[name] for name in names] == [bytes(k.pubkey()) for k in news]
    root = b"r" * 32
    world.refused("WrongRole", pool.commit(world.settler.pubkey(), 2, 2_000, root),
                  signers=[world.settler])
    world.done(pool.commit(news[1].pubkey(), 2, 2_000, root), signers=[news[1]])
    # The vault and the pool's own address are as before: the bump and the seeds are the opener's.
    assert world.state()["opener"] == bytes(world.opener.pubkey())


def test_who_signs_may_choose_where_it_goes(world):
    owed, tree = world.ready()
    payee, other = world.payees[0], key("elsewhere").pubkey()
    world.fund(other, 0)
    away = token_account(other, world.mint)
    claim = (payee.pubkey(), 100, tree.proof(payee.pubkey()))
    world.refused("BadDestination", world.pool.claim(*claim, destination=away))
    world.done(world.pool.claim(*claim, destination=away, signs=True), signers=[payee])
    assert world.balance(other) == 100 and world.balance(payee.pubkey()) == 0


def test_a_pool_cannot_promise_more_than_it_holds(world):
    world.open()
    payee, pool = world.payees[0].pubkey(), world.pool
    world.fund(pool.address, 1_000)
    settler = world.settler.pubkey()
    root = pool.tree({payee: 1_001}).root
    world.refused("Underfunded", pool.commit(settler, 1, 1_001, root), signers=[world.settler])
    world.refused("Underfunded", pool.commit(settler, 1, 2**64 - 1, root), signers=[world.settler])
    world.refused("EmptyRoot", pool.commit(settler, 1, 1_000, bytes(32)), signers=[world.settler])
    world.refused("EpochOrder", pool.commit(settler, 0, 1_000, root), signers=[world.settler])
    # Leaves above the total are cut off at the total: nobody else's money is touched.
    tree, _ = world.commit({payee: 600, world.payees[1].pubkey(): 600}, total=1_000)
    for person in world.payees[:2]:
        world.enrol(person.pubkey())
        world.fund(person.pubkey(), 0)
    world.done(pool.claim(payee, 600, tree.proof(payee)))
    second = world.payees[1].pubkey()
    world.refused("OverTotal", pool.claim(second, 600, tree.proof(second)))
    world.refused("TotalShrinks", pool.commit(settler, 2, 999, root), signers=[world.settler])


# ---- what hostile callers try


def variations(instruction, signers):
    """Each broken in one place, with the error that it must meet."""
    program, data, metas = instruction.program_id, bytes(instruction.data), instruction.accounts
    for short in (data[:-1], data[:-8], data + b"\0", data + bytes(8), b"", data[:7]):
        if short != data:
            yield "BadInstruction", Instruction(program, short, metas)
    yield "BadInstruction", Instruction(program, struct.pack("<Q", 8) + data[8:], metas)
    yield "BadInstruction", Instruction(program, data[:7] + b"\1" + data[8:], metas)
    yield "WrongAccountCount", Instruction(program, data, metas[:-1])
    stranger = AccountMeta(key("stranger").pubkey(), False, False)
    yield "WrongAccountCount", Instruction(program, data, [*metas, stranger])
    yield "WrongAccountCount", Instruction(
        program, data, [*metas, *[AccountMeta(key(f"s{n}").pubkey(), False, False)
                                  for n in range(9 - len(metas))]])
    for place in range(1, len(metas)):
        twice = list(metas)
        twice[place] = metas[0]
        yield "DuplicateAccount", Instruction(program, data, twice)


@pytest.fixture(scope="module")
def ready_world():
    world = World()
    world.owed, world.tree = world.ready()
    world.commit({p: a + 1 for p, a in world.owed.items()}, activate=False)
    return world


def cases(world):
    """An instruction of each kind that succeeds or nearly does, and who signs it."""
    pool, payee = world.pool, world.payees[0].pubkey()
    return {
        "open": (pool.open(world.settler.pubkey(), world.guardian.pubkey()), []),
        "commit": (pool.commit(world.settler.pubkey(), 3, 2_000, b"r" * 32), [world.settler]),
        "activate": (pool.activate(), []),
        "dispute": (pool.dispute(world.guardian.pubkey(), 2), [world.guardian]),
        "enrol": (pool.enrol(world.payer.pubkey(), key("new").pubkey()), [world.payer]),
        "claim": (pool.claim(payee, 100, world.tree.proof(payee)), []),
        "propose_roles": (pool.propose_roles(
            world.opener.pubkey(), *[key(n).pubkey() for n in "asg"]), []),
        "take_roles": (pool.take_roles(), []),
    }


KINDS = [instruction["name"] for instruction in IDL["instructions"]]


@pytest.mark.parametrize("kind", KINDS)
def test_broken_instructions_are_refused(ready_world, kind):
    instruction, signers = cases(ready_world)[kind]
    for name, broken in variations(instruction, signers):
        kept = {str(meta.pubkey) for meta in broken.accounts if meta.is_signer}
        used = [s for s in signers if str(s.pubkey()) in kept]
        ready_world.refused(name, broken, signers=used)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "claim"])
def test_who_does_not_sign_decides_nothing(ready_world, kind):
    instruction, signers = cases(ready_world)[kind]
    metas = list(instruction.accounts)
    if not metas[0].is_signer:
        # Anyone may: it is refused for being written only.
        read = [AccountMeta(metas[0].pubkey, False, False), *metas[1:]]
        broken = Instruction(instruction.program_id, instruction.data, read)
        ready_world.refused("NotWritable", broken)
        return
    mute = [AccountMeta(metas[0].pubkey, False, metas[0].is_writable), *metas[1:]]
    broken = Instruction(instruction.program_id, instruction.data, mute)
    if metas[0].pubkey == ready_world.opener.pubkey():
        # The opener pays for the transaction and so signs it: another key that is mute.
        mute[0] = AccountMeta(key("mute").pubkey(), False, metas[0].is_writable)
        broken = Instruction(instruction.program_id, instruction.data, mute)
    ready_world.refused("MissingSignature", broken)
    if kind in ("commit", "dispute", "propose_roles"):
        other = key("nobody")
        wrong = [AccountMeta(other.pubkey(), True, False), *metas[1:]]
        broken = Instruction(instruction.program_id, instruction.data, wrong)
        ready_world.refused("WrongRole", broken, signers=[other])
        read = [metas[0], AccountMeta(metas[1].pubkey, False, False), *metas[2:]]
        broken = Instruction(instruction.program_id, instruction.data, read)
        ready_world.refused("NotWritable", broken, signers=signers)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "open"])
def test_a_forged_pool_is_refused(ready_world, kind):
    """The same content of another owner, a shorter or longer one, one without the tag."""
    world = ready_world
    content = bytes(world.account(world.pool.address).data)
    instruction, signers = cases(world)[kind]
    place = [meta.pubkey for meta in instruction.accounts].index(world.pool.address)
    for number, (owner, forged) in enumerate([
        (SYSTEM, content), (TOKEN, content), (world.program, content[:-8]),
        (world.program, content + bytes(8)), (world.program, bytes(8) + content[8:]),
        # A pool of before roots had liabilities: the same but for its size.
        (world.program, content[:624]),
        (world.program, bytes(world.account(world.pool.record(world.payees[0].pubkey())).data)),
    ]):
        fake = key(f"fake {number}").pubkey()
        world.put(fake, owner, forged)
        metas = list(instruction.accounts)
        metas[place] = AccountMeta(fake, False, metas[place].is_writable)
        broken = Instruction(instruction.program_id, instruction.data, metas)
        world.refused("NotAPool", broken, signers=signers)


def swapped(instruction, place, address, **rights):
    metas = list(instruction.accounts)
    old = metas[place]
    metas[place] = AccountMeta(
        address, rights.get("signs", old.is_signer), rights.get("writes", old.is_writable))
    return Instruction(instruction.program_id, instruction.data, metas)


def test_claims_with_wrong_accounts_are_refused(ready_world):
    world = ready_world
    pool, tree = world.pool, world.tree
    payee, other = world.payees[0].pubkey(), world.payees[1].pubkey()
    claim = pool.claim(payee, 100, tree.proof(payee))
    world.refused("NotWritable", swapped(claim, 0, pool.address, writes=False))
    # Another vault of the same mint, another token program, another record, another payee.
    world.refused("BadVault", swapped(claim, 1, token_account(other, world.mint)))
    world.refused("WrongProgram", swapped(claim, 3, TOKEN_2022))
    world.refused("NotARecord", swapped(claim, 4, pool.record(other)))
    world.refused("NotARecord", swapped(claim, 5, other))
    world.refused("NotARecord", swapped(claim, 4, pool.record(key("never").pubkey())))
    world.refused("NotWritable", swapped(claim, 4, pool.record(payee), writes=False))
    content = bytes(world.account(pool.record(payee)).data)
    for number, (owner, forged) in enumerate([
        (SYSTEM, content), (world.program, content[:-8]), (world.program, content + bytes(8)),
        (world.program, bytes(8) + content[8:]),
        (world.program, content[:8] + bytes(32) + content[40:]),
    ]):
        fake = key(f"record {number}").pubkey()
        world.put(fake, owner, forged)
        world.refused("NotARecord", swapped(claim, 4, fake))
    # Destinations: of another owner, another mint, no token account, the vault's owner's own.
    foreign = world.make_mint("foreign")
    world.fund(payee, 0, foreign)
    world.refused("BadDestination", swapped(claim, 2, token_account(other, world.mint)))
    world.refused("BadDestination", swapped(claim, 2, token_account(payee, foreign)))
    world.refused("BadDestination", swapped(claim, 2, key("nothing").pubkey()))
    real = bytearray(world.account(token_account(payee, world.mint)).data)
    for number, change in enumerate([(72, 1), (108, 0), (108, 2), (129, 1)]):
        forged = bytearray(real)
        forged[change[0]] = change[1]
        fake = key(f"account {number}").pubkey()
        world.put(fake, TOKEN, bytes(forged))
        world.refused("BadDestination", swapped(claim, 2, fake))
    fake = key("account of nobody").pubkey()
    world.put(fake, world.program, bytes(real))
    world.refused("BadDestination", swapped(claim, 2, fake))
    world.put(fake, TOKEN, bytes(real[:164]))
    world.refused("BadDestination", swapped(claim, 2, fake))


def test_forged_claims_are_refused(ready_world):
    world = ready_world
    pool, tree = world.pool, world.tree
    payee, other = world.payees[0].pubkey(), world.payees[1].pubkey()
    proof = tree.proof(payee)
    for amount, siblings in [
        (101, proof), (99, proof), (2**64 - 1, proof), (100, proof[:-1]), (100, []),
        (100, [*proof, b"\1" * 32]), (100, proof[::-1]), (100, tree.proof(other)),
        (100, [bytes(32)] * 26),
    ]:
        if siblings != proof or amount != 100:
            world.refused("BadProof", pool.claim(payee, amount, siblings))
    # An inner node is no leaf: its 64 bytes are hashed once, a leaf's twice.
    world.refused("BadProof", pool.claim(payee, 200, tree.proof(other)))
    # A leaf of another pool, cluster or mint.
    for change in ("cluster", "address", "mint"):
        twin = Pool(world.program, world.opener.pubkey(), world.mint, CLUSTER)
        setattr(twin, change, bytes(32) if change == "cluster" else key("twin").pubkey())
        assert twin.leaf(payee, 100) != pool.leaf(payee, 100)


def test_a_pool_is_opened_only_at_its_address_with_a_sound_vault():
    world = World()
    settler, guardian = world.settler.pubkey(), world.guardian.pubkey()
    pool = world.pool
    good = pool.open(settler, guardian)
    # Another address of the same seeds: a lower bump, which nobody can hand in.
    for bump in range(pool.bump - 1, -1, -1):
        try:
            seeds = [b"pool", bytes(pool.opener), bytes(pool.mint), bytes([bump])]
            lower = Pubkey.create_program_address(seeds, world.program)
            break
        except Exception:  # on the curve
            continue
    # Whose vault is none for that address, so it has one of its own.
    world.fund(lower, 0)
    other = swapped(swapped(good, 1, lower), 3, token_account(lower, world.mint))
    world.refused("WrongAddress", other)
    world.refused("BadVault", swapped(good, 1, key("anywhere").pubkey()))
    world.refused("WrongProgram", swapped(good, 4, ASSOCIATED))
    world.refused("WrongProgram", swapped(good, 5, ASSOCIATED))
    world.refused("WrongProgram", swapped(good, 5, TOKEN_2022))
    world.refused("NotWritable", swapped(good, 1, pool.address, writes=False))
    world.refused("DelayTooLong", pool.open(settler, guardian, 20_000_001))
    world.refused("EmptyKey", pool.open(SYSTEM, guardian))
    world.refused("EmptyKey", pool.open(settler, SYSTEM))
    # Mints: with extensions, never made ready, of another program.
    mint = bytes(world.account(world.mint).data)
    for number, (owner, content) in enumerate([
        (TOKEN, mint + bytes(83)), (TOKEN_2022, mint), (TOKEN, mint[:45] + b"\0" + mint[46:]),
        (SYSTEM, mint),
    ]):
        fake = key(f"mint {number}").pubkey()
        world.put(fake, owner, content)
        world.refused("BadMint", swapped(good, 2, fake))
    # Vaults that somebody else could empty or close, of another mint or owner, frozen.
    vault = bytes(world.account(pool.vault).data)
    for number, (place, value) in enumerate([
        (0, 255), (32, vault[32] ^ 1), (72, 1), (108, 0), (108, 2), (129, 1), (132, 1)]):
        forged = bytearray(vault)
        forged[place] = value
        fake = key(f"vault {number}").pubkey()
        world.put(fake, TOKEN, bytes(forged))
        world.refused("BadVault", swapped(good, 3, fake))
    fake = key("vault of nobody").pubkey()
    world.put(fake, SYSTEM, vault)
    world.refused("BadVault", swapped(good, 3, fake))
    world.done(good)


def test_a_proof_has_at_most_32_siblings(ready_world):
    """More than a packet takes, but another program could hand it in."""
    world, payee = ready_world, ready_world.payees[0].pubkey()
    for count, name in [(32, "BadProof"), (33, "BadInstruction")]:
        error = world.beside(world.pool.claim(payee, 100, [bytes(32)] * count))
        assert error.err.code == CODES[name]


def test_records_are_made_only_at_their_address(ready_world):
    world, payer = ready_world, [ready_world.payer]
    enrol = world.pool.enrol(world.payer.pubkey(), key("new").pubkey())
    other = world.pool.record(key("another").pubkey())
    world.refused("WrongAddress", swapped(enrol, 2, other), signers=payer)
    world.refused("WrongProgram", swapped(enrol, 3, TOKEN), signers=payer)
    world.refused("NotWritable", swapped(enrol, 2, world.pool.record(key("new").pubkey()),
                                         writes=False), signers=payer)
    # Who pays is written too.
    world.refused("NotWritable", swapped(enrol, 0, world.payer.pubkey(), writes=False),
                  signers=payer)
    opener = world.guardian.pubkey()
    other = Pool(world.program, opener, world.mint, CLUSTER)
    world.fund(other.address, 0)
    world.refused("NotWritable", swapped(other.open(opener, opener), 0, opener, writes=False),
                  signers=[world.guardian])


def test_commits_look_at_the_right_vault(ready_world):
    world = ready_world
    commit = world.pool.commit(world.settler.pubkey(), 3, 2_000, b"r" * 32)
    world.fund(key("rich").pubkey(), 10**12)
    rich = token_account(key("rich").pubkey(), world.mint)
    world.refused("BadVault", swapped(commit, 2, rich), signers=[world.settler])


def test_a_slot_beyond_the_end_of_time_is_refused(world):
    world.open(delay=20_000_000)
    world.fund(world.pool.address, 10)
    world.call.node.chain.svm.warp_to_slot(2**64 - 2)
    for instruction, signers in [
        (world.pool.commit(world.settler.pubkey(), 1, 10, b"r" * 32), [world.settler]),
        (world.pool.propose_roles(world.opener.pubkey(), *[key(n).pubkey() for n in "asg"]), []),
    ]:
        assert world.beside(instruction, *signers).err.code == CODES["ClockOverflow"]
        SEEN["ClockOverflow"] += 1


# ---- what it costs


def test_a_claim_takes_few_compute_units(any_world):
    world = any_world
    world.open(delay=0)
    world.fund(world.pool.address, 10**12)
    world.enrol(world.payees[0].pubkey())
    world.fund(world.payees[0].pubkey(), 0)
    pool, payee = world.pool, world.payees[0].pubkey()
    figures, amount = {}, 0
    for depth in (0, 1, 14, 20, 24):
        # A tree of 2^depth leaves, of which one path is known.
        amount += 1_000
        node, proof = pool.leaf(payee, amount), []
        for level in range(depth):
            proof.append(pool.leaf(payee, 10**9 + level))
            node = parent(node, proof[-1])
        epoch = world.state()["epoch"] + 1
        commit = pool.commit(world.settler.pubkey(), epoch, 10**6, node)
        figures["commit"] = world.done(commit, signers=[world.settler])
        figures["activate"] = world.done(pool.activate())
        figures[depth] = world.done(pool.claim(payee, amount, proof))
    assert world.balance(payee) == amount
    # A million payees.
    assert figures[20] <= CLAIM_UNITS[world.token], figures
    assert figures["commit"] <= 1_000 and figures["activate"] <= 600, figures


# ---- artefacts


def test_build_check_agrees():
    command = [sys.executable, str(SOURCES / "build.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_build_check_notices_a_change(tmp_path):
    for file in SOURCES.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    source = tmp_path / "payout.c"
    changed = source.read_text().replace("cumulative <= record", "cumulative < record")
    assert changed != source.read_text()
    source.write_text(changed)
    command = [sys.executable, str(tmp_path / "build.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1 and "OUT OF DATE" in result.stdout


def test_the_linker_refuses_what_a_validator_would(tmp_path):
    sys.path.insert(0, str(SOURCES))
    # The contracts have a build.py too, which another test may have imported.
    sys.modules.pop("build", None)
    try:
        from build import FLAGS, clang
        from sbpf_link import LinkError, link
    finally:
        sys.path.pop(0)
        sys.modules.pop("build", None)

    def object_of(text):
        (tmp_path / "x.c").write_text(text)
        command = [clang(), *FLAGS, "-Wno-unused-variable", "-c", str(tmp_path / "x.c"), "-o",
                   str(tmp_path / "x.o")]
        subprocess.run(command, check=True)
        return (tmp_path / "x.o").read_bytes()

    entry = "unsigned long long entrypoint(const char *in) "
    for source, words in [
        ("int count; " + entry + "{ return count += *in; }", "variables"),
        ("int another(void) { return 0; }", "entrypoint"),
        (entry + "{ return *in; } __attribute__((section(\"x\"))) int f(int a) { return a; }",
         "code section"),
        ("extern const char *const names[2]; const char *const names[2] = {\"a\", \"b\"}; "
         + entry + "{ return *names[(int)*in]; }", "address|variables"),
    ]:
        with pytest.raises(LinkError, match=words):
            link(object_of(source))
    for data in (b"", b"\x7fELF" + bytes(100), bytes(64)):
        with pytest.raises(LinkError, match="not a relocatable"):
            link(data)


def test_the_interface_file_says_what_the_source_says():
    source = (SOURCES / "payout.c").read_text()
    enum = re.search(r"enum \{\n(.*?)\};", source, re.S)[1]
    names = re.findall(r"^    ([A-Z_]+)", enum, re.M)
    assert [error["code"] for error in IDL["errors"]] == list(range(100, 100 + len(names)))
    spelled = [re.sub(r"(?<!^)(?=[A-Z])", "_", error["name"]).upper() for error in IDL["errors"]]
    assert spelled == names
    cases_in_source = re.findall(r"case (\d+): return (\w+)\(", source)
    assert [(str(i["discriminator"][0]), i["name"]) for i in IDL["instructions"]] == cases_in_source
    for instruction, (place, _) in zip(IDL["instructions"], cases_in_source):
        assert instruction["discriminator"] == [int(place)] + [0] * 7


def test_the_interface_file_has_the_accounts_that_are_used(ready_world):
    for described in IDL["instructions"]:
        instruction, _ = cases(ready_world)[described["name"]]
        rights = [(m.is_signer, m.is_writable) for m in instruction.accounts]
        assert rights == [
            (a.get("signer", False), a.get("writable", False)) for a in described["accounts"]]


def test_every_error_was_met():
    """Runs last: an error nobody met is one nobody tested."""
    if sum(SEEN.values()) < 200:
        pytest.skip("not all tests were selected")
    assert set(CODES) == set(SEEN), set(CODES) - set(SEEN)
