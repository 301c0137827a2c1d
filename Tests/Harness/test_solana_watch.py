"""The account that a house pays from on Solana, held against its books transfer by transfer: real
processes, a stolen key, a house that is killed."""

import base64
import json
import struct
import subprocess
import time

import pytest
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from test_house_chain import EXCHEQUER, eventually, exchequer
from test_house_costs import dollars_for, freeze, lamports, settlement, totals, upkeep_on_solana
from test_house_payouts import Payer

ASSOCIATED = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
SYSTEM = Pubkey.from_string("11111111111111111111111111111111")


class Payer2022(Payer):
    """A house whose dollars on Solana are of Token-2022."""

    solana_words = ("--token-2022",)


@pytest.fixture
def house(tmp_path):
    house = Payer(tmp_path)
    yield house
    house.stop()


@pytest.fixture
def house_2022(tmp_path):
    house = Payer2022(tmp_path)
    yield house
    house.stop()


def transfer(solana, sender, receiver, units):
    """Sends tokens by somebody's own key, as no house does; returns the transaction's name."""
    token = Pubkey.from_string(solana.program)
    key = Keypair.from_seed(bytes.fromhex(solana.keys[sender][0].read_text()))
    owner, mint = Pubkey.from_string(solana.keys[receiver][1]), Pubkey.from_string(solana.mint)
    source = Pubkey.from_string(solana.account(str(key.pubkey())))
    target = Pubkey.from_string(solana.account(str(owner)))
    make = Instruction(
        ASSOCIATED, b"\1",
        [AccountMeta(key.pubkey(), True, True), AccountMeta(target, False, True)]
        + [AccountMeta(one, False, False) for one in (owner, mint, SYSTEM, token)])
    send = Instruction(
        token, b"\3" + struct.pack("<Q", units),
        [
            AccountMeta(source, False, True), AccountMeta(target, False, True),
            AccountMeta(key.pubkey(), True, False),
        ])
    recent = solana.call("getLatestBlockhash")["value"]["blockhash"]
    message = MessageV0.try_compile(key.pubkey(), [make, send], [], Hash.from_string(recent))
    raw = base64.b64encode(bytes(VersionedTransaction(message, [key]))).decode()
    return solana.call("sendTransaction", raw, {"encoding": "base64"})


def lines(report):
    """The differences of the checks of Solana, by name."""
    found = {one["name"]: one for one in report["lines"] if one["name"].startswith("solana_")}
    assert {name: one["check"] for name, one in found.items()} == {
        "solana_sent": 5, "solana_paid": 6, "solana_balance": 7, "solana_deposited": 8}
    return found


def look(house):
    """What a reconciliation finds, right or wrong."""
    line = [EXCHEQUER, "reconcile", "--data", house.folder / "house", "--json"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    for _ in range(50):
        # After a start the chain's logs have to be read first.
        if "not read yet" not in done.stderr:
            break
        time.sleep(0.1)
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 5), done.stdout + done.stderr
    return json.loads(done.stdout)


def stuck(report):
    return {(one["alert"], one["name"], one.get("units")) for one in report["stranded"]}


