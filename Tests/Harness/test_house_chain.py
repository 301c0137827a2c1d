"""The house and its chain: real processes, faults of the node, `kill -9`. Each deposit, bond and
root is booked once, whatever happens."""

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from decimal import Decimal
from pathlib import Path

import pytest
from eth_utils import keccak

ROOT = Path(__file__).resolve().parents[2]
EXCHEQUER = ROOT / ".build" / "release" / "exchequer"
MODEL = ROOT / ".models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
DELAY = "900"
RULES = {
    "challenge_window_seconds": 60,
    "audit_timeout_seconds": 60,
    "appeal_window_seconds": 60,
    "epoch_length_seconds": 1,
}


def eventually(what, condition, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"it never came to this: {what}")


class Chain:
    def __init__(self, folder):
        self.log = open(folder / "chain.log", "w")
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "Tests/Harness/evm_node.py", "--port", "0"]
            + ["--chain-id", "31337", "--accounts", "5", "--endpoints", "2"]
            + ["--exit-with-parent"],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        ready = json.loads(self.process.stdout.readline())
        self.rpc = ready["listening"]
        # Another listener of the same chain, with faults of its own.
        self.second = ready["endpoints"][1]
        self.keys = []
        for index, account in enumerate(ready["accounts"]):
            file = folder / f"{index}.key"
            file.write_text(account["privateKey"].removeprefix("0x"))
            file.chmod(0o600)
            self.keys.append((file, account["address"].lower()))

    def call(self, method, *params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        request = urllib.request.Request(
            self.rpc, body.encode(), {"content-type": "application/json"}
        )
        return json.load(urllib.request.urlopen(request, timeout=30))["result"]

    def fault(self, method, kind, count=1, result=None, after=0, contains=""):
        self.call(
            "test_fault",
            {"method": method, "kind": kind, "count": count, "result": result, "after": after,
             "contains": contains},
        )

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.log.close()


class House:
    """One chain, one contract, and a house that can be killed and started again."""

    def __init__(self, folder, *delays):
        self.folder = folder
        self.chain = Chain(folder)
        self.process = None
        self.log = open(folder / "house.log", "a")
        (folder / "rules.json").write_text(json.dumps(RULES))
        deployed = self.run("deploy", 0, "--unbonding-delay", DELAY, *delays, "--json")
        self.addresses = json.loads(deployed)
        for index in (1, 2):
            self.run(
                "send", 0, "--token", self.addresses["usdc"], "--to", self.chain.keys[index][1],
                "--amount", "1000",
            )

    def run(self, command, account, *arguments):
        line = [EXCHEQUER, "contracts", command, "--rpc", self.chain.rpc]
        line += ["--key-file", self.chain.keys[account][0], *arguments]
        line += ["--artifacts", ROOT / "contracts-abi/evm"]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def pay(self, command, account, amount):
        self.run(command, account, "--contract", self.addresses["contract"], "--amount", amount)

    def start(self, endpoints=None, key=(), extra=()):
        """Starts it over these endpoints; `key` says whose key it has, the deployer's by itself."""
        key = key or ("--operator-key", self.chain.keys[0][0], "--any-roles")
        nodes = [word for url in endpoints or [self.chain.rpc] for word in ("--rpc-url", url)]
        self.process = subprocess.Popen(
            [EXCHEQUER, "serve", "--data", self.folder / "house", "--model", f"smol={MODEL}"]
            + ["--http-port", "0", "--wire-port", "0", *nodes]
            + ["--contract", self.addresses["contract"], "--confirmations", "2"]
            + [*key, "--manual-epochs"]
            + ["--parameters", self.folder / "rules.json"]
            + ["--artifacts", ROOT / "contracts-abi/evm", *extra],
            stderr=self.log,
        )
        ready = self.folder / "house" / "serve.json"

        def is_ready():
            assert self.process.poll() is None, (self.folder / "house.log").read_text()[-2000:]
            try:
                found = json.loads(ready.read_text())
            except FileNotFoundError:
                # Not there yet, or that of the last one, which has just been removed.
                return None
            return found if found["pid"] == self.process.pid else None

        self.base = eventually("the house is ready", is_ready)["http"]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def get(self, path):
        with urllib.request.urlopen(self.base + path, timeout=30) as response:
            return json.load(response)

    def metric(self, name):
        with urllib.request.urlopen(self.base + "/metrics", timeout=30) as response:
            for line in response.read().decode().splitlines():
                if line.startswith(f"exchequer_{name} "):
                    return float(line.split()[1])
        raise AssertionError(f"there is no metric {name}")

    def operate(self, path, body=None):
        token = (self.folder / "house" / "operator.token").read_text().strip()
        request = urllib.request.Request(
            self.base + "/v1/operator/" + path, json.dumps(body or {}).encode(),
            {"authorization": f"Bearer {token}"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def usd(self, address):
        """The dollars of an account, by purpose; empty while the house does not know it."""
        for party in range(1, 9):
            try:
                found = self.get(f"/v1/balances/{party}")
            except urllib.error.HTTPError:
                return {}
            if found["address"] == address:
                return next(line for line in found["balances"] if line["asset"] == "USD")
        return {}

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        self.chain.stop()
        self.log.close()


def exchequer(*arguments, code=0):
    """The output of one of our commands, which must end with this code."""
    done = subprocess.run([EXCHEQUER, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def withdraw(house, account, amount):
    """Puts money aside for the next settlement; returns the file of the account's API key."""
    file = house.folder / f"{account}.api-key"
    file.write_text(
        exchequer("keys", "api", "--house", house.base, "--key-file", house.chain.keys[account][0])
    )
    request = urllib.request.Request(
        house.base + "/v1/withdrawals",
        json.dumps({"asset": "USD", "amount": amount}).encode(),
        {"authorization": f"Bearer {file.read_text().strip()}"},
    )
    urllib.request.urlopen(request, timeout=30)
    return file


def confirmed(house):
    """Whether the first batch's root is final, a block later."""
    house.chain.call("anvil_mine", "0x1")
    batches = house.get("/v1/batches")["data"]
    return batches and batches[0]["state"] == "confirmed"


@pytest.fixture
def house(tmp_path):
    if not EXCHEQUER.exists():
        pytest.fail(f"{EXCHEQUER} is missing: run `make build`")
    house = House(tmp_path)
    yield house
    house.stop()


def test_deposits_are_booked_once_whatever_happens(house):
    buyer = house.chain.keys[1][1]
    house.pay("deposit", 1, "1.00")
    house.chain.call("anvil_mine", "0x3")
    house.start()
    eventually("the first deposit", lambda: house.usd(buyer).get("available") == "1.00")
    # Killed, paid while it is dead, started again: what came before is not booked twice.
    house.kill()
    house.pay("deposit", 1, "2.00")
    house.chain.call("anvil_mine", "0x3")
    house.start()
    eventually("the second deposit", lambda: house.usd(buyer).get("available") == "3.00")
    # The node lies, breaks off, and talks rubbish: the house waits and goes on.
    for method, kind, result in [
        ("eth_getLogs", "garbage", None),
        ("eth_getLogs", "lost", None),
        ("eth_getLogs", "lie", "0x"),
        ("eth_getBlockByNumber", "lie", None),
        ("eth_getBlockByNumber", "garbage", None),
        ("eth_getBlockByNumber", "error", None),
    ]:
        house.chain.fault(method, kind, count=2, result=result)
    house.chain.call("anvil_mine", "0x3")
    eventually("the house has met the faults", lambda: house.metric("chain_failures_total") > 4)
    house.chain.call("test_clearFaults")
    house.pay("deposit", 1, "4.00")
    house.chain.call("anvil_mine", "0x3")
    eventually("the third deposit", lambda: house.usd(buyer).get("available") == "7.00")
    assert house.get("/healthz")["status"] == "ok"
    for _ in range(3):
        house.kill()
        house.start()
    assert house.usd(buyer)["available"] == "7.00"


def test_a_root_is_committed_once_although_answers_are_lost(house):
    provider = house.chain.keys[2][1]
    house.start()
    house.pay("bond", 2, "100")
    house.pay("deposit", 2, "5.00")
    house.chain.call("anvil_mine", "0x3")
    eventually("the bond", lambda: house.usd(provider).get("bonded") == "100.00")
    # The deposit lies in a later block, so it can be booked a moment after the bond.
    eventually("the deposit", lambda: house.usd(provider).get("available") == "5.00")
    # Something to settle: the provider takes its deposit out again.
    withdraw(house, 2, "5")
    # The transaction arrives and the answer does not; then the house is killed and starts again.
    house.chain.fault("eth_sendRawTransaction", "lost")
    house.operate("settle")
    time.sleep(0.5)
    house.kill()
    house.start()

    eventually("the root is final", lambda: confirmed(house))
    topic = json.loads((ROOT / "contracts-abi/evm/Exchequer.json").read_text())
    events = [entry for entry in topic["abi"] if entry.get("name") == "RootCommitted"]
    assert len(events) == 1
    logs = house.chain.call(
        "eth_getLogs", {"address": house.addresses["contract"], "fromBlock": "0x0"}
    )
    types = ",".join(entry["type"] for entry in events[0]["inputs"])
    committed = "0x" + keccak(text=f"RootCommitted({types})").hex()
    roots = [log for log in logs if log["topics"][0] == committed]
    assert len(roots) == 1
    assert house.get("/v1/batches/1")["root"] in roots[0]["data"]
    house.run(
        "claim", 2, "--contract", house.addresses["contract"], "--house", house.base
    )
    house.chain.call("anvil_mine", "0x3")
    eventually("the claim", lambda: house.usd(provider).get("in_transit") == "0.00")
    again = house.run(
        "claim", 2, "--contract", house.addresses["contract"], "--house", house.base
    )
    assert "nothing to claim" in again


def roots(house):
    """The roots that the contract has logged, oldest first."""
    artefact = json.loads((ROOT / "contracts-abi/evm/Exchequer.json").read_text())
    event = next(entry for entry in artefact["abi"] if entry.get("name") == "RootCommitted")
    kinds = ",".join(field["type"] for field in event["inputs"])
    topic = "0x" + keccak(f"RootCommitted({kinds})".encode()).hex()
    asked = {"address": house.addresses["contract"], "fromBlock": "0x0", "topics": [topic]}
    return house.chain.call("eth_getLogs", asked)


def test_a_root_outlives_kills_a_dead_node_and_a_reorganisation(house):
    """One of three endpoints is not there; the house is killed again and again while it settles,
    and the block with the root is reorganised away before it is deep enough."""
    provider = house.chain.keys[2][1]
    endpoints = [house.chain.rpc, "http://127.0.0.1:9", house.chain.second]
    house.start(endpoints)
    house.pay("bond", 2, "100")
    house.pay("deposit", 2, "5.00")
    house.chain.call("anvil_mine", "0x3")
    eventually("the deposit", lambda: house.usd(provider).get("available") == "5.00")
    withdraw(house, 2, "5")
    settler = house.chain.keys[0][1]
    before = int(house.chain.call("eth_getTransactionCount", settler, "latest"), 16)
    house.chain.call("evm_setAutomine", False)
    house.operate("settle")
    for pause in (0.05, 0.3, 0.1, 0.5):
        time.sleep(pause)
        house.kill()
        house.start(endpoints)

    def waiting():
        return int(house.chain.call("eth_getTransactionCount", settler, "pending"), 16) - before

    eventually("the root waits to be mined", lambda: waiting() == 1)
    house.chain.call("anvil_mine", "0x1")
    assert len(roots(house)) == 1
    house.chain.call("anvil_reorg", 1, False, 1)
    assert len(roots(house)) == 0
    eventually("the root is sent again", lambda: waiting() == 1)
    eventually("the root is final", lambda: confirmed(house))
    house.kill()
    house.start(endpoints)
    for _ in range(5):
        house.chain.call("anvil_mine", "0x1")
        time.sleep(0.2)
    logged = roots(house)
    assert len(logged) == 1 and house.get("/v1/batches/1")["root"] in logged[0]["data"]
    assert int(house.chain.call("eth_getTransactionCount", settler, "latest"), 16) == before + 1
    chain = house.get("/v1/chain")
    assert (chain["finality"], chain["endpoints"], chain["quorum"]) == ("confirmed", 3, 2)
    assert house.get("/v1/batches/1")["rail"]["stage"] == "confirmed"


def test_an_endpoint_given_twice_is_refused(house):
    """It would agree with itself. What a provider's customer is known by is not said."""
    url = house.chain.rpc
    line = [EXCHEQUER, "serve", "--data", house.folder / "h", "--model", f"smol={MODEL}"]
    line += ["--http-port", "0", "--wire-port", "0", "--contract", house.addresses["contract"]]
    line += ["--operator-key", house.chain.keys[0][0], "--any-roles"]
    line += ["--artifacts", ROOT / "contracts-abi/evm", "--parameters", house.folder / "rules.json"]
    twice = [f"{url}/v2/SECRET?a=1", house.chain.second, f"HTTP{url[4:]}/v2/SECRET?a=1#x"]
    for url in twice:
        line += ["--rpc-url", url]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3, done.stderr
    assert f"endpoints 1 and 3 are the same, {house.chain.rpc}" in done.stderr
    assert "--rpc-url" in done.stderr and "SECRET" not in done.stderr
    # Nor when none of several answers.
    line = line[:-6] + ["--rpc-url", "http://127.0.0.1:9/SECRET"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.returncode not in (0, 64) and "SECRET" not in done.stdout + done.stderr
    assert "http://127.0.0.1:9" in done.stderr


def test_holders_check_their_balance_against_the_chain(house):
    contract = house.addresses["contract"]
    house.start()
    house.pay("bond", 2, "100")
    house.pay("deposit", 2, "5.00")
    house.pay("deposit", 1, "3.00")
    house.chain.call("anvil_mine", "0x3")
    # The last of the three payments: the others lie in earlier blocks.
    buyer = house.chain.keys[1][1]
    eventually("the deposits", lambda: house.usd(buyer).get("available") == "3.00")
    key = withdraw(house, 2, "2")
    house.operate("settle")
    eventually("the root is final", lambda: confirmed(house))

    proof = house.folder / "proof.json"
    asked = ["prove-balance", "--url", house.base, "--api-key-file", key]
    proof.write_text(exchequer(*asked))
    check = ["verify-balance", proof, "--artifacts", ROOT / "contracts-abi/evm"]
    check += ["--rpc", house.chain.rpc, "--contract", contract]
    holder = house.chain.keys[2][1]
    report = json.loads(exchequer(*check, "--address", holder, "--json"))
    assert report["holds"] and report["root_from"] == "the contract"
    assert report["owed"] == {"usd": "105.00", "tly": "0.00"}
    assert report["totals"] == {"usd": "108.00", "tly": "0.00"}

    # A program of another hand reads the root from the chain and agrees.
    artefact = json.loads((ROOT / "contracts-abi/evm/Exchequer.json").read_text())
    call = {"to": contract, "data": artefact["selectors"]["liabilitiesRoot()"]}
    root = house.chain.call("eth_call", call, "latest")
    assert root == "0x" + house.get("/v1/liabilities")["root"]
    script = [sys.executable, ROOT / "Tests/Harness/check_liability.py", proof, root]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and f"{holder} is owed {105 * 10**12} and 0" in done.stdout

    # Another holder's proof is no proof of this one's balance, nor is another root's.
    exchequer(*check, "--address", buyer, code=5)
    exchequer("verify-balance", proof, "--root", "0x" + "11" * 32, code=5)
    changed = house.folder / "changed.json"
    changed.write_text(proof.read_text().replace('"105.00"', '"106.00"'))
    refused = json.loads(exchequer("verify-balance", changed, "--json", code=5))
    assert not refused["holds"] and refused["rejection"] == 1

    # A killed house makes the same tree of its journal again, and so does its operator.
    house.kill()
    house.start()
    asked[2] = house.base
    assert exchequer(*asked) == proof.read_text()
    data = ["--data", house.folder / "house"]
    party = next(p for p in (1, 2) if house.get(f"/v1/balances/{p}")["address"] == holder)
    assert exchequer("prove-balance", *data, "--party", str(party)) == proof.read_text()
    audit = json.loads(exchequer("audit", *data, "--json"))
    assert audit["sound"] and audit["liabilitiesMatched"] == 1
    exchequer("prove-balance", *data, "--party", str(party), "--batch", "2", code=1)
    (house.folder / "house" / "liabilities.salt").write_text("22" * 32 + "\n")
    exchequer("prove-balance", *data, "--party", str(party), code=5)


def test_a_bond_that_leaves_too_early_keeps_the_house_from_starting(house):
    (house.folder / "rules.json").write_text(json.dumps(RULES | {"appeal_window_seconds": 600}))
    with pytest.raises(AssertionError, match="lets bonds leave"):
        house.start()
    assert house.process.wait(10) == 3


def test_a_chain_that_was_rewritten_halts_settlement(house):
    buyer = house.chain.keys[1][1]
    house.start()
    house.pay("deposit", 1, "1.00")
    house.chain.call("anvil_mine", "0x3")
    eventually("the deposit", lambda: house.usd(buyer).get("available") == "1.00")
    house.chain.call("anvil_reorg", 5, False, 9)
    eventually(
        "settlement is halted", lambda: house.get("/healthz")["status"] == "settlement halted"
    )
    # Nothing is undone by itself, and a restart does not forget it.
    assert house.usd(buyer)["available"] == "1.00"
    house.kill()
    house.start()
    eventually(
        "settlement is halted again", lambda: house.get("/healthz")["status"] == "settlement halted"
    )
    # A person says so: it is reversed by an entry, and what the chain has now is booked.
    credited = trial(house)
    assert house.operate("settlement/reverse") == {"reversed": 1}
    assert house.usd(buyer)["available"] == "0.00"
    # The sums are up to a second old.
    time.sleep(1.1)
    assert trial(house) == credited + 1
    with pytest.raises(urllib.error.HTTPError) as refused:
        house.operate("settlement/reverse")
    assert refused.value.code == 409
    house.pay("deposit", 1, "2.50")
    house.chain.call("anvil_mine", "0x3")
    eventually("the next deposit", lambda: house.usd(buyer).get("available") == "2.50")
    assert house.get("/healthz")["status"] == "ok"
    house.kill()
    house.start()
    assert house.usd(buyer)["available"] == "2.50"
    audit = json.loads(exchequer("audit", "--data", house.folder / "house", "--json"))
    # The deposit, its reversal, and the other one.
    assert audit["sound"] and audit["transfers"] == 3
    report = reconcile(house)
    assert report["balanced"] and report["stranded"] == []


BUYER, PROVIDER, VERIFIER, OWNER = 1, 2, 3, 4


@contextlib.contextmanager
def nodes(house):
    """A provider's node and a verifier's, which are on the market."""
    running = []
    with open(house.folder / "nodes.log", "w") as log:
        try:
            for account, words in ((PROVIDER, ["--layers", "all"]), (VERIFIER, ["--verifier"])):
                running.append(subprocess.Popen(
                    [EXCHEQUER, "node", "--house", house.base, "--model", MODEL, "--key-file",
                     house.chain.keys[account][0], "--identity",
                     house.folder / f"{account}.identity", "--name", f"node-{account}",
                     "--input-price", "1000", "--output-price", "10000", "--threads", "1", *words],
                    stdout=log, stderr=log))
            eventually("the provider is on the market", lambda: any(
                offer["online"] for offer in house.get("/v1/offers")["data"]), 60)
            yield
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(30)


def api_key(house, account):
    line = ["keys", "api", "--house", house.base, "--key-file", house.chain.keys[account][0]]
    return exchequer(*line).strip()


def ask(house, key, path, body=None):
    """What a house says to the owner of an API key."""
    request = urllib.request.Request(
        house.base + path, None if body is None else json.dumps(body).encode(),
        {"authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def test_each_role_sees_what_is_its_own(house):
    """A buyer, a provider, a verifier and whoever has the house's fees, after a job that was served
    and audited: what waits, what is claimed, and a bond on its way out."""
    keys = house.chain.keys
    rules = RULES | {"audit_rate_per_million": 1_000_000, "audit_fee_basis_points": 100}
    (house.folder / "rules.json").write_text(json.dumps(rules))
    house.run("send", 0, "--token", house.addresses["usdc"], "--to", keys[VERIFIER][1],
              "--amount", "1000")
    house.start(extra=["--audit-interval", "1"])
    for account in (PROVIDER, VERIFIER):
        house.pay("bond", account, "100")
    house.pay("deposit", BUYER, "10.00")
    house.chain.call("anvil_mine", "0x3")
    eventually("money", lambda: house.usd(keys[BUYER][1]).get("available") == "10.00")
    api = {account: api_key(house, account) for account in (BUYER, PROVIDER, VERIFIER, OWNER)}
    with nodes(house):
        answer = ask(house, api[BUYER], "/v1/completions", {
            "model": "smol", "prompt": "Once upon a time,", "max_tokens": 16, "temperature": 0})
        cost = int(Decimal(answer["exchequer"]["cost"]) * 10**12)
        eventually("the job is audited",
                   lambda: house.get("/v1/jobs/1")["state"] == "paid", 60)
    # 5 % are the house's, of which 1 % of the cost went to the verifier.
    fee = cost * 5 // 100 - cost // 100
    owner = ask(house, api[OWNER], "/v1/balance")["party"]
    house.operate("collect-fees", {"party": owner, "amount": coins(fee)})
    ask(house, api[BUYER], "/v1/withdrawals", {"asset": "USD", "amount": "2.00"})
    due = {BUYER: 2 * 10**12, PROVIDER: cost - cost * 5 // 100, VERIFIER: cost // 100, OWNER: fee}
    assert min(due.values()) > 10**6

    def told(account):
        """The same to anyone as to itself, but for what a bond may leave."""
        path, before = f"/v1/claimable/{keys[account][1]}", None
        public = house.get(path)
        # Logs are booked meanwhile: both are of one moment if nothing changed around them.
        while before != public:
            before, own = public, ask(house, api[account], "/v1/claimable")
            public = house.get(path)
        assert "withdrawable" not in public.get("bond", {})
        bond = {name: value for name, value in own.get("bond", {}).items()
                if name != "withdrawable"}
        assert {**own, "bond": bond} == {**public, "bond": public.get("bond", {})}
        assert own["account"] == keys[account][1]
        return own

    for account, amount in due.items():
        found = told(account)
        assert found["claims"] == [] and "calldata" not in found
        (line,) = found["waiting"]
        assert Decimal(line["payable"]) * 10**12 == amount, (account, line, cost)
        assert ("bond" in found) == (account in (PROVIDER, VERIFIER))

    # A bond is asked back: it is told while it waits, and what of it may leave.
    house.run("unbond", PROVIDER, "--contract", house.addresses["contract"], "--amount", "40")
    house.chain.call("anvil_mine", "0x3")
    leaving = eventually("it is booked", lambda: told(PROVIDER)["bond"]["unbonding"] == "40.00"
                         and told(PROVIDER)["bond"])
    assert (leaving["bonded"], leaving["withdrawable"]) == ("60.00", "0.00")
    house.chain.call("evm_increaseTime", int(DELAY))
    house.chain.call("anvil_mine", "0x3")
    eventually("the delay is over", lambda: told(PROVIDER)["bond"]["withdrawable"] == "40.00")
    assert "withdrawable" not in told(VERIFIER)["bond"]

    house.operate("settle")
    eventually("the root pays", lambda: confirmed(house) and told(OWNER)["claims"])
    before = {account: dollars(house, account) for account in due}
    for account, amount in due.items():
        found = told(account)
        (claim,) = found["claims"]
        assert (found["batch"], claim["asset"]) == (1, "USD")
        assert claim["amount_units"] == claim["cumulative"] == str(amount // 10**6)
        house.run("claim", account, "--contract", house.addresses["contract"], "--house",
                  house.base)
        assert dollars(house, account) - before[account] == amount // 10**6
    bond = told(PROVIDER)["bond"]
    transaction = {"from": keys[PROVIDER][1], "to": house.addresses["contract"],
                   "data": bond["calldata"]}
    # The data as it is would pay what was told.
    assert int(house.chain.call("eth_call", transaction, "latest"), 16) == 40_000_000
    house.run("withdraw-bond", PROVIDER, "--contract", house.addresses["contract"])
    house.chain.call("anvil_mine", "0x3")
    eventually("it is out", lambda: told(PROVIDER)["bond"]["unbonding"] == "0.00")
    eventually("nothing is left", lambda: not any(told(account)["claims"] for account in due))
    assert "withdrawable" not in told(PROVIDER)["bond"]


def coins(units):
    """Dollars of a ledger's units, 10^-12 each."""
    return f"{Decimal(units) / 10**12:f}"


def dollars(house, account):
    """What an account holds of the token, in chain units."""
    owner = house.chain.keys[account][1][2:].zfill(64)
    data = "0x" + keccak(text="balanceOf(address)")[:4].hex() + owner
    asked = {"to": house.addresses["usdc"], "data": data}
    return int(house.chain.call("eth_call", asked, "latest"), 16)


def trial(house):
    """The dollars that were ever debited, in dollars."""
    totals = house.get("/v1/trial-balance")["data"]
    return next(float(line["debits"]) for line in totals if line["asset"] == "USD")


def reconcile(house, *arguments, code=0):
    """What the operator's command finds."""
    return json.loads(
        exchequer(
            "reconcile", "--data", house.folder / "house", "--json", *arguments, code=code))
