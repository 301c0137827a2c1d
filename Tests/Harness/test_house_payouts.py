"""A house that settles by plan on two chains: real processes, lost answers, `kill -9`. Everybody is
paid once, to the unit, and what the chains charged is in the books."""

import base64
import contextlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from eth_utils import keccak
from solders.pubkey import Pubkey
from test_house_chain import ROOT, House, eventually, exchequer
from test_settlement_upkeep import send

DOLLARS = 1_000_000


class Solana:
    """A Solana node with a mint, of which its first account holds a thousand dollars."""

    def __init__(self, folder, *words):
        self.log = open(folder / "solana.log", "w")
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "Tests/Harness/svm_node.py", "--port", "0", "--accounts", "3"]
            + ["--tokens", str(1_000 * DOLLARS), "--slot-ms", "20", "--endpoints", "2"]
            + ["--exit-with-parent", *words],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        ready = json.loads(self.process.stdout.readline())
        self.rpc, self.mint = ready["listening"], ready["mint"]
        self.rpcs = ready["endpoints"]
        self.program = ready["token_program"]
        self.keys = []
        for index, account in enumerate(ready["accounts"]):
            file = folder / f"solana-{index}.key"
            file.write_text(account["seed"])
            file.chmod(0o600)
            self.keys.append((file, account["address"]))

    def call(self, method, *params, url=None):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        request = urllib.request.Request(
            url or self.rpc, body.encode(), {"content-type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=30))["result"]

    def everywhere(self, method, *params):
        """At every endpoint: each has faults of its own."""
        for url in self.rpcs:
            self.call(method, *params, url=url)

    def account(self, owner):
        """The owner's token account of the mint."""
        token = Pubkey.from_string(self.program)
        associated = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
        seeds = [bytes(Pubkey.from_string(owner)), bytes(token),
                 bytes(Pubkey.from_string(self.mint))]
        return str(Pubkey.find_program_address(seeds, associated)[0])

    def tokens(self, owner):
        """What an owner's token account holds; None without one."""
        found = self.call("getAccountInfo", self.account(owner), {"encoding": "base64"})["value"]
        if found is None:
            return None
        return int.from_bytes(base64.b64decode(found["data"][0])[64:72], "little")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.log.close()


class Payer(House):
    """A house that settles by plan."""

    # What its Solana node is told beside the usual.
    solana_words = ()

    def __init__(self, folder, *delays):
        super().__init__(folder, *delays)
        self.solana = Solana(folder, *self.solana_words)
        self.api = {}
        self.run("send", 0, "--token", self.addresses["usdc"], "--to", self.chain.keys[3][1],
                 "--amount", "1000")

    def begin(self, *more, key=()):
        self.start(key=key, extra=[
            "--payouts", "plan", "--refund-above", "1000",
            *[word for url in self.solana.rpcs for word in ("--solana-rpc-url", url)],
            "--solana-mint", self.solana.mint, "--solana-key", self.solana.keys[0][0], *more,
        ])

    def told(self):
        """What the operator is told of settlement."""
        token = (self.folder / "house" / "operator.token").read_text().strip()
        request = urllib.request.Request(
            self.base + "/v1/operator/settlement", headers={"authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def is_approved(self):
        """Whether the contract may take the payer's tokens, a block later."""
        return self.report()["may_disperse"]

    def report(self):
        """What the operator is told of settlement, a block later."""
        self.chain.call("anvil_mine", "0x1")
        return self.told()

    def waits(self, account):
        """How many transactions of an account wait to be mined."""
        counts = [int(self.chain.call("eth_getTransactionCount", self.chain.keys[account][1], tag),
                      16) for tag in ("pending", "latest")]
        return counts[0] - counts[1]

    def fill(self, *accounts):
        """Deposits ten dollars for each of these accounts, and waits until the house may pay."""
        for account in accounts:
            self.pay("deposit", account, "10.00")
        self.chain.call("anvil_mine", "0x3")
        last = self.chain.keys[accounts[-1]][1]
        eventually("the deposits", lambda: self.usd(last).get("available") == "10.00")
        eventually("leave to disperse, and nothing under way",
                   lambda: self.is_approved() and self.told()["open"] == 0)

    def are_over(self, count):
        """Whether there are so many dispersals and none of them is open, a block later."""
        self.chain.call("anvil_mine", "0x1")
        found = self.get("/v1/dispersals")["data"]
        return len(found) == count and not any(one["open"] for one in found)

    def stages(self):
        """What became of the payments of each dispersal."""
        found = self.get("/v1/dispersals")["data"]
        return [[payment["stage"] for payment in one["payments"]] for one in found]

    def key(self, account):
        if account not in self.api:
            file = self.folder / f"{account}.api-key"
            file.write_text(exchequer(
                "keys", "api", "--house", self.base, "--key-file", self.chain.keys[account][0]))
            self.api[account] = file
        return self.api[account]

    def withdraw(self, account, amount, **more):
        request = urllib.request.Request(
            self.base + "/v1/withdrawals",
            json.dumps({"asset": "USD", "amount": amount} | more).encode(),
            {"authorization": f"Bearer {self.key(account).read_text().strip()}"})
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def dollars(self, account):
        """What an account holds of the token on the EVM chain."""
        owner = self.chain.keys[account][1]
        call = "0x" + keccak(text="balanceOf(address)")[:4].hex() + owner[2:].rjust(64, "0")
        asked = {"to": self.addresses["usdc"], "data": call}
        return int(self.chain.call("eth_call", asked, "latest"), 16)

    def stop(self):
        super().stop()
        self.solana.stop()


def check(house, code=0, change=lambda found: found):
    """Has check_dispersals.py compare what the house says with the chain."""
    file = house.folder / "dispersals.json"
    file.write_text(json.dumps(change(house.get("/v1/dispersals"))))
    done = subprocess.run(
        [sys.executable, ROOT / "Tests/Harness/check_dispersals.py", "--rpc", house.chain.rpc,
         "--contract", house.addresses["contract"], "--usdc", house.addresses["usdc"], "--tly",
         house.addresses["tly"], "--payer", house.chain.keys[0][1], "--solana-rpc",
         house.solana.rpc, "--solana-payer", house.solana.keys[0][1], file],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def house(tmp_path):
    house = Payer(tmp_path)
    yield house
    house.stop()


def test_a_mint_with_extensions_is_no_dollar(house):
    """With one for transfer fees a payee would get less than is booked."""
    asked = house.solana.call("getAccountInfo", house.solana.mint, {"encoding": "base64"})
    mint = base64.b64decode(asked["value"]["data"][0])
    # Behind the mint come zeros up to 165 bytes, what it is, and the kind and length of each.
    extension = (1).to_bytes(2, "little") + (108).to_bytes(2, "little") + bytes(108)
    fees = mint.ljust(165, b"\0") + b"\1" + extension
    house.solana.mint = str(Pubkey(bytes(range(32))))
    token_2022 = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"
    house.solana.call("test_setAccount", house.solana.mint, 10**9, token_2022,
                      base64.b64encode(fees).decode())
    with pytest.raises(AssertionError, match="extensions"):
        house.begin()
    # The same without them is one.
    house.solana.call("test_setAccount", house.solana.mint, 10**9, token_2022,
                      base64.b64encode(mint).decode())
    house.begin()


def test_everybody_is_paid_once_on_both_chains(house):
    house.begin()
    for account in (1, 2, 3):
        house.pay("deposit", account, "10.00")
    house.chain.call("anvil_mine", "0x3")
    last = house.chain.keys[3][1]
    eventually("the deposits", lambda: house.usd(last).get("available") == "10.00")
    held = {account: house.dollars(account) for account in (1, 2, 3)}

    # Nobody is paid on Solana to an account whose key has not signed for it.
    options = ["--house", house.base, "--api-key-file", house.key(3)]
    exchequer("payout", *options, "--solana", house.solana.keys[1][1], code=1)
    exchequer("payout", *options, "--solana-key-file", house.solana.keys[1][0])

    # The house may disperse from the start, once the chain has seen its leave.
    eventually("leave to disperse", lambda: house.report()["may_disperse"])
    for account, amount in ((1, "1.5"), (2, "2.25"), (3, "3.75")):
        house.withdraw(account, amount)
    house.chain.fault("eth_sendRawTransaction", "lost")
    house.solana.call("test_fault", {"method": "sendTransaction", "kind": "lost", "count": 2})
    house.operate("settle")
    for _ in range(3):
        house.kill()
        house.begin()

    def is_over():
        house.chain.call("anvil_mine", "0x1")
        dispersals = house.get("/v1/dispersals")["data"]
        return len(dispersals) == 2 and not any(one["open"] for one in dispersals)

    eventually("everybody is paid", is_over, seconds=60)
    assert house.dollars(1) - held[1] == 1_500_000
    assert house.dollars(2) - held[2] == 2_250_000
    assert house.dollars(3) == held[3]
    assert house.solana.tokens(house.solana.keys[1][1]) == 3_750_000
    assert house.solana.tokens(house.solana.keys[0][1]) == 1_000 * DOLLARS - 3_750_000
    assert house.get("/v1/batches")["data"] == []
    # The payer has taken over the claims.
    assert house.usd(house.chain.keys[0][1])["payable"] == "7.50"
    # What the house sent was its own: the vault holds what the books owe, to the unit.
    exchequer("reconcile", "--data", house.folder / "house")

    def has_costs():
        house.chain.call("anvil_mine", "0x1")
        dispersals = house.get("/v1/dispersals")["data"]
        return all(one["costs"] for one in dispersals) and dispersals

    pushed, sent = eventually("the costs are booked", has_costs)
    assert pushed["rail"] == "push" and sent["rail"] == "solana"
    transaction = "0x" + pushed["costs"][0]["transaction"]
    receipt = house.chain.call("eth_getTransactionReceipt", transaction)
    charged = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert pushed["costs"][0]["units"] == str(charged) and pushed["costs"][0]["coin"] == "wei"
    assert int(pushed["cost_per_payout"]) == (charged + 1) // 2
    assert sent["costs"][0]["coin"] == "lamports"
    meta = house.solana.call("getTransaction", sent["payments"][0]["transaction"])["meta"]
    assert sent["costs"][0]["units"] == str(meta["fee"])

    # The transaction carries under which books it was made, and another hand finds them there. On
    # Solana a transaction of its own says it.
    def is_stated():
        return "transaction" in house.get(f"/v1/dispersals/{sent['dispersal']}")["books"]

    eventually("the books are stated on Solana", is_stated)
    assert "1 dispersals on Solana, by 1 statements" in check(house)
    (stated,) = [one for one in house.get("/v1/costs")["data"] if one["subject"] == "books"]
    meta = house.solana.call("getTransaction", stated["transaction"])["meta"]
    assert stated["units"] == str(meta["fee"]) and stated["number"] >= sent["dispersal"]
    books = pushed["books"]
    assert house.chain.call("eth_getTransactionByHash", transaction)["input"].endswith(
        books["journal_head"] + books["liabilities_root"])
    # On demand, under a key: asked for twice, and paid once, whatever happens in between.
    before = house.dollars(1)
    made = house.withdraw(1, "4", key="june")
    house.kill()
    house.begin()
    assert house.withdraw(1, "4", key="june")["dispersal"] == made["dispersal"]
    with pytest.raises(urllib.error.HTTPError, match="409"):
        house.withdraw(1, "5", key="june")

    def is_paid():
        house.chain.call("anvil_mine", "0x1")
        return not house.get(f"/v1/dispersals/{made['dispersal']}")["open"]

    eventually("the withdrawal", is_paid)
    assert house.dollars(1) - before == 4 * DOLLARS
    options = ["--house", house.base, "--api-key-file", house.key(3), "--amount", "1.25"]
    said = exchequer("withdraw", *options, "--key", "july")
    assert "paid" in said
    assert house.solana.tokens(house.solana.keys[1][1]) == 5_000_000
    with pytest.raises(urllib.error.HTTPError, match="409"):
        house.withdraw(2, "99", key="too much")

    # Without the one file that knows what was sent, the house does not start; with it all is well.
    house.solana.call("test_drop", 10_000)
    made = house.withdraw(3, "1", key="august")
    time.sleep(1)
    house.kill()
    aside = house.folder / "aside"
    aside.mkdir()
    for file in (house.folder / "house").glob("solana.sqlite*"):
        file.rename(aside / file.name)
    with pytest.raises(AssertionError, match="it alone knows"):
        house.begin()
    for file in (house.folder / "house").glob("solana.sqlite*"):
        file.unlink()
    for file in aside.iterdir():
        file.rename(house.folder / "house" / file.name)
    house.solana.call("test_drop", 0)
    house.begin()
    eventually("the last withdrawal", is_paid)
    assert house.solana.tokens(house.solana.keys[1][1]) == 6_000_000
    # With a cap of ten lamports a day what comes waits for tomorrow, or for another cap.
    house.kill()
    house.begin("--solana-day-fee-cap", "0.000001", "--solana-coin-price", "100")
    made = house.withdraw(3, "0.5", key="september")
    eventually("the day's cap", lambda: house.report()["solana"]["breakers"] == ["day_limit"])
    assert house.solana.tokens(house.solana.keys[1][1]) == 6_000_000
    house.kill()
    for words, why in [(["--solana-fee-cap", "0.10"], "goes with --solana-coin-price"),
                       (["--solana-fee-cap", "0.10", "--solana-fee-limit", "7",
                         "--solana-coin-price", "100"], "say the same")]:
        with pytest.raises(AssertionError, match=why):
            house.begin(*words)
    # A cent and a half for a transaction, 150,000 lamports, is enough.
    house.begin("--solana-fee-cap", "0.015", "--solana-coin-price", "100")
    eventually("what waited", is_paid)
    assert house.solana.tokens(house.solana.keys[1][1]) == 6_500_000

    # The journal says the same to who replays it.
    settlements = house.get("/v1/settlements")["data"]
    assert len(settlements) == 1 and settlements[0]["dispersals"] == 2
    state = house.get("/v1/state")
    house.process.terminate()
    house.process.wait(30)
    audit = ["audit", "--data", house.folder / "house"]
    exchequer(*audit, "--expect", f"{state['sequence']}:{state['head']}")
    # An end in order leaves the managers' states and none of their records, and the next start goes
    # on from them.
    def check_rest():
        said = (house.folder / "house.log").read_text()
        assert "cannot be written" not in said and "records stay" not in said
        for name in ("settlement.sqlite", "solana.sqlite"):
            with contextlib.closing(sqlite3.connect(house.folder / "house" / name)) as file:
                assert file.execute("SELECT count(*) FROM record").fetchone() == (0,)
                assert file.execute("SELECT length(bytes) > 0 FROM state").fetchone() == (1,)

    check_rest()
    house.begin()
    made = house.withdraw(2, "0.5", key="october")
    eventually("what came after the end", is_paid)
    assert house.dollars(2) - held[2] == 2_750_000
    # What is on its way at the end too.
    house.solana.call("test_drop", 10_000)
    made = house.withdraw(3, "0.5", key="october")
    eventually("it is sent", lambda: house.stages()[-1] == ["submitted"])
    house.process.terminate()
    house.process.wait(60)
    check_rest()
    house.solana.call("test_drop", 0)
    house.begin()
    eventually("it is paid", is_paid)
    time.sleep(1)
    assert house.solana.tokens(house.solana.keys[1][1]) == 7_000_000


def test_a_settlement_waits_for_the_leave_to_disperse(house):
    """The account that pays has dollars, and the contract may not take them yet: that is no reason
    to have everybody claim from a root."""

    def refused(ask):
        with pytest.raises(urllib.error.HTTPError) as error:
            ask()
        told = json.loads(error.value.read())["error"]
        return error.value.code, told["message"]

    for account in (1, 2):
        house.pay("deposit", account, "10.00")
    house.chain.fault("eth_estimateGas", "error", count=100_000)
    house.begin()
    house.chain.call("anvil_mine", "0x3")
    last = house.chain.keys[2][1]
    eventually("the deposits", lambda: house.usd(last).get("available") == "10.00")
    held = {account: house.dollars(account) for account in (1, 2)}
    house.withdraw(1, "2")
    waits = (503, "the contract may not take the payer's USD yet")
    assert refused(lambda: house.operate("settle")) == waits
    assert refused(lambda: house.withdraw(2, "3", key="at once")) == waits
    assert house.get("/v1/settlements")["data"] == [] and house.stages() == []
    house.chain.call("test_clearFaults")
    eventually("leave to disperse", house.is_approved)
    house.withdraw(2, "3", key="at once")
    house.operate("settle")
    eventually("both are paid", lambda: house.are_over(2))
    assert [house.dollars(account) - held[account] for account in (1, 2)] == [2_000_000, 3_000_000]
    assert house.get("/v1/batches")["data"] == []
    # What is too little to be sent waits, and is told of.
    house.withdraw(1, "0.005")
    told = exchequer("reconcile", "--data", house.folder / "house", "--days", "0", "--json")
    (item,) = [one for one in json.loads(told)["stranded"] if one["alert"] == 26]
    assert (item["name"], item["units"], item["number"]) == ("below_minimum", "5000", 1)


def test_what_is_mined_and_not_booked_is_taken_off_once(house):
    """Of ten dollars six are in a block that does not count yet: four can be sent."""
    file, payer = house.chain.keys[4]
    send(house, 0, house.addresses["contract"], "grantRoles(address,uint256)",
         ["address", "uint256"], payer, 3)
    house.run("send", 0, "--token", house.addresses["usdc"], "--to", payer, "--amount", "10")
    house.begin(key=("--operator-key", file))
    house.fill(1, 2)
    held = {account: house.dollars(account) for account in (1, 2)}
    house.withdraw(1, "6", key="a")
    eventually("it is mined", lambda: house.dollars(1) - held[1] == 6 * DOLLARS)
    # Another block would have the first one booked.
    house.chain.call("evm_setAutomine", False)
    assert house.withdraw(2, "3.5", key="b")["open"]
    assert [one["open"] for one in house.get("/v1/dispersals")["data"]] == [True, True]
    with pytest.raises(urllib.error.HTTPError) as error:
        house.withdraw(2, "1", key="c")
    assert json.loads(error.value.read())["error"]["rejection"] == 715
    house.chain.call("evm_setAutomine", True)
    eventually("both are paid", lambda: house.are_over(2))
    assert house.dollars(2) - held[2] == 3_500_000


def test_a_payee_who_cannot_receive_holds_nobody_up(house):
    """As a token does that has the payee on a list."""
    house.begin()
    for account in (1, 2, 3):
        house.pay("deposit", account, "10.00")
    house.chain.call("anvil_mine", "0x3")
    last = house.chain.keys[3][1]
    eventually("the deposits", lambda: house.usd(last).get("available") == "10.00")

    eventually("leave to disperse", lambda: house.report()["may_disperse"])
    held = {account: house.dollars(account) for account in (1, 2, 3)}
    for account in (1, 2, 3):
        house.withdraw(account, "2")
    # Every estimate that names the second account is refused, as if its transfer were.
    house.chain.call("test_refuse", house.chain.keys[2][1])
    house.operate("settle")

    def is_over():
        house.chain.call("anvil_mine", "0x1")
        found = house.get("/v1/dispersals")["data"]
        return len(found) > 1 and not any(one["open"] for one in found)

    eventually("the others are paid", is_over, seconds=60)
    eventually("nothing waits", lambda: house.metric("dispersals_waiting") == 0)
    assert house.metric("dispersals_open") == 0
    assert house.dollars(1) - held[1] == house.dollars(3) - held[3] == 2 * DOLLARS
    assert house.dollars(2) == held[2]
    assert house.usd(house.chain.keys[2][1])["payable"] == "2.00"
    house.operate("settle")

    def is_leaf():
        house.chain.call("anvil_mine", "0x1")
        batches = house.get("/v1/batches")["data"]
        return batches and batches[0]["state"] == "confirmed" and batches[0]["costs"]

    eventually("the root for who was refused", is_leaf)
    house.chain.call("test_refuse")
    house.run("claim", 2, "--contract", house.addresses["contract"], "--house", house.base)
    assert house.dollars(2) - held[2] == 2 * DOLLARS


def test_a_paused_token_is_nobodys_fault(house):
    """Nobody can be paid, the payer itself neither: so no payee is refused, and all are paid when
    it is over."""
    house.begin()
    house.fill(1, 2, 3)
    held = {account: house.dollars(account) for account in (1, 2, 3)}
    # Every estimate that names the token is refused, as by a token that is paused.
    house.chain.call("test_refuse", house.addresses["usdc"])
    alone = house.withdraw(1, "1", key="alone")["dispersal"]
    for account in (1, 2, 3):
        house.withdraw(account, "2")
    house.operate("settle")
    eventually("both wait", lambda: house.metric("dispersals_waiting") == 2)

    def told():
        return [one.get("waits_for") for one in house.get("/v1/dispersals")["data"]]

    eventually("it is said why", lambda: all(told()))
    assert all("the payer's transfers too" in why for why in told())
    for _ in range(2):
        house.operate("settlement/resume")
        time.sleep(1.5)
        house.chain.call("anvil_mine", "0x1")
    eventually("both wait still", lambda: house.metric("dispersals_waiting") == 2)
    assert house.stages() == [["refused"], ["refused"] * 3]
    assert house.waits(0) == 0 and all(told())
    house.kill()
    house.begin()
    eventually("so they do after a start", lambda: house.metric("dispersals_waiting") == 2)
    house.chain.call("test_refuse")
    house.operate("settlement/resume")
    eventually("all are paid", lambda: house.are_over(2))
    assert house.stages() == [["paid"], ["paid"] * 3] and told() == [None, None]
    paid = [house.dollars(account) - held[account] for account in (1, 2, 3)]
    assert paid == [3 * DOLLARS, 2 * DOLLARS, 2 * DOLLARS]
    # Nobody is shut out: the next one is sent too. Whoever is refused alone is blamed.
    house.withdraw(2, "1", key="again")
    eventually("it is paid", lambda: house.are_over(3))
    house.chain.call("test_refuse", house.chain.keys[2][1])
    house.withdraw(2, "1.5", key="refused")
    eventually("it is given back", lambda: house.are_over(4))
    assert house.stages()[-1] == ["returned"]
    with pytest.raises(urllib.error.HTTPError, match="409"):
        house.withdraw(2, "1.5", key="later")
    assert house.get(f"/v1/dispersals/{alone}")["payments"][0]["stage"] == "paid"
    exchequer("reconcile", "--data", house.folder / "house")


def test_a_key_is_changed_while_a_dispersal_is_sent_and_another_waits(house):
    """What was signed is followed to its end. What was not goes back to its payee: the new account
    would pay it, and the old one have the claim."""
    old, new = house.chain.keys[0], house.chain.keys[4]
    send(house, 0, house.addresses["contract"], "grantRoles(address,uint256)",
         ["address", "uint256"], new[1], 3)
    house.run("send", 0, "--token", house.addresses["usdc"], "--to", new[1], "--amount", "100")
    house.begin()
    house.fill(1, 2)
    held = {account: house.dollars(account) for account in (1, 2)}
    house.chain.call("evm_setAutomine", False)
    house.withdraw(1, "1.5", key="signed")
    eventually("the first waits to be mined", lambda: house.waits(0) == 1)
    # Nobody tells what the second one's gas would be, so it gets no nonce.
    house.chain.fault("eth_estimateGas", "error", count=100_000)
    house.withdraw(2, "2.25", key="waits")
    eventually("the manager has both", lambda: house.told()["open"] == 2)
    house.kill()
    house.chain.call("test_clearFaults")
    house.begin(key=("--operator-key", new[0], "--retiring-key", old[0]))
    eventually("both are over", lambda: house.are_over(2))
    assert house.stages() == [["paid"], ["returned"]]
    assert house.dollars(1) - held[1] == 1_500_000 and house.dollars(2) == held[2]
    assert house.usd(old[1])["payable"] == "1.50"
    assert house.usd(house.chain.keys[2][1])["payable"] == "2.25"

    # The new account has a leave of its own, and the claims that it pays for.
    eventually("leave for the new account", house.is_approved)
    house.withdraw(2, "2.25", key="again")
    eventually("it is paid", lambda: house.are_over(3))
    assert house.dollars(2) - held[2] == 2_250_000
    assert house.usd(new[1])["payable"] == "2.25" and house.usd(old[1])["payable"] == "1.50"
    exchequer("reconcile", "--data", house.folder / "house")


def test_a_lost_record_pays_nobody_twice(house):
    """A dispersal is on its way twice, since the first time is forgotten. Before its log is booked
    the second time fails, and no node says why: it is not tried in halves, which have new names."""
    house.begin()
    house.fill(1, 2)
    held = {account: house.dollars(account) for account in (1, 2)}
    house.chain.call("evm_setAutomine", False)
    house.withdraw(1, "2")
    house.withdraw(2, "3")
    house.operate("settle")
    eventually("it waits to be mined", lambda: house.waits(0) == 1)
    house.kill()
    for file in (house.folder / "house").glob("settlement.sqlite*"):
        file.unlink()
    house.begin()
    eventually("it waits twice", lambda: house.waits(0) == 2)
    house.chain.fault("eth_getLogs", "error", count=100_000)
    house.chain.call("test_mute", True)
    house.chain.call("anvil_mine", "0x4")
    eventually("the second one failed", lambda: house.stages() == [["refused", "refused"]])
    # Once more: now it is refused before it is sent.
    house.operate("settlement/resume")
    time.sleep(2)
    assert house.stages() == [["refused", "refused"]] and house.waits(0) == 0
    house.chain.call("test_clearFaults")
    eventually("what the first one did is booked", lambda: house.are_over(1))
    assert house.stages() == [["paid", "paid"]]
    assert [house.dollars(account) - held[account] for account in (1, 2)] == [2_000_000, 3_000_000]
    exchequer("reconcile", "--data", house.folder / "house")


def test_a_dispersal_whose_block_is_gone_is_made_again(house):
    """It was final for the manager, and the block went before its log was booked."""
    house.begin()
    house.fill(1)
    held = house.dollars(1)
    house.chain.fault("eth_getLogs", "error", count=100_000)
    house.withdraw(1, "2", key="once")
    eventually("it is made", lambda: house.dollars(1) == held + 2_000_000)
    house.chain.call("anvil_mine", "0x3")
    eventually("it is final", lambda: house.told()["open"] == 0)
    # Not booked after an hour, or after none: somebody should look.
    report = json.loads(exchequer(
        "reconcile", "--data", house.folder / "house", "--days", "0", "--json"))
    (item,) = [item for item in report["stranded"] if item["alert"] == 15]
    assert (item["name"], item["number"], item["units"]) == ("dispersal_open", 1, "2000000")
    # Two looks later the manager knows the final block by its hash.
    time.sleep(6)
    house.chain.call("anvil_reorg", 4, False, 6)
    assert house.dollars(1) == held
    house.chain.call("test_clearFaults")
    eventually("the manager waits for a person",
               lambda: "deep_reorganisation" in house.told()["breakers"])
    # The nonce that is free again is used by hand, as the operator is told to.
    send(house, 0, house.addresses["contract"], "heartbeat()", [])
    house.operate("settlement/resume")
    eventually("it is made again", lambda: house.are_over(1))
    assert house.dollars(1) == held + 2_000_000 and house.stages() == [["paid"]]


def test_want_of_money_is_nobodys_fault(house):
    """The payer's account holds enough for each of two dispersals, and not for both."""
    file, payer = house.chain.keys[4]
    usdc, takes = house.addresses["usdc"], house.chain.keys[3][1]
    send(house, 0, house.addresses["contract"], "grantRoles(address,uint256)",
         ["address", "uint256"], payer, 3)
    send(house, 4, usdc, "approve(address,uint256)", ["address", "uint256"], takes, 10**12)

    def fund(amount):
        house.run("send", 0, "--token", usdc, "--to", payer, "--amount", amount)

    def take(units):
        send(house, 3, usdc, "transferFrom(address,address,uint256)",
             ["address", "address", "uint256"], payer, takes, units)

    def plan(first, second):
        """Two withdrawals of three dollars, with the manager and not signed for."""
        house.chain.fault("eth_estimateGas", "error", count=100_000)
        house.withdraw(1, "3", key=first)
        house.withdraw(2, "3", key=second)
        eventually("the manager has both", lambda: house.told()["open"] == 2)

    def is_undone():
        house.chain.call("anvil_mine", "0x1")
        return sorted(house.stages()) == [["paid"], ["refused"]]

    fund("10")
    house.begin(key=("--operator-key", file))
    house.fill(1, 2)
    held = {account: house.dollars(account) for account in (1, 2)}
    plan("a", "b")
    take(6 * DOLLARS)
    house.chain.call("evm_setAutomine", False)
    # After a word of the operator's the gas is asked for at once.
    house.chain.call("test_clearFaults")
    house.operate("settlement/resume")
    eventually("both are sent", lambda: house.waits(4) == 2)
    eventually("one of them is undone", is_undone)
    # There is enough again: it is not the payee who was refused.
    house.chain.call("evm_setAutomine", True)
    fund("2")
    time.sleep(0.6)
    house.operate("settlement/resume")
    eventually("it is paid whole", lambda: house.are_over(2))
    assert house.stages() == [["paid"], ["paid"]]

    # Handed over anew, with what was planned beyond what is there now: the second one waits.
    fund("6")
    plan("c", "d")
    house.kill()
    for record in (house.folder / "house").glob("settlement.sqlite*"):
        record.unlink()
    take(2 * DOLLARS)
    house.chain.call("evm_setAutomine", False)
    house.chain.call("test_clearFaults")
    house.begin(key=("--operator-key", file))
    eventually("the first one is sent", lambda: house.waits(4) == 1)
    eventually("the second one waits", lambda: house.metric("dispersals_waiting") == 1)
    time.sleep(0.6)
    assert house.waits(4) == 1
    house.chain.call("evm_setAutomine", True)
    house.chain.call("anvil_mine", "0x3")
    fund("2")
    eventually("all are paid", lambda: house.are_over(4))
    assert all(house.dollars(account) - held[account] == 6 * DOLLARS for account in (1, 2))


def given_back(house, number, transaction):
    """Whether an operator may give a dispersal back, a block later."""
    house.chain.call("anvil_mine", "0x1")
    try:
        return house.operate(
            f"dispersals/{number}/return", {"transaction": transaction}) == {"ok": True}
    except urllib.error.HTTPError as error:
        assert error.code in (409, 503)
        return False


@pytest.mark.parametrize("payees", [1, 2])
def test_a_name_that_the_chain_knows_for_something_else_pays_nobody(house, payees):
    """The journal has lost its end, and the number of a dispersal is given again: to one other
    payee, or to two."""
    house.begin()
    house.fill(1, 2)
    assert house.key(1) and house.key(2)
    house.process.terminate()
    house.process.wait(30)
    data, aside = house.folder / "house", house.folder / "aside"
    shutil.copytree(data, aside)
    house.begin()
    house.withdraw(1, "1.5", key="lost")
    eventually("it is paid", lambda: house.are_over(1))
    house.kill()
    for file in data.glob("settlement.sqlite*"):
        shutil.copy(file, aside)
    shutil.rmtree(data)
    aside.rename(data)
    house.chain.fault("eth_getLogs", "error", count=100_000)
    house.begin()
    if payees == 2:
        house.withdraw(1, "1")
        house.withdraw(2, "2")
        house.operate("settle")
    else:
        house.withdraw(2, "1.5", key="again")
    house.chain.call("test_clearFaults")
    house.chain.call("anvil_mine", "0x3")
    log = house.folder / "house.log"
    eventually("a person is told", lambda: "not in the books by this name" in log.read_text())
    # The log may be read before the house has handed the payment over.
    eventually("it is submitted", lambda: house.stages() == [["submitted"] * payees])
    # It can never be made, and the person gives it back: but not by any transaction.
    line = next(line for line in log.read_text().splitlines() if "by this name" in line)
    name = re.search(r"transaction=(0x[0-9a-f]{64})", line).group(1)
    other = house.chain.call("eth_getBlockByNumber", "0x1", False)["transactions"][0]
    for number, used, status in (
            (1, "0x" + "11" * 32, 503), (1, "12", 400), (2, name, 404),
            (1, other, 409)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            house.operate(f"dispersals/{number}/return", {"transaction": used})
        assert refused.value.code == status, (used, refused.value.read())
    held = {account: house.dollars(account) for account in (1, 2)}
    eventually("it is given back", lambda: given_back(house, 1, name))
    assert house.stages() == [["returned"] * payees]
    house.withdraw(2, "1.5", key="once more")
    eventually("who was not paid is", lambda: house.are_over(2))
    assert house.dollars(2) - held[2] == 1.5 * DOLLARS and house.dollars(1) == held[1]


def test_a_push_says_under_which_books_it_was_made(house):
    """Fixed once, in the journal: whatever is lost and sent again carries the same."""
    house.begin()
    house.fill(1, 2, 3)
    for account in (1, 2):
        house.withdraw(account, "1.5")
    house.chain.call("evm_setAutomine", False)
    house.operate("settle")
    eventually("it waits for its block", lambda: house.waits(0) == 1)
    before = house.get("/v1/dispersals/1")["books"]
    house.kill()
    # All that the manager knew is gone: the same transaction is made anew, at another price or not.
    for path in (house.folder / "house").glob("settlement.sqlite*"):
        path.unlink()
    house.begin()
    house.withdraw(3, "1", key="a")
    house.chain.call("evm_setAutomine", True)
    eventually("all are paid", lambda: house.are_over(2), seconds=60)
    first, second = house.get("/v1/dispersals")["data"]
    assert first["books"] == before != second["books"]
    assert first["books"]["sequence"] < second["books"]["sequence"]
    assert "2 dispersals, 2 with their books" in check(house)

    def other(field):
        def change(found):
            found["data"][0]["books"][field] = "11" * 32
            return found
        return change

    assert "journal head" in check(house, 1, other("journal_head"))
    assert "liabilities root" in check(house, 1, other("liabilities_root"))
    assert "knows nothing" in check(house, 1, lambda found: {"data": found["data"][:1]})
    # Who has the journal finds the head in it, and what was owed then.
    house.process.terminate()
    house.process.wait(30)
    data = house.folder / "house"
    for one in (first, second):
        point = f"{one['books']['sequence']}:{one['books']['journal_head']}"
        report = json.loads(exchequer("audit", "--data", data, "--expect", point, "--json"))
        assert report["sound"] and report["liabilitiesMatched"] == 2
    wrong = f"{first['books']['sequence']}:{second['books']['journal_head']}"
    exchequer("audit", "--data", data, "--expect", wrong, code=5)
