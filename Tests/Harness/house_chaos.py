#!/usr/bin/env python3
"""Thousands of payouts of a whole house on both chains, over endpoints that misbehave, while it is
killed every few seconds; then everything is audited from the chains alone.

    python Tests/Harness/house_chaos.py [--payouts N] [--parties N] [--seed N] [--folder DIR]

The house settles by plan over three endpoints a chain of chaos_proxy.py, of which two must agree.
Parties withdraw again and again: most for the next settlement, some at once under a key that they
repeat. Some are paid on the EVM chain, some on Solana, there by transfers or by roots of a pool,
whichever is cheaper by what the house was told at its last start; some cannot be sent anything and
claim from roots; some change the chain or the account meanwhile; some accounts on Solana freeze.
Every answer that a kill swallows is found out from the house afterwards, as a careful client does.

At the end, in calm weather, everything that was asked for must have arrived: each party has what
its withdrawals say, to the unit, on both chains together; the payers have that much less; the costs
in the books are what the chains charged, to the wei and to the lamport; the reconciliation is
clean; the journal replays to the state. Then nothing more may arrive.

The seed is printed first; so is where the folder is that a failure leaves. Exit code: 0 all is
right, 1 something is not.
"""

import argparse
import base64
import contextlib
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import child
from chaos_pool import ChaosPool
from chaos_storm import missing
from check_dispersals import Statements
from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils import keccak, to_checksum_address
from evm_chain import dev_key
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import Transaction
from test_house_chain import ROOT, Chain, House, eventually, exchequer
from test_house_payouts import Solana
from test_solana_watch import look

DOLLARS = 1_000_000
DEPOSIT = 2_000 * DOLLARS
FUNDS = 100_000_000
# Accounts of the EVM chain before the parties': the house's, and one that pays everybody in.
HOUSE, BANK = 0, 1
FIRST = 2
TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
# With nothing new for so long, something is stuck for good.
PATIENCE = 240
# From so many payouts on the house lives longer between two kills.
MANY = 2_000
# Payments of so many rounds may be open at once: what a storm takes is sent again after a while.
OPEN_ROUNDS = 5
LONGEST_STORM = 1_200
# The house allows ten withdrawals at once an hour.
KEYED_EACH = 10
KEYED_EVERY = 3
# What settling answers when there is nothing to do now.
NOTHING_TO_SETTLE = (705, 706)


class Unanswered(Exception):
    """The house was gone before it answered: whether it has done it is not known."""


class Refused(Exception):
    """The honest endpoint answered with an error."""


class Proxy:
    """A chain behind endpoints that misbehave: the process, as Chain and Solana have theirs."""

    def begin(self, folder, kind, seed, *more):
        self.log = open(folder / f"{kind}.log", "w")
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "Tests/Harness/chaos_proxy.py", kind, "--seed", str(seed)]
            + ["--exit-with-parent", *more],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        ready = json.loads(self.process.stdout.readline())
        self.rpc, self.endpoints = ready["listening"], ready["endpoints"]
        return ready

    def weather(self, on):
        self.call("test_chaos", on)
        self.call("test_weather", on)


