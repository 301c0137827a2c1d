"""Buyers pay in on Solana: real processes, `kill -9` between chain and books, strangers' transfers,
an older copy of what was read. Everybody is credited once, to the unit, and the books never promise
what the contract does not have."""

import json
import os
import shutil
import urllib.error
import urllib.request

import pytest
from test_house_chain import eventually, exchequer
from test_house_costs import audit, dollars_for
from test_house_payouts import Payer
from test_solana_watch import lines, look, stuck, transfer

DOLLARS = 1_000_000
MINIMUM = ("--solana-minimum-deposit", "0.5")


@pytest.fixture
def house(tmp_path):
    house = Payer(tmp_path)
    # Two others have dollars on Solana; the house's account there begins with the rest.
    transfer(house.solana, 0, 1, 50 * DOLLARS)
    transfer(house.solana, 0, 2, 50 * DOLLARS)
    # This node tells what an account holds now, also of its final block: they are the same.
    house.solana.call("test_tick", 64)
    yield house
    house.stop()


def depositor(house, account, *more, code=0):
    said = exchequer(
        "depositor", "--house", house.base, "--api-key-file", house.key(account), *more, code=code)
    return json.loads(said) if code == 0 else None


def deposits(house):
    return house.get("/v1/deposits")["data"]


def standing(house):
    """What is credited of each deposit, and what waits."""
    return [(one["credited"], one["waiting"]) for one in deposits(house)]


def available(house, account):
    return house.usd(house.chain.keys[account][1]).get("available", "0.00")


def claim(house):
    """What the payer has coming from the contract."""
    return house.usd(house.chain.keys[0][1]).get("payable", "0.00")


def is_paid(house, made):
    return not house.get(f"/v1/dispersals/{made['dispersal']}")["open"]


def pay_on_solana(house, account, amount, key):
    """Pays a party on Solana, by which the payer gets a claim on the contract."""
    made = house.withdraw(account, amount, key=key)
    eventually("it is paid", lambda: is_paid(house, made))


def balanced(house, units):
    """The report, if so much came in as deposits, by chain and books alike, and nothing differs."""
    report = look(house)
    if not report["solana"]["slot"]:
        return None
    line = lines(report)["solana_deposited"]
    is_right = line["chain"] == line["books"] == str(units) and report["balanced"]
    return is_right and report


def refused(house, account, body, method="POST", path="/v1/depositors"):
    """The status and the error with which the API refuses this."""
    request = urllib.request.Request(
        house.base + path, None if body is None else json.dumps(body).encode(),
        {"authorization": f"Bearer {house.key(account).read_text().strip()}"}, method=method)
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=30)
    return error.value.code, json.load(error.value)["error"]


def test_buyers_are_credited_once_and_never_with_what_is_not_there(house):
    solana = house.solana
    house.begin(*MINIMUM, "--treasury", house.addresses["vault"])
    dollars_for(house, 3, "20.00")
    exchequer("payout", "--house", house.base, "--api-key-file", house.key(3),
              "--solana-key-file", solana.keys[2][0])

    # A buyer learns where to send, and registers the account it sends from.
    told = depositor(house, 2)
    assert told["account"] == solana.account(solana.keys[0][1]) and told["mint"] == solana.mint
    assert told["minimum"] == "0.50" and told["owners"] == [] and told["waiting"] == "0.00"
    told = depositor(house, 2, "--solana-key-file", solana.keys[1][0])
    assert told["owners"] == [solana.keys[1][1]]
    # Again is as good; another party, or without the key's signature, is refused.
    assert depositor(house, 2, "--solana-key-file", solana.keys[1][0])["owners"] == told["owners"]
    depositor(house, 1, "--solana-key-file", solana.keys[1][0], code=1)
    wrong = {"owner": solana.keys[2][1], "signature": "00" * 64}
    status, error = refused(house, 1, wrong)
    assert (status, error["code"]) == (401, "bad_signature")

    # What it sends waits while the payer has nothing to sell: the contract owes nobody more.
    owed = look(house)["holdings"]
    transfer(solana, 1, 0, 4 * DOLLARS)
    eventually("it is booked", lambda: standing(house) == [("0.00", "4.00")])
    assert available(house, 2) == "0.00" and depositor(house, 2)["waiting"] == "4.00"
    report = eventually("it is reconciled", lambda: balanced(house, 4 * DOLLARS))
    assert report["stranded"] == [] and report["holdings"] == owed
    (found,) = deposits(house)
    assert found["owner"] == solana.keys[1][1] and found["units"] == str(4 * DOLLARS)

    # A payment gives the payer a claim, which it sells; the next one the rest.
    pay_on_solana(house, 3, "1.25", "june")
    eventually("a part is credited", lambda: standing(house) == [("1.25", "2.75")])
    assert available(house, 2) == "1.25" and claim(house) == "0.00"
    pay_on_solana(house, 3, "5.00", "july")
    eventually("all is credited", lambda: standing(house) == [("4.00", "0.00")])
    assert available(house, 2) == "4.00" and claim(house) == "2.25"
    exchequer("reconcile", "--data", house.folder / "house")
    # It is money like any other: paid out on the other chain.
    eventually("leave to disperse", house.is_approved)
    held = house.dollars(2)
    made = house.withdraw(2, "1.50", key="august")

    def is_pushed():
        house.chain.call("anvil_mine", "0x1")
        return is_paid(house, made)

    eventually("it is pushed", is_pushed)
    assert house.dollars(2) - held == 1_500_000 and claim(house) == "3.75"

    # Less than the minimum, and from somebody unknown: alert 11, and credited to nobody.
    transfer(solana, 1, 0, 400_000)
    transfer(solana, 2, 0, 3 * DOLLARS)
    strays = {(11, "solana_inflow", "400000"), (11, "solana_inflow", str(3 * DOLLARS))}
    eventually("both are told", lambda: stuck(look(house)) == strays)
    assert len(deposits(house)) == 1
    # The unknown one registers, and is credited.
    depositor(house, 1, "--solana-key-file", solana.keys[2][0])
    eventually("it is credited", lambda: len(deposits(house)) == 2)
    assert available(house, 1) == "3.00" and claim(house) == "0.75"
    eventually("only the small one is left",
               lambda: stuck(look(house)) == {(11, "solana_inflow", "400000")})
    assert balanced(house, 7 * DOLLARS)
    audit(house)


