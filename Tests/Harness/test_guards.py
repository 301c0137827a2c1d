"""What guardians, arbiters, pausers, the accused and anybody do with `exchequer contracts`, on a
real chain; and deposits by signature, of which eth-account is the judge."""

import json
import subprocess

import pytest
from eth_abi import decode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak, to_checksum_address
from merkle import leaf_hash
from test_house_chain import EXCHEQUER, ROOT, Chain
from test_settlement_upkeep import pass_time, send, usdc

WINDOW, ESCAPE, MONTH = 1_000, 5_000, 30 * 86_400
GUARDIAN, ARBITER, PROVIDER, ANYONE = 1, 2, 3, 4
HEAD, OWED = b"\x22" * 32, b"\x44" * 32


class Site:
    """A contract with all delays, whose roles are spread over accounts; everybody has dollars."""

    def __init__(self, folder):
        self.folder, self.chain = folder, Chain(folder)
        delays = ["--unbonding-delay", 900, "--activation-delay", WINDOW]
        delays += ["--veto-window", WINDOW, "--escape-delay", ESCAPE]
        self.addresses = self.run("deploy", 0, *delays)
        self.contract = self.addresses["contract"]
        for index in range(1, 5):
            self.run("send", 0, "--token", self.addresses["usdc"], "--to", self.who(index),
                     "--amount", "1000", said=False)
        for index, roles in [(GUARDIAN, "guardian,pauser"), (ARBITER, "arbiter")]:
            self.run("roles", 0, "grant", *self.at, "--account", self.who(index),
                     "--roles", roles, place=1)

    @property
    def at(self):
        return ["--contract", self.contract]

    def who(self, index):
        return to_checksum_address(self.chain.keys[index][1])

    def run(self, command, account, *arguments, code=0, said=True, place=0):
        """A command's JSON, or what it says when it ends with another code."""
        words = [*map(str, arguments)]
        line = [EXCHEQUER, "contracts", command, *words[:place], "--rpc", self.chain.rpc]
        file = account if not isinstance(account, int) else self.chain.keys[account][0]
        line += ["--key-file", file, *words[place:], "--artifacts", ROOT / "contracts-abi/evm"]
        done = subprocess.run([*line, "--json"], capture_output=True, text=True, timeout=60)
        assert done.returncode == code, f"{line}: {done.returncode} {done.stdout}{done.stderr}"
        return json.loads(done.stdout) if code == 0 and said else done.stderr

    def call(self, command, account, *arguments, code=0):
        return self.run(command, account, *self.at, *arguments, code=code)

    def show(self):
        line = [EXCHEQUER, "contracts", "show", "--rpc", self.chain.rpc, *self.at]
        line += ["--artifacts", ROOT / "contracts-abi/evm"]
        text = subprocess.run(line, capture_output=True, text=True, timeout=60)
        done = subprocess.run([*line, "--json"], capture_output=True, text=True, timeout=60)
        assert (text.returncode, done.returncode) == (0, 0), text.stderr + done.stderr
        return json.loads(done.stdout), text.stdout

    def sent(self, index):
        return int(self.chain.call("eth_getTransactionCount", self.who(index), "latest"), 16)

    def logs(self, transaction, event):
        """The logs of one event in a transaction: topics after the first, and the data."""
        receipt = self.chain.call("eth_getTransactionReceipt", transaction)
        topic = "0x" + keccak(text=event).hex()
        found = [log for log in receipt["logs"] if log["topics"][0] == topic]
        return [
            ([bytes.fromhex(t[2:]) for t in log["topics"][1:]], bytes.fromhex(log["data"][2:]))
            for log in found if log["address"] == self.contract
        ]

    def refused(self, words, command, account, *arguments):
        """It ends with 1, says what the contract said and what that means, and sends nothing."""
        before = self.sent(account)
        said = self.call(command, account, *arguments, code=1)
        assert f"the contract refuses it: {words}" in said and "nothing was sent" in said, said
        assert self.sent(account) == before

    def later(self, seconds):
        pass_time(self, seconds)

    def slash(self, name):
        verdict = keccak(text=name)
        send(self, 0, self.contract, "slash(address,uint256,uint256,bytes32)",
             ["address", "uint256", "uint256", "bytes32"], self.who(PROVIDER), 5_000_000,
             1_000_000, verdict)
        return verdict.hex()


