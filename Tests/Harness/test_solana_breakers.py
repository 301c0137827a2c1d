"""Why nothing new is sent on Solana is in the metrics and in what the operator is told; what waited
goes on when the cause is gone. And how far a payment is before it is final."""

import base64

import pytest
from test_house_chain import eventually, exchequer
from test_house_payouts import DOLLARS, Payer

SYSTEM = "11111111111111111111111111111111"
TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"


@pytest.fixture
def house(tmp_path):
    house = Payer(tmp_path)
    yield house
    house.stop()


def waits_for(house, cause):
    """Whether nothing new is sent for this cause alone, as the operator is told and measured."""
    return (house.told()["solana"]["breakers"] == [cause]
            and house.metric(f'solana_breaker{{cause="{cause}"}}') == 1)


def held(solana, address):
    """An account's lamports and its data."""
    found = solana.call("getAccountInfo", address, {"encoding": "base64"})["value"]
    return found["lamports"], base64.b64decode(found["data"][0])


def test_why_payments_wait_and_how_far_they_are(house):
    house.begin("--solana-finality", "confirmed")
    house.fill(3)
    solana, (file, payee) = house.solana, house.solana.keys[1]
    payer = solana.keys[0][1]
    options = ["--house", house.base, "--api-key-file", house.key(3)]
    exchequer("payout", *options, "--solana-key-file", file)
    assert house.told()["solana"]["finality"] == "confirmed"

    # The first payment makes the account.
    house.withdraw(3, "0.5", key="first")
    eventually("it is paid", lambda: house.stages() == [["paid"]])
    # A block that is confirmed and not final is told of, and in no book.
    solana.call("test_stallFinality", True)
    house.withdraw(3, "1", key="a")
    eventually("it is confirmed", lambda: house.stages() == [["paid"], ["confirmed"]])
    assert solana.tokens(payee) == 1_500_000
    assert house.get("/v1/dispersals/2")["open"]
    solana.call("test_stallFinality", False)
    eventually("it is paid", lambda: house.stages() == [["paid"]] * 2)

    # The payer has no lamports left; then its tokens go as well.
    lamports, _ = held(solana, payer)
    solana.call("test_setAccount", payer, 900_000, SYSTEM, "")
    eventually("too few lamports", lambda: waits_for(house, "low_lamports"))
    house.withdraw(3, "1.5", key="b")
    source = solana.account(payer)
    rent, account = held(solana, source)
    poor = account[:64] + (1_499_999).to_bytes(8, "little") + account[72:]
    solana.call("test_setAccount", source, rent, TOKEN, base64.b64encode(poor).decode())
    solana.call("test_setAccount", payer, lamports, SYSTEM, "")
    eventually("too few tokens", lambda: waits_for(house, "low_tokens"))
    assert solana.tokens(payee) == 1_500_000
    solana.call("test_setAccount", source, rent, TOKEN, base64.b64encode(account).decode())
    eventually("what waited is paid", lambda: house.stages() == [["paid"]] * 3)
    assert solana.tokens(payee) == 3 * DOLLARS

    # A transaction costs 5,000 lamports and a few, more than it may now.
    house.kill()
    house.begin("--solana-fee-limit", "5000")
    house.withdraw(3, "2", key="c")
    eventually("it costs too much", lambda: waits_for(house, "fee_spike"))
    house.kill()
    house.begin()
    eventually("it is paid as well", lambda: house.stages() == [["paid"]] * 4)
    assert solana.tokens(payee) == 5 * DOLLARS
    assert house.told()["solana"]["breakers"] == []
