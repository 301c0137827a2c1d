"""What was sent on Solana is known to one file. A house does not start with an older copy of it, or
with an older journal; it forgets what is over; and its durable nonces outlive an outage."""

import base64
import shutil
import sqlite3

import pytest
from solders.pubkey import Pubkey
from test_house_chain import eventually, exchequer
from test_house_costs import (
    audit,
    dollars_for,
    is_exact_after_ticks,
    is_signed,
    lamports,
    payout,
    spent_on_solana,
    totals,
)
from test_house_payouts import DOLLARS, Payer

NONCE_RENT = 1_447_680


@pytest.fixture
def house(tmp_path):
    house = Payer(tmp_path)
    yield house
    house.stop()


def open_for(house, *more):
    """A house whose third account has money and is paid on Solana."""
    house.begin(*more)
    dollars_for(house, 3, "50.00")
    payout(house, "--solana-key-file", house.solana.keys[1][0])


def is_over(house, made):
    return not house.get(f"/v1/dispersals/{made['dispersal']}")["open"]


def pay(house, amount, key):
    """A withdrawal, up to its end in the books."""
    made = house.withdraw(3, amount, key=key)
    eventually(f"the payment of {key}", lambda: is_over(house, made))
    return made


def received(house):
    return house.solana.tokens(house.solana.keys[1][1]) or 0


def stop(house):
    house.process.terminate()
    house.process.wait(30)


def files(house, name):
    return [one for one in (house.folder / "house").glob(name + "*") if one.is_file()]


def take_aside(house, name, into):
    """A copy of a database of the house's, which is stopped."""
    folder = house.folder / into
    folder.mkdir()
    for file in files(house, name):
        shutil.copy(file, folder)
    return folder


def put_back(house, name, folder):
    for file in files(house, name):
        file.unlink()
    for file in folder.iterdir():
        shutil.copy(file, house.folder / "house")


def refused(house, words):
    with pytest.raises(AssertionError, match=words):
        house.begin()
    house.process.wait(30)


def remembered(house):
    """How many payouts the last state of the payout manager has in it."""
    with sqlite3.connect(house.folder / "house" / "solana.sqlite") as database:
        (state,) = database.execute("SELECT bytes FROM state").fetchone()
    if state is None:
        return None
    assert state[0] == 3
    return int.from_bytes(state[1:5], "little")


def test_an_older_copy_of_the_record_is_refused(house):
    open_for(house)
    pay(house, "1.25", "june")
    stop(house)
    older = take_aside(house, "solana.sqlite", "older")
    house.begin()
    # Handed over and not sent when the older copy is put in place: it would be sent twice.
    pay(house, "2.00", "july")
    house.solana.call("test_drop", 1_000_000)
    waits = house.withdraw(3, "0.50", key="august")
    eventually("it is signed", lambda: is_signed(house, waits))
    house.kill()
    newest = take_aside(house, "solana.sqlite", "newest")
    put_back(house, "solana.sqlite", older)
    refused(house, "older copy: it knows 2 signed transactions, and the journal")
    put_back(house, "solana.sqlite", newest)
    house.solana.call("test_drop", 0)
    house.begin()
    eventually("the last payment", lambda: is_over(house, waits))
    assert received(house) == 3_750_000

    # With nothing open the file may be lost: a new one goes on, and no older one is taken again.
    stop(house)
    whole = take_aside(house, "solana.sqlite", "whole")
    for file in files(house, "solana.sqlite"):
        file.unlink()
    house.begin()
    pay(house, "1.00", "september")
    house.kill()
    fresh = take_aside(house, "solana.sqlite", "fresh")
    for copy in (whole, older):
        put_back(house, "solana.sqlite", copy)
        refused(house, "older copy")
    put_back(house, "solana.sqlite", fresh)
    house.begin()
    pay(house, "0.25", "october")
    assert received(house) == 5 * DOLLARS
    exchequer("reconcile", "--data", house.folder / "house")
    audit(house)


def test_a_restart_waits_for_chains_that_do_not_answer(house):
    open_for(house)
    pay(house, "1.00", "june")
    stop(house)
    house.chain.fault("eth_chainId", "error", count=2)
    house.solana.everywhere("test_fault", {"method": "getGenesisHash", "kind": "error", "count": 2})
    house.begin()
    said = (house.folder / "house.log").read_text()
    assert "the start waits for a chain" in said and "Solana cluster does not answer" in said
    pay(house, "0.50", "july")
    assert received(house) == 1_500_000
    # A first start is told at once what is wrong.
    folder = house.folder / "other"
    folder.mkdir()
    other = Payer(folder)
    try:
        other.solana.everywhere(
            "test_fault", {"method": "getGenesisHash", "kind": "error", "count": 1})
        refused(other, "Solana cluster does not answer")
    finally:
        other.stop()


