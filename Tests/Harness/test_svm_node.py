"""The Solana node: what a validator does, its faults, and its forks."""

import base64
import http.client
import json
import struct
import threading
import time
import urllib.request

import pytest
from base58 import b58encode
from rpc_server import make_server, make_servers
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import (
    AdvanceNonceAccountParams,
    CreateAccountParams,
    InitializeNonceAccountParams,
    TransferParams,
    advance_nonce_account,
    create_account,
    initialize_nonce_account,
    transfer,
)
from solders.transaction import VersionedTransaction
from svm_node import ASSOCIATED, TOKEN_PROGRAMS, Node, pass_slots

BASE64 = {"encoding": "base64"}
PROCESSED = {"commitment": "processed"}


class Caller:
    """The node without HTTP."""

    def __init__(self, node):
        self.node = node

    def __call__(self, method, *parameters):
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        return self.node.answer(request)[0]

    def ok(self, method, *parameters):
        answer = self(method, *parameters)
        assert "error" not in answer, answer
        return answer["result"]

    def send(self, instructions, signers, blockhash=None, **options):
        newest = self.ok("getLatestBlockhash", {"commitment": "processed"})["value"]["blockhash"]
        message = MessageV0.try_compile(
            signers[0].pubkey(), instructions, [], blockhash or Hash.from_string(newest))
        raw = base64.b64encode(bytes(VersionedTransaction(message, signers))).decode()
        return self("sendTransaction", raw, BASE64 | options), raw

    def status(self, name):
        return self.ok("getSignatureStatuses", [name])["value"][0]

    def balance(self, address):
        return self.ok("getBalance", str(address))["value"]


@pytest.fixture
def call():
    return Caller(Node(accounts=2))


def pay(call, lamports=5_000_000):
    giver, taker = call.node.keys[0], Keypair().pubkey()
    instruction = transfer(TransferParams(
        from_pubkey=giver.pubkey(), to_pubkey=taker, lamports=lamports))
    return [instruction], [giver], taker


def test_a_transfer_climbs_to_finalized(call):
    instructions, signers, taker = pay(call)
    answer, raw = call.send(instructions, signers)
    name = answer["result"]
    assert call.status(name)["confirmationStatus"] == "processed"
    call.ok("test_tick", 1)
    assert call.status(name)["confirmationStatus"] == "confirmed"
    assert call.ok("getTransaction", name) is None
    call.ok("test_tick", 31)
    assert call.status(name)["confirmationStatus"] == "finalized"
    assert call.ok("getTransaction", name)["transaction"][0] == raw
    assert call.balance(taker) == 5_000_000
    # A resend is harmless.
    assert call.ok("sendTransaction", raw, BASE64) == name
    assert call.balance(taker) == 5_000_000


def test_a_failure_in_a_block_is_there_and_changes_nothing(call):
    instructions, signers, taker = pay(call, 10**15)
    answer, _ = call.send(instructions, signers)
    assert answer["error"]["code"] == -32002
    assert answer["error"]["data"]["err"] == {"InstructionError": [0, {"Custom": 1}]}
    answer, _ = call.send(instructions, signers, skipPreflight=True)
    assert call.status(answer["result"])["err"] == {"InstructionError": [0, {"Custom": 1}]}
    assert call.balance(taker) == 0


def test_a_dropped_send_expires(call):
    instructions, signers, taker = pay(call)
    call.ok("test_drop", 1)
    answer, raw = call.send(instructions, signers)
    name = answer["result"]
    assert call.status(name) is None
    call.ok("test_tick", 150)
    assert call.ok("sendTransaction", raw, BASE64) == name
    assert call.balance(taker) == 5_000_000
    call.ok("test_drop", 1)
    _, raw = call.send(*pay(call)[:2])
    call.ok("test_tick", 151)
    refusal = call("sendTransaction", raw, BASE64)
    assert refusal["error"]["data"]["err"] == "BlockhashNotFound"


