"""What a house cannot see of one payment holds up no other."""

import json

import pytest
from test_house_chain import ROOT, eventually
from test_house_payouts import DOLLARS, Payer


@pytest.fixture
def house(tmp_path):
    house = Payer(tmp_path)
    yield house
    house.stop()


def test_a_dispersal_that_cannot_be_looked_at_holds_nobody_up(house):
    """The chain refuses the first payee, and no node says whether the contract knows the name of
    the dispersal: it is not split. The ones behind it are sent all the same."""
    house.begin()
    house.fill(1, 2, 3)
    held = {account: house.dollars(account) for account in (1, 2, 3)}
    artefact = json.loads((ROOT / "contracts-abi/evm/Exchequer.json").read_text())
    selector = artefact["selectors"]["dispersed(address,bytes32)"]
    house.chain.call("test_fault", {
        "method": "eth_call", "kind": "error", "contains": selector, "count": 10**6})
    house.chain.call("test_refuse", house.chain.keys[2][1])
    house.withdraw(2, "2", key="refused")
    eventually("the first one is refused", lambda: house.stages() == [["refused"]])
    house.withdraw(1, "1", key="behind it")
    house.withdraw(3, "3", key="behind both")

    def is_paid():
        house.chain.call("anvil_mine", "0x1")
        return house.stages() == [["refused"], ["paid"], ["paid"]]

    eventually("the others are paid", is_paid)
    assert house.dollars(1) - held[1] == DOLLARS and house.dollars(3) - held[3] == 3 * DOLLARS
    house.chain.call("test_clearFaults")
    eventually("it goes back to its payee", lambda: house.stages()[0] == ["returned"])
    assert house.dollars(2) == held[2]
    assert house.usd(house.chain.keys[2][1])["payable"] == "2.00"
