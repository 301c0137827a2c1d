"""`exchequer channels` as processes, on both chains: what eth-account and solders say of its vouchers,
what it refuses, and that what is signed is claimed once though it is killed in between."""

import hashlib
import base64
import json
import struct
import subprocess
import sys
import time
from base64 import b64encode

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction
from test_house_chain import EXCHEQUER, ROOT, Chain, eventually
from web3 import Web3

COUNTERPARTS = ROOT / "Tests" / "Harness" / "channels"
HALF = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
ASSOCIATED = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
SYSTEM = Pubkey.default()


def run(*arguments, code=0, stdin=None):
    """A command of `exchequer channels`: its JSON, or what it says when it ends with another code."""
    done = subprocess.run(
        [EXCHEQUER, "channels", *map(str, arguments), "--json"], capture_output=True, text=True,
        timeout=60, input=stdin)
    assert done.returncode == code, f"{arguments}: {done.returncode} {done.stdout}{done.stderr}"
    return json.loads(done.stdout) if code == 0 and done.stdout else done.stderr


def test_counterparts_are_built_from_their_sources():
    command = [sys.executable, str(COUNTERPARTS / "build.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


class Escrow:
    """A chain with a token, the contract, its collector, and people with dollars."""

    def __init__(self, folder):
        self.folder, self.chain = folder, Chain(folder)
        self.web3 = Web3(Web3.HTTPProvider(self.chain.rpc))
        self.people = [Account.from_key("0x" + file.read_text()) for file, _ in self.chain.keys]
        self.token = self.deploy(
            ROOT / "contracts-abi" / "evm" / "Token.json", "USD Coin", "USDC", "2", 6, 10**12)
        self.contract = self.deploy(COUNTERPARTS / "BatchSettlement.json")
        self.collector = self.deploy(
            COUNTERPARTS / "DepositCollector.json", self.contract.address)
        for person in self.people[1:3]:
            self.send(self.token.functions.transfer(person.address, 10_000))

    def deploy(self, file, *arguments):
        record = json.loads(file.read_text())
        factory = self.web3.eth.contract(abi=record["abi"], bytecode=record["bytecode"])
        return self.web3.eth.contract(
            self.send(factory.constructor(*arguments)).contractAddress, abi=record["abi"])

    def send(self, function):
        owner = self.people[0]
        call = function.build_transaction({
            "from": owner.address, "nonce": self.web3.eth.get_transaction_count(owner.address),
            "gas": 6_000_000, "maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9})
        sent = self.web3.eth.send_raw_transaction(owner.sign_transaction(call).raw_transaction)
        receipt = self.web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
        assert receipt.status == 1
        return receipt

    def key(self, number):
        return ["--rpc", self.chain.rpc, "--key-file", self.chain.keys[number][0]]

    def open(self, number, deposit):
        file = self.folder / f"channel{number}.json"
        run("open", "evm", *self.key(number), "--receiver", self.people[3].address,
            "--token", self.token.address, "--contract", self.contract.address, "--collector",
            self.collector.address, "--withdraw-delay", 900, "--deposit", deposit, "--out", file)
        return file

    def voucher(self, number, channel, amount):
        file = self.folder / f"voucher{number}-{amount}.json"
        made = run("voucher", "--channel", channel, "--key-file", self.chain.keys[number][0],
                   "--cumulative", amount)
        file.write_text(json.dumps(made))
        return file, made


@pytest.fixture
def escrow(tmp_path):
    escrow = Escrow(tmp_path)
    yield escrow
    escrow.chain.stop()


def test_on_an_evm_chain(escrow):
    store = ["--store", escrow.folder / "shop"]
    channel = escrow.open(1, 1_000)
    terms = json.loads(channel.read_text())
    file, made = escrow.voucher(1, channel, 300)
    # eth-account finds the payer in it.
    message = encode_typed_data(
        {"name": "x402 Batch Settlement", "version": "1", "chainId": 31337,
         "verifyingContract": escrow.contract.address},
        {"Voucher": [{"name": "channelId", "type": "bytes32"},
                     {"name": "maxClaimableAmount", "type": "uint128"}]},
        {"channelId": bytes.fromhex(terms["channelId"][2:]), "maxClaimableAmount": 300})
    assert Account.recover_message(message, signature=made["signature"]) == (
        escrow.people[1].address)

    asked = ["accept", *store, "--channel", channel, "--voucher"]
    assert "not kept yet" in run(*asked, file, code=3)
    taken = run(*asked, file, "--rpc", escrow.chain.rpc, "--spends", 200)
    assert (taken["signed"], taken["spent"], taken["unclaimed"]) == ("300", "200", "300")
    assert "refusal 10" in run(*asked, file, code=5)
    over, _ = escrow.voucher(1, channel, 1_001)
    assert "refusal 11" in run(*asked, over, code=5)
    more, good = escrow.voucher(1, channel, 400)
    raw = bytes.fromhex(good["signature"][2:])
    twin = raw[:32] + (HALF - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big")
    twin += bytes([55 - raw[64]])
    for number, change in [
            (13, {"signature": "0x" + twin.hex()}), (2, {"maxClaimableAmount": "0400"}),
            (1, {"nonce": "1"}), (6, {"channelId": "0x" + "11" * 32}),
            (15, {"maxClaimableAmount": "401"})]:
        words = run(*asked, "-", code=5, stdin=json.dumps(good | change))
        assert f"refusal {number}:" in words, words
    assert "refusal 16" in run(*asked, more, "--spends", 201, code=5)
    assert "refusal 15" in run("voucher", "--channel", channel, "--key-file",
                               escrow.chain.keys[2][0], "--cumulative", 1, code=5)
    strange = escrow.folder / "strange.json"
    strange.write_text(channel.read_text().replace("eip155:31337", "eip155:1"))
    assert "refusal 5" in run("show", "--channel", strange, "--rpc", escrow.chain.rpc, code=5)

    run("top-up", *escrow.key(1), "--channel", channel, "--collector", escrow.collector.address,
        "--deposit", 500)
    other = escrow.open(2, 100)
    file, _ = escrow.voucher(2, other, 77)
    # Two of three agree; of two, one that is gone leaves too few.
    gone = ["--rpc", "http://127.0.0.1:9"]
    accept = ["accept", *store, "--channel", other, "--voucher", file, "--rpc", escrow.chain.rpc]
    assert "no word on how" in run(*accept, *gone, code=6)
    assert "More than half" in run(*accept, *gone, "--rpc-quorum", 1, code=64)
    run(*accept, *gone, "--rpc-url", escrow.chain.second)
    claim_though_killed(escrow, store)
    shown = {row["channel"]: row for row in run("show", *store)}
    assert shown[terms["channelId"]]["claimed"] == "300"
    assert shown[terms["channelId"]]["deposit"] == "1500"
    assert escrow.token.functions.balanceOf(escrow.people[3].address).call() == 377

    # The payer's way out: it waits, and then takes what is not claimed.
    close = ["close", *escrow.key(1), "--channel", channel]
    first = run(*close)
    assert first["step"] == "closing" and run(*close) == first
    words = subprocess.run(
        [EXCHEQUER, "channels", "claim", *store, *escrow.key(3), "--due"], capture_output=True,
        text=True, timeout=60)
    assert "takes its deposit back" in words.stderr and words.stdout.startswith("0 sent")
    seen = run("show", "--channel", channel, "--rpc", escrow.chain.rpc)
    assert (seen["phase"], seen["deadline"]) == ("closing", first["deadline"])
    assert "refusal 9" in run(*asked, more, "--rpc", escrow.chain.rpc, code=5)
    escrow.chain.call("evm_increaseTime", 901)
    escrow.chain.call("anvil_mine", "0x1")
    assert run(*close)["step"] == "closed"
    assert escrow.token.functions.balanceOf(escrow.people[1].address).call() == 9_700
    # The receiver gives the other's rest back.
    assert run("close", *escrow.key(3), "--channel", other)["step"] == "refunded"
    assert escrow.token.functions.balanceOf(escrow.people[2].address).call() == 9_923


def claim_though_killed(escrow, store):
    """Kills the claim while its transaction waits; the next one goes on, and pays once."""
    escrow.chain.call("evm_setAutomine", False)
    more = ["--rpc", "http://127.0.0.1:9", "--rpc", escrow.chain.second]
    line = ["claim", *store, *escrow.key(3), *more]
    first = subprocess.Popen(
        [EXCHEQUER, "channels", *map(str, line)], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    sender = escrow.people[3].address
    eventually("the claim is sent", lambda: escrow.web3.eth.get_transaction_count(
        sender, "pending"))
    # Nobody else may use the folder meanwhile.
    assert "cannot be used" in run("show", *store, code=3)
    first.kill()
    first.wait()
    escrow.chain.call("evm_setAutomine", True)
    escrow.chain.call("anvil_mine", "0x1")
    done = run(*line)
    assert (done["settled"], done["refused"], done["open"]) == (1, [], 0)
    # One claim of both channels, and one transfer.
    assert escrow.web3.eth.get_transaction_count(sender) == 2
    head = escrow.web3.eth.block_number
    claims = escrow.contract.events.Claimed().get_logs(from_block=0, to_block=head)
    settles = escrow.contract.events.Settled().get_logs(from_block=0, to_block=head)
    assert sorted(log.args.claimAmount for log in claims) == [77, 300]
    assert [log.args.amount for log in settles] == [377]
    again = run(*line)
    assert (again["sent"], again["open"]) == (0, 0)


class Cluster(Chain):
    """A cluster with the program, a mint and people with tokens."""

    def __init__(self, folder):
        self.folder, self.log = folder, open(folder / "svm.log", "w")
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "Tests/Harness/svm_node.py", "--port", "0", "--accounts", "3",
             "--slot-ms", "15", "--exit-with-parent"],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        ready = json.loads(self.process.stdout.readline())
        self.rpc, self.keys = ready["listening"], []
        for index, account in enumerate(ready["accounts"]):
            file = folder / f"{index}.seed"
            file.write_text(account["seed"])
            file.chmod(0o600)
            self.keys.append((file, Keypair.from_seed(bytes.fromhex(account["seed"])).pubkey()))
        self.program, self.mint = self.named("program"), self.named("mint")
        self.treasury = Pubkey(b"\xbe\xef" * 16)
        elf = (COUNTERPARTS / "payment_channels.so").read_bytes()
        self.call("test_addProgram", str(self.program), b64encode(elf).decode())
        self.call("test_setTime", int(time.time()))
        self.put(self.mint, struct.pack("<I32sQBBI32s", 1, bytes(self.keys[0][1]), 10**9, 6, 1, 0,
                                        bytes(32)))
        for owner, amount in [(self.keys[0][1], 5_000), (self.keys[1][1], 0), (self.treasury, 0)]:
            self.hold(owner, amount)

    @staticmethod
    def named(label):
        return Keypair.from_seed(hashlib.sha256(label.encode()).digest()).pubkey()

    def put(self, address, content):
        self.call("test_setAccount", str(address), 10**9, str(TOKEN), b64encode(content).decode())

    def hold(self, owner, amount=0):
        self.put(self.tokens(owner), bytes(self.mint) + bytes(owner)
                 + struct.pack("<Q36sB", amount, bytes(36), 1) + bytes(56))

    def tokens(self, owner):
        seeds = [bytes(owner), bytes(TOKEN), bytes(self.mint)]
        return Pubkey.find_program_address(seeds, ASSOCIATED)[0]

    def freeze(self, owner, is_frozen=True):
        """As the mint's authority can: the byte of the state."""
        account = str(self.tokens(owner))
        asked = {"encoding": "base64", "commitment": "processed"}
        found = self.call("getAccountInfo", account, asked)["value"]
        content = bytearray(base64.b64decode(found["data"][0]))
        content[108] = 2 if is_frozen else 1
        self.call("test_setAccount", account, found["lamports"], found["owner"],
                  base64.b64encode(bytes(content)).decode())

    def lamports(self, owner):
        return self.call("getBalance", str(owner), {"commitment": "processed"})["value"]

    def balance(self, owner):
        found = self.call("getTokenAccountBalance", str(self.tokens(owner)),
                          {"commitment": "processed"})
        return int(found["value"]["amount"])


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.stop()


def test_on_solana(cluster):
    channel, store = cluster.folder / "channel.json", ["--store", cluster.folder / "shop"]
    payer = ["--rpc", cluster.rpc, "--key-file", cluster.keys[0][0]]
    payee = ["--rpc", cluster.rpc, "--key-file", cluster.keys[1][0]]
    terms = run("open", "solana", *payer, "--payee", cluster.keys[1][1], "--mint", cluster.mint,
                "--deposit", 1_000, "--program", cluster.program, "--out", channel)
    made = run("voucher", "--channel", channel, "--key-file", cluster.keys[0][0],
               "--cumulative", 250)
    # solders finds the payer's signature of the 50 bytes.
    payload = b"\x56\x01" + bytes(Pubkey.from_string(terms["channelId"])) + struct.pack(
        "<Qq", 250, 0)
    signature = Signature.from_string(made["signature"])
    assert signature.verify(cluster.keys[0][1], payload)
    asked = ["accept", *store, "--channel", channel, "--rpc", cluster.rpc, "--voucher", "-"]
    eventually("the deposit is confirmed", lambda: run(
        "show", "--channel", channel, "--rpc", cluster.rpc)["deposit"] == "1000")
    taken = run(*asked, "--spends", 250, stdin=json.dumps(made))
    assert (taken["signed"], taken["spent"]) == ("250", "250")
    assert "refusal 10" in run(*asked, code=5, stdin=json.dumps(made))
    raw = bytes(signature)
    order = 2**252 + 27742317777372353535851937790883648493
    high = raw[:32] + (int.from_bytes(raw[32:], "little") + order).to_bytes(32, "little")
    other = run("voucher", "--channel", channel, "--key-file", cluster.keys[0][0],
                "--cumulative", 251)
    assert "refusal 14" in run(*asked, code=5, stdin=json.dumps(
        other | {"signature": made["signature"]}))
    twin = json.loads(json.dumps(made))
    twin["voucher"]["cumulativeAmount"] = "252"
    twin["signature"] = str(Signature(high))
    assert "refusal 13" in run(*asked, code=5, stdin=json.dumps(twin))
    claim = ["claim", *store, *payee, "--rail", "solana", "--treasury", cluster.treasury]
    done = run(*claim)
    assert (done["sent"], done["settled"], done["open"], done["held"]) == (1, 1, 0, [])
    assert cluster.balance(cluster.keys[1][1]) == 250
    assert run("show", *store)[0]["claimed"] == "250"
    assert run(*claim)["sent"] == 0
    # The payee seals at once, but not over a voucher that is kept and not claimed.
    close = ["close", *payee, "--channel", channel, "--treasury", cluster.treasury]
    run(*asked, stdin=json.dumps(run(
        "voucher", "--channel", channel, "--key-file", cluster.keys[0][0], "--cumulative", 260)))
    assert "a voucher over 260 units is kept, and 250 are claimed" in run(*close, *store, code=5)
    # A lamport for each of 5,300 compute units that a settle may take, beside three signatures: its
    # own, the voucher's in it, and that of the payout, which offers nothing.
    before = cluster.lamports(cluster.keys[1][1])
    assert run(*claim, "--compute-price", 1_000_000)["settled"] == 1
    assert before - cluster.lamports(cluster.keys[1][1]) == 3 * 5_000 + 5_300
    # Nor while somebody's account is frozen, whose money the program would give away.
    cluster.freeze(cluster.keys[0][1])
    assert "cannot be paid (frozen)" in run(*close, *store, code=5)
    assert cluster.balance(cluster.keys[0][1]) == 4_000
    cluster.freeze(cluster.keys[0][1], False)
    # The payer has the rest.
    assert run(*close, *store)["step"] == "distributed"
    assert cluster.balance(cluster.keys[1][1]) == 260
    assert cluster.balance(cluster.keys[0][1]) == 4_740
    # Its account stays for 1,500 slots.
    assert run(*close)["step"] in ("distributed", "closed")


def test_five_channels_fit_a_transaction_over_the_stores_table(cluster):
    store = cluster.folder / "shop"
    payer = ["--rpc", cluster.rpc, "--key-file", cluster.keys[0][0]]
    payee = ["--rpc", cluster.rpc, "--key-file", cluster.keys[1][0]]
    table = ["--store", store, *payee]
    for number in range(6):
        channel = cluster.folder / f"channel{number}.json"
        run("open", "solana", *payer, "--payee", cluster.keys[1][1], "--mint", cluster.mint,
            "--deposit", 100, "--program", cluster.program, "--out", channel)
        voucher(cluster, store, channel, 10)
        if number == 4:
            assert "has no table" in run("table", "extend", *table, code=3)
            made = run("table", "make", *table)
            # The instructions sysvar, and each channel that is open.
            assert (made["state"], made["entries"]) == ("in use", 6)
            assert "there is the table" in run("table", "make", *table, code=3)
    claim = ["claim", "--store", store, *payee, "--rail", "solana"]
    claim += ["--treasury", cluster.treasury]
    # The sixth is not in it: five and one. Afterwards it is, and two more calls are one.
    done = run(*claim)
    assert (done["sent"], done["settled"], done["refused"]) == (2, 2, [])
    assert cluster.balance(cluster.keys[1][1]) == 60
    assert run("table", "extend", *table)["entries"] == 7
    assert run("table", "extend", *table)["entries"] == 7
    shown = run("table", "show", "--store", store, "--rpc", cluster.rpc)
    assert shown["table"] == made["table"] and shown.get("deactivated_at") is None
    channels = [json.loads((cluster.folder / f"channel{n}.json").read_text())["channelId"]
                for n in range(6)]
    assert set(shown["entries"][1:6]) == set(channels[:5]) and shown["entries"][6] == channels[5]
    for number in range(1, 6):
        voucher(cluster, store, cluster.folder / f"channel{number}.json", 15)
    done = run(*claim)
    assert (done["sent"], done["settled"], done["refused"]) == (1, 1, [])
    assert cluster.balance(cluster.keys[1][1]) == 85
    # Out of use, it stays for 513 slots; then its rent comes back, and four fit a transaction.
    for _ in range(2):
        assert run("table", "close", *table)["state"] == "closing"
    assert "is not in use" in run("table", "extend", *table, code=3)
    cluster.call("test_tick", 600)
    before = lamports(cluster, cluster.keys[1][1])
    assert run("table", "close", *table)["state"] == "closed"
    assert lamports(cluster, cluster.keys[1][1]) > before
    assert not (store / "lookup-table").exists()
    for number in range(5):
        voucher(cluster, store, cluster.folder / f"channel{number}.json", 20)
    assert run(*claim)["sent"] == 2


def lamports(cluster, owner):
    return cluster.call("getBalance", str(owner), {"commitment": "processed"})["value"]


def voucher(cluster, store, channel, amount):
    """The payer's next voucher, which the shop takes."""
    made = run("voucher", "--channel", channel, "--key-file", cluster.keys[0][0],
               "--cumulative", amount)
    run("accept", "--store", store, "--channel", channel, "--rpc", cluster.rpc, "--voucher", "-",
        stdin=json.dumps(made))


def opened(cluster, name, *splits):
    """A channel of 1,000 from the first key to the second, which the shop keeps."""
    file = cluster.folder / f"{name}.json"
    shares = [word for owner, share in splits for word in ("--split", f"{owner}:{share}")]
    run("open", "solana", "--rpc", cluster.rpc, "--key-file", cluster.keys[0][0], "--payee",
        cluster.keys[1][1], "--mint", cluster.mint, "--deposit", 1_000, "--program",
        cluster.program, "--out", file, *shares)
    return file


def distribute(cluster, file):
    """Sends the program's instruction by itself, without guards, as anybody may."""
    terms = json.loads(file.read_text())
    channel, payer, payee, rent = (
        Pubkey.from_string(terms[name]) for name in ("channelId", "payer", "payee", "rentPayer"))
    splits = [(Pubkey.from_string(split["recipient"]), split["shareBps"])
              for split in terms["distributionSplits"]]
    events = Pubkey.find_program_address([b"event_authority"], cluster.program)[0]
    written = [channel, payer, rent]
    written += map(cluster.tokens, (channel, payer, payee, cluster.treasury))
    read = [cluster.mint, TOKEN, events, cluster.program]
    metas = [AccountMeta(key, False, True) for key in written]
    metas += [AccountMeta(key, False, False) for key in read]
    metas += [AccountMeta(cluster.tokens(owner), False, True) for owner, _ in splits]
    data = b"\7" + struct.pack("<I", len(splits)) + b"".join(
        bytes(owner) + struct.pack("<H", share) for owner, share in splits)
    key = Keypair.from_seed(bytes.fromhex(cluster.keys[2][0].read_text()))
    recent = Hash.from_string(cluster.call("getLatestBlockhash")["value"]["blockhash"])
    message = MessageV0.try_compile(
        key.pubkey(), [Instruction(cluster.program, data, metas)], [], recent)
    sent = bytes(VersionedTransaction(message, [key]))
    cluster.call("sendTransaction", b64encode(sent).decode(), {"encoding": "base64"})


def lie(cluster, owners):
    """From now on the node tells of these owners' accounts, asked for together, as they are now."""
    accounts = [str(cluster.tokens(owner)) for owner in owners]
    now = cluster.call("getMultipleAccounts", [*accounts, str(cluster.mint)],
                       {"encoding": "base64", "commitment": "confirmed"})
    cluster.call("test_fault", {"method": "getMultipleAccounts", "kind": "lie", "count": 10**6,
                                "contains": accounts[-1], "result": now})


def test_without_guards_the_treasury_has_what_cannot_be_paid(cluster):
    payee, store = cluster.keys[1][1], cluster.folder / "shop"
    file = opened(cluster, "channel")
    voucher(cluster, store, file, 250)
    claim = ["claim", "--store", store, "--rail", "solana", "--rpc", cluster.rpc, "--key-file",
             cluster.keys[1][0], "--treasury", cluster.treasury]
    cluster.freeze(payee)
    done = run(*claim)
    assert done["settled"] == 1 and done["held"] == [json.loads(file.read_text())["channelId"]]
    assert f"the token account of {payee} cannot be paid (frozen)" in done["reasons"][0]
    distribute(cluster, file)
    eventually("it is lost", lambda: cluster.balance(cluster.treasury) == 250)
    cluster.freeze(payee, False)
    eventually("nothing is due any more", lambda: run(*claim)["held"] == [])
    assert cluster.balance(payee) == 0


def test_who_is_frozen_between_the_look_and_the_block_loses_nothing(cluster):
    (_, payer), (_, payee), extra = *cluster.keys[:2], cluster.named("extra")
    store = cluster.folder / "shop"
    cluster.hold(extra)
    shared, plain = opened(cluster, "shared", (extra, 5_000)), opened(cluster, "plain")
    voucher(cluster, store, shared, 200)
    voucher(cluster, store, plain, 100)
    key = ["--rpc", cluster.rpc, "--key-file", cluster.keys[1][0], "--treasury", cluster.treasury]
    claim = ["claim", "--store", store, "--rail", "solana", *key]
    lie(cluster, [payee, payer, cluster.treasury, extra])
    cluster.freeze(extra)
    done = run(*claim)
    assert (done["sent"], done["settled"], done["open"]) == (1, 1, 0)
    # The other channel is paid; of this one nothing is, and nothing is lost.
    assert done["held"] == [json.loads(shared.read_text())["channelId"]]
    assert f"the token account of {extra} could not be paid any more" in done["reasons"][0]
    assert "code 17" in done["reasons"][0] and "nobody lost anything" in done["reasons"][0]
    holders = (payee, extra, cluster.treasury, payer)
    assert [cluster.balance(holder) for holder in holders] == [100, 0, 0, 3_000]
    cluster.call("test_clearFaults")
    assert f"{extra} cannot be paid (frozen)" in run(*claim)["reasons"][0]
    cluster.freeze(extra, False)
    done = run(*claim)
    assert (done["held"], done["open"]) == ([], 0)
    assert [cluster.balance(holder) for holder in holders] == [200, 100, 0, 3_000]

    # The same when the payee closes: the seal is undone too.
    close = ["close", "--channel", shared, *key]
    lie(cluster, [payee, payer, cluster.treasury, extra])
    cluster.freeze(payer)
    said = run(*close, code=1)
    assert f"the token account of {payer} could not be paid any more" in said, said
    assert run("show", "--channel", shared, "--rpc", cluster.rpc)["phase"] == "open"
    assert [cluster.balance(holder) for holder in holders] == [200, 100, 0, 3_000]
    cluster.call("test_clearFaults")
    assert f"{payer} cannot be paid (frozen)" in run(*close, code=5)
    cluster.freeze(payer, False)
    assert run(*close)["step"] == "distributed"
    assert [cluster.balance(holder) for holder in holders] == [200, 100, 0, 3_800]


def test_many_splits_are_guarded_over_the_stores_table(cluster):
    owners = [cluster.named(f"owner {number}") for number in range(13)]
    store, payee = cluster.folder / "shop", cluster.keys[1][1]
    for owner in owners[:5]:
        cluster.hold(owner)
    with pytest.raises(AssertionError, match="13 splits are too many"):
        opened(cluster, "too many", *((owner, 100) for owner in owners))
    file = opened(cluster, "five", *((owner, 1_000) for owner in owners[:5]))
    voucher(cluster, store, file, 100)
    key = ["--store", store, "--rpc", cluster.rpc, "--key-file", cluster.keys[1][0]]
    key += ["--treasury", cluster.treasury]
    done = run("claim", "--rail", "solana", *key)
    assert done["settled"] == 1 and len(done["held"]) == 1
    assert "5 splits and a guard for each does not fit" in done["reasons"][0]
    assert "exchequer channels table make" in done["reasons"][0]
    close = ["close", "--channel", file, *key]
    assert "5 splits and a guard for each does not fit" in run(*close, code=5)
    assert cluster.balance(payee) == 0
    # The sysvar, the channel, and what its payout names.
    assert run("table", "make", *key)["entries"] > 2 + 2 * 5
    assert run("claim", "--rail", "solana", *key)["held"] == []
    assert [cluster.balance(owner) for owner in (*owners[:5], payee)] == [10] * 5 + [50]
    assert run(*close)["step"] == "distributed"
    assert cluster.balance(cluster.keys[0][1]) == 4_900
    assert cluster.balance(cluster.treasury) == 0


def test_closing_makes_the_accounts_that_are_missing(cluster):
    """Those of four splits, which fit with the seal, and the treasury's own."""
    owners = [cluster.named(f"owner {number}") for number in range(4)]
    file = opened(cluster, "four", *((owner, 1_000) for owner in owners))
    cluster.call("test_setAccount", str(cluster.tokens(cluster.treasury)), 0, str(SYSTEM), "")
    key = ["--rpc", cluster.rpc, "--key-file", cluster.keys[1][0], "--treasury", cluster.treasury]
    assert run("close", "--channel", file, *key)["step"] == "distributed"
    assert cluster.balance(cluster.keys[0][1]) == 5_000
    for owner in (*owners, cluster.treasury):
        assert cluster.balance(owner) == 0