@pytest.mark.parametrize("keep", [True, False])
def test_confirmed_slots_are_rolled_back(call, keep):
    instructions, signers, taker = pay(call)
    early = call.send(*pay(call)[:2])[0]["result"]
    first = call.ok("getLatestBlockhash")
    call.ok("test_tick", 5)
    blockhash = Hash.from_string(first["value"]["blockhash"])
    answer, raw = call.send(instructions, signers, blockhash)
    name = answer["result"]
    call.ok("test_tick", 2)
    assert call.status(name)["confirmationStatus"] == "confirmed"
    height = call.ok("getBlockHeight", {"commitment": "processed"})
    assert call.ok("test_rollback", 4, keep) == (0 if keep else 1)
    assert call.ok("getBlockHeight", {"commitment": "processed"}) == height
    assert call.status(early) is not None
    assert (call.status(name) is not None) == keep
    assert call.balance(taker) == (5_000_000 if keep else 0)
    # What was left behind can still land: its blockhash is of before the fork.
    assert call.ok("sendTransaction", raw, BASE64) == name
    assert call.balance(taker) == 5_000_000


def test_finality_can_stand_still(call):
    call.ok("test_tick", 40)
    final = call.ok("getSlot", {"commitment": "finalized"})
    call.ok("test_stallFinality", True)
    name = call.send(*pay(call)[:2])[0]["result"]
    call.ok("test_tick", 60)
    assert call.ok("getSlot", {"commitment": "finalized"}) == final
    assert call.status(name)["confirmationStatus"] == "confirmed"
    call.ok("test_stallFinality", False)
    assert call.ok("getSlot", {"commitment": "finalized"}) == final + 60
    assert call.status(name)["confirmationStatus"] == "finalized"


def test_slots_can_stand_still(call):
    stop = threading.Event()
    clock = threading.Thread(target=pass_slots, args=(call.node, 0.005, stop))
    clock.start()
    try:
        def until(is_done):
            end = time.monotonic() + 30
            while not is_done() and time.monotonic() < end:
                time.sleep(0.005)
            return is_done()

        first = call.ok("getSlot", PROCESSED)
        assert until(lambda: call.ok("getSlot", PROCESSED) > first + 3)
        call.ok("test_stall", True)
        stands = call.ok("getSlot", PROCESSED)
        time.sleep(0.1)
        assert call.ok("getSlot", PROCESSED) == stands
        call.ok("test_stall", False)
        assert until(lambda: call.ok("getSlot", PROCESSED) > stands + 3)
    finally:
        stop.set()
        clock.join()


def test_a_blockhash_of_the_left_fork_is_unknown(call):
    call.ok("test_tick", 5)
    instructions, signers, taker = pay(call)
    _, raw = call.send(instructions, signers)
    call.ok("test_rollback", 2, True)
    assert call.balance(taker) == 0
    refusal = call("sendTransaction", raw, BASE64)
    assert refusal["error"]["data"]["err"] == "BlockhashNotFound"


def test_a_durable_nonce_counts_once(call):
    owner, account = call.node.keys[0], Keypair()
    rent = call.ok("getMinimumBalanceForRentExemption", 80)
    answer, _ = call.send([
        create_account(CreateAccountParams(
            from_pubkey=owner.pubkey(), to_pubkey=account.pubkey(), lamports=rent, space=80,
            owner=Pubkey.default())),
        initialize_nonce_account(InitializeNonceAccountParams(
            nonce_pubkey=account.pubkey(), authority=owner.pubkey())),
    ], [owner, account])
    assert "result" in answer, answer
    info = call.ok("getAccountInfo", str(account.pubkey()), BASE64)["value"]
    nonce = Hash.from_bytes(base64.b64decode(info["data"][0])[40:72])
    call.ok("test_tick", 200)
    instructions, signers, taker = pay(call)
    use = advance_nonce_account(AdvanceNonceAccountParams(
        nonce_pubkey=account.pubkey(), authorized_pubkey=owner.pubkey()))
    answer, raw = call.send([use, *instructions], signers, nonce)
    assert call.balance(taker) == 5_000_000, answer
    call.node.chain.landed.clear()
    assert "error" in call("sendTransaction", raw, BASE64)
    assert call.balance(taker) == 5_000_000


def test_what_a_stranger_sends_is_refused(call):
    owner = call.node.keys[0]
    for raw, options in [("!", BASE64), ("", BASE64), ("0OIl", {}), ("AAAA", BASE64),
                         (base64.b64encode(bytes(1_233)).decode(), BASE64)]:
        assert call("sendTransaction", raw, options)["error"]["code"] == -32602
    instructions, signers, taker = pay(call)
    _, raw = call.send(instructions, signers)
    spoiled = bytearray(base64.b64decode(raw))
    spoiled[5] ^= 1
    answer = call("sendTransaction", base64.b64encode(spoiled).decode(), BASE64)
    assert answer["error"]["code"] == -32003
    assert call("getAccountInfo", "nonsense")["error"]["code"] == -32602
    assert call("getSignatureStatuses", ["x"] * 257)["error"]["code"] == -32602
    for name in ["account", "context", "_invoke", "answer", "is_public", "chain", "status"]:
        assert call(name)["error"]["code"] == -32601
    assert call("test_tick", 0)["error"]["code"] == -32602
    assert call.balance(owner.pubkey()) > 0