def test_deposits_outlive_kills_repeats_and_an_older_copy(house):
    solana = house.solana
    house.begin(*MINIMUM, "--treasury", house.addresses["vault"])
    dollars_for(house, 3)
    depositor(house, 2, "--solana-key-file", solana.keys[1][0])
    folder, aside = house.folder / "house", house.folder / "aside"
    # It is read and not yet booked when the house dies: the first with no time to say anything.
    transfer(solana, 1, 0, 1 * DOLLARS)
    house.kill()
    house.begin(*MINIMUM, "--treasury", house.addresses["vault"])
    transfer(solana, 1, 0, 2 * DOLLARS)
    eventually("both are booked", lambda: len(deposits(house)) == 2)
    house.kill()
    aside.mkdir()
    for file in folder.glob("solana-watch.sqlite*"):
        shutil.copy(file, aside / file.name)
    # The third is sent while the house is dead.
    transfer(solana, 1, 0, 3 * DOLLARS)
    solana.call("test_tick", 60)
    solana.call("test_fault", {"method": "getSignaturesForAddress", "kind": "lie", "result": []})
    solana.call("test_fault", {"method": "getTransaction", "kind": "garbage", "count": 2})
    house.begin(*MINIMUM, "--treasury", house.addresses["vault"])
    eventually("the third is booked", lambda: len(deposits(house)) == 3)
    eventually("and read", lambda: balanced(house, 6 * DOLLARS))
    # With what was read put back to before the third, it is read again and booked no more.
    house.kill()
    for file in folder.glob("solana-watch.sqlite*"):
        file.unlink()
    for file in aside.iterdir():
        shutil.copy(file, folder / file.name)
    house.begin(*MINIMUM, "--treasury", house.addresses["vault"])
    transfer(solana, 1, 0, 5 * DOLLARS)
    eventually("the fourth is booked", lambda: len(deposits(house)) == 4)
    assert [one["units"] for one in deposits(house)] == [f"{n}000000" for n in (1, 2, 3, 5)]
    eventually("to the unit", lambda: balanced(house, 11 * DOLLARS))
    assert look(house)["stranded"] == []

    # The payer pays in for itself on the EVM chain: all that waits is credited, in order.
    house.pay("deposit", 0, "10.50")
    house.chain.call("anvil_mine", "0x3")
    wanted = [("1.00", "0.00"), ("2.00", "0.00"), ("3.00", "0.00"), ("4.50", "0.50")]
    eventually("it is sold", lambda: standing(house) == wanted)
    assert available(house, 2) == "10.50"
    exchequer("reconcile", "--data", folder)

    # Without the file it begins at the last deposit of the books: what came since is found.
    house.kill()
    for file in folder.glob("solana-watch.sqlite*"):
        file.unlink()
    transfer(solana, 1, 0, 6 * DOLLARS)
    house.begin(*MINIMUM, "--treasury", house.addresses["vault"])
    wanted.append(("0.00", "6.00"))
    eventually("the fifth is booked", lambda: standing(house) == wanted)
    eventually("from the fourth on", lambda: balanced(house, 11 * DOLLARS))
    # What waits for long is an alert.
    waiting = {(18, "deposit_waiting", "500000"), (18, "deposit_waiting", str(6 * DOLLARS))}
    assert waiting <= stuck(look_at_all(house))
    audit(house)


def look_at_all(house):
    said = exchequer(
        "reconcile", "--data", house.folder / "house", "--days", "0", "--json")
    return json.loads(said)