class ChaosChain(Proxy, Chain):
    """The EVM chain; its first account has a file with its key."""

    def __init__(self, folder, seed, accounts):
        ready = self.begin(folder, "evm", seed, "--accounts", str(accounts))
        file = folder / "house.key"
        self.keys = []
        for account in ready["accounts"]:
            self.keys.append((file, account["address"].lower()))
        file.write_text(ready["accounts"][HOUSE]["privateKey"].removeprefix("0x"))
        file.chmod(0o600)

    def send(self, sender, to, data, gas=300_000, nonce=None):
        """Signs and sends a call, and does not wait for it."""
        if nonce is None:
            nonce = int(self.call("eth_getTransactionCount", self.keys[sender][1], "pending"), 16)
        signed = Account.from_key(dev_key(sender)).sign_transaction({
            "to": to_checksum_address(to), "data": data, "gas": gas, "nonce": nonce,
            "chainId": 31337, "value": 0,
            "maxFeePerGas": 60 * 10**9, "maxPriorityFeePerGas": 10 * 10**9})
        return self.call("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex())

    def call(self, method, *params):
        try:
            return super().call(method, *params)
        except KeyError as error:
            raise Refused(method) from error

    def read(self, to, signature, kinds=(), *values):
        """A number that a contract tells."""
        asked = {"to": to, "data": call_data(signature, kinds, *values)}
        return int(self.call("eth_call", asked, "latest"), 16)


class ChaosSolana(Proxy, Solana):
    """The Solana cluster; account 0 pays, and may freeze accounts."""

    def __init__(self, folder, seed):
        ready = self.begin(
            folder, "solana", seed, "--accounts", "2", "--tokens", str(FUNDS * DOLLARS))
        self.mint, self.program = ready["mint"], ready["token_program"]
        self.signers = [Keypair.from_seed(bytes.fromhex(one["seed"]))
                        for one in ready["accounts"]]
        file = folder / "payer.key"
        file.write_text(ready["accounts"][0]["seed"])
        file.chmod(0o600)
        self.keys = [(file, ready["accounts"][0]["address"])]

    def freeze(self, owner):
        """Asks for an owner's token account to be frozen; the second account bears the fee."""
        account = Pubkey.from_string(self.account(owner))
        authority, payer = self.signers
        # spl-token: FreezeAccount is instruction 10, of account, mint and authority.
        accounts = [AccountMeta(account, False, True),
                    AccountMeta(Pubkey.from_string(self.mint), False, False),
                    AccountMeta(authority.pubkey(), True, False)]
        blockhash = self.call("getLatestBlockhash", {"commitment": "finalized"})["value"]
        message = Message.new_with_blockhash(
            [Instruction(TOKEN, bytes([10]), accounts)], payer.pubkey(),
            Hash.from_string(blockhash["blockhash"]))
        raw = bytes(Transaction([payer, authority], message, message.recent_blockhash))
        self.call("sendTransaction", base64.b64encode(raw).decode(),
                  {"encoding": "base64", "skipPreflight": True})


def call_data(signature, kinds=(), *values):
    return "0x" + (keccak(text=signature)[:4] + encode(list(kinds), list(values))).hex()


class Party:
    """Who is paid: an account on the EVM chain, perhaps owners on Solana."""

    def __init__(self, place, draw):
        self.place = place
        self.random = random.Random(f"{draw.random()}")
        self.account = Account.from_key(dev_key(FIRST + place))
        self.address = self.account.address.lower()
        self.owners = [Keypair.from_seed(self.random.randbytes(32)) for _ in range(2)]
        # The first few are one of each.
        kind = (0, 0.02, 0.1, 0.5)[place] if place < 4 else draw.random()
        self.isolated = kind < 0.02
        self.freezes = 0.02 <= kind < 0.04
        self.restless = 0.04 <= kind < 0.20
        self.owner = None
        if not self.isolated and (self.freezes or draw.random() < 0.55):
            self.owner = 0
        steady = not (self.isolated or self.freezes or self.restless)
        # Whoever is paid at once is paid what waits for a settlement first: it asks for one or the
        # other, so that it is clear what it asked for.
        self.is_keyed = place == 3 or steady and draw.random() < 0.15
        self.key = self.number = None
        self.available = DEPOSIT
        self.withdrawn = self.asked = 0


class ChaosHouse(House):
    """The house over the endpoints that misbehave."""

    def __init__(self, folder, seed, parties):
        self.folder, self.process = folder, None
        self.log = open(folder / "house.log", "a")
        self.chain = ChaosChain(folder, seed, FIRST + len(parties))
        self.solana = ChaosSolana(folder, seed)
        self.pool = ChaosPool(self.solana)
        self.costs = random.Random(f"{seed}/costs")
        self.parties = parties
        self.base = self.failure = self.settling = None
        self.kills = self.refused_starts = 0
        self.seconds_down = 0.0
        (folder / "rules.json").write_text(json.dumps({"epoch_length_seconds": 1}))
        self.addresses = json.loads(self.run("deploy", HOUSE, "--json"))
        self.usdc, self.contract = self.addresses["usdc"], self.addresses["contract"]

    # ---- the process

    def up(self):
        """Starts it, again if its chains do not answer as they must; then it says so and ends."""
        begun = time.monotonic()
        is_cheap = self.costs.random() < 0.6
        for _ in range(40):
            try:
                self.start(self.chain.endpoints, extra=[
                    "--confirmations", "4", "--payouts", "plan", "--gas-bearing", "everyone",
                    "--refund-above", "1000", "--solana-mint", self.solana.mint,
                    "--solana-key", self.solana.keys[0][0],
                    "--solana-day-fee-cap", "10000", "--solana-coin-price", "100",
                    "--day-fee-cap", "10000", "--coin-price", "100",
                    *self.pool.options(is_cheap),
                    *(word for url in self.solana.endpoints for word in ("--solana-rpc-url", url)),
                ])
                self.seconds_down += time.monotonic() - begun
                return
            except AssertionError:
                # 6: the network is to blame. One that still starts is only slow.
                if self.process.poll() not in (6, None):
                    raise
                self.process.kill()
                self.process.wait()
                self.refused_starts += 1
        raise AssertionError("the house did not start forty times")

    def ask(self, method, path, body=None, bearer=None, source=1):
        """Status and answer; waits for a house that is down. Raises `Unanswered` if it goes away
        after it was asked."""
        while True:
            place = urlsplit(self.base)
            link = http.client.HTTPConnection(
                place.hostname, place.port, timeout=60, source_address=(f"127.0.0.{source}", 0))
            try:
                link.connect()
            except OSError:
                link.close()
                if self.failure:
                    raise self.failure from None
                time.sleep(0.05)
                continue
            try:
                headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
                link.request(method, path, json.dumps(body) if body is not None else None, headers)
                answer = link.getresponse()
                return answer.status, json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise Unanswered(path) from error
            finally:
                link.close()

    def sure(self, method, path, body=None, bearer=None, source=1):
        """The same for what may be asked twice."""
        while True:
            try:
                return self.ask(method, path, body, bearer, source)
            except Unanswered:
                continue

    def listed(self, path, after=0):
        """All of a paged list, from the number after this one on."""
        found = []
        while True:
            status, page = self.sure("GET", f"{path}?limit=1000&after={after}")
            assert status == 200, page
            found += page["data"]
            if not page.get("has_more"):
                return found
            after = page["next_after"]

    def token(self):
        return (self.folder / "house" / "operator.token").read_text().strip()

    def told(self):
        return self.sure("GET", "/v1/operator/settlement", bearer=self.token())[1]

    def settle(self):
        """Whether something was settled; nobody minds that it is asked for twice."""
        for _ in range(10):
            status, answer = self.sure("POST", "/v1/operator/settle", {}, self.token())
            self.settling = answer
            if status != 503:
                break
            # The chains did not tell what it would cost.
            time.sleep(0.1)
        rejection = answer.get("error", {}).get("rejection")
        assert status in (200, 503) or rejection in NOTHING_TO_SETTLE, answer
        return status == 200

    # ---- before it begins

    def fund(self):
        """Everybody has deposited, and the bank has given them what they deposit."""
        chain, parties = self.chain, self.parties
        self.run("send", HOUSE, "--token", self.usdc, "--to", chain.keys[BANK][1],
                 "--amount", str(DEPOSIT * (len(parties) + 1) // DOLLARS))
        approval = call_data("approve(address,uint256)", ["address", "uint256"],
                             self.contract, 2**255)
        chain.send(BANK, self.usdc, approval)
        nonce = int(chain.call("eth_getTransactionCount", chain.keys[BANK][1], "pending"), 16)
        for start in range(0, len(parties), 100):
            some = parties[start : start + 100]
            given = call_data(
                "disperse(address,bytes32,address[],uint256[])",
                ["address", "bytes32", "address[]", "uint256[]"], self.usdc,
                start.to_bytes(32, "big"), [one.address for one in some], [DEPOSIT] * len(some))
            chain.send(BANK, self.contract, given, 8_000_000, nonce + start // 100)
        deposit = call_data("deposit(uint256)", ["uint256"], DEPOSIT)
        eventually("everybody has been given something",
                   lambda: self.dollars(parties[-1]) == DEPOSIT, 60)
        for party in parties:
            chain.send(FIRST + party.place, self.usdc, approval, nonce=0)
            chain.send(FIRST + party.place, self.contract, deposit, nonce=1)
        eventually("everybody has paid in",
                   lambda: not any(self.dollars(party) for party in parties), 120)

    def dollars(self, party):
        """What a party holds on the EVM chain."""
        return self.chain.read(self.usdc, "balanceOf(address)", ["address"], party.address)

    def enrol(self, party):
        """An API key, and how it wants to be paid."""
        # So many keys a minute for one address of the network.
        source = 2 + party.place // 50
        status, asked = self.sure(
            "POST", "/v1/keys/challenge", {"address": party.address}, source=source)
        assert status == 200, asked
        signed = party.account.sign_message(encode_defunct(text=asked["message"]))
        proof = {"address": party.address, "message": asked["message"],
                 "signature": "0x" + signed.signature.hex().removeprefix("0x")}
        status, made = self.sure("POST", "/v1/keys", proof, source=source)
        assert status == 200, made
        party.key, party.number = made["api_key"], made["party"]
        self.choose(party, party.owner)

    def choose(self, party, owner):
        """Says to which of its owners on Solana a party is paid; `None`: on the EVM chain."""
        wanted = {}
        if owner is not None:
            text = str(party.owners[owner].pubkey())
            _, settings = self.sure("GET", "/v1/payout", bearer=party.key)
            signed = party.owners[owner].sign_message(
                settings["message"].replace("ADDRESS", text).encode())
            wanted = {"solana": text, "signature": bytes(signed).hex()}
        status, answer = self.sure("POST", "/v1/payout", wanted, party.key)
        assert status == 200, answer
        party.owner = owner

    # ---- what parties do

    def balance(self, party):
        """Available, payable and in transit, in units."""
        status, found = self.sure("GET", "/v1/balance", bearer=party.key)
        assert status == 200, found
        line = next(line for line in found["balances"] if line["asset"] == "USD")
        return [int(Decimal(line[name]) * DOLLARS)
                for name in ("available", "payable", "in_transit")]

    def withdraw(self, party):
        """One withdrawal of a random sum; a party asks for one thing at a time."""
        units = party.random.randint(DOLLARS // 100, 3 * DOLLARS)
        body = {"asset": "USD", "amount": f"{Decimal(units) / DOLLARS:f}"}
        party.asked += 1
        if party.is_keyed:
            is_time = (party.asked + party.place) % KEYED_EVERY == 0
            if is_time and party.asked < KEYED_EVERY * KEYED_EACH:
                self.withdraw_at_once(party, units, body | {"key": f"number {party.asked}"})
            return
        while True:
            try:
                status, answer = self.ask("POST", "/v1/withdrawals", body, party.key)
                assert status == 200, answer
            except Unanswered:
                if self.balance(party)[0] == party.available:
                    continue
            break
        self.is_withdrawn(party, units)

    def withdraw_at_once(self, party, units, body):
        """Repeats the key until it is answered, and once more: it is one withdrawal."""
        while True:
            status, made = self.sure("POST", "/v1/withdrawals", body, party.key)
            if status == 200:
                break
            assert status == 503, made
            time.sleep(0.2)
        status, again = self.sure("POST", "/v1/withdrawals", body, party.key)
        assert status == 200 and again["dispersal"] == made["dispersal"], (made, again)
        self.is_withdrawn(party, units)

    def is_withdrawn(self, party, units):
        """An answer that was given is never taken back."""
        party.available -= units
        party.withdrawn += units
        found = self.balance(party)[0]
        assert found == party.available, f"{party.address}: {found}, not {party.available}"

    def claim(self, party):
        """Sends what a party can claim, from the bank's account; who claims twice gets nothing."""
        _, found = self.sure("GET", f"/v1/claimable/{party.address}")
        if found.get("calldata") and found["claims"]:
            # What the pool refuses, or a storm takes, is asked for again later.
            with contextlib.suppress(Refused):
                self.chain.send(BANK, self.contract, found["calldata"])

    # ---- the chains

    def on_solana(self, party):
        return sum(self.solana.tokens(str(owner.pubkey())) or 0 for owner in party.owners)

    def holds(self):
        """What the payers hold: units and wei on the EVM chain, units and lamports on Solana."""
        payer, owner = self.chain.keys[HOUSE][1], self.solana.keys[0][1]
        return (
            self.chain.read(self.usdc, "balanceOf(address)", ["address"], payer),
            int(self.chain.call("eth_getBalance", payer, "latest"), 16),
            self.solana.tokens(owner), self.solana.call("getBalance", owner)["value"])

    def stop(self):
        for process in (self.process, self.chain.process, self.solana.process):
            if process is not None:
                process.kill()
                process.wait()


class Run:
    """A whole run."""

    def __init__(self, folder, seed, payouts, parties):
        self.random = random.Random(seed)
        self.weather = random.Random(f"{seed}/rollup")
        # With an even seed the EVM chain is a rollup, whose prices change with each round.
        self.is_rollup = seed % 2 == 0
        self.seed, self.payouts = seed, payouts
        self.parties = [Party(place, self.random) for place in range(parties)]
        self.house = ChaosHouse(folder, seed, self.parties)
        self.begun = time.monotonic()
        self.stop = threading.Event()
        # Seconds of withdrawals, of settling, of waiting for payments.
        self.spent = [0.0, 0.0, 0.0]
        # Up to this dispersal all are over, with so many payments.
        self.over = self.counted = 0

    def say(self, text):
        print(f"{time.monotonic() - self.begun:6.1f} s  {text}", flush=True)

    def perform(self):
        self.prepare()
        self.storm()
        self.settle_all()
        self.audit()

    def prepare(self):
        house = self.house
        house.fund()
        self.held = house.holds()
        self.first_block = int(house.chain.call("eth_blockNumber"), 16) + 1
        house.up()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(house.enrol, self.parties))
        eventually("the deposits", lambda: all(
            house.balance(party)[0] == DEPOSIT for party in self.parties), 60)
        eventually("leave to disperse", lambda: house.told()["may_disperse"])
        for party in self.parties:
            if party.isolated:
                house.chain.call("test_refuse", party.address)
        self.say(f"{len(self.parties)} parties have paid in")

    # ---- the storm

    def storm(self):
        """Rounds of withdrawals until enough payments are made, while the house is killed."""
        house = self.house
        house.chain.weather(True)
        house.solana.weather(True)
        killer = threading.Thread(target=self.kill_now_and_then)
        killer.start()
        try:
            rounds = paid = 0
            while paid < self.payouts or self.is_too_calm():
                self.one_round()
                rounds += 1
                begun = time.monotonic()
                paid = self.catch_up(OPEN_ROUNDS * len(self.parties))
                self.spent[2] += time.monotonic() - begun
                if rounds % 5 == 0 or paid >= self.payouts:
                    self.say(f"round {rounds}: {paid} payments are made, "
                             f"{house.kills} kills; {house.seconds_down:.0f} s down, "
                             "{:.0f} s of withdrawals, {:.0f} of settling, {:.0f} of waiting"
                             .format(*self.spent))
        finally:
            self.stop.set()
            killer.join()
        if house.failure:
            raise house.failure
        if house.process.poll() is not None:
            house.up()

    def met(self):
        """How often each kind of misbehaviour happened, by chain."""
        house = self.house
        return {"evm": house.chain.call("test_met"), "solana": house.solana.call("test_met"),
                "house": {"kill": house.kills, "refused start": house.refused_starts}}

    def is_too_calm(self):
        """Whether something has not happened yet that a storm is about."""
        return time.monotonic() - self.begun < LONGEST_STORM and bool(missing(self.met()))

    def kill_now_and_then(self):
        draw = random.Random(f"{self.seed}/kills")
        pauses = (1.5, 7) if self.payouts < MANY else (4, 20)
        while not self.stop.wait(draw.uniform(*pauses)):
            try:
                self.house.kill()
                self.house.kills += 1
                time.sleep(draw.uniform(0, 0.5))
                self.house.up()
            except BaseException as error:  # whatever it is, nobody waits for the house any more
                self.house.failure = error
                return

    def one_round(self):
        house = self.house
        draws = [party.random.random() for party in self.parties]

        def act(pair):
            party, draw = pair
            house.withdraw(party)
            if party.restless and draw < 0.3:
                house.choose(party, party.random.choice([None, 0, 1]))
            if party.isolated and draw < 0.7:
                house.claim(party)

        begun = time.monotonic()
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(act, zip(self.parties, draws)))
        middle = time.monotonic()
        if self.is_rollup:
            prices = (self.weather.randrange(10**top) for top in (11, 5, 14))
            house.chain.call("test_setRollupFees", *map(hex, prices))
        house.settle()
        self.spent[0] += middle - begun
        self.spent[1] += time.monotonic() - middle
        for party in self.parties:
            if party.freezes and party.owner == 0 and party.asked > 2:
                self.thaw(party)

    def thaw(self, party):
        """Freezes a party's account; once a payment is put aside for it, names another one."""
        house = self.house
        owner = str(party.owners[0].pubkey())
        if house.solana.tokens(owner) is not None:
            house.solana.freeze(owner)
        due = house.sure("GET", f"/v1/claimable/{party.address}")[1].get("solana") or {}
        stages = [one["stage"] for one in due.get("payments", [])]
        if "quarantined" in stages:
            house.choose(party, 1)

    def payments(self):
        """How many payments are made, and how many are open, some of which may still come back.
        Those of the first dispersals that are over are counted once."""
        paid, is_open, is_prefix = self.counted, 0, True
        for dispersal in self.house.listed("/v1/dispersals", self.over):
            stages = [payment["stage"] for payment in dispersal["payments"]]
            paid += stages.count("paid")
            is_open += sum(stage not in ("returned", "moved", "paid") for stage in stages)
            is_prefix = is_prefix and not dispersal["open"]
            if is_prefix:
                self.over, self.counted = dispersal["dispersal"], paid
        return paid, is_open

    def catch_up(self, most):
        """Waits until at most so many payments are open; returns how many are made. Nothing may
        stand still for long, or wait for a person."""
        last, since = None, time.monotonic()
        while True:
            paid, is_open = self.payments()
            if is_open <= most:
                return paid
            self.check_health()
            if is_open != last:
                last, since = is_open, time.monotonic()
            assert time.monotonic() - since < PATIENCE, f"{is_open} payments are stuck"
            time.sleep(0.5)

    def check_health(self):
        _, health = self.house.sure("GET", "/healthz")
        assert health["status"] == "ok", health
        breakers = set(self.house.told()["breakers"])
        wrong = {"deep_reorganisation", "key_used_elsewhere", "uncovered"}
        assert not breakers & wrong, breakers

    def sent(self):
        """The dispersals on Solana."""
        return [one for one in self.house.listed("/v1/dispersals") if one["rail"] == "solana"]

    # ---- the end

    def settle_all(self):
        """In calm weather everything arrives."""
        house = self.house
        house.chain.weather(False)
        house.solana.weather(False)
        house.chain.call("test_setMinimumTip", "0x0")
        self.say("the storm is over")
        since = said = time.monotonic()
        least = None
        while time.monotonic() - since < PATIENCE:
            self.check_health()
            house.settle()
            late = []
            for party in self.parties:
                available, payable, in_transit = house.balance(party)
                assert available == party.available, party.address
                if payable or in_transit:
                    late.append((party.place, payable, in_transit))
                    # Anybody may have become a leaf when a node told that nothing can be sent.
                    house.claim(party)
                    if party.freezes and party.owner == 0:
                        self.thaw(party)
            told = house.told()
            left = (sum(one[1] + one[2] for one in late), told["solana"]["unbooked"])
            # However much there is, it becomes less.
            if least is None or left < least:
                since, least = time.monotonic(), left
            if time.monotonic() - said > 20:
                said = time.monotonic()
                self.say(f"waiting for {late[:8]}, {self.payments()[1]} payments, {told['open']} "
                         f"orders, {told['solana']['unbooked']} costs")
            if (not late and told["solana"]["unbooked"] == 0 and self.payments()[1] == 0
                    and all("transaction" in one["books"] for one in self.sent())
                    and all([house.pool.claim_all(house, party) for party in self.parties])):
                return
            time.sleep(0.5)
        raise AssertionError(f"stuck for good: {late}, {house.told()}, {house.settling}")

    def audit(self):
        house = self.house
        held, before = house.holds(), self.held
        arrived = {party.place: (house.dollars(party), house.on_solana(party))
                   for party in self.parties}
        wrong = [(party.place, party.address, party.withdrawn, arrived[party.place])
                 for party in self.parties if sum(arrived[party.place]) != party.withdrawn]
        assert not wrong, f"not paid as asked for: {wrong}"
        claimed = sum(
            house.chain.read(house.contract, "claimed(address,address)", ["address", "address"],
                             house.usdc, party.address)
            for party in self.parties)
        pushed = sum(pair[0] for pair in arrived.values()) - claimed
        assert before[0] - held[0] == pushed, "the payer's dollars"
        sent = sum(pair[1] for pair in arrived.values())
        assert before[2] - held[2] == sent, "the payer's dollars on Solana"
        self.say(house.pool.audit(
            [one for one in house.listed("/v1/dispersals") if one["rail"] == "pool"]))
        self.audit_costs(before[1] - held[1], before[3] - held[3])
        self.audit_statements()
        report = look(house)
        assert report["balanced"] and report["stranded"] == [], report
        self.audit_again(arrived)
        paid, is_open = self.payments()
        assert paid >= self.payouts and is_open == 0, (paid, is_open)
        claimers = sum(party.isolated for party in self.parties)
        self.say(f"{paid} payments and the claims of {claimers} parties: {pushed} units were sent "
                 f"on the EVM chain, {claimed} claimed, {sent} sent on Solana; "
                 f"{house.kills} kills, {house.refused_starts} starts that the chains refused")
        self.audit_journal()

    def audit_costs(self, wei, lamports):
        """What the chains' own records say that the payers were charged is in the books."""
        house = self.house

        def is_booked():
            totals = {one["coin"]: int(one["units"]) for one in house.told()["costs"]}
            return totals.get("wei", 0) == wei and totals.get("lamports", 0) == lamports

        try:
            eventually("the costs are booked", is_booked, 30)
        except AssertionError:
            raise AssertionError(
                f"{wei} wei and {lamports} lamports were spent: {house.told()['costs']}") from None
        booked = {one["transaction"]: int(one["units"]) for one in house.listed("/v1/costs")
                  if one["coin"] == "wei"}
        charged = {}
        last = int(house.chain.call("eth_blockNumber"), 16)
        for height in range(self.first_block, last + 1):
            for receipt in house.chain.call("eth_getBlockReceipts", hex(height)):
                if receipt["from"] == house.chain.keys[HOUSE][1]:
                    price = int(receipt["effectiveGasPrice"], 16)
                    name = receipt["transactionHash"].removeprefix("0x")
                    charged[name] = int(receipt["gasUsed"], 16) * price + beside_gas(receipt)
        assert booked == charged, "wei by transaction"

    def audit_statements(self):
        """For each dispersal on Solana the cluster has a memo that says under which books it was
        made."""
        house = self.house
        statements = Statements(house.solana.rpc, house.solana.keys[0][1])
        for dispersal in self.sent():
            statements.dispersal(dispersal)
        assert not statements.findings, statements.findings[:5]
        self.say(f"{len(statements.known)} memos say the books of what was sent on Solana")

    def audit_again(self, arrived):
        """Nothing more arrives when the house starts anew and time passes."""
        house = self.house
        house.kill()
        house.up()
        house.chain.call("anvil_mine", "0x8")
        house.solana.call("test_tick", 400)
        time.sleep(4)
        for party in self.parties:
            now = (house.dollars(party), house.on_solana(party))
            assert now == arrived[party.place], f"{party.address} was paid again"

    def audit_journal(self):
        house = self.house
        state = house.sure("GET", "/v1/state")[1]
        house.process.terminate()
        house.process.wait(30)
        exchequer("audit", "--data", house.folder / "house", "--expect",
                  f"{state['sequence']}:{state['head']}")


def beside_gas(receipt):
    """What a rollup took beside gas, in wei."""
    fee, scalar, constant = (int(receipt.get(name, "0x0"), 16) for name in (
        "l1Fee", "operatorFeeScalar", "operatorFeeConstant"))
    return fee + 100 * scalar * int(receipt["gasUsed"], 16) + constant


def run(payouts, parties, seed, folder=None):
    """One run, in a folder that is kept if it fails."""
    folder = Path(folder or tempfile.mkdtemp(prefix="house-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"seed {seed}: {payouts} payouts to {parties} parties, in {folder}", flush=True)
    whole = Run(folder, seed, payouts, parties)
    try:
        whole.perform()
        met = whole.met()
    except BaseException:
        print(f"FAILED with seed {seed}; the folder is {folder}", flush=True)
        raise
    finally:
        whole.stop.set()
        whole.house.stop()
    shutil.rmtree(folder)
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--payouts", type=int, default=10_000)
    parser.add_argument("--parties", type=int, default=400)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("EXCHEQUER_CHAOS_SEED", 0)))
    parser.add_argument("--folder", help="where everything is kept; a new one if left out")
    arguments = parser.parse_args()
    child.end_on_signals()
    seed = arguments.seed or random.randrange(1, 1 << 40)
    try:
        met = run(arguments.payouts, arguments.parties, seed, arguments.folder)
    except AssertionError as error:
        print(f"seed {seed}: {error}")
        return 1
    for who, kinds in met.items():
        print(f"{who}:", ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())))
    print(f"seed {seed}: every unit is where it belongs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