def test_over_http(call):
    server = make_server(call.node, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "getHealth", "params": []}).encode()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=10) as answer:
        assert json.load(answer) == {"jsonrpc": "2.0", "id": 7, "result": "ok"}
    def ask(fault, seconds=10):
        call.ok("test_fault", {"method": "getHealth"} | fault)
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=seconds) as answer:
            return answer.read()

    assert json.loads(ask({"kind": "error"}))["error"]["message"] == "injected fault"
    assert json.loads(ask({"kind": "lie", "result": "behind"}))["result"] == "behind"
    assert "Blockhash not found" in json.loads(ask({"kind": "blockhash expired"}))["error"]["message"]
    assert ask({"kind": "garbage"}).startswith(b"<html>")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask({"kind": "lost"})
    with pytest.raises(TimeoutError):
        ask({"kind": "hang"}, seconds=0.3)
    server.shutdown()
    server.server_close()


def test_a_fault_is_of_the_listener_that_was_asked(call):
    servers = make_servers(call.node, 0, 2)
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    urls = [f"http://127.0.0.1:{server.server_address[1]}" for server in servers]

    def ask(url, method, *params):
        fields = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
        request = urllib.request.Request(url, json.dumps(fields).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    for _ in range(2):
        ask(urls[1], "test_fault", {"method": "getHealth", "kind": "error"})
    assert ask(urls[0], "getHealth")["result"] == "ok"
    assert ask(urls[1], "getHealth")["error"]["message"] == "injected fault"
    ask(urls[0], "test_clearFaults")
    assert ask(urls[1], "getHealth")["error"]["message"] == "injected fault"
    assert ask(urls[1], "getHealth")["result"] == "ok"
    # One chain: what passes at one has passed at the other.
    before = ask(urls[0], "getSlot", {"commitment": "processed"})["result"]
    ask(urls[1], "test_tick", 3)
    assert ask(urls[0], "getSlot", {"commitment": "processed"})["result"] == before + 3
    for server in servers:
        server.shutdown()
        server.server_close()


def test_token_transfers_run(call):
    """SPL Token is there: a mint, two accounts, a checked transfer."""
    owner, mint = call.node.keys[0], Keypair()
    token = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
    maker = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
    rent = call.ok("getMinimumBalanceForRentExemption", 82)

    def account(of):
        seeds = [bytes(of), bytes(token), bytes(mint.pubkey())]
        return Pubkey.find_program_address(seeds, maker)[0]

    def make(of):
        return Instruction(maker, b"\1", [
            AccountMeta(owner.pubkey(), True, True), AccountMeta(account(of), False, True),
            AccountMeta(of, False, False), AccountMeta(mint.pubkey(), False, False),
            AccountMeta(Pubkey.default(), False, False), AccountMeta(token, False, False)])

    taker = Keypair().pubkey()
    answer, _ = call.send([
        create_account(CreateAccountParams(
            from_pubkey=owner.pubkey(), to_pubkey=mint.pubkey(), lamports=rent, space=82,
            owner=token)),
        Instruction(token, bytes([20, 6]) + bytes(owner.pubkey()) + b"\0",
                    [AccountMeta(mint.pubkey(), False, True)]),
        make(owner.pubkey()), make(taker),
        Instruction(token, b"\7" + struct.pack("<Q", 1_000), [
            AccountMeta(mint.pubkey(), False, True),
            AccountMeta(account(owner.pubkey()), False, True),
            AccountMeta(owner.pubkey(), True, False)]),
        Instruction(token, struct.pack("<BQB", 12, 7, 6), [
            AccountMeta(account(owner.pubkey()), False, True),
            AccountMeta(mint.pubkey(), False, False), AccountMeta(account(taker), False, True),
            AccountMeta(owner.pubkey(), True, False)]),
    ], [owner, mint])
    assert "result" in answer, answer
    held = call.ok("getTokenAccountBalance", str(account(taker)))["value"]
    assert held == {"amount": "7", "decimals": 6}
    # Base58 is what is given where nothing else is asked for.
    plain = call.ok("getAccountInfo", str(mint.pubkey()))["value"]["data"]
    coded = call.ok("getAccountInfo", str(mint.pubkey()), BASE64)["value"]["data"]
    assert plain == [b58encode(base64.b64decode(coded[0])).decode(), "base58"]


def test_lookup_tables_live_and_end_by_the_slots(call):
    """Made of a slot that had a block, extended, taken out of use, and closed when nobody can name
    it any more; and a fork keeps them."""
    program = Pubkey.from_string("AddressLookupTab1e1111111111111111111111111")
    owner = call.node.keys[0]
    call.ok("test_tick", 40)
    slot = call.ok("getSlot", {"commitment": "finalized"})
    table, bump = Pubkey.find_program_address(
        [bytes(owner.pubkey()), struct.pack("<Q", slot)], program)
    account = AccountMeta(table, False, True)
    authority = AccountMeta(owner.pubkey(), True, False)
    payer = [AccountMeta(owner.pubkey(), True, True), AccountMeta(Pubkey.default(), False, False)]

    def change(data, *accounts):
        return call.send([Instruction(program, data, [account, authority, *accounts])], [owner])[0]

    made = struct.pack("<IQB", 0, slot, bump)
    assert "error" in call.send(
        [Instruction(program, struct.pack("<IQB", 0, slot + 99, bump), [account, authority, *payer])],
        [owner])[0]
    assert "result" in change(made, *payer)
    assert "result" in change(struct.pack("<IQ", 2, 1) + bytes(Keypair().pubkey()), *payer)
    call.ok("test_tick", 3)
    call.ok("test_rollback", 2, True)
    assert call.node.chain.svm.get_account(table) is not None
    # Also when the chain no longer knows the slot that it was made of.
    call.ok("test_tick", 700)
    call.ok("test_rollback", 2, True)
    assert len(bytes(call.node.chain.svm.get_account(table).data)) == 56 + 32
    assert "result" in change(struct.pack("<I", 3))
    refund = AccountMeta(owner.pubkey(), False, True)
    assert "error" in change(struct.pack("<I", 4), refund)
    call.ok("test_tick", 514)
    assert "result" in change(struct.pack("<I", 4), refund)
    assert call.node.chain.svm.get_account(table) is None


def test_a_fee_is_what_the_payer_lost(call):
    from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price

    instructions, signers, _ = pay(call)
    before = call.balance(signers[0].pubkey())
    head = [set_compute_unit_limit(10_001), set_compute_unit_price(1_001)]
    answer, _ = call.send(head + instructions, signers)
    call.ok("test_tick", 31)
    meta = call.ok("getTransaction", answer["result"])["meta"]
    # 5,000 for the signature, and 10,001 units at 0.001001 lamports, rounded up.
    assert meta["fee"] == 5_011
    assert meta["preBalances"][0] == before
    assert meta["preBalances"][0] - meta["postBalances"][0] == 5_011 + 5_000_000


def test_a_mint_is_made_for_who_asks():
    call = Caller(Node(accounts=1, tokens=77))
    owner = call.node.keys[0].pubkey()
    token = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
    associated = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
    account = Pubkey.find_program_address(
        [bytes(owner), bytes(token), bytes(call.node.mint)], associated)[0]
    held = call.ok("getTokenAccountBalance", str(account))["value"]
    assert held == {"amount": "77", "decimals": 6}


def test_history_is_listed_from_the_newest_down(call):
    payer = call.node.keys[0]
    target = Pubkey.new_unique()
    names = []
    for amount in (1, 2, 3):
        transfers = [
            transfer(
                TransferParams(
                    from_pubkey=payer.pubkey(), to_pubkey=target, lamports=amount * 10**9))
        ]
        names.append(call.send(transfers, [payer])[0]["result"])
        call.ok("test_tick", 1)
    assert call.ok("getSignaturesForAddress", str(target)) == []
    call.ok("test_tick", 40)
    rows = call.ok("getSignaturesForAddress", str(target))
    assert [row["signature"] for row in rows] == names[::-1]
    assert [row["slot"] for row in rows] == sorted((row["slot"] for row in rows), reverse=True)
    page = {"limit": 1, "before": names[2]}
    (second,) = call.ok("getSignaturesForAddress", str(target), page)
    assert second["signature"] == names[1] and second["err"] is None
    assert call.ok("getSignaturesForAddress", str(target), {"until": names[1]}) == [rows[0]]
    assert "error" in call("getSignaturesForAddress", str(target), {"limit": 1_001})
    told = call.ok("getTransaction", names[0], {"encoding": "json"})
    keys = told["transaction"]["message"]["accountKeys"]
    assert str(target) in keys and told["meta"]["preTokenBalances"] == []
    # A node that forgets says nothing of it, but for where it begins.
    call.ok("test_forget", rows[1]["slot"])
    rest = call.ok("getSignaturesForAddress", str(target))
    assert [row["signature"] for row in rest] == names[:0:-1]
    assert call.ok("getFirstAvailableBlock") == rows[1]["slot"]
    assert call.ok("getTransaction", names[0], {"encoding": "json"}) is None
    assert [call.status(name) is None for name in names] == [True, False, False]
    # One that has the whole history again.
    call.ok("test_forget", 0)
    assert call.ok("getFirstAvailableBlock") == 0
    assert call.ok("getTransaction", names[0], {"encoding": "json"}) is not None
    assert call.status(names[0])["slot"] == rows[2]["slot"]


def test_a_node_that_was_down_has_a_hole():
    call = Caller(Node(accounts=1))
    instructions, signers, target = pay(call)
    first = call.ok("getSlot", {"commitment": "processed"})
    call.ok("test_tick", 50)
    name = call.send(instructions, signers)[0]["result"]
    call.ok("test_tick", 50)
    slot = call.status(name)["slot"]
    last = call.ok("getSlot")
    assert call.ok("getBlocks", first, last + 9) == list(range(first, last + 1))
    bare = {"transactionDetails": "none"}
    old, new = (call.ok("getBlock", at, bare) for at in (first, last))
    assert new["blockHeight"] == call.ok("getBlockHeight")
    assert new["blockHeight"] - old["blockHeight"] == last - first
    assert new["parentSlot"] == last - 1
    assert new["previousBlockhash"] == call.ok("getBlock", last - 1, bare)["blockhash"]
    call.ok("test_hole", slot - 2, 5)
    assert call.ok("getFirstAvailableBlock") == 0 and call.status(name) is None
    assert call.ok("getTransaction", name, {"encoding": "json"}) is None
    assert call.ok("getSignaturesForAddress", str(target)) == []
    told = call.ok("getBlocks", first, last)
    assert set(range(first, last + 1)) - set(told) == set(range(slot - 2, slot + 3))
    assert "skipped, or missing" in call("getBlock", slot, bare)["error"]["message"]
    assert "error" in call("getBlock", last + 1, bare)
    assert "error" in call("getBlock", last, {})
    assert "error" in call("getBlocks", 0, 500_001)
    call.ok("test_hole", 0, 0)
    assert call.status(name)["slot"] == slot


def test_the_mint_is_of_either_token_program():
    for program, size in zip(TOKEN_PROGRAMS, (165, 170), strict=True):
        call = Caller(Node(accounts=1, tokens=5, program=program))
        owner, mint = call.node.keys[0].pubkey(), call.node.mint
        found = call.ok("getAccountInfo", str(mint), BASE64)["value"]
        assert found["owner"] == program and found["space"] == 82
        key = Pubkey.from_string(program)
        account = Pubkey.find_program_address(
            [bytes(owner), bytes(key), bytes(mint)], Pubkey.from_string(ASSOCIATED))[0]
        assert call.ok("getAccountInfo", str(account), BASE64)["value"]["space"] == size
        assert call.ok("getTokenAccountBalance", str(account))["value"]["amount"] == "5"
        # The program itself takes the account for one of its own.
        target = Keypair().pubkey()
        held = Pubkey.find_program_address(
            [bytes(target), bytes(key), bytes(mint)], Pubkey.from_string(ASSOCIATED))[0]
        make = Instruction(
            Pubkey.from_string(ASSOCIATED), b"\1",
            [AccountMeta(owner, True, True), AccountMeta(held, False, True)]
            + [AccountMeta(one, False, False) for one in (target, mint, Pubkey.default(), key)])
        send = Instruction(
            key, b"\14" + struct.pack("<QB", 2, 6),
            [AccountMeta(account, False, True), AccountMeta(mint, False, False),
             AccountMeta(held, False, True), AccountMeta(owner, True, False)])
        answer, _ = call.send([make, send], [call.node.keys[0]])
        assert "error" not in answer, answer
        assert call.ok("getTokenAccountBalance", str(held))["value"]["amount"] == "2"
        assert call.ok("getTokenAccountBalance", str(account))["value"]["amount"] == "3"