def test_nobody_is_told_where_to_send_before_that_is_watched(house):
    """The nodes fail at the first start: what was sent then would be found by nobody."""
    solana = house.solana
    solana.call("test_fault", {
        "method": "getSignaturesForAddress", "kind": "error", "count": 10_000})
    house.begin(*MINIMUM)
    status, error = refused(house, 2, None, "GET")
    assert (status, error["code"]) == (503, "unavailable") and "send nothing" in error["message"]
    wrong = {"owner": solana.keys[1][1], "signature": "00" * 64}
    assert refused(house, 2, wrong)[0] == 503
    depositor(house, 2, code=1)
    solana.call("test_clearFaults")
    eventually("it is watched", lambda: look(house)["solana"]["slot"])
    depositor(house, 2, "--solana-key-file", solana.keys[1][0])
    transfer(solana, 1, 0, 1 * DOLLARS)
    eventually("it is booked", lambda: standing(house) == [("0.00", "1.00")])
    # From then on whatever the nodes do: the next start begins where the last one was.
    house.kill()
    solana.call("test_fault", {
        "method": "getSignaturesForAddress", "kind": "error", "count": 10_000})
    house.begin(*MINIMUM)
    assert depositor(house, 2)["owners"] == [solana.keys[1][1]]
    transfer(solana, 1, 0, 2 * DOLLARS)
    solana.call("test_clearFaults")
    eventually("both are booked", lambda: len(deposits(house)) == 2)


def test_what_went_back_by_hand_is_credited_to_nobody(house):
    """A stranger's dollars are sent back to the unit; then it registers."""
    solana = house.solana
    house.begin(*MINIMUM, "--treasury", house.addresses["vault"])
    # What came before the watch began is nobody's business.
    eventually("it is watched", lambda: look(house)["solana"]["slot"])
    transfer(solana, 2, 0, 2 * DOLLARS)
    alert = {(11, "solana_inflow", str(2 * DOLLARS))}
    eventually("it is told", lambda: stuck(look(house)) == alert)
    transfer(solana, 0, 2, 2 * DOLLARS)
    report = eventually("it is no alert any more", lambda: not stuck(look(house)) and look(house))
    assert report["balanced"]
    assert lines(report)["solana_sent"]["explained"] == str(2 * DOLLARS)
    depositor(house, 2, "--solana-key-file", solana.keys[2][0])
    transfer(solana, 2, 0, 1 * DOLLARS)
    eventually("only the other is booked", lambda: standing(house) == [("0.00", "1.00")])
    assert balanced(house, 1 * DOLLARS)
    # Given up, what comes is a stranger's again.
    told = depositor(house, 2, "--remove", solana.keys[2][1])
    assert told["owners"] == []
    transfer(solana, 2, 0, 4 * DOLLARS)
    eventually("it is told", lambda: stuck(look(house)) == {
        (11, "solana_inflow", str(4 * DOLLARS))})
    assert len(deposits(house)) == 1
    status, error = refused(house, 2, {}, "DELETE", f"/v1/depositors/{solana.keys[2][1]}")
    assert (status, error["rejection"]) == (404, 724)


def test_another_account_pays_and_takes_deposits(house):
    """The key is changed, and the nodes have forgotten what the old one paid: nothing of that is
    missing, what comes to the new one is credited, what comes to the old one is told."""
    solana = house.solana
    old, new = solana.keys[0], solana.keys[2]
    house.begin(*MINIMUM, "--treasury", house.addresses["vault"])
    dollars_for(house, 3)
    payee = house.folder / "payee.key"
    payee.write_text(os.urandom(32).hex())
    payee.chmod(0o600)
    exchequer("payout", "--house", house.base, "--api-key-file", house.key(3),
              "--solana-key-file", payee)
    pay_on_solana(house, 3, "1.25", "june")
    depositor(house, 2, "--solana-key-file", solana.keys[1][0])
    name = transfer(solana, 1, 0, 4 * DOLLARS)
    eventually("it is booked", lambda: standing(house) == [("1.25", "2.75")])
    eventually("it is reconciled", lambda: balanced(house, 4 * DOLLARS))
    slot = solana.call("getSignatureStatuses", [name])["value"][0]["slot"]

    house.kill()
    for file in (house.folder / "house").glob("solana*.sqlite*"):
        file.rename(house.folder / file.name)
    solana.everywhere("test_forget", slot)
    house.begin(*MINIMUM, "--treasury", house.addresses["vault"], "--solana-key", new[0])
    kept = {(21, "solana_retired", str(solana.tokens(old[1])))}
    eventually("only what the old one holds is told", lambda: stuck(look(house)) == kept)
    transfer(solana, 1, 2, 3 * DOLLARS)
    eventually("the next is booked", lambda: standing(house)[1:] == [("0.00", "3.00")])
    pay_on_solana(house, 3, "5.50", "july")
    wanted = [("4.00", "0.00"), ("2.75", "0.25")]
    eventually("both are sold", lambda: standing(house) == wanted)

    def is_right():
        report = look(house)
        found = lines(report)
        return report["balanced"] and found["solana_paid"]["chain"] == "5500000" and report

    report = eventually("what the new one did is right", is_right)
    assert stuck(report) == kept
    # Somebody pays to where it always did.
    transfer(solana, 1, 0, DOLLARS)
    kept = {(21, "solana_retired", str(solana.tokens(old[1])))}
    eventually("it is told", lambda: stuck(look(house)) == kept)
    assert len(deposits(house)) == 2
    audit(house)
