"""A house that pays by vouchers of its own payment channels: real processes, lost answers, `kill -9`
and a lost record. Everybody is paid once, to the unit, and nothing is deposited twice."""

import json
import subprocess
import time
import urllib.error

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from test_channels import COUNTERPARTS, run
from test_house_chain import EXCHEQUER, ROOT, House, eventually, exchequer, reconcile
from test_house_payouts import DOLLARS, Payer
from test_keys import House as SignedHouse
from test_settlement_upkeep import send
from web3 import Web3

PAYEE, PAYER = 1, 0


class Opener(Payer):
    """A house that opens channels, on one chain."""

    def __init__(self, folder):
        House.__init__(self, folder)
        self.api = {}
        self.web3 = Web3(Web3.HTTPProvider(self.chain.rpc))
        self.owner = Account.from_key("0x" + self.chain.keys[PAYER][0].read_text())
        self.contract = self.deploy("BatchSettlement")
        self.collector = self.deploy("DepositCollector", self.contract.address)

    def deploy(self, name, *arguments):
        record = json.loads((COUNTERPARTS / f"{name}.json").read_text())
        factory = self.web3.eth.contract(abi=record["abi"], bytecode=record["bytecode"])
        call = factory.constructor(*arguments).build_transaction({
            "from": self.owner.address, "gas": 6_000_000, "maxFeePerGas": 10**11,
            "nonce": self.web3.eth.get_transaction_count(self.owner.address),
            "maxPriorityFeePerGas": 10**9})
        sent = self.web3.eth.send_raw_transaction(
            self.owner.sign_transaction(call).raw_transaction)
        receipt = self.web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
        return self.web3.eth.contract(receipt.contractAddress, abi=record["abi"])

    # Whose key it pays with; the deployer's by itself.
    key_words = ()

    def begin(self, *more):
        self.start(key=self.key_words, extra=[
            "--payouts", "plan", "--refund-above", "1000", "--channels", "--channel-deposit",
            "12", "--channel-refill", "5", "--channel-after", "1", "--channel-contract",
            self.contract.address, "--channel-collector", self.collector.address,
            "--channel-withdraw-delay", "900", *more])

    def stop(self):
        House.stop(self)

    def again(self):
        self.kill()
        self.begin()

    def lose_record(self):
        self.kill()
        for file in (self.folder / "house").glob("settlement.sqlite*"):
            file.unlink()
        self.begin()

    def options(self):
        return ["--house", self.base, "--api-key-file", self.key(PAYEE)]

    def logs(self, name):
        event = getattr(self.contract.events, name)()
        return event.get_logs(from_block=0, to_block=self.web3.eth.block_number)

    def gas(self, log):
        return self.web3.eth.get_transaction_receipt(log.transactionHash).gasUsed

    def channel(self):
        """The first channel, a block later; None without one."""
        self.chain.call("anvil_mine", "0x1")
        found = self.get("/v1/channels")["data"]
        return found[0] if found else None

    def becomes(self, what, **fields):
        def look():
            found = self.channel()
            return found and all(found[name] == value for name, value in fields.items()) and found

        return eventually(what, look)

    def stuck(self):
        """Deposits that do not move as they should; None right after a start."""
        line = [EXCHEQUER, "reconcile", "--data", self.folder / "house", "--days", "0", "--json"]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
        if done.returncode not in (0, 5):
            # The chain's logs are not read yet.
            assert "not read yet" in done.stderr
            return None
        items = json.loads(done.stdout)["stranded"]
        return [(one["alert"], one["units"], one["account"], one["number"])
                for one in items if one["name"] == "channel_deposit"]

    def sent(self):
        return self.web3.eth.get_transaction_count(self.owner.address)

    def vouchers(self):
        return json.loads(exchequer("claimable", *self.options(), "--json")).get("vouchers", [])

    def earn(self, amount):
        """Has something settled that the payee has earned."""
        self.withdraw(PAYEE, amount)
        self.operate("settle")

    def with_a_wish(self, *more):
        """The payee has thirty dollars to spend and asks for a channel."""
        self.begin(*more)
        self.pay("deposit", PAYEE, "30.00")
        self.chain.call("anvil_mine", "0x3")
        account = self.chain.keys[PAYEE][1]
        eventually("the deposit", lambda: self.usd(account).get("available") == "30.00")
        eventually("leave to disperse", self.is_approved)
        said = json.loads(exchequer("payout", *self.options(), "--channel", account))
        assert said["channel"].lower() == account
        assert self.channel() is None

    def is_sent(self, amount):
        """What the payee earned is sent to it."""
        self.earn(amount)

        def is_paid():
            self.chain.call("anvil_mine", "0x1")
            return not any(one["open"] for one in self.get("/v1/dispersals")["data"])

        eventually("the payout", is_paid)

    def with_a_payout(self, lost=True):
        """The payee asks for a channel and is sent two dollars, after which it is worth one; the
        answer to the deposit is lost or not."""
        self.with_a_wish()
        self.is_sent("2")
        if lost:
            self.chain.fault("eth_sendRawTransaction", "lost")


