"""evm_node.py as a process of its own, driven by web3 and by raw HTTP, faults included."""

import http.client
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from eth_abi import encode
from eth_account import Account
from eth_utils import keccak
from web3 import Web3

SCRIPT = Path(__file__).with_name("evm_node.py")
CHAIN_ID = 84532
KEYS = [Account.from_key(keccak(text=f"exchequer-dev-{index}")) for index in range(10)]


def start(*options):
    command = [sys.executable, str(SCRIPT), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return process, json.loads(process.stdout.readline())


def stop(process, how=signal.SIGTERM):
    process.send_signal(how)
    process.stdout.close()
    return process.wait(timeout=20)


class Client:
    def __init__(self, url, port):
        self.web3, self.port = Web3(Web3.HTTPProvider(url)), port

    def rpc(self, method, *parameters):
        return self.web3.provider.make_request(method, list(parameters))

    def result(self, method, *parameters):
        return self.rpc(method, *parameters)["result"]

    def error(self, method, *parameters):
        return self.rpc(method, *parameters)["error"]["message"]

    def post(self, body, headers=None):
        """Status and body of a raw POST."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("POST", "/", body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()


def raw(sender, nonce, to=1, **changes):
    fields = {
        "type": 2,
        "chainId": CHAIN_ID,
        "nonce": nonce,
        "to": KEYS[to].address,
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 3 * 10**9,
        "maxPriorityFeePerGas": 10**9,
    } | changes
    return "0x" + KEYS[sender].sign_transaction(fields).raw_transaction.hex()


@pytest.fixture(scope="module")
def process_client():
    process, line = start("--chain-id", str(CHAIN_ID), "--accounts", "10")
    yield Client(line["listening"], line["port"])
    assert stop(process) == 0


@pytest.fixture
def client(process_client):
    """The node as it started: each test gets its state back."""
    snapshot = process_client.result("evm_snapshot")
    yield process_client
    process_client.result("test_clearFaults")
    process_client.result("evm_setAutomine", True)
    assert process_client.result("evm_revert", snapshot) is True


# ---- the process


def test_first_line_names_port_and_accounts():
    process, line = start("--accounts", "3")
    try:
        assert line["listening"] == f"http://127.0.0.1:{line['port']}"
        assert line["chainId"] == 31337
        found = [(one["address"], one["privateKey"]) for one in line["accounts"]]
        assert found == [(key.address, "0x" + key.key.hex()) for key in KEYS[:3]]
        client = Client(line["listening"], line["port"])
        for key, wanted in ((KEYS[2], 10**24), (KEYS[3], 0)):
            assert client.web3.eth.get_balance(key.address) == wanted
    finally:
        stop(process)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(how):
    process, line = start("--interval", "0.2")
    connection = http.client.HTTPConnection("127.0.0.1", line["port"])  # an idle client
    connection.connect()
    assert stop(process, how) == 0
    with pytest.raises(OSError):
        http.client.HTTPConnection("127.0.0.1", line["port"], timeout=5).request("GET", "/")


def test_blocks_can_stand_still():
    process, line = start("--interval", "0.05", "--chain-id", str(CHAIN_ID), "--accounts", "2")
    try:
        client = Client(line["listening"], line["port"])
        eth = client.web3.eth

        def until(is_done):
            end = time.monotonic() + 30
            while not is_done() and time.monotonic() < end:
                time.sleep(0.01)
            return is_done()

        assert until(lambda: eth.block_number > 2)
        client.result("test_stall", True)
        stands = eth.block_number
        sent = client.result("eth_sendRawTransaction", raw(0, 0))
        time.sleep(0.5)
        assert eth.block_number == stands
        assert client.result("eth_getTransactionReceipt", sent) is None
        client.result("test_stall", False)
        assert until(lambda: client.result("eth_getTransactionReceipt", sent) is not None)
        assert until(lambda: eth.block_number > stands + 2)
    finally:
        stop(process)


def test_busy_port_is_an_error():
    process, line = start()
    try:
        command = [sys.executable, str(SCRIPT), "--port", str(line["port"])]
        second = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert second.returncode == 1
        assert "cannot listen" in second.stderr and second.stdout == ""
    finally:
        stop(process)


def test_orphan_ends():
    starter = (
        "import subprocess, sys; p = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE);"
        "print(p.stdout.readline().decode(), flush=True)"
    )
    node = [sys.executable, str(SCRIPT), "--port", "0", "--exit-with-parent"]
    command = [sys.executable, "-c", starter, *node]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    port = json.loads(result.stdout)["port"]
    for _ in range(1000):
        try:
            Client(f"http://127.0.0.1:{port}", port).post("{}")
        except OSError:
            return
    raise AssertionError("still listening")


# ---- strangers


def test_bad_http_bodies_get_clear_errors(client):
    def code(body, headers=None):
        status, text = client.post(body, headers)
        return status, json.loads(text)["error"]["code"]

    assert code("not json") == (400, -32700)
    assert code("[" * 1000) == (400, -32700)
    assert code("[" * 100_000) == (400, -32600)
    assert code("[]") == (400, -32600)
    assert code(json.dumps([{"method": "eth_chainId"}] * 101)) == (400, -32600)
    assert code("7") == (200, -32600)
    assert code("{}") == (200, -32600)
    assert code("", {"content-length": str(2**20 + 1)}) == (413, -32600)
    assert code("", {"content-length": "-1"}) == (411, -32600)
    assert client.web3.eth.chain_id == CHAIN_ID


@pytest.mark.parametrize("method", ["__init__", "take_fault", "chain", "answer", "eth_x", "_tips"])
def test_only_methods_meant_for_it_are_callable(client, method):
    assert client.rpc(method)["error"]["code"] == -32601


@pytest.mark.parametrize(
    "method, parameters",
    [
        ("eth_getBalance", []),
        ("eth_getBalance", ["zz"]),
        ("eth_call", ["text"]),
        ("eth_getLogs", [{"fromBlock": "x"}]),
        ("anvil_mine", ["0xffffff"]),
        ("anvil_reorg", [10**6]),
        ("test_fault", [{"method": "eth_chainId", "kind": "unheard"}]),
    ],
)
def test_bad_parameters_are_refused(client, method, parameters):
    assert client.rpc(method, *parameters)["error"]["code"] == -32602


def test_batch(client):
    calls = [{"id": i, "method": "eth_chainId", "jsonrpc": "2.0"} for i in (7, "a")]
    status, text = client.post(json.dumps([*calls, {"id": 9, "method": "no_no"}]))
    answers = json.loads(text)
    assert status == 200 and [answer["id"] for answer in answers] == [7, "a", 9]
    assert answers[0]["result"] == answers[1]["result"] == hex(CHAIN_ID)
    assert answers[2]["error"]["code"] == -32601


@pytest.mark.parametrize(
    "transaction, text",
    [
        ("0x00", "rlp: "),
        ("0x" + "02c0", "rlp: "),
        (raw(0, 0, chainId=1), "invalid chain id"),
        (raw(0, 0, gas=20_999), "intrinsic gas too low"),
        (raw(0, 0, gas=10**9), "exceeds block gas limit"),
        (raw(0, 0, value=10**25), "insufficient funds"),
    ],
)
def test_bad_transactions_are_refused(client, transaction, text):
    assert text in client.error("eth_sendRawTransaction", transaction)
    assert client.web3.eth.get_transaction_count(KEYS[0].address, "pending") == 0


# ---- ordinary use


def test_send_and_read_back(client):
    eth = client.web3.eth
    sent = eth.send_raw_transaction(raw(0, 0))
    receipt = eth.get_transaction_receipt(sent)
    assert (receipt.status, receipt.gasUsed, receipt.type) == (1, 21_000, 2)
    assert receipt.effectiveGasPrice > 10**9
    block = eth.get_block(receipt.blockNumber, True)
    assert block.transactions[0].hash == sent and block.hash == receipt.blockHash
    assert eth.get_block_receipts(receipt.blockNumber)[0].transactionHash == sent
    assert eth.estimate_gas({"from": KEYS[0].address, "to": KEYS[1].address}) == 21_000
    history = eth.fee_history(2, "latest", [50])
    assert len(history["baseFeePerGas"]) == 3 and history["reward"][-1] == [10**9]
    assert "nonce too low" in client.error("eth_sendRawTransaction", raw(0, 0))


def test_tags(client):
    client.rpc("anvil_mine", "0x6")
    head = client.web3.eth.block_number
    tags = [client.web3.eth.get_block(tag).number for tag in ("safe", "finalized", "earliest")]
    assert tags == [head - 2, head - 4, 0]
    assert client.result("eth_getBlockByNumber", hex(head + 1), False) is None


def test_gap_and_replacement(client):
    eth = client.web3.eth
    client.result("evm_setAutomine", False)
    first = client.result("eth_sendRawTransaction", raw(0, 0))
    assert client.result("eth_getTransactionReceipt", first) is None
    assert eth.get_transaction(first).get("blockNumber") is None
    assert client.error("eth_sendRawTransaction", raw(0, 0)) == "already known"
    cheap = raw(0, 0, to=2)
    assert client.error("eth_sendRawTransaction", cheap) == "replacement transaction underpriced"
    better = raw(0, 0, to=2, maxFeePerGas=4 * 10**9, maxPriorityFeePerGas=2 * 10**9)
    second = client.result("eth_sendRawTransaction", better)
    ahead = client.result("eth_sendRawTransaction", raw(0, 2))
    client.result("evm_mine")
    assert client.result("eth_getTransactionByHash", first) is None
    assert eth.get_transaction_receipt(second).status == 1
    assert client.result("eth_getTransactionReceipt", ahead) is None
    assert eth.get_transaction_count(KEYS[0].address, "pending") == 1
    client.result("eth_sendRawTransaction", raw(0, 1))
    client.result("evm_mine")
    assert eth.get_transaction_receipt(ahead).status == 1


def test_a_pool_with_a_minimum(client):
    client.result("test_setMinimumTip", hex(2 * 10**9))
    refusal = client.error("eth_sendRawTransaction", raw(0, 0, maxPriorityFeePerGas=10**9))
    assert refusal == "transaction underpriced: gas tip cap 1000000000, minimum needed 2000000000"
    better = raw(0, 0, maxFeePerGas=4 * 10**9, maxPriorityFeePerGas=2 * 10**9)
    assert client.result("eth_sendRawTransaction", better).startswith("0x")
    client.result("test_setMinimumTip", "0x0")
    assert client.result("eth_sendRawTransaction", raw(0, 1)).startswith("0x")


def test_a_rollup_charges_for_data_and_for_its_operator(client):
    eth = client.web3.eth
    sender, oracle = KEYS[0].address, "0x420000000000000000000000000000000000000F"
    data_vault, operator_vault = oracle[:-2] + "1A", oracle[:-2] + "1b"
    assert client.result("eth_call", {"to": oracle, "data": "0x49948e0e"}, "latest") == "0x"
    client.result("test_setRollupFees", "0x3e8", "0x2", "0x7")
    try:
        sent = raw(0, 0)
        held = eth.get_balance(sender)
        receipt = client.result(
            "eth_getTransactionReceipt", client.result("eth_sendRawTransaction", sent))
        fee = 1_000 * (len(sent) // 2 - 1)
        assert int(receipt["l1Fee"], 16) == fee == eth.get_balance(data_vault)
        assert receipt["operatorFeeScalar"] == "0x2" and receipt["operatorFeeConstant"] == "0x7"
        operator = 21_000 * 200 + 7
        assert eth.get_balance(operator_vault) == operator
        gas = 21_000 * int(receipt["effectiveGasPrice"], 16)
        assert held - eth.get_balance(sender) == gas + fee + operator + 1
        asked = "0x49948e0e" + encode(["bytes"], [bytes(100)]).hex()
        quote = client.result("eth_call", {"to": oracle, "data": asked}, "latest")
        assert int(quote, 16) == 1_000 * (100 + 68)
        # Who cannot pay for the data is told so, and a price of later changes no receipt.
        client.result("test_setRollupFees", hex(10**30))
        assert "insufficient funds" in client.error("eth_sendRawTransaction", raw(0, 1))
        again = client.result("eth_getTransactionReceipt", receipt["transactionHash"])
        assert again == receipt
    finally:
        client.result("test_setRollupFees")


def test_finality_can_stand_still(client):
    eth = client.web3.eth
    client.rpc("anvil_mine", "0xa")
    final = eth.get_block("finalized").number
    client.result("test_stallFinality", True)
    client.rpc("anvil_mine", "0xa")
    assert eth.get_block("finalized").number == final == eth.block_number - 14
    client.result("test_stallFinality", False)
    assert eth.get_block("finalized").number == eth.block_number - 4


def test_dropped_transaction(client):
    client.result("evm_setAutomine", False)
    sent = client.result("eth_sendRawTransaction", raw(0, 0))
    assert client.result("anvil_dropTransaction", sent) == sent
    assert client.result("anvil_dropTransaction", sent) is None
    client.result("evm_mine")
    assert client.result("eth_getTransactionByHash", sent) is None


def test_reorg_that_keeps_transactions(client):
    client.rpc("anvil_mine", "0x5")
    client.result("evm_setAutomine", False)
    sent = client.result("eth_sendRawTransaction", raw(0, 0))
    client.result("evm_mine")
    before = client.web3.eth.get_transaction_receipt(sent)
    client.result("anvil_reorg", 2)
    after = client.web3.eth.get_transaction_receipt(sent)
    assert after.blockHash != before.blockHash and after.blockNumber == before.blockNumber - 1
    assert client.web3.eth.get_block(before.blockNumber).hash != before.blockHash


def test_reorg_that_drops_transactions(client):
    client.rpc("anvil_mine", "0x5")
    sent = client.result("eth_sendRawTransaction", raw(0, 0))
    head = client.web3.eth.block_number
    client.result("anvil_reorg", 3, False, 4)
    assert client.web3.eth.block_number == head + 1
    assert client.result("eth_getTransactionReceipt", sent) is None
    assert client.result("eth_getTransactionByHash", sent) is None
    assert client.web3.eth.get_transaction_count(KEYS[0].address) == 0
    assert client.result("eth_sendRawTransaction", raw(0, 0)) == sent


def test_snapshot_and_revert(client):
    snapshot = client.result("evm_snapshot")
    before = client.web3.eth.get_balance(KEYS[5].address)
    client.result("eth_sendRawTransaction", raw(1, 0, to=5, value=777))
    assert client.web3.eth.get_balance(KEYS[5].address) == before + 777
    assert client.result("evm_revert", snapshot) is True
    assert client.web3.eth.get_balance(KEYS[5].address) == before
    assert client.result("evm_revert", snapshot) is False


def test_time_control(client):
    eth = client.web3.eth
    start = eth.get_block("latest").timestamp
    client.rpc("anvil_mine", "0x64")  # a hundred blocks run ahead of the clock
    ahead = eth.get_block("latest").timestamp
    client.result("evm_increaseTime", 1000)
    client.result("evm_mine")
    assert eth.get_block("latest").timestamp >= max(start, ahead) + 1000
    coming = eth.get_block("latest").timestamp + 5000
    client.result("evm_setNextBlockTimestamp", coming)
    client.result("evm_mine")
    assert eth.get_block("latest").timestamp == coming
    assert "not after" in client.error("evm_setNextBlockTimestamp", coming)


# ---- injected faults


def test_fault_error_does_not_execute(client):
    client.result("test_fault", {"method": "eth_sendRawTransaction", "kind": "error"})
    assert client.error("eth_sendRawTransaction", raw(0, 0)) == "injected fault"
    words = {"message": "txpool is full", "code": -32003}
    client.result("test_fault", {"method": "eth_sendRawTransaction", "kind": "error"} | words)
    assert client.rpc("eth_sendRawTransaction", raw(0, 0))["error"] == words
    assert client.web3.eth.get_transaction_count(KEYS[0].address) == 0
    assert client.result("eth_sendRawTransaction", raw(0, 0)).startswith("0x")


def test_faults_in_the_words_of_a_pool(client):
    said = {"underpriced": "replacement transaction underpriced", "nonce gap": "nonce too high"}
    for kind, words in said.items():
        client.result("test_fault", {"method": "eth_sendRawTransaction", "kind": kind})
        assert client.error("eth_sendRawTransaction", raw(0, 0)) == words
        assert client.web3.eth.get_transaction_count(KEYS[0].address) == 0
    # That it is known already is true.
    client.result("test_fault", {"method": "eth_sendRawTransaction", "kind": "already known"})
    assert client.error("eth_sendRawTransaction", raw(0, 0)) == "already known"
    assert client.web3.eth.get_transaction_count(KEYS[0].address) == 1


def test_fault_lost_executes_without_an_answer(client):
    client.result("test_fault", {"method": "eth_sendRawTransaction", "kind": "lost"})
    body = json.dumps({"id": 1, "method": "eth_sendRawTransaction", "params": [raw(0, 0)]})
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        client.post(body)
    assert client.web3.eth.get_transaction_count(KEYS[0].address) == 1


def test_fault_garbage_lie_and_hang(client):
    body = json.dumps({"id": 1, "method": "eth_chainId"})
    client.result("test_fault", {"method": "eth_chainId", "kind": "garbage", "after": 1})
    assert json.loads(client.post(body)[1])["result"] == hex(CHAIN_ID)
    assert client.post(body) == (200, b"<html>502 Bad Gateway")
    lie = {"method": "eth_chainId", "kind": "lie", "result": "0x1", "count": 2}
    client.result("test_fault", lie)
    answers = [json.loads(client.post(body)[1])["result"] for _ in range(3)]
    assert answers == ["0x1", "0x1", hex(CHAIN_ID)]
    client.result("test_fault", {"method": "eth_chainId", "kind": "hang", "seconds": 30})
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=0.3)
    connection.request("POST", "/", body)
    with pytest.raises(TimeoutError):
        connection.getresponse()
