"""Fixtures: a chain in this process, web3 on it, the contracts deployed from their artefacts."""

import json
import os
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from evm_chain import dev_key
from evm_node import Node
from merkle import Tree, leaf_hash
from web3 import Web3
from web3.exceptions import ContractLogicError
from web3.logs import DISCARD
from web3.providers import BaseProvider

ROOT = Path(__file__).resolve().parents[2]
ARTEFACTS = ROOT / "contracts-abi" / "evm"
DAY = 86_400
DELAY = 7 * DAY
USDC_SUPPLY = 10**15
TLY_SUPPLY = 10**18
TLY_RESERVE = 10**15
BURN_ADDRESS = "0x000000000000000000000000000000000000dEaD"
SETTLER, SLASHER, PAUSER, GUARDIAN, ARBITER = 1, 2, 4, 8, 16
# Unbonding, activation, veto, roles, escape: a house that acts at once, and a guarded one.
AT_ONCE = (DELAY, 0, 0, 0, 60 * DAY)
GUARDED = (DELAY, DAY, 2 * DAY, 3 * DAY, 60 * DAY)


class DirectProvider(BaseProvider):
    """web3 on a node in this process: the same methods as over HTTP, without the sockets."""

    def __init__(self, node):
        super().__init__()
        self.node = node

    def make_request(self, method, params):
        request = json.loads(Web3.to_json({"id": 1, "method": method, "params": params}))
        response, _ = self.node.answer(request)
        return response


class House:
    """The deployed contracts with short ways to use them."""

    def __init__(self, delays=AT_ONCE):
        self.node = Node(31337, accounts=10)
        self.web3 = Web3(DirectProvider(self.node))
        self.people = [Account.from_key(dev_key(index)) for index in range(10)]
        self.operator = self.people[0]
        self.deployed = {}  # gas by contract
        self.usdc = self.deploy("Token", "USD Coin", "USDC", "2", 6, USDC_SUPPLY)
        self.tly = self.deploy("Token", "Tally", "TLY", "1", 9, TLY_SUPPLY)
        blueprint = self.deploy("Vault").address
        self.vault = self.deploy(
            "Exchequer", self.usdc.address, self.tly.address, blueprint, *delays)
        # Where deposits, bonds and the reserve lie; the contract itself holds what is claimable.
        self.safe = self.vault.functions.VAULT().call()
        self.send(self.operator, self.tly.functions.transfer(self.safe, TLY_RESERVE))
        for person in self.people:
            if person is not self.operator:
                self.send(self.operator, self.usdc.functions.transfer(person.address, 10**12))
            approval = self.usdc.functions.approve(self.vault.address, 2**256 - 1)
            self.send(person, approval)

    def deploy(self, name, *arguments):
        record = json.loads((ARTEFACTS / f"{name}.json").read_text())
        factory = self.web3.eth.contract(abi=record["abi"], bytecode=record["bytecode"])
        receipt = self.send(self.operator, factory.constructor(*arguments))
        self.deployed[name] = receipt.gasUsed
        return self.web3.eth.contract(receipt.contractAddress, abi=record["abi"])

    def send(self, sender, function, gas=5_000_000, tail=b""):
        """Signs, sends and mines a call; a revert raises ContractLogicError with its reason. `tail`
        goes behind the arguments."""
        fields = {
            "from": sender.address,
            "nonce": self.web3.eth.get_transaction_count(sender.address),
            "chainId": 31337,
            "gas": gas,
            "maxFeePerGas": 3 * 10**9,
            "maxPriorityFeePerGas": 10**9,
        }
        transaction = function.build_transaction(fields)
        transaction["data"] += tail.hex()
        raw = sender.sign_transaction(transaction).raw_transaction
        receipt = self.web3.eth.get_transaction_receipt(self.web3.eth.send_raw_transaction(raw))
        if receipt.status != 1:
            transaction["nonce"] = fields["nonce"] + 1
            self.web3.eth.call(transaction)  # raises with the reason
            raise AssertionError("reverted when mined, not when called")
        return receipt

    def refused(self, sender, function, reason):
        """Sends it for real and asserts that it reverts for exactly this reason."""
        with pytest.raises(ContractLogicError) as caught:
            self.send(sender, function)
        text = str(caught.value.message)
        assert text == f"execution reverted: {reason}", text

    def events(self, receipt, name):
        """The arguments of the events of that name from the vault in a receipt."""
        found = getattr(self.vault.events, name)().process_receipt(receipt, errors=DISCARD)
        return [dict(entry.args) for entry in found]

    def later(self, seconds):
        self.node.evm_increaseTime(seconds)
        self.node.evm_mine()

    def tree(self, entries):
        """The claim tree of {(token, account): cumulative}."""
        leaves = {
            key: leaf_hash(31337, self.vault.address, key[0], key[1], cumulative)
            for key, cumulative in entries.items()
        }
        return Tree(leaves)

    def commit(self, entries, head=b"\x11" * 32, owed=b"\x12" * 32, sender=None):
        """Commits the root of these entries as the next batch and returns the tree."""
        tree = self.tree(entries)
        totals = [
            sum(amount for (token, _), amount in entries.items() if token == which.address)
            for which in (self.usdc, self.tly)
        ]
        batch = self.vault.functions.batch().call() + 1
        function = self.vault.functions.commitRoot(batch, tree.root, *totals, head, owed)
        self.send(sender or self.operator, function)
        return tree

    def authorization(self, signer, receiver, amount, token=None, **changes):
        """Arguments of receiveWithAuthorization or, by kind, of transferWithAuthorization."""
        token = token or self.usdc
        # The clock goes on while no block is made.
        now = self.node.chain.coming_timestamp()
        kind = changes.pop("kind", "ReceiveWithAuthorization")
        message = {
            "from": signer.address,
            "to": receiver,
            "value": amount,
            "validAfter": 0,
            "validBefore": now + 600,
            "nonce": os.urandom(32),
        } | changes
        domain = {
            "name": token.functions.name().call(),
            "version": token.functions.version().call(),
            "chainId": 31337,
            "verifyingContract": token.address,
        }
        kinds = ("address", "address", "uint256", "uint256", "uint256", "bytes32")
        types = [{"name": name, "type": type_} for name, type_ in zip(message, kinds)]
        signed = signer.sign_message(encode_typed_data(domain, {kind: types}, message))
        pair = (signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big"))
        return (*message.values(), signed.v, *pair)


def as_deployed(house):
    """The house as just deployed; every test starts from there."""
    offset = house.node.chain.clock_offset
    snapshot = house.node.evm_snapshot()
    yield house
    house.node.evm_revert(snapshot)
    house.node.chain.clock_offset = offset


@pytest.fixture(scope="session")
def fresh_house():
    return House()


@pytest.fixture(scope="session")
def fresh_guarded_house():
    return House(GUARDED)


@pytest.fixture
def house(fresh_house):
    yield from as_deployed(fresh_house)


@pytest.fixture
def guarded(fresh_guarded_house):
    yield from as_deployed(fresh_guarded_house)