def test_each_transfer_is_a_payment_and_each_payment_a_transfer(house):
    solana = house.solana
    house.begin()
    dollars_for(house, 3)
    options = ["--house", house.base, "--api-key-file", house.key(3)]
    exchequer("payout", *options, "--solana-key-file", solana.keys[1][0])
    for key, amount in (("june", "1.25"), ("july", "0.75")):
        made = house.withdraw(3, amount, key=key)
        path = f"/v1/dispersals/{made['dispersal']}"
        eventually("the payment", lambda: not house.get(path)["open"])

    def is_read(units):
        found = look(house)
        return lines(found)["solana_sent"]["chain"] == str(units) and found

    report = eventually("both are read", lambda: is_read(2_000_000))
    for line in lines(report).values():
        assert line["chain"] == line["books"] and line["difference"] == line["explained"] == "0"
    assert lines(report)["solana_paid"]["books"] == "2000000"
    assert lines(report)["solana_balance"]["chain"] == str(1_000 * 10**6 - 2_000_000)
    assert report["balanced"] and report["stranded"] == []
    assert report["solana"]["account"] == solana.account(solana.keys[0][1])

    # Somebody sends tokens there: nobody is credited, and nothing differs.
    came = transfer(solana, 1, 0, 100_000)
    report = eventually("it is told", lambda: bool(stuck(look(house))) and look(house))
    (item,) = report["stranded"]
    assert (item["alert"], item["name"], item["units"]) == (11, "solana_inflow", "100000")
    assert (item["account"], item["transaction"]) == (solana.keys[1][1], came)
    assert report["balanced"]

    # The key is stolen while the house is dead: it finds what nobody ordered.
    house.kill()
    taken = transfer(solana, 0, 2, 500_000)
    house.begin()
    thief = (10, "solana_outflow", "500000")
    report = eventually("the theft", lambda: thief in stuck(look(house)) and look(house))
    assert not report["balanced"]
    assert lines(report)["solana_sent"]["difference"] == "500000"
    assert lines(report)["solana_paid"]["difference"] == "0"
    item = next(one for one in report["stranded"] if one["alert"] == 10)
    assert (item["account"], item["transaction"]) == (solana.account(solana.keys[2][1]), taken)
    text = exchequer("reconcile", "--data", house.folder / "house", code=5)
    assert "10 solana_outflow" in text and taken in text and "0x" + taken not in text
    eventually("it is a metric", lambda: house.metric(
        'stranded_items{alert="10",kind="solana_outflow"}') == 1)

    # Nothing is read twice by a restart; and if it was the owner, it is said so.
    house.kill()
    solana.call("test_fault", {"method": "getSignaturesForAddress", "kind": "lie", "result": []})
    solana.call("test_fault", {"method": "getTransaction", "kind": "garbage", "count": 2})
    house.begin("--solana-treasury", solana.keys[2][1], "--solana-treasury", solana.keys[1][1])
    report = eventually("it is right again", lambda: look(house)["balanced"] and look(house))
    assert lines(report)["solana_sent"]["chain"] == "2500000"
    assert lines(report)["solana_sent"]["explained"] == "500000"
    assert report["stranded"] == []

    # A payee who cannot receive is told why, and what to do.
    freeze(solana, solana.keys[1][1])
    made = house.withdraw(3, "0.50", key="august")
    payee = house.chain.keys[3][1]

    def waiting():
        due = house.get(f"/v1/claimable/{payee}")["solana"]["payments"]
        return due and due[0]["stage"] == "quarantined" and due

    (due,) = eventually("it is put aside", waiting)
    assert (due["dispersal"], due["amount"], due["units"]) == (made["dispersal"], "0.50", "500000")
    assert due["owner"] == solana.keys[1][1] and due["account"] == solana.account(due["owner"])
    assert due["reason"] == "frozen" and "thaw" in due["advice"]
    words = exchequer("claimable", "--house", house.base, "--address", payee)
    assert "0.50" in words and "on Solana, quarantined (frozen)" in words
    report = eventually("it is an alert", lambda: bool(look(house)["stranded"]) and look(house))
    (item,) = report["stranded"]
    assert (item["alert"], item["units"], item["account"]) == (12, "500000", payee)
    assert item["number"] == made["dispersal"] and report["balanced"]


def test_dollars_of_token_2022_are_paid_as_any_others(house_2022):
    """Accounts are made, a lookup table is used, costs and reconciliation are exact."""
    house, solana = house_2022, house_2022.solana
    assert solana.program.startswith("TokenzQd")
    tables = ("--solana-table-threshold", "1")
    held = lamports(house)
    house.begin()
    dollars_for(house, 3)
    options = ["--house", house.base, "--api-key-file", house.key(3)]
    exchequer("payout", *options, "--solana-key-file", solana.keys[1][0])

    def is_paid(made):
        return not house.get(f"/v1/dispersals/{made['dispersal']}")["open"]

    first = house.withdraw(3, "1.25", key="june")
    eventually("the first payment", lambda: is_paid(first))
    assert solana.tokens(solana.keys[1][1]) == 1_250_000
    made = solana.call("getAccountInfo", solana.account(solana.keys[1][1]), {"encoding": "base64"})
    assert made["value"]["owner"] == solana.program and made["value"]["space"] == 170

    # A cap of the day holds the next one up until there is a table for it.
    house.kill()
    house.begin(*tables, "--solana-day-fee-cap", "0.000001", "--solana-coin-price", "100")
    second = house.withdraw(3, "0.75", key="july")
    eventually("a table is made and filled", lambda: len(upkeep_on_solana(house)) == 3)
    assert solana.tokens(solana.keys[1][1]) == 1_250_000
    house.kill()
    house.begin(*tables)
    eventually("the second payment", lambda: is_paid(second))
    assert solana.tokens(solana.keys[1][1]) == 2_000_000
    name = house.get(f"/v1/dispersals/{second['dispersal']}")["payments"][0]["transaction"]
    loaded = solana.call("getTransaction", name, {"encoding": "json"})["meta"]["loadedAddresses"]
    assert solana.account(solana.keys[1][1]) in loaded["writable"]

    def is_exact():
        found = settlement(house)
        spent = held - lamports(house)
        return found["solana"]["unbooked"] == 0 and totals(house, "lamports")["units"] == str(spent)

    eventually("every lamport is booked", is_exact)
    # Somebody sends tokens there; everything else is a payment, to the unit.
    came = transfer(solana, 1, 0, 100_000)
    report = eventually("it is told", lambda: bool(stuck(look(house))) and look(house))
    (item,) = report["stranded"]
    assert (item["alert"], item["units"], item["transaction"]) == (11, "100000", came)
    found = lines(report)
    assert report["balanced"] and found["solana_sent"]["chain"] == "2000000"
    assert found["solana_paid"]["books"] == "2000000"
    assert found["solana_balance"]["chain"] == str(1_000 * 10**6 - 1_900_000)