@pytest.fixture
def site(tmp_path):
    if not EXCHEQUER.exists():
        pytest.fail(f"{EXCHEQUER} is missing: run `make build`")
    site = Site(tmp_path)
    yield site
    site.chain.stop()


def padded(address):
    return bytes(12) + bytes.fromhex(address[2:])


def test_a_guardian_drops_a_wrong_root(site):
    site.call("deposit", ANYONE, "--amount", "100")
    root = leaf_hash(31337, site.contract, site.addresses["usdc"], site.who(ANYONE), 60_000_000)
    send(site, 0, site.contract, "commitRoot(uint256,bytes32,uint256,uint256,bytes32,bytes32)",
         ["uint256", "bytes32", "uint256", "uint256", "bytes32", "bytes32"], 1, root, 60_000_000,
         0, HEAD, OWED)
    shown, text = site.show()
    assert shown["waiting"] == {
        "batch": 1, "root": root.hex(), "journal_head": HEAD.hex(), "liabilities_root": OWED.hex(),
        "active_from": shown["waiting"]["active_from"]}
    assert shown["time"] < shown["waiting"]["active_from"] <= shown["time"] + WINDOW
    assert f"batch 1 waits with root {root.hex()}" in text and "no root pays yet" in text
    site.refused("not guardian: only a guardian may", "dispute", ANYONE, "--batch", 1)
    site.refused("no root waiting: no root of this batch waits", "dispute", GUARDIAN, "--batch", 2)
    why = "command 812 was never accepted"
    done = site.call("dispute", GUARDIAN, "--batch", 1, "--reason", why)
    assert (done["call"], 30_000 < done["gas_used"] < 60_000) == ("dispute", True)
    ((batch, guardian), data), = site.logs(
        done["transaction"], "RootDisputed(uint256,address,bytes32)")
    assert (int.from_bytes(batch), guardian) == (1, padded(site.who(GUARDIAN)))
    assert data == keccak(text=why)
    shown, _ = site.show()
    assert shown.get("waiting") is None and shown["batch"] == 1 and set(shown["root"]) == {"0"}
    site.refused("no root waiting", "dispute", GUARDIAN, "--batch", 1)
    site.refused("no root waiting", "dispute", GUARDIAN, "--batch", 1, "--reason", "00" * 32)


def test_slashes_are_appealed_vetoed_and_lapse(site):
    site.call("bond", PROVIDER, "--amount", "50")
    first = site.slash("first")
    shown, text = site.show()
    (slash,) = shown["slashes"]
    assert slash == {
        "verdict": first, "provider": site.who(PROVIDER), "amount": "5.00", "burned": "1.00",
        "appealed": False, "executable_from": slash["executable_from"]}
    assert f"slash {first}: 5.00 dollars of {site.who(PROVIDER)}, not appealed" in text
    site.refused("not accused", "appeal-slash", ANYONE, "--verdict", first)
    done = site.call("appeal-slash", PROVIDER, "--verdict", "0x" + first, "--statement", "ab" * 32)
    (_, data), = site.logs(done["transaction"], "SlashAppealed(address,bytes32,bytes32,uint256)")
    assert data[:32] == b"\xab" * 32
    (later,) = site.show()[0]["slashes"]
    assert later["appealed"] and later["executable_from"] == slash["executable_from"] + WINDOW
    site.refused("appealed: it was appealed before", "appeal-slash", PROVIDER, "--verdict", first)
    site.refused("not arbiter: only an arbiter may", "veto", PROVIDER, "--verdict", first)
    site.refused("too early", "lapse", ANYONE, "--verdict", first)
    site.call("veto", ARBITER, "--verdict", first)
    assert site.show()[0]["slashes"] == []
    site.refused("no slash waiting", "veto", ARBITER, "--verdict", first)
    # One that nobody carries out: too late for a veto, then for everything but to be forgotten.
    second = site.slash("second")
    site.later(WINDOW)
    site.refused("too late: its time is over", "veto", ARBITER, "--verdict", second)
    site.refused("too early", "lapse", ANYONE, "--verdict", second)
    site.later(MONTH)
    site.refused("too late", "execute-slash", ANYONE, "--verdict", second)
    site.call("lapse", ANYONE, "--verdict", second)
    site.refused("no slash waiting", "execute-slash", ANYONE, "--verdict", second)
    # Nothing was taken: the whole bond leaves.
    site.call("unbond", PROVIDER, "--amount", "50")
    site.later(900)
    site.call("withdraw-bond", PROVIDER)
    assert usdc(site, site.chain.keys[PROVIDER][1]) == 1_000_000_000
    assert "64 hexadecimal digits" in site.call("veto", ARBITER, "--verdict", "12", code=64)


