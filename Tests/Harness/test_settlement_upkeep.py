"""A house whose contract has delays: roots are made to pay when their time has come, disputed ones
are replaced, books and chain are reconciled to the unit, claims make themselves."""

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest
from eth_abi import encode
from eth_account import Account
from eth_utils import keccak, to_checksum_address
from test_house_chain import (
    EXCHEQUER,
    MODEL,
    ROOT,
    House,
    eventually,
    exchequer,
    reconcile,
    withdraw,
)

DELAY = 1_000
GUARDIAN = 8


@pytest.fixture
def house(tmp_path):
    if not EXCHEQUER.exists():
        pytest.fail(f"{EXCHEQUER} is missing: run `make build`")
    house = House(tmp_path, "--activation-delay", str(DELAY))
    yield house
    house.stop()


def send(house, account, to, signature, types, *values):
    """Signs and sends a call of a contract, and waits until it is mined."""
    file, address = house.chain.keys[account]
    data = keccak(text=signature)[:4] + encode(types, values)
    count = int(house.chain.call("eth_getTransactionCount", address, "latest"), 16)
    fields = {
        "chainId": 31337,
        "nonce": count,
        "to": to_checksum_address(to),
        "data": data,
        "gas": 500_000,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 10**9,
    }
    signed = Account.sign_transaction(fields, file.read_text())
    name = house.chain.call("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex())
    receipt = house.chain.call("eth_getTransactionReceipt", name)
    assert receipt["status"] == "0x1", receipt
    return name


def settle(house, amount, number):
    """A batch that pays the provider so much; its root is on chain then, and waits."""
    withdraw(house, 2, amount)
    house.operate("settle")

    def is_confirmed():
        house.chain.call("anvil_mine", "0x1")
        return house.get(f"/v1/batches/{number}")["state"] == "confirmed"

    eventually(f"the root of batch {number} is on chain", is_confirmed)


def paying(house):
    """The batch whose root pays, as payees are told."""
    return house.get(f"/v1/claimable/{house.chain.keys[2][1]}").get("batch")


def pass_time(house, seconds):
    house.chain.call("evm_increaseTime", seconds)
    house.chain.call("anvil_mine", "0x3")


def begin(house, deposit="50.00", extra=()):
    """A provider with a bond and dollars, at a house that runs."""
    provider = house.chain.keys[2][1]
    house.start(extra=extra)
    house.pay("bond", 2, "100")
    house.pay("deposit", 2, deposit)
    house.chain.call("anvil_mine", "0x3")
    eventually("the deposit", lambda: house.usd(provider).get("available") == deposit)
    return provider


def test_what_is_not_final_is_not_believed_where_finality_is_asked_for(house):
    """However deep it lies: the nodes' finalized block decides, and it may stand still."""
    final = ["--finality", "finalized"]
    house.start(extra=final)
    provider = house.chain.keys[2][1]

    def mine():
        house.chain.call("anvil_mine", "0x2")

    house.chain.call("test_stallFinality")
    house.pay("deposit", 2, "50.00")
    for _ in range(12):
        mine()
        time.sleep(0.2)
    assert house.usd(provider).get("available") != "50.00"
    # Neither is what a restarted house reads.
    house.kill()
    house.start(extra=final)
    time.sleep(1.5)
    assert house.usd(provider).get("available") != "50.00"
    house.chain.call("test_stallFinality", False)
    mine()
    eventually("the deposit", lambda: house.usd(provider).get("available") == "50.00")

    # A root waits for it as well.
    house.chain.call("test_stallFinality")
    withdraw(house, 2, "20")
    house.operate("settle")

    def rail():
        mine()
        return house.get("/v1/batches/1")["rail"]

    eventually("the root is sent", lambda: rail().get("transaction"))
    for _ in range(8):
        told = rail()
        time.sleep(0.2)
    assert (told["finality"], told["stage"]) == ("finalized", "submitted")
    assert house.get("/v1/batches/1")["state"] == "sealed"
    house.chain.call("test_stallFinality", False)
    eventually("the root is final", lambda: rail()["stage"] == "finalized")
    # The manager knows it from the receipt, the books a look later from the log.
    eventually("it is booked", lambda: house.get("/v1/batches/1")["state"] == "confirmed")


def test_a_house_says_that_nobody_can_object(house):
    """Its contract has a delay for roots and none for slashes."""
    house.start()
    said = (house.folder / "house.log").read_text()
    assert "a slash counts at once" in said and "a root pays at once" not in said


def test_a_root_is_made_to_pay_and_claims_make_themselves(house):
    provider = begin(house)
    settle(house, "20", 1)
    waiting = house.get(f"/v1/claimable/{provider}")
    assert waiting.get("batch") is None and waiting["claims"] == []
    assert waiting["waiting"] == [{"asset": "USD", "payable": "0.00", "batched": "20.00"}]
    assert waiting["bond"]["bonded"] == "100.00"
    # Killed while the root waits: the next start knows what is due.
    house.kill()
    house.start()
    pass_time(house, DELAY)
    eventually("the root pays", lambda: paying(house) == 1)
    found = house.get(f"/v1/claimable/{provider}")
    (claim,) = found["claims"]
    assert (claim["amount"], claim["amount_units"]) == ("20.00", "20000000")
    assert (claim["cumulative"], claim["claimed"]) == ("20000000", "0")
    table = exchequer("claimable", "--house", house.base, "--address", provider)
    assert "20.00" in table and "now, of batch 1" in table
    before = reconcile(house)
    assert before["balanced"] and before["stranded"] == []
    (item,) = [one for one in reconcile(house, "--days", "0")["stranded"] if one["alert"] == 3]
    assert (item["name"], item["units"]) == ("unclaimed", "20000000")

    # Anybody may send the data as it is: the money goes to the account.
    command = ["claim", "--rpc", house.chain.rpc, "--contract", house.addresses["contract"]]
    command += ["--key-file", house.chain.keys[2][0], "--house", house.base]
    command += ["--artifacts", ROOT / "contracts-abi/evm", "--state", house.folder / "claims"]
    dear = exchequer(*command, "--coin-price", "1000000000")
    assert dear == "" and usdc(house, provider) == 850 * 10**6
    task = subprocess.Popen(
        [EXCHEQUER, *command, "--coin-price", "1", "--claim-interval", "1", "--auto"],
        stderr=house.log,
    )
    try:
        eventually("the claim", lambda: usdc(house, provider) == 870 * 10**6)
        house.chain.call("anvil_mine", "0x3")
        settle(house, "5", 2)
        pass_time(house, DELAY)
        eventually("the second claim", lambda: usdc(house, provider) == 875 * 10**6)
    finally:
        task.terminate()
        assert task.wait(20) == 143
    house.chain.call("anvil_mine", "0x3")
    eventually("it is booked", lambda: house.usd(provider)["in_transit"] == "0.00")
    nonce = int(house.chain.call("eth_getTransactionCount", provider, "latest"), 16)
    # Two of approval, bond and deposit, and one for each claim.
    assert nonce == 6
    # Once its last claim lies deep enough it knows that nothing is left.
    eventually("nothing is left", lambda: "nothing to claim" in exchequer(
        *command, "--coin-price", "1"))
    after = reconcile(house)
    assert after["balanced"]
    claimed = next(
        line for line in after["lines"] if line["name"] == "claimed" and line["asset"] == "USD"
    )
    assert claimed["chain"] == claimed["books"] == "25000000"


def test_a_node_claims_what_it_is_owed(house):
    provider = begin(house)
    settle(house, "20", 1)
    pass_time(house, DELAY)
    eventually("the root pays", lambda: paying(house) == 1)
    held = usdc(house, provider)
    command = ["node", "--house", house.base, "--key-file", house.chain.keys[2][0]]
    command += ["--model", MODEL, "--identity", house.folder / "node", "--auto-claim"]
    command += ["--rpc", house.chain.rpc, "--artifacts", ROOT / "contracts-abi/evm"]
    command += ["--coin-price", "1", "--claim-interval", "1"]
    node = subprocess.Popen([EXCHEQUER, *command], stderr=house.log)
    try:
        eventually("the claim", lambda: usdc(house, provider) == held + 20 * 10**6)
    finally:
        node.terminate()
        assert node.wait(20) == 143


def test_books_are_compared_however_fast_blocks_come(house):
    """A block comes every tenth of a second; the nodes take a second to tell what is held."""
    begin(house)
    ended = threading.Event()

    def mine():
        while not ended.wait(0.1):
            house.chain.call("anvil_mine", "0x1")

    slow = {"method": "eth_call", "kind": "hang", "seconds": 0.06, "count": 100_000}
    house.chain.call("test_fault", slow)
    miner = threading.Thread(target=mine)
    miner.start()
    try:
        report = reconcile(house)
    finally:
        ended.set()
        miner.join()
    assert report["balanced"] and report["stranded"] == []


def test_what_happens_to_the_contract_is_told(tmp_path):
    """Roles, owner, pauses and appeals: what a thief of a key begins with."""
    house = House(tmp_path, "--role-delay", "500", "--veto-window", "900")
    try:
        house.start()
        contract, other = house.addresses["contract"], house.chain.keys[3][1]
        roles = ("grantRoles(address,uint256)", ["address", "uint256"])
        send(house, 0, contract, *roles, other, GUARDIAN | 4)
        send(house, 0, contract, "offerOwnership(address)", ["address"], other)
        send(house, 0, contract, "pause()", [])
        send(house, 0, contract, "unpause()", [])
        house.pay("bond", 2, "100")
        slash = ("slash(address,uint256,uint256,bytes32)",
                 ["address", "uint256", "uint256", "bytes32"])
        send(house, 0, contract, *slash, house.chain.keys[2][1], 5, 5, b"\x05" * 32)
        appeal = ("appealSlash(bytes32,bytes32)", ["bytes32", "bytes32"])
        send(house, 2, contract, *appeal, b"\x05" * 32, b"\x06" * 32)
        house.chain.call("anvil_mine", "0x3")

        def said():
            return (tmp_path / "house.log").read_text()

        eventually("the last of it", lambda: "the accused objects on chain to a slash" in said())
        (line,) = [one for one in said().splitlines() if "roles on the contract are to change" in one]
        assert "critical" in line and "pauser,guardian" in line and other in line
        for words in ("the contract is offered to another owner", "the contract is paused",
                      "the contract is open again"):
            assert said().count(words) == 1, words
        # Nothing of it is in the books.
        assert reconcile(house)["balanced"]
    finally:
        house.stop()


def usdc(house, address):
    data = "0x70a08231" + address.removeprefix("0x").rjust(64, "0")
    call = {"to": house.addresses["usdc"], "data": data}
    return int(house.chain.call("eth_call", call, "latest"), 16)


def test_a_disputed_root_is_told_and_replaced(house):
    # The guardian's key is not the house's, whose nonces are its own.
    guardian = house.chain.keys[3][1]
    contract = house.addresses["contract"]
    send(
        house, 0, contract, "grantRoles(address,uint256)", ["address", "uint256"], guardian,
        GUARDIAN,
    )
    provider = begin(house)
    settle(house, "20", 1)
    send(
        house, 3, contract, "disputeRoot(uint256,bytes32)", ["uint256", "bytes32"], 1,
        b"\x07" * 32,
    )
    house.chain.call("anvil_mine", "0x3")
    eventually("it is told", lambda: house.get("/v1/batches/1")["state"] == "disputed")
    assert house.get("/v1/batches/1")["rail"]["stage"] == "disputed"
    report = reconcile(house)
    assert report["balanced"]
    (item,) = report["stranded"]
    assert (item["alert"], item["name"], item["number"]) == (6, "root_disputed", 1)
    # Nothing is cut until the operator says so, and a restart does not forget it.
    withdraw(house, 2, "3")
    with pytest.raises(Exception) as refused:
        house.operate("settle")
    assert refused.value.code == 409
    house.kill()
    house.start()
    assert house.operate("batches/replace") == {"ok": True}

    def is_confirmed():
        house.chain.call("anvil_mine", "0x1")
        return house.get("/v1/batches/2")["state"] == "confirmed"

    eventually("the replacement is on chain", is_confirmed)
    pass_time(house, DELAY)
    eventually("it pays", lambda: paying(house) == 2)
    (claim,) = house.get(f"/v1/claimable/{provider}")["claims"]
    assert claim["amount"] == "23.00"
    assert reconcile(house)["stranded"] == []


def committed(house):
    """The number of the last root that the contract took."""
    call = {"to": house.addresses["contract"], "data": "0x" + keccak(text="batch()")[:4].hex()}
    return int(house.chain.call("eth_call", call, "latest"), 16)


def test_what_was_cut_behind_a_disputed_root_waits(house):
    """The next batch is cut and has its root while the first one waits. Its sums are those of the
    disputed one too: nothing is sent until a person has said so, whatever the house has heard."""
    guardian = house.chain.keys[3][1]
    contract = house.addresses["contract"]
    send(
        house, 0, contract, "grantRoles(address,uint256)", ["address", "uint256"], guardian,
        GUARDIAN,
    )
    provider = begin(house)
    settle(house, "20", 1)
    withdraw(house, 2, "3")
    house.operate("settle")
    eventually("it has its root", lambda: house.get("/v1/batches/2")["state"] == "sealed")
    # The dispute is in the chain, and the house cannot read it.
    house.chain.fault("eth_getLogs", "error", count=100_000)
    send(
        house, 3, contract, "disputeRoot(uint256,bytes32)", ["uint256", "bytes32"], 1,
        b"\x07" * 32,
    )
    for _ in range(4):
        house.chain.call("anvil_mine", "0x1")
        house.operate("settlement/resume")
        time.sleep(1)
    assert committed(house) == 1 and house.get("/v1/batches/2")["rail"]["stage"] == "waiting"
    house.kill()
    house.start()
    house.chain.call("test_clearFaults")
    eventually("it is told", lambda: house.get("/v1/batches/2")["state"] == "held")
    assert house.get("/v1/batches/1")["state"] == "disputed"
    assert house.get("/v1/batches/2")["rail"]["stage"] == "held"
    (item,) = reconcile(house)["stranded"]
    assert (item["alert"], item["name"], item["number"]) == (6, "root_disputed", 1)
    house.operate("settlement/resume")
    time.sleep(3)
    assert committed(house) == 1
    with pytest.raises(Exception) as refused:
        house.operate("settle")
    assert refused.value.code in (409, 422)
    assert house.operate("batches/replace") == {"ok": True}

    def is_confirmed():
        house.chain.call("anvil_mine", "0x1")
        return house.get("/v1/batches/2")["state"] == "confirmed"

    eventually("it is on chain", is_confirmed)
    pass_time(house, DELAY)
    eventually("it pays", lambda: paying(house) == 2)
    (claim,) = house.get(f"/v1/claimable/{provider}")["claims"]
    assert claim["amount"] == "23.00" and committed(house) == 2
    assert reconcile(house)["stranded"] == []


def test_stranded_money_is_named_to_the_unit(house):
    provider = begin(house, "5.00")
    stranger, vault = house.chain.keys[1][1], house.addresses["vault"]
    name = send(
        house, 1, house.addresses["usdc"], "transfer(address,uint256)", ["address", "uint256"],
        vault, 1_234_567,
    )
    house.pay("deposit", 1, "7.00")
    house.pay("bond", 1, "4.00")
    house.chain.call("anvil_mine", "0x3")
    eventually("the deposit", lambda: house.usd(stranger).get("available") == "7.00")
    eventually("the bond", lambda: house.usd(stranger).get("bonded") == "4.00")
    withdraw(house, 2, "3")
    # Of a party without a key or a node; with no days of grace it is named at once.
    report = reconcile(house, "--days", "0")
    assert report["balanced"]
    (holdings,) = [line for line in report["lines"] if line["name"] == "holdings"]
    assert holdings["explained"] == "1234567" and holdings["difference"] == "0"
    assert int(holdings["chain"]) == int(holdings["books"]) + 1_234_567 == 117_234_567
    found = {(item["name"], item["units"], item["account"]) for item in report["stranded"]}
    assert ("stray_transfer", "1234567", stranger) in found
    assert ("ownerless_deposit", "7000000", stranger) in found
    assert ("ownerless_deposit", "4000000", stranger) in found
    # What is to be paid out waits for a settlement.
    assert ("unpaid", "3000000", provider) in found
    assert not {"unpaid", "ownerless_deposit"} & {i["name"] for i in reconcile(house)["stranded"]}
    stray = next(item for item in report["stranded"] if item["name"] == "stray_transfer")
    assert stray["transaction"] == name.removeprefix("0x") and stray["amount"] == "1.234567"
    # A bond that was asked back and never taken.
    house.run("unbond", 2, "--contract", house.addresses["contract"], "--amount", "40")
    pass_time(house, 900)

    def left():
        items = reconcile(house, "--days", "0")["stranded"]
        return [(i["name"], i["units"], i["account"]) for i in items if i["alert"] == 4]

    eventually("it is named", lambda: left() == [("bond_after_exit", "40000000", provider)])
    # It has a month's time to take it.
    assert all(item["alert"] != 4 for item in reconcile(house)["stranded"])
    text = exchequer("reconcile", "--data", house.folder / "house")
    assert "books and chain are equal" in text and "1 stray_transfer" in text
    token = (house.folder / "house" / "operator.token").read_text()
    assert token.strip() not in text

    # The figures for whoever watches.
    assert house.metric('stranded_items{alert="1",kind="stray_transfer"}') == 1
    assert house.metric('reconciliation_difference_units{check="holdings",asset="USD"}') == 0


def test_a_difference_ends_with_code_5(house):
    begin(house, "5.00", ["--payouts", "plan", "--refund-above", "1000"])
    # The token's supply is the deployer's, and no vault can be emptied: so the books are wronged.
    # A node that tells of a deposit that was never made is the only one the house asks.
    contract = house.addresses["contract"]
    artefact = json.loads((ROOT / "contracts-abi/evm/Exchequer.json").read_text())
    topic = "0x" + keccak(text="Deposited(address,uint256)").hex()
    assert any(entry.get("name") == "Deposited" for entry in artefact["abi"])
    house.chain.call("anvil_mine", "0x1")
    time.sleep(1)
    # The next block's logs, as a liar tells them: a transaction of the block, and a deposit.
    house.chain.call("evm_setAutomine", False)
    file, address = house.chain.keys[1]
    fields = {
        "chainId": 31337,
        "nonce": int(house.chain.call("eth_getTransactionCount", address, "latest"), 16),
        "to": to_checksum_address(address),
        "gas": 21_000,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 10**9,
    }
    signed = Account.sign_transaction(fields, file.read_text())
    name = house.chain.call("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex())
    house.chain.call("anvil_mine", "0x1")
    block = house.chain.call("eth_getBlockByNumber", "latest", False)
    assert name in block["transactions"]
    # The block below counts now, and is read before the lie is told.
    time.sleep(1)
    log = {
        "address": contract,
        "topics": [topic, "0x" + address.removeprefix("0x").rjust(64, "0")],
        "data": "0x" + (9_000_000).to_bytes(32).hex(),
        "blockNumber": block["number"],
        "blockHash": block["hash"],
        "transactionHash": name,
        "logIndex": "0x0",
        "removed": False,
    }
    house.chain.fault("eth_getLogs", "lie", result=[log], contains=block["hash"])
    house.chain.call("anvil_mine", "0x1")
    eventually("the lie is booked", lambda: house.usd(address).get("available") == "9.00")
    report = reconcile(house, code=5)
    (holdings,) = [line for line in report["lines"] if line["name"] == "holdings"]
    assert not report["balanced"] and holdings["difference"] == "-9000000"
    (missing,) = [item for item in report["stranded"] if item["name"] == "uncovered"]
    assert (missing["alert"], missing["asset"], missing["amount"]) == (9, "USD", "9.00")

    nobody_is_paid_with_the_others_money(house)


def nobody_is_paid_with_the_others_money(house):
    """Nine dollars are missing: neither is anything settled, nor is anybody paid at once."""
    key = withdraw(house, 2, "1").read_text().strip()

    def refusal(ask, *arguments):
        with pytest.raises(urllib.error.HTTPError) as error:
            ask(*arguments)
        return error.value.code, json.load(error.value)["error"]["message"][:18]

    def at_once():
        body = {"asset": "USD", "amount": "2", "key": "at once"}
        request = urllib.request.Request(
            house.base + "/v1/withdrawals", json.dumps(body).encode(),
            {"authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def are_refused():
        assert house.metric('settlement_breaker{cause="uncovered"}') == 1
        fees = {"party": 1, "amount": "0.01"}
        asked = [refusal(house.operate, path, body) for path, body in [
            ("settle", None), ("batches/replace", None), ("collect-fees", fees)]]
        assert {*asked, refusal(at_once)} == {(503, "$9.00 more is owed")}
        assert house.get("/v1/batches")["data"] == house.get("/v1/dispersals")["data"] == []

    are_refused()
    # Neither a word for something else nor less than is missing lets it go on.
    house.operate("settlement/resume")
    house.operate("settlement/accept-shortfall", {"amount": "8.999999"})
    are_refused()
    assert refusal(house.operate, "settlement/accept-shortfall", {"amount": "9,00"})[0] == 400
    house.operate("settlement/accept-shortfall", {"amount": "9"})
    assert house.metric('settlement_breaker{cause="uncovered"}') == 0

    def is_paid():
        house.chain.call("anvil_mine", "0x1")
        try:
            return at_once()["dispersal"]
        except urllib.error.HTTPError as error:
            # The contract may not take the payer's tokens yet.
            assert error.code == 503
            return None

    eventually("it is paid", is_paid)
    reconcile(house, code=5)
    assert house.metric('settlement_breaker{cause="uncovered"}') == 0
    # Another process knows of no such word.
    house.kill()
    house.start(extra=["--payouts", "plan", "--refund-above", "1000"])
    eventually("it looks", lambda: house.metric('settlement_breaker{cause="uncovered"}') == 1)


def test_a_proof_is_of_its_own_batch_while_another_root_waits(house):
    provider = begin(house)
    settle(house, "20", 1)
    pass_time(house, DELAY)
    eventually("the first root pays", lambda: paying(house) == 1)
    key = withdraw(house, 2, "1")
    proof = house.folder / "proof.json"
    check = ["verify-balance", proof, "--artifacts", ROOT / "contracts-abi/evm"]
    check += ["--rpc", house.chain.rpc, "--contract", house.addresses["contract"]]
    asked = ["prove-balance", "--url", house.base, "--api-key-file", key]
    old = exchequer(*asked)
    proof.write_text(old)
    assert json.loads(exchequer(*check, "--address", provider, "--json"))["batch"] == 1
    house.operate("settle")
    eventually("the second root waits", lambda: second(house))
    # The last root that was committed does not pay: each proof is held against its own.
    assert json.loads(exchequer(*check, "--address", provider, "--json"))["batch"] == 1
    proof.write_text(exchequer(*asked))
    assert json.loads(exchequer(*check, "--address", provider, "--json"))["batch"] == 2
    proof.write_text(old.replace('"batch":1', '"batch":2'))
    exchequer(*check, code=5)


def second(house):
    house.chain.call("anvil_mine", "0x1")
    batches = house.get("/v1/batches")["data"]
    return len(batches) > 1 and batches[1]["state"] == "confirmed"


def last_sign(house):
    data = "0x" + keccak(text="lastHeartbeat()")[:4].hex()
    call = {"to": house.addresses["contract"], "data": data}
    return int(house.chain.call("eth_call", call, "latest"), 16)


def test_a_house_without_roots_is_not_abandoned(tmp_path):
    house = House(tmp_path, "--escape-delay", "3000")
    log = tmp_path / "house.log"
    settler = house.chain.keys[0][1]

    def sent():
        return int(house.chain.call("eth_getTransactionCount", settler, "latest"), 16)

    try:
        before, first = sent(), last_sign(house)
        pass_time(house, 900)
        house.start()
        house.pay("deposit", 2, "9.00")
        house.chain.call("anvil_mine", "0x3")
        time.sleep(1)
        assert (sent(), last_sign(house)) == (before, first)
        pass_time(house, 200)
        eventually("a third has passed: it beats", lambda: last_sign(house) >= first + 1_100)
        second = last_sign(house)
        assert sent() == before + 1
        # Killed for long: it says so, and beats once.
        house.kill()
        house.chain.call("anvil_mine", "0x3")
        pass_time(house, 2_100)
        assert "declare the house abandoned" not in log.read_text()
        house.start()
        eventually("it beats", lambda: last_sign(house) >= second + 2_100)
        house.chain.call("anvil_mine", "0x3")
        assert "can soon declare the house abandoned" in log.read_text()
        time.sleep(4)
        assert sent() == before + 2
        # Dead for too long: somebody declares it, and whoever starts it again is told.
        house.kill()
        pass_time(house, 3_010)
        send(house, 1, house.addresses["contract"], "declareAbandoned()", [])
        house.chain.call("anvil_mine", "0x3")
        house.start()
        eventually("it is told", lambda: "the house was declared abandoned" in log.read_text())
        # What is in no root can be paid to nobody.
        (item,) = [one for one in reconcile(house)["stranded"] if one["name"] == "abandoned"]
        assert (item["alert"], item["asset"], item["units"]) == (25, "USD", "9000000")
    finally:
        house.stop()
