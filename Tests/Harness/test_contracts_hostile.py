"""Exchequer.vy with a token that lies about success or calls back in the middle of a payment."""

import json

import pytest
from conftest import ARTEFACTS, DAY, House
from vyper.compiler import compile_code

HEAD = b"\x22" * 32
OWED = b"\x44" * 32
HOSTILE = """
# pragma version 0.4.3
balanceOf: public(HashMap[address, uint256])
answer: public(bool)
target: public(address)
payload: public(Bytes[1024])
succeeded: public(bool)

@deploy
def __init__():
    self.answer = True

@external
def mint(account: address, amount: uint256):
    self.balanceOf[account] += amount

@external
def behave(answer: bool, target: address, payload: Bytes[1024]):
    self.answer = answer
    self.target = target
    self.payload = payload

@internal
def _move(sender: address, receiver: address, amount: uint256):
    self.balanceOf[sender] -= amount
    self.balanceOf[receiver] += amount
    if self.target != empty(address):
        self.succeeded = raw_call(self.target, self.payload, revert_on_failure=False)

@external
def transfer(receiver: address, amount: uint256) -> bool:
    if self.answer:
        self._move(msg.sender, receiver, amount)
    return self.answer

@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    if self.answer:
        self._move(sender, receiver, amount)
    return self.answer
"""
ZERO = "0x" + "00" * 20


class Hostile:
    """A vault whose two tokens are hostile, with a bond, a deposit and a committed claim."""

    def __init__(self, house: House):
        output = compile_code(HOSTILE, output_formats=["abi", "bytecode"])
        self.house, self.boss, self.provider = house, house.operator, house.people[3]
        self.usdc, self.tly = (self.deploy(output["abi"], output["bytecode"]) for _ in range(2))
        record = json.loads((ARTEFACTS / "Exchequer.json").read_text())
        blueprint = house.deploy("Vault").address
        places = (self.usdc.address, self.tly.address, blueprint, 0, 0, 0, 0, DAY)
        self.vault = self.deploy(record["abi"], record["bytecode"], *places)
        self.f = self.vault.functions
        self.safe = self.f.VAULT().call()
        for person in (self.boss, self.provider):
            house.send(person, self.usdc.functions.mint(person.address, 10_000))
        house.send(self.boss, self.f.deposit(1000))
        house.send(self.provider, self.f.bond(1000))
        house.send(self.provider, self.f.requestUnbond(400))
        # One leaf, so the proof is empty.
        self.leaf = (self.usdc.address, self.provider.address, 300)
        root = self.f.leafOf(*self.leaf).call()
        house.send(self.boss, self.f.commitRoot(1, root, 300, 0, HEAD, OWED))

    def deploy(self, abi, bytecode, *arguments):
        factory = self.house.web3.eth.contract(abi=abi, bytecode=bytecode)
        receipt = self.house.send(self.boss, factory.constructor(*arguments))
        return self.house.web3.eth.contract(receipt.contractAddress, abi=abi)

    def behave(self, answer=True, target=ZERO, payload=b""):
        call = self.usdc.functions.behave(answer, target, payload)
        self.house.send(self.boss, call)

    def state(self):
        held = sum(
            self.usdc.functions.balanceOf(place).call()
            for place in (self.vault.address, self.safe)
        )
        bonds = self.f.slashable(self.provider.address).call()
        return held, bonds, self.f.bondTotal().call(), self.f.claimedTotal(self.leaf[0]).call()


@pytest.fixture
def hostile(house):
    return Hostile(house)


def test_a_transfer_that_answers_false_changes_nothing(hostile):
    before = hostile.state()
    hostile.behave(answer=False)
    calls = [
        (hostile.boss, hostile.f.deposit(5)),
        (hostile.provider, hostile.f.bond(5)),
        (hostile.provider, hostile.f.withdrawBond()),
        (hostile.boss, hostile.f.slash(hostile.provider.address, 10, 5, b"\x01" * 32)),
        (hostile.boss, hostile.f.claim(*hostile.leaf, [])),
        (hostile.boss, hostile.f.claimMany([(*hostile.leaf, [])])),
    ]
    for sender, call in calls:
        hostile.house.refused(sender, call, "transfer failed")
    assert hostile.state() == before == (2000, 1000, 1000, 0)
    hostile.behave(answer=True)
    for sender, call in calls[:-1]:
        hostile.house.send(sender, call)


OUTER = ("deposit", "bond", "withdrawBond", "slash", "claim", "claimMany")


@pytest.mark.parametrize("outer", OUTER)
def test_calling_back_in_is_refused(hostile, outer):
    f, leaf = hostile.f, hostile.leaf
    calls = {
        "deposit": (hostile.boss, f.deposit(5)),
        "bond": (hostile.provider, f.bond(5)),
        "withdrawBond": (hostile.provider, f.withdrawBond()),
        "slash": (hostile.boss, f.slash(hostile.provider.address, 10, 5, b"\x01" * 32)),
        "claim": (hostile.boss, f.claim(*leaf, [])),
        "claimMany": (hostile.boss, f.claimMany([(*leaf, [])])),
    }
    # The token calls deposit(0 < amount) of its own money: allowed unless locked.
    house = hostile.house
    house.send(hostile.boss, hostile.usdc.functions.mint(hostile.usdc.address, 100))
    inner = bytes.fromhex(f.deposit(7)._encode_transaction_data()[2:])
    hostile.behave(target=hostile.vault.address, payload=inner)
    sender, call = calls[outer]
    receipt = house.send(sender, call)
    assert hostile.usdc.functions.succeeded().call() is False
    wanted = 1 if outer == "deposit" else 0
    topic = house.web3.keccak(text="Deposited(address,uint256)")
    assert sum(log.topics[0] == topic for log in receipt.logs) == wanted