def test_a_pauser_closes_the_entries_and_the_owner_opens_them(site):
    site.refused("not pauser: only a pauser may", "pause", ANYONE)
    site.call("bond", PROVIDER, "--amount", "1")
    site.call("pause", GUARDIAN)
    told, text = site.show()
    assert told["paused"]
    assert told["time"] < told["paused_until"] <= told["time"] + 30 * 86_400
    assert f"paused until second {told['paused_until']}: no deposits" in text
    site.refused("paused", "pause", GUARDIAN)
    said = site.call("deposit", ANYONE, "--amount", "1", code=1)
    assert "the contract refuses it: paused: its entries are closed" in said
    site.call("unbond", PROVIDER, "--amount", "1")
    site.refused("not owner", "unpause", GUARDIAN)
    site.call("unpause", 0)
    site.refused("not paused", "unpause", 0)
    assert not site.show()[0]["paused"]


# ---- deposits by signature


def domain(site):
    return {"name": "USD Coin", "version": "2", "chainId": 31337,
            "verifyingContract": to_checksum_address(site.addresses["usdc"])}


def signer_of(site, kind, fields, message, signature):
    types = {kind: [{"name": name, "type": type_} for name, type_ in fields]}
    signable = encode_typed_data(domain(site), types, message)
    return Account.recover_message(signable, signature=signature)


def deposited(site, done):
    ((account,), data), = site.logs(done["transaction"], "Deposited(address,uint256)")
    return to_checksum_address(account[12:]), int.from_bytes(data)


def test_a_permit_is_one_transaction(site):
    before = site.sent(PROVIDER)
    for number, (amount, units) in enumerate([("5", 5_000_000), ("0.25", 250_000)]):
        done = site.call("deposit", PROVIDER, "--amount", amount, "--permit")
        assert deposited(site, done) == (site.who(PROVIDER), units)
        assert site.sent(PROVIDER) == before + number + 1
        # eth-account finds the owner in what was signed.
        call = site.chain.call("eth_getTransactionByHash", done["transaction"])
        values = decode(["uint256", "uint256", "uint8", "bytes32", "bytes32"],
                        bytes.fromhex(call["input"][10:]))
        message = {"owner": site.who(PROVIDER), "spender": to_checksum_address(site.contract),
                   "value": values[0], "nonce": number, "deadline": values[1]}
        fields = [("owner", "address"), ("spender", "address"), ("value", "uint256"),
                  ("nonce", "uint256"), ("deadline", "uint256")]
        signature = values[3] + values[4] + bytes([values[2]])
        assert signer_of(site, "Permit", fields, message, signature) == site.who(PROVIDER)
    assert usdc(site, site.chain.keys[PROVIDER][1]) == 994_750_000
    said = site.call("deposit", PROVIDER, "--amount", "2000", "--permit", code=1)
    assert "ERC20: transfer amount exceeds balance: the account does not hold" in said


