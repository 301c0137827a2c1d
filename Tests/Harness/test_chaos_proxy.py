"""The endpoints that misbehave do so as they should: a view of the past is whole, only one lies,
and the honest one never does."""

import base64
import random

import chaos_lies
import chaos_proxy
import pytest
from chaos_proxy import EVMView, SolanaView
from eth_account import Account
from evm_chain import dev_key
from rpc_server import RpcError
from solders.keypair import Keypair
from solders.message import Message
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction

BASE64 = {"encoding": "base64"}


def ask(face, method, *parameters):
    said, fault = face.answer({"id": 7, "method": method, "params": list(parameters)})
    return said, fault


def result(face, method, *parameters):
    return ask(face, method, *parameters)[0]["result"]


@pytest.fixture
def evm():
    node = chaos_proxy.EVM(31337, False, accounts=2)
    node.world = chaos_proxy.World(node, 1, 3)
    return node


@pytest.fixture
def solana():
    node = chaos_proxy.Solana(2, 1_000)
    node.world = chaos_proxy.World(node, 1, 3)
    return node


def past(node, view, lag, method, *parameters):
    return view.answer(node, {"id": 1, "method": method, "params": list(parameters)}, lag)["result"]


def send_ether(node):
    fields = {"to": "0x" + "11" * 20, "value": 5, "gas": 21_000, "chainId": 31337, "nonce": 0,
              "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9}
    raw = Account.from_key(dev_key(0)).sign_transaction(fields).raw_transaction
    return node.eth_sendRawTransaction("0x" + raw.hex())


def test_an_evm_node_that_is_behind_knows_nothing_newer(evm):
    sender = evm.eth_accounts()[0]
    evm.anvil_mine("0x5")
    name = send_ether(evm)
    evm.anvil_mine("0x3")
    assert past(evm, EVMView, 2, "eth_blockNumber") == "0x6"
    assert past(evm, EVMView, 2, "eth_getTransactionReceipt", name)["blockNumber"] == "0x6"
    assert past(evm, EVMView, 3, "eth_getTransactionReceipt", name) is None
    assert past(evm, EVMView, 3, "eth_getTransactionByHash", name) is None
    assert past(evm, EVMView, 3, "eth_getTransactionCount", sender, "latest") == "0x0"
    assert past(evm, EVMView, 2, "eth_getTransactionCount", sender, "pending") == "0x1"
    assert past(evm, EVMView, 3, "eth_getBlockByNumber", "latest", False)["number"] == "0x5"
    assert past(evm, EVMView, 3, "eth_getBlockByNumber", "0x6", False) is None
    balance = past(evm, EVMView, 3, "eth_getBalance", "0x" + "11" * 20)
    assert balance == "0x0" and evm.eth_getBalance("0x" + "11" * 20) == "0x5"
    with pytest.raises(RpcError):
        past(evm, EVMView, 3, "eth_getBalance", sender, "0x6")
    with pytest.raises(RpcError):
        past(evm, EVMView, 3, "eth_getLogs", {"blockHash": evm.eth_getBlockByNumber("0x6")["hash"]})


def test_a_solana_node_that_is_behind_knows_nothing_newer(solana):
    payer, taker = solana.keys[0], Keypair().pubkey()
    solana.test_tick(50)
    instruction = transfer(TransferParams(
        from_pubkey=payer.pubkey(), to_pubkey=taker, lamports=10**9))
    blockhash = solana.chain.newest("finalized").blockhash
    raw = bytes(Transaction([payer], Message([instruction], payer.pubkey()), blockhash))
    name = solana.sendTransaction(base64.b64encode(raw).decode(), BASE64)
    solana.test_tick(4)
    newest = solana.getSlot({"commitment": "processed"})
    at = {"commitment": "processed"}
    assert past(solana, SolanaView, 3, "getSlot", at) == newest - 3
    assert past(solana, SolanaView, 5, "getSignatureStatuses", [name])["value"] == [None]
    assert past(solana, SolanaView, 4, "getSignatureStatuses", [name])["value"] != [None]
    assert past(solana, SolanaView, 5, "getSignaturesForAddress", str(taker), at) == []
    hashes = past(solana, SolanaView, 5, "getLatestBlockhash", at)["value"]["blockhash"]
    assert hashes == str(solana.chain.blocks[-6].blockhash)
    young = solana.getLatestBlockhash(at)["value"]["blockhash"]
    assert not past(solana, SolanaView, 1, "isBlockhashValid", young)["value"]
    with pytest.raises(RpcError, match="behind"):
        past(solana, SolanaView, 5, "getBalance", str(taker))
    # Afterwards it is as it was.
    assert solana.getSlot(at) == newest and solana.getSignatureStatuses([name])["value"][0]


def test_one_at_a_time_lies_and_then_nobody(evm, monkeypatch):
    world, liars = evm.world, set()
    clock = [world.begun]
    monkeypatch.setattr(chaos_proxy.time, "monotonic", lambda: clock[0])
    for _ in range(4_000):
        clock[0] += 0.25
        now = [place for place in range(world.count) if world.is_liar(place)]
        turn = (clock[0] - world.begun) % (chaos_proxy.LIAR_SECONDS + chaos_proxy.CALM_SECONDS)
        assert len(now) <= 1 and (not now or turn < chaos_proxy.LIAR_SECONDS)
        liars |= set(now)
    assert liars == {0, 1, 2}


def test_every_fault_is_met_and_the_honest_endpoint_has_none(evm, monkeypatch):
    world = evm.world
    world.is_wild = True
    clock = [world.begun]
    monkeypatch.setattr(chaos_proxy.time, "monotonic", lambda: clock[0])
    faces = [chaos_proxy.Endpoint(world, place, EVMView) for place in range(3)]
    evm.anvil_mine("0x9")
    good = 0
    for _ in range(6_000):
        clock[0] += 0.1
        for face in faces:
            said, fault = ask(face, "eth_blockNumber")
            good += fault is None and said.get("result") == "0x9"
        assert result(evm, "eth_blockNumber") == "0x9"
    for kind in ("error", "lost", "garbage", "hang", "stall", "down", "lag", "lie eth_blockNumber"):
        assert world.met[kind], kind
    # Two of three are good nearly always.
    assert good > 3 * 6_000 * 2 / 3


def test_a_send_is_dropped_refused_or_given_other_words(evm, monkeypatch):
    world = evm.world
    world.is_wild = True
    clock = [world.begun]
    monkeypatch.setattr(chaos_proxy.time, "monotonic", lambda: clock[0])
    face = chaos_proxy.Endpoint(world, 0, EVMView)
    raw = []
    monkeypatch.setattr(evm, "eth_sendRawTransaction", lambda one: raw.append(one) or "0x00")
    monkeypatch.setattr(EVMView, "name_of", staticmethod(lambda _node, _raw: "0x00"))
    for count in range(4_000):
        clock[0] += 0.1
        ask(face, "eth_sendRawTransaction", hex(count))
    assert 2_000 < len(raw) < 3_950
    for kind in ("dropped send", "refused send", "other words"):
        assert world.met[kind], kind
    # While everybody drops, nothing arrives.
    world.dropping_until = clock[0] + 10
    raw.clear()
    for count in range(50):
        ask(face, "eth_sendRawTransaction", hex(count))
    assert raw == []


def test_lies_have_the_form_of_the_truth_and_are_none(evm, solana):
    draw = random.Random(1)
    evm.anvil_mine("0x4")
    name = send_ether(evm)
    evm.anvil_mine("0x2")
    solana.test_tick(60)
    payer = str(solana.keys[0].pubkey())
    log = {"data": "0x" + "22" * 64, "topics": ["0x" + "33" * 32]}
    status = {"slot": 9, "confirmations": None, "err": None, "confirmationStatus": "finalized"}
    meta = {"meta": {"err": None, "fee": 5_000, "preBalances": [9], "postBalances": [4]}}
    truths = {
        "eth_blockNumber": "0x5", "eth_getBlockByNumber": evm.eth_getBlockByNumber("latest"),
        "eth_getTransactionReceipt": evm.eth_getTransactionReceipt(name),
        "eth_getTransactionCount": "0x3", "eth_getBalance": "0x9",
        "eth_call": "0x" + "44" * 32, "eth_getLogs": [log, log], "eth_estimateGas": "0x5208",
        "eth_maxPriorityFeePerGas": "0x9", "getSlot": 900, "getBlockHeight": 900,
        "getLatestBlockhash": solana.getLatestBlockhash(),
        "isBlockhashValid": {"context": {}, "value": True},
        "getSignatureStatuses": {"context": {}, "value": [status, None]},
        "getMultipleAccounts": solana.getMultipleAccounts([payer], BASE64),
        "getAccountInfo": solana.getAccountInfo(payer, BASE64),
        "getBalance": solana.getBalance(payer), "getTransaction": meta,
        "getSignaturesForAddress": [{"signature": "a"}, {"signature": "b"}],
        "getFirstAvailableBlock": 900, "getRecentPrioritizationFees": [],
        "getBlocks": [20, 21, 22],
        "getBlock": solana.getBlock(solana.getSlot(), {"transactionDetails": "none"}),
    }
    assert truths.keys() == chaos_lies.LIES.keys()
    for method, truth in truths.items():
        for lie in chaos_lies.LIES[method]:
            told = [lie(draw, truth) for _ in range(20)]
            assert any(one != truth for one in told), (method, lie)
            assert all(one is None or type(one) is type(truth) for one in told), method