def test_what_is_over_is_forgotten_and_an_older_journal_is_refused(house):
    open_for(house)
    for key in ("june", "july", "august"):
        pay(house, "1.00", key)
    stop(house)
    journal = take_aside(house, "journal.sqlite", "journal")
    house.begin()
    # What was over before the start goes first.
    eventually("three are forgotten", lambda: remembered(house) == 0)
    made = pay(house, "2.00", "september")
    for _ in range(2):
        house.kill()
        house.begin()
    eventually("the fourth is forgotten", lambda: remembered(house) == 0)
    # The same withdrawal is the same, and nothing is sent again.
    assert house.withdraw(3, "2.00", key="september")["dispersal"] == made["dispersal"]
    assert received(house) == 5 * DOLLARS
    exchequer("reconcile", "--data", house.folder / "house")

    # The watch begins anew: what was forgotten is no payment that is missing.
    stop(house)
    for file in files(house, "solana-watch.sqlite"):
        file.unlink()
    house.solana.call("test_forget", house.solana.call("getSlot"))
    house.solana.call("test_tick", 60)
    house.begin()
    pay(house, "1.00", "october")
    exchequer("reconcile", "--data", house.folder / "house")

    # In that journal three payments are over that the file has forgotten, and later ones unknown.
    stop(house)
    now = take_aside(house, "journal.sqlite", "now")
    snapshots = house.folder / "house" / "journal.sqlite.snapshots"
    if snapshots.exists():
        shutil.rmtree(snapshots)
    put_back(house, "journal.sqlite", journal)
    refused(house, "the journal is an older copy")
    put_back(house, "journal.sqlite", now)
    house.begin()
    assert received(house) == 6 * DOLLARS
    audit(house)


def test_a_number_that_is_given_again_is_another_payment(house):
    """The journal has lost its end. What was paid by its next number then is not what is paid by it
    now, and counts for nobody else."""
    open_for(house)
    stop(house)
    journal = take_aside(house, "journal.sqlite", "journal")
    house.begin()
    first = pay(house, "1.00", "june")
    stop(house)
    snapshots = house.folder / "house" / "journal.sqlite.snapshots"
    if snapshots.exists():
        shutil.rmtree(snapshots)
    put_back(house, "journal.sqlite", journal)
    house.begin()
    again = pay(house, "2.00", "july")
    assert again["dispersal"] == first["dispersal"]
    assert received(house) == 3 * DOLLARS


def test_another_account_pays_when_nothing_of_the_last_one_is_open(house):
    """Its records are moved aside: what it paid stays paid, and what is due the new one pays."""
    open_for(house)
    pay(house, "1.00", "june")
    eventually("its cost is booked", lambda: house.told()["solana"]["unbooked"] == 0)
    stop(house)
    solana = house.solana
    found = solana.call("getAccountInfo", solana.account(solana.keys[0][1]),
                        {"encoding": "base64"})["value"]
    data = base64.b64decode(found["data"][0])
    data = data[:32] + bytes(Pubkey.from_string(solana.keys[2][1])) + data[64:]
    solana.call("test_setAccount", solana.account(solana.keys[2][1]), found["lamports"],
                found["owner"], base64.b64encode(data).decode())
    solana.keys[0], solana.keys[2] = solana.keys[2], solana.keys[0]
    # With the other account's records in their places nothing is paid.
    refused(house, "belongs to")
    aside = house.folder / "aside"
    aside.mkdir()
    for file in files(house, "solana"):
        file.rename(aside / file.name)
    house.begin()
    pay(house, "2.00", "july")
    assert received(house) == 3 * DOLLARS
    assert solana.tokens(solana.keys[0][1]) == 997 * DOLLARS
    exchequer("reconcile", "--data", house.folder / "house")
    audit(house)


def test_a_payment_on_a_durable_nonce_outlives_an_outage(house):
    nonces = ("--solana-durable-nonces", "2")
    solana = house.solana
    held = lamports(house)

    def is_exact():
        found = house.told()["solana"]
        return (found["unbooked"] == 0
                and totals(house, "lamports")["units"] == str(held - lamports(house)))

    open_for(house, *nonces)
    eventually("two nonces", lambda: house.told()["solana"]["nonces"] == 2)
    eventually("their rent is booked", is_exact)
    assert int(totals(house, "lamports")["upkeep"]) > 2 * NONCE_RENT
    pay(house, "1.25", "june")

    # Signed, and given to nobody who keeps it; the house dies. The nodes come back when no block
    # would take its blockhash any more, and what was signed is carried out.
    solana.call("test_drop", 1_000_000)
    made = house.withdraw(3, "2.00", key="july")

    def signed():
        claimable = house.get(f"/v1/claimable/{house.chain.keys[3][1]}")
        (payment,) = claimable["solana"]["payments"]
        return payment.get("transaction")

    name = eventually("it is signed", signed)
    house.kill()
    solana.call("test_tick", 400)
    solana.call("test_drop", 0)
    house.begin(*nonces)
    eventually("the second payment", lambda: is_over(house, made))
    paid = house.get(f"/v1/dispersals/{made['dispersal']}")["payments"][0]
    assert paid["transaction"] == name
    assert received(house) == 3_250_000
    assert house.told()["solana"]["nonces"] == 2
    # One was signed and never lands, since the other of its nonce did, or none was.
    eventually("all is booked", is_exact_after_ticks(solana, is_exact))

    # Without them: they are ended, and their rent comes back.
    house.kill()
    house.begin()
    eventually("the rent is back", is_exact_after_ticks(
        solana, lambda: totals(house, "lamports")["rent_return"] != "0" and is_exact()))
    assert int(totals(house, "lamports")["rent_return"]) > 2 * NONCE_RENT - 50_000
    assert house.told()["solana"]["nonces"] == 0
    pay(house, "0.75", "august")
    assert received(house) == 4 * DOLLARS
    assert {one["subject"] for one in spent_on_solana(house)} == {
        "books", "dispersal", "upkeep", "rent_return"}
    exchequer("reconcile", "--data", house.folder / "house")
    audit(house)