@pytest.fixture
def house(tmp_path):
    house = Opener(tmp_path)
    yield house
    house.stop()


def test_vouchers_are_a_rail(house):
    payee = house.chain.keys[PAYEE][1]
    held = {account: house.dollars(account) for account in (PAYEE, PAYER)}
    house.with_a_payout()
    # The deposit is sent, its answer is lost, and the house dies before a log of it counts.
    eventually("the deposit is mined", lambda: house.logs("Deposited"))
    house.again()
    opened = house.becomes("the channel is open", state="open", balance="12.00", room="12.00")
    assert len(house.logs("Deposited")) == 1 and opened["promised"] == "0.00"
    before = house.sent()

    # No gas at the settlement; the same bytes, whatever happens to the house.
    house.earn("3")
    house.again()
    (voucher,) = house.vouchers()
    house.again()
    assert house.vouchers() == [voucher]
    assert (voucher["amount"], voucher["cumulative"]) == ("3.00", "3000000")
    terms, signed = json.loads(voucher["terms"]), json.loads(voucher["voucher"])
    message = encode_typed_data(
        {"name": "x402 Batch Settlement", "version": "1", "chainId": 31337,
         "verifyingContract": house.contract.address},
        {"Voucher": [{"name": "channelId", "type": "bytes32"},
                     {"name": "maxClaimableAmount", "type": "uint128"}]},
        {"channelId": bytes.fromhex(terms["channelId"][2:]), "maxClaimableAmount": 3_000_000})
    assert Account.recover_message(message, signature=signed["signature"]) == house.owner.address
    # And so are the books they are signed under, which the journal has.
    books = json.loads(voucher["books"])
    message = encode_typed_data(
        {"name": "Exchequer Voucher Books", "version": "1", "chainId": 31337,
         "verifyingContract": house.contract.address},
        {"VoucherBooks": [
            {"name": "channelId", "type": "bytes32"},
            {"name": "maxClaimableAmount", "type": "uint128"},
            {"name": "sequence", "type": "uint64"}, {"name": "journalHead", "type": "bytes32"},
            {"name": "liabilitiesRoot", "type": "bytes32"}]},
        {name: bytes.fromhex(books[name][2:]) if books[name][:2] == "0x" else int(books[name])
         for name in ("channelId", "maxClaimableAmount", "sequence", "journalHead",
                      "liabilitiesRoot")})
    assert Account.recover_message(message, signature=books["signature"]) == house.owner.address
    assert (books["channelId"], books["maxClaimableAmount"]) == (terms["channelId"], "3000000")
    point = f"{books['sequence']}:{books['journalHead'][2:]}"
    house.earn("4.5")
    plans = house.get("/v1/settlements")["data"]
    assert [(one["dispersals"], one["vouchers"], one["gas"]) for one in plans] == [
        (1, 0, 72_425), (0, 1, 0), (0, 1, 0)]
    assert house.usd(payee)["in_transit"] == "7.50" and house.usd(payee)["payable"] == "0.00"
    # What is promised is nobody's but the payee's: the channel stays.
    with pytest.raises(urllib.error.HTTPError, match="409"):
        house.operate("channels/1/close")
    # Nearly used up, it is filled up.
    full = house.becomes("it is filled up", balance="19.50", room="12.00")
    assert (full["unclaimed"], full["vouchers"]) == ("7.50", 2)
    assert [log.args.amount for log in house.logs("Deposited")] == [12_000_000, 7_500_000]
    assert house.sent() == before + 1
    # What nobody claims is no difference, and told of when it has waited for long.
    waits = [item for item in reconcile(house, "--days", "0")["stranded"]
             if item["name"] == "voucher_unclaimed"]
    (item,) = waits
    assert (item["units"], item["asset"], item["number"]) == ("7500000", "USD", 1)
    assert item["account"] == payee and item["alert"] == 20
    assert not [item for item in reconcile(house)["stranded"] if item["alert"] == 20]
    exchequer("reconcile", "--data", house.folder / "house")

    # The payee claims with what the house has served, and the house is dead meanwhile.
    folder = house.folder / "mine"
    said = exchequer("claimable", *house.options(), "--vouchers", folder)
    assert "by the voucher of channel 1" in said
    house.kill()
    shop = ["--store", house.folder / "shop"]
    accept = ["accept", *shop, "--channel", folder / "1.channel.json", "--rpc", house.chain.rpc,
              "--voucher", folder / "1.voucher.json", "--books"]
    # Books of another sum or that somebody else made are none, and nothing is taken with them.
    newest = json.loads((folder / "1.books.json").read_text())
    assert int(newest["sequence"]) > int(books["sequence"])
    made = newest | {"liabilitiesRoot": "0x" + "11" * 32}
    for wrong, why in ((books, "another sum"), (made, "refusal 15"),
                       (newest | {"more": "1"}, "refusal 1:")):
        (folder / "wrong.json").write_text(json.dumps(wrong))
        assert why in run(*accept, folder / "wrong.json", code=5)
    taken = run(*accept, folder / "1.books.json")
    assert (taken["signed"], taken["deposit"]) == ("7500000", "19500000")
    assert taken["journal_head"] == newest["journalHead"][2:]
    claim = ["claim", *shop, "--rpc", house.chain.rpc, "--key-file", house.chain.keys[PAYEE][0]]
    done = run(*claim)
    assert (done["settled"], done["refused"]) == (1, [])
    house.begin()
    house.becomes("the claim is booked", claimed="7.50", unclaimed="0.00")
    assert house.usd(payee)["in_transit"] == "0.00"
    assert house.usd(house.chain.keys[PAYER][1])["payable"] == "9.50"
    assert house.vouchers() == []
    assert not [item for item in reconcile(house, "--days", "0")["stranded"]
                if item["name"] == "voucher_unclaimed"]
    assert house.dollars(PAYEE) - held[PAYEE] == (2 + 7.5 - 30) * DOLLARS
    exchequer("reconcile", "--data", house.folder / "house")

    # It wants none any more: what is left comes back, after the delay.
    exchequer("payout", *house.options(), "--reset")
    house.becomes("it is being closed", state="closing")
    eventually("the way out", lambda: house.channel() and house.logs("WithdrawInitiated"))
    house.again()
    # It could come back and does not, as nobody takes the house's transactions.
    house.becomes("it is being taken back", state="closing")
    eventually("the way out is booked", lambda: house.stuck() == [])
    house.chain.fault("eth_sendRawTransaction", "error", count=100_000)
    house.chain.call("evm_increaseTime", 901)
    house.chain.call("anvil_mine", "0x2")
    rest = [(24, "12000000", house.chain.keys[PAYER][1], 1)]
    eventually("it is told", lambda: house.stuck() == rest)
    house.chain.call("test_clearFaults")
    house.becomes("it is over", state="over", balance="7.50", room="0.00")
    assert held[PAYER] - house.dollars(PAYER) == (2 + 7.5) * DOLLARS

    def has_costs():
        found = house.channel()
        return len(found["costs"]) == 4 and found

    costs = eventually("the costs are booked", has_costs)
    charged = 0
    for cost in costs["costs"]:
        receipt = house.chain.call("eth_getTransactionReceipt", "0x" + cost["transaction"])
        charged += int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    # What a deposit and a claim are reckoned at (`ChannelReckoning`).
    first, later = [house.gas(log) for log in house.logs("Deposited")]
    assert later < first <= 130_000
    claim, transfer = [house.gas(house.logs(name)[0]) for name in ("Claimed", "Settled")]
    assert claim + transfer <= 158_000
    assert costs["cost_units"] == str(charged)
    assert costs["cost_per_voucher"] == str((charged + 1) // 2)
    # From now on it is sent its money again.
    house.earn("1")
    assert house.get("/v1/settlements")["data"][-1]["vouchers"] == 0
    state = house.get("/v1/state")
    house.process.terminate()
    house.process.wait(30)
    audit = ["audit", "--data", house.folder / "house", "--expect"]
    exchequer(*audit, f"{state['sequence']}:{state['head']}")
    exchequer(*audit, point)
    exchequer(*audit, point[:-4] + "0000", code=5)


def test_the_deposit_of_an_earlier_key_is_told(house):
    """Who pays now cannot take it back."""
    house.with_a_payout(lost=False)
    house.becomes("the channel is open", state="open", balance="12.00")

    assert house.stuck() == []
    old, new = house.chain.keys[PAYER], house.chain.keys[4]
    send(house, PAYER, house.addresses["contract"], "grantRoles(address,uint256)",
         ["address", "uint256"], new[1], 3)
    house.kill()
    house.key_words = ("--operator-key", new[0], "--retiring-key", old[0])
    house.begin()
    assert eventually("it is told", house.stuck) == [(24, "12000000", old[1], 1)]


def test_a_lost_record_deposits_nothing_twice(house):
    """The manager's file is gone after the deposit was sent: it is sent again, and refused."""
    house.with_a_payout()
    eventually("the deposit is mined", lambda: house.logs("Deposited"))
    house.lose_record()
    eventually("it tries again", lambda: house.metric("channels_waiting") == 1)
    house.becomes("the channel is open", state="open", balance="12.00")
    house.earn("3")
    house.lose_record()
    for _ in range(5):
        assert house.channel()["balance"] == "12.00"
    assert [one["cumulative"] for one in house.vouchers()] == ["3000000"]
    assert len(house.logs("Deposited")) == 1
    key = bytes.fromhex(house.channel()["key"])
    assert house.contract.functions.channels(key).call() == (12_000_000, 0)


def test_on_a_rollup_deposits_and_vouchers_cost_their_bytes(house):
    """A deposit that lasts for one payout never pays itself back there, however dear payouts are:
    it has more bytes than a payout."""
    byte = 5 * 10**11
    house.chain.call("test_setRollupFees", hex(byte), "0x0", "0x0")
    house.with_a_wish("--gas-bearing", "everyone")
    house.is_sent("11")
    quotes = house.get("/v1/settlements")["data"][0]["quotes"]
    a_byte = byte / int(quotes["gas_price"])
    assert 700 < (quotes["voucher_gas"] - 158_000) / a_byte < 1_000
    assert quotes["gas"]["dispersal"] > 63_400 + 300 * a_byte
    house.kill()
    house.begin()
    # It has looked, and opens none: 11 dollars use the deposit of 12 up.
    end = time.monotonic() + 4
    while time.monotonic() < end:
        assert house.channel() is None
        time.sleep(0.2)
    # With a small payout more it lasts for two.
    house.is_sent("0.5")
    house.becomes("the channel is open", state="open", balance="12.00")


class SignedOpener(SignedHouse, Opener):
    """A house whose key is a signer's, which opens channels."""

    def __init__(self, folder):
        Opener.__init__(self, folder)
        self.signers, self.said = [], []
        self.key_words = ("--signer", self.socket, "--signer-key", self.owner.address,
                          "--any-roles")

    def signs(self, **more):
        """A signer with what the policy has besides the usual."""
        batch, usdc, tly = self.contract.address, self.addresses["usdc"], self.addresses["tly"]
        terms = "(address,address,address,address,address,uint40,bytes32)"
        policy = self.policy(self.owner.address, usd_per_day="14", **more)
        policy["calls"] |= {
            self.addresses["contract"]: ["disperse(address,bytes32,address[],uint256[])"],
            usdc: ["approve(address,uint256)"], tly: ["approve(address,uint256)"],
            batch: [f"deposit({terms},uint128,address,bytes)"]}
        policy["tokens"] = {"usd": usdc, "tly": tly}
        return self.signer([self.chain.keys[PAYER][0]], {self.owner.address: policy})


@pytest.fixture
def signed(tmp_path):
    house = SignedOpener(tmp_path)
    yield house
    house.stop()


def test_a_signer_signs_for_channels_what_its_policy_has(signed):
    house = signed
    signer = house.signs()
    # Without a word about channels it signs for none, as is found out before one is opened.
    with pytest.raises(AssertionError, match="payment channels cannot be opened"):
        house.begin()
    assert '"channels" says of which' in house.log_text()
    signer.terminate()
    assert signer.wait(10) == 143
    channels = {"contract": house.contract.address, "collector": house.collector.address}
    house.signs(channels=channels)
    house.with_a_payout(lost=False)
    house.becomes("the channel is open", state="open", balance="12.00")
    house.earn("3")
    (voucher,) = house.vouchers()
    terms, books = json.loads(voucher["terms"]), json.loads(voucher["books"])
    assert terms["channelConfig"]["payer"] == house.owner.address.lower()
    folder = house.folder / "mine"
    exchequer("claimable", *house.options(), "--vouchers", folder)
    taken = run("accept", "--store", house.folder / "shop", "--channel",
                folder / "1.channel.json", "--voucher", folder / "1.voucher.json", "--books",
                folder / "1.books.json", "--rpc", house.chain.rpc)
    assert (taken["signed"], taken["journal_head"]) == ("3000000", books["journalHead"][2:])
    for name in ("a channel's deposit", "a voucher", "the books of a voucher"):
        assert f"signed {name}" in house.log_text("signer.log")
    # Two dollars sent and twelve deposited are all that a day may move; vouchers move nothing more.
    house.earn("4.5")
    eventually("the day's cap is told", lambda: "(10)" in house.log_text())
    eventually("it is asked for again", lambda: house.log_text("signer.log").count("code=10") >= 2,
               seconds=60)
    assert house.log_text().count("(10)") == 1, "each reason is told once"
    assert house.channel()["promised"] == "7.50" and len(house.logs("Deposited")) == 1
    # The refused deposit keeps nobody's voucher back.
    (voucher,) = house.vouchers()
    assert json.loads(voucher["voucher"])["maxClaimableAmount"] == "7500000"
    assert json.loads(voucher["books"])["maxClaimableAmount"] == "7500000"
