"""What a transaction may cost, and who waits for that: a house that pays on two chains."""

import urllib.error

import pytest
from test_house_chain import eventually
from test_house_payouts import DOLLARS, Payer


@pytest.fixture
def house(tmp_path):
    house = Payer(tmp_path)
    yield house
    house.stop()


def test_what_costs_too_much_leaves_room_for_others_and_goes_on_with_another_cap(house):
    """The manager looks at so many intents at a time. Those that wait for a lower price must not
    keep slashes and signs of life out; and a higher cap counts for them too."""
    house.begin()
    house.fill(1, 2, 3)
    held = {account: house.dollars(account) for account in (1, 2, 3)}
    house.kill()
    house.begin("--fee-cap", "0.00000001", "--coin-price", "1")
    for account in (1, 2, 3):
        for number in range(4):
            house.withdraw(account, "0.25", key=f"{account}.{number}")
    eventually("some wait with the manager, some in the books",
               lambda: (house.told()["open"], house.told()["waiting_dispersals"]) == (8, 4))
    assert house.dollars(1) == held[1]
    house.kill()
    house.begin()
    eventually("all are paid", lambda: house.are_over(12), seconds=60)
    for account in (1, 2, 3):
        assert house.dollars(account) - held[account] == 1 * DOLLARS


def test_a_withdrawal_waits_for_no_dispersals_of_many(house):
    """Two places with the manager are for dispersals of one payee, however many of the others wait
    for a lower price. Who asks for what it has not is refused though the nodes are out of order."""
    house.begin()
    house.fill(1, 2)
    house.kill()
    house.begin("--fee-cap", "0.00000001", "--coin-price", "1")
    for _ in range(8):
        for account in (1, 2):
            house.withdraw(account, "0.25")
        house.operate("settle")

    def waiting():
        told = house.told()
        return told["open"], told["waiting_dispersals"]

    eventually("six are with the manager", lambda: waiting() == (6, 2))
    assert [len(payments) for payments in house.stages()] == [2] * 8
    house.withdraw(1, "0.25", key="now")
    eventually("the withdrawal is too", lambda: waiting() == (7, 2))
    for method in ("eth_call", "eth_getBlockByNumber", "eth_getBalance", "eth_blockNumber"):
        house.chain.fault(method, "error", count=100_000)
    for amount, answer in (("1000000", "409"), ("0.25", "503")):
        with pytest.raises(urllib.error.HTTPError, match=answer):
            house.withdraw(2, amount, key=f"{amount} more")