def test_who_has_no_coin_signs_and_somebody_else_sends(site, tmp_path):
    buyer = Account.create("who has no coin")
    key, file = tmp_path / "buyer.key", tmp_path / "deposit.json"
    key.write_text(buyer.key.hex().removeprefix("0x"))
    key.chmod(0o600)
    site.run("send", 0, "--token", site.addresses["usdc"], "--to", buyer.address, "--amount", "20",
             said=False)
    printed = site.call("authorize-deposit", key, "--amount", "7.5", "--out", file)
    made = json.loads(file.read_text())
    assert printed == made and made["network"] == "eip155:31337"
    said = site.call("authorize-deposit", key, "--amount", "7.5", "--out", file, code=3)
    assert "cannot be written" in said
    parts = made["authorization"]
    message = {"from": parts["from"], "to": parts["to"],
               **{name: int(parts[name]) for name in ("value", "validAfter", "validBefore")},
               "nonce": bytes.fromhex(parts["nonce"][2:])}
    fields = [("from", "address"), ("to", "address"), ("value", "uint256"),
              ("validAfter", "uint256"), ("validBefore", "uint256"), ("nonce", "bytes32")]
    found = signer_of(site, "ReceiveWithAuthorization", fields, message, made["signature"])
    assert found == buyer.address == parts["from"]
    assert (parts["value"], parts["to"]) == ("7500000", to_checksum_address(site.contract))

    # Whatever is changed is found before anybody pays gas for it.
    def sending(change, code=5):
        other = tmp_path / "changed.json"
        other.write_text(json.dumps({**made, **change, "authorization": {
            **parts, **change.get("authorization", {})}}))
        before = site.sent(ANYONE)
        said = site.call("deposit", ANYONE, "--authorization", other, code=code)
        assert site.sent(ANYONE) == before
        return said

    changed = f"it is not signed by {buyer.address}, or changed since"
    assert changed in sending({"authorization": {"value": "7500001"}})
    assert changed in sending({"authorization": {"validBefore": parts["validBefore"] + "0"}})
    assert "changed since" in sending({"authorization": {"from": site.who(PROVIDER)}})
    elsewhere = {"authorization": {"to": site.who(PROVIDER)}}
    assert f"it is for the contract {site.who(PROVIDER)}" in sending(elsewhere)
    assert "another chain or token" in sending({"network": "eip155:1"})
    assert "another chain or token" in sending({"asset": site.who(PROVIDER)})
    assert "malformed" in sending({"signature": "0x00"})
    assert "is no deposit" in sending({"signature": 7}, code=3)

    done = site.call("deposit", ANYONE, "--authorization", file)
    assert deposited(site, done) == (buyer.address, 7_500_000)
    assert usdc(site, buyer.address) == 12_500_000
    site.refused("FiatTokenV2: authorization is used or canceled: the authorization counted",
                 "deposit", ANYONE, "--authorization", file)
    late = tmp_path / "late.json"
    site.call("authorize-deposit", key, "--amount", "1", "--valid-for", 60, "--out", late)
    site.later(61)
    site.refused("FiatTokenV2: authorization is expired: have its signer sign a new one",
                 "deposit", ANYONE, "--authorization", late)
    assert "--authorization" in site.call(
        "deposit", ANYONE, "--amount", "1", "--authorization", late, code=64)


def test_a_contract_for_a_dollar_that_is_there_has_delays(site):
    """Without options: roots, slashes and roles count at once for test tokens only."""
    def delays(addresses):
        contract = addresses["contract"]
        names = ("ACTIVATION_DELAY", "VETO_WINDOW", "ROLE_DELAY")
        calls = [{"to": contract, "data": "0x" + keccak(text=f"{name}()")[:4].hex()}
                 for name in names]
        return [int(site.chain.call("eth_call", one, "latest"), 16) for one in calls]

    assert delays(site.run("deploy", 0)) == [0, 0, 0]
    tokens = ["--usdc", site.addresses["usdc"], "--tly", site.addresses["tly"]]
    assert delays(site.run("deploy", 0, *tokens)) == [3_600, 86_400, 172_800]
    said = ["--activation-delay", 0, "--veto-window", 7, "--role-delay", 0]
    assert delays(site.run("deploy", 0, *tokens, *said)) == [0, 7, 0]
