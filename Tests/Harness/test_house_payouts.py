"""A house that settles by plan on two chains: real processes, lost answers, `kill -9`. Everybody is
paid once, to the unit, and what the chains charged is in the books."""

import base64
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from eth_utils import keccak
from solders.pubkey import Pubkey
from test_house_chain import ROOT, House, eventually, exchequer

DOLLARS = 1_000_000


class Solana:
    """A Solana node with a mint, of which its first account holds a thousand dollars."""

    def __init__(self, folder):
        self.log = open(folder / "solana.log", "w")
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "Tests/Harness/svm_node.py", "--port", "0", "--accounts", "3"]
            + ["--tokens", str(1_000 * DOLLARS), "--slot-ms", "20", "--exit-with-parent"],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        ready = json.loads(self.process.stdout.readline())
        self.rpc, self.mint = ready["listening"], ready["mint"]
        self.keys = []
        for index, account in enumerate(ready["accounts"]):
            file = folder / f"solana-{index}.key"
            file.write_text(account["seed"])
            file.chmod(0o600)
            self.keys.append((file, account["address"]))

    def call(self, method, *params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        request = urllib.request.Request(
            self.rpc, body.encode(), {"content-type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=30))["result"]

    def account(self, owner):
        """The owner's token account of the mint."""
        token = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
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

    def __init__(self, folder, *delays):
        super().__init__(folder, *delays)
        self.solana = Solana(folder)
        self.api = {}
        self.run("send", 0, "--token", self.addresses["usdc"], "--to", self.chain.keys[3][1],
                 "--amount", "1000")

    def begin(self, *more):
        self.start(extra=[
            "--payouts", "plan", "--refund-above", "1000",
            "--solana-rpc-url", self.solana.rpc, "--solana-rpc-url", self.solana.rpc,
            "--solana-mint", self.solana.mint, "--solana-key", self.solana.keys[0][0],
            *more,
        ])

    def is_approved(self):
        """Whether the contract may take the payer's tokens, a block later."""
        self.chain.call("anvil_mine", "0x1")
        token = (self.folder / "house" / "operator.token").read_text().strip()
        request = urllib.request.Request(
            self.base + "/v1/operator/settlement", headers={"authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)["may_disperse"]

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


@pytest.fixture
def house(tmp_path):
    house = Payer(tmp_path)
    yield house
    house.stop()


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
    eventually("leave to disperse", house.is_approved)
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

    # The journal says the same to who replays it.
    settlements = house.get("/v1/settlements")["data"]
    assert len(settlements) == 1 and settlements[0]["dispersals"] == 2
    state = house.get("/v1/state")
    house.process.terminate()
    house.process.wait(30)
    audit = ["audit", "--data", house.folder / "house"]
    exchequer(*audit, "--expect", f"{state['sequence']}:{state['head']}")


def test_a_payee_who_cannot_receive_holds_nobody_up(house):
    """As a token does that has the payee on a list."""
    house.begin()
    for account in (1, 2, 3):
        house.pay("deposit", account, "10.00")
    house.chain.call("anvil_mine", "0x3")
    last = house.chain.keys[3][1]
    eventually("the deposits", lambda: house.usd(last).get("available") == "10.00")

    eventually("leave to disperse", house.is_approved)
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
