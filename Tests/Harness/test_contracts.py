"""Exchequer.vy on a real EVM: every function, role, refusal, and the ways around them."""

import json

import pytest
from conftest import (
    ARBITER,
    ARTEFACTS,
    AT_ONCE,
    BURN_ADDRESS,
    DAY,
    DELAY,
    GUARDIAN,
    PAUSER,
    SETTLER,
    SLASHER,
    TLY_RESERVE,
)
from eth_utils import keccak
from merkle import leaf_hash

HEAD = b"\x22" * 32
OWED = b"\x44" * 32
ZERO = "0x" + "00" * 20
USD = 10**6


@pytest.fixture
def f(house):
    return house.vault.functions


def verdict(number):
    return keccak(text=f"verdict {number}")


def balance(house, account, token=None):
    return (token or house.usdc).functions.balanceOf(account).call()


# ---- construction


def test_deployment_state(house, f):
    operator = house.operator.address
    assert f.owner().call() == operator
    assert f.roles(operator).call() == SETTLER | SLASHER | PAUSER | GUARDIAN | ARBITER
    assert f.USDC().call() == house.usdc.address
    assert f.TLY().call() == house.tly.address
    assert f.UNBONDING_DELAY().call() == DELAY
    assert f.batch().call() == 0 and f.root().call() == b"\0" * 32
    assert f.CLAIM_DOMAIN().call() == keccak(text="exchequer.claim.v1")
    assert f.uncommitted(house.tly.address).call() == TLY_RESERVE


ONE, TWO = "0x" + "11" * 20, "0x" + "22" * 20


@pytest.mark.parametrize(
    "usdc, tly, delays, reason",
    [
        (ZERO, ONE, AT_ONCE, "zero address"),
        (ONE, ZERO, AT_ONCE, "zero address"),
        (ONE, ONE, AT_ONCE, "same token"),
        (ONE, TWO, (90 * DAY + 1, 0, 0, 0, DAY), "delay too long"),
        (ONE, TWO, (0, 30 * DAY + 1, 0, 0, 60 * DAY), "delay too long"),
        (ONE, TWO, (0, 0, 30 * DAY + 1, 0, 60 * DAY), "delay too long"),
        (ONE, TWO, (0, 0, 0, 30 * DAY + 1, 60 * DAY), "delay too long"),
        (ONE, TWO, (0, 0, 0, 0, 365 * DAY + 1), "delay too long"),
        (ONE, TWO, (0, DAY, 0, 0, DAY), "delay too short"),
        (ONE, TWO, (0, 0, 0, DAY, DAY), "delay too short"),
        (ONE, TWO, (0, 0, 0, 0, 0), "delay too short"),
    ],
)
def test_constructor_refuses(house, usdc, tly, delays, reason):
    factory = house.web3.eth.contract(abi=house.vault.abi, bytecode=_bytecode())
    blueprint = house.deploy("Vault").address
    house.refused(house.operator, factory.constructor(usdc, tly, blueprint, *delays), reason)


def _bytecode():
    return json.loads((ARTEFACTS / "Exchequer.json").read_text())["bytecode"]


# ---- deposits


def test_deposit(house, f):
    buyer = house.people[1]
    before = balance(house, buyer.address)
    receipt = house.send(buyer, f.deposit(5 * USD))
    assert house.events(receipt, "Deposited") == [{"account": buyer.address, "amount": 5 * USD}]
    assert balance(house, buyer.address) == before - 5 * USD
    assert balance(house, house.safe) == 5 * USD
    house.refused(buyer, f.deposit(0), "zero amount")


def test_deposit_needs_money_and_allowance(house, f):
    buyer = house.people[1]
    more = balance(house, buyer.address) + 1
    house.refused(buyer, f.deposit(more), "ERC20: transfer amount exceeds balance")
    house.send(buyer, house.usdc.functions.approve(house.vault.address, 1))
    house.refused(buyer, f.deposit(2), "ERC20: transfer amount exceeds allowance")
    assert balance(house, house.safe) == 0


def test_deposit_with_authorization(house, f):
    buyer, relay = house.people[1], house.people[2]
    arguments = house.authorization(buyer, house.vault.address, 7 * USD)
    terms = arguments[:1] + arguments[2:]  # the receiver is always the contract
    receipt = house.send(relay, f.depositWithAuthorization(*terms))
    assert house.events(receipt, "Deposited") == [{"account": buyer.address, "amount": 7 * USD}]
    used = "FiatTokenV2: authorization is used or canceled"
    house.refused(relay, f.depositWithAuthorization(*terms), used)
    assert balance(house, house.safe) == 7 * USD


def test_deposit_with_authorization_refuses(house, f):
    buyer, relay = house.people[1], house.people[2]

    def terms(amount=7, receiver=house.vault.address, **changes):
        arguments = house.authorization(buyer, receiver, amount, **changes)
        return list(arguments[:1] + arguments[2:])

    def refused(terms, reason):
        house.refused(relay, f.depositWithAuthorization(*terms), reason)

    forged = terms()
    forged[1] = 8
    refused(forged, "FiatTokenV2: invalid signature")
    stolen = terms()
    stolen[0] = relay.address
    refused(stolen, "FiatTokenV2: invalid signature")
    refused(terms(receiver=relay.address), "FiatTokenV2: invalid signature")
    refused(terms(kind="TransferWithAuthorization"), "FiatTokenV2: invalid signature")
    refused(terms(validBefore=1), "FiatTokenV2: authorization is expired")
    refused(terms(validAfter=2**40), "FiatTokenV2: authorization is not yet valid")
    refused(terms(amount=0), "zero amount")
    high = terms()
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high[7] = (order - int.from_bytes(high[7], "big")).to_bytes(32, "big")
    high[5] = 55 - high[5]
    refused(high, "ECRecover: invalid signature 's' value")
    assert balance(house, house.safe) == 0


# ---- bonds


def test_bond_unbond_withdraw(house, f):
    provider = house.people[3]
    before = balance(house, provider.address)
    receipt = house.send(provider, f.bond(100))
    assert house.events(receipt, "Bonded") == [{"provider": provider.address, "amount": 100}]
    receipt = house.send(provider, f.requestUnbond(60))
    stamp = house.web3.eth.get_block(receipt.blockNumber).timestamp
    wanted = {"provider": provider.address, "amount": 60, "unlocksAt": stamp + DELAY}
    assert house.events(receipt, "UnbondRequested") == [wanted]
    assert f.bonded(provider.address).call() == 40
    assert f.slashable(provider.address).call() == 100
    assert f.bondTotal().call() == 100
    assert f.unbondingEntries(provider.address).call() == [(60, stamp + DELAY)]

    house.refused(provider, f.withdrawBond(), "nothing matured")
    house.later(DELAY // 2)
    house.send(provider, f.requestUnbond(10))
    house.later(DELAY // 2 + 5)
    assert f.withdrawable(provider.address).call() == 60
    receipt = house.send(provider, f.withdrawBond())
    wanted = {"provider": provider.address, "amount": 60}
    assert house.events(receipt, "BondWithdrawn") == [wanted]
    assert balance(house, provider.address) == before - 40
    house.refused(provider, f.withdrawBond(), "nothing matured")
    house.later(DELAY)
    house.send(provider, f.withdrawBond())
    assert f.slashable(provider.address).call() == f.bondTotal().call() == 30


def test_the_delay_is_exact(house, f):
    provider = house.people[3]
    house.send(provider, f.bond(100))
    receipt = house.send(provider, f.requestUnbond(100))
    unlocks = house.events(receipt, "UnbondRequested")[0]["unlocksAt"]
    house.node.evm_setNextBlockTimestamp(unlocks - 2)
    # Refused when mined at unlocks - 2 and when called, for its reason, at unlocks - 1.
    house.refused(provider, f.withdrawBond(), "nothing matured")
    house.node.evm_setNextBlockTimestamp(unlocks)
    house.send(provider, f.withdrawBond())


def test_bond_refusals(house, f):
    provider = house.people[3]
    house.refused(provider, f.bond(0), "zero amount")
    house.refused(provider, f.requestUnbond(0), "zero amount")
    house.refused(provider, f.requestUnbond(1), "exceeds bond")
    house.send(provider, f.bond(100))
    house.refused(provider, f.requestUnbond(101), "exceeds bond")
    house.refused(house.people[4], f.requestUnbond(1), "exceeds bond")
    house.refused(house.people[4], f.withdrawBond(), "nothing matured")
    for _ in range(16):
        house.send(provider, f.requestUnbond(1))
    house.refused(provider, f.requestUnbond(1), "too many unbondings")
    house.later(DELAY)
    house.send(provider, f.withdrawBond())
    house.send(provider, f.requestUnbond(1))


# ---- slashing


def test_slash_burns_and_keeps(house, f):
    provider = house.people[3]
    house.send(provider, f.bond(1000))
    receipt = house.send(house.operator, f.slash(provider.address, 300, 200, verdict(1)))
    assert house.events(receipt, "Slashed") == [
        {
            "provider": provider.address,
            "verdictHash": verdict(1),
            "amount": 300,
            "burned": 200,
            "fromUnbonding": 0,
        }
    ]
    assert balance(house, BURN_ADDRESS) == 200
    assert balance(house, house.safe) == 800
    assert f.bonded(provider.address).call() == f.bondTotal().call() == 700
    assert f.uncommitted(house.usdc.address).call() == 100


def test_slash_hits_unbonding_oldest_first(house, f):
    provider = house.people[3]
    house.send(provider, f.bond(100))
    for amount in (30, 20, 10):
        house.send(provider, f.requestUnbond(amount))
    receipt = house.send(house.operator, f.slash(provider.address, 75, 0, verdict(1)))
    event = house.events(receipt, "Slashed")[0]
    assert (event["amount"], event["fromUnbonding"], event["burned"]) == (75, 35, 0)
    entries = f.unbondingEntries(provider.address).call()
    assert [amount for amount, _ in entries] == [15, 10]
    assert f.slashable(provider.address).call() == f.bondTotal().call() == 25
    house.later(DELAY)
    house.send(house.operator, f.slash(provider.address, 5, 0, verdict(2)))  # matured, not gone
    receipt = house.send(provider, f.withdrawBond())
    assert house.events(receipt, "BondWithdrawn")[0]["amount"] == 20


@pytest.mark.parametrize("amount, burned, destroyed", [(400, 200, 50), (300, 100, 34), (101, 0, 0)])
def test_slash_never_takes_more_than_is_there(house, f, amount, burned, destroyed):
    provider, other = house.people[3], house.people[4]
    house.send(provider, f.bond(100))
    house.send(provider, f.requestUnbond(50))
    house.send(other, f.bond(1000))
    receipt = house.send(house.operator, f.slash(provider.address, amount, burned, verdict(1)))
    event = house.events(receipt, "Slashed")[0]
    assert (event["amount"], event["burned"], event["fromUnbonding"]) == (100, destroyed, 50)
    assert f.slashable(provider.address).call() == 0
    assert f.bonded(other.address).call() == f.bondTotal().call() == 1000
    house.later(DELAY)
    house.refused(provider, f.withdrawBond(), "nothing matured")


def test_slash_refusals(house, f):
    provider, stranger = house.people[3], house.people[5]
    house.send(provider, f.bond(100))
    target = provider.address
    house.refused(stranger, f.slash(target, 10, 5, verdict(1)), "not slasher")
    house.refused(provider, f.slash(target, 10, 5, verdict(1)), "not slasher")
    house.refused(house.operator, f.slash(target, 0, 0, verdict(1)), "zero amount")
    house.refused(house.operator, f.slash(target, 10, 11, verdict(1)), "burn exceeds slash")
    house.refused(house.operator, f.slash(target, 10, 5, b"\0" * 32), "empty verdict")
    house.refused(house.operator, f.slash(stranger.address, 10, 5, verdict(1)), "no bond")
    house.send(house.operator, f.slash(target, 10, 5, verdict(1)))  # the refusals used nothing
    house.refused(house.operator, f.slash(target, 10, 5, verdict(1)), "verdict used")
    assert f.bonded(target).call() == 90


# ---- settlement


def test_commit_and_claim(house, f):
    usdc, tly = house.usdc.address, house.tly.address
    house.send(house.people[1], f.deposit(1000))
    first, second = house.people[3].address, house.people[4].address
    entries = {(usdc, first): 600, (usdc, second): 300, (tly, first): 5000}
    tree = house.tree(entries)
    receipt = house.send(house.operator, f.commitRoot(1, tree.root, 900, 5000, HEAD, OWED))
    stamp = house.web3.eth.get_block(receipt.blockNumber).timestamp
    assert house.events(receipt, "RootCommitted") == [
        {
            "batch": 1,
            "root": tree.root,
            "journalHead": HEAD,
            "totalUsdc": 900,
            "totalTly": 5000,
            "liabilitiesRoot": OWED,
            "timestamp": stamp,
        }
    ]
    assert (f.batch().call(), f.root().call(), f.journalHead().call()) == (1, tree.root, HEAD)
    assert f.liabilitiesRoot().call() == OWED
    before = balance(house, first)
    anyone = house.people[9]
    proof = tree.proof((usdc, first))
    assert f.isProven(usdc, first, 600, proof).call()
    receipt = house.send(anyone, f.claim(usdc, first, 600, proof))
    wanted = {"token": usdc, "account": first, "amount": 600, "cumulative": 600}
    assert house.events(receipt, "Claimed") == [wanted]
    assert balance(house, first) == before + 600
    house.refused(anyone, f.claim(usdc, first, 600, proof), "nothing to claim")
    house.send(anyone, f.claim(tly, first, 5000, tree.proof((tly, first))))
    assert balance(house, first, house.tly) == 5000

    house.send(house.people[1], f.deposit(1000))
    later = house.commit({(usdc, first): 700, (usdc, second): 300, (tly, first): 5000})
    receipt = house.send(anyone, f.claim(usdc, first, 700, later.proof((usdc, first))))
    assert house.events(receipt, "Claimed")[0]["amount"] == 100
    assert f.claimed(usdc, first).call() == f.claimedTotal(usdc).call() == 700
    house.refused(anyone, f.claim(usdc, first, 600, proof), "bad proof")


def test_leaf_format(house, f):
    usdc, account = house.usdc.address, house.people[3].address
    mine = leaf_hash(31337, house.vault.address, usdc, account, 12345)
    assert f.leafOf(usdc, account, 12345).call() == mine


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 33])
def test_every_leaf_of_every_tree_shape_is_provable(house, f, count):
    tly = house.tly.address
    accounts = ["0x" + keccak(text=f"account {i}")[12:].hex() for i in range(count)]
    accounts = [house.web3.to_checksum_address(account) for account in accounts]
    entries = {(tly, account): 10 + i for i, account in enumerate(accounts)}
    tree = house.commit(entries)
    for (token, account), amount in entries.items():
        assert f.isProven(token, account, amount, tree.proof((token, account))).call()
        house.send(house.people[9], f.claim(token, account, amount, tree.proof((token, account))))
        assert balance(house, account, house.tly) == amount
    assert f.claimedTotal(tly).call() == f.committedTotal(tly).call() == sum(entries.values())


def test_claim_refuses_forgeries(house, f):
    usdc, tly = house.usdc.address, house.tly.address
    first, second = house.people[3].address, house.people[4].address
    house.send(house.people[1], f.deposit(1000))
    tree = house.commit({(usdc, first): 100, (usdc, second): 200, (tly, first): 100})
    proof, caller = tree.proof((usdc, first)), house.people[9]
    house.refused(caller, f.claim(usdc, first, 101, proof), "bad proof")
    house.refused(caller, f.claim(usdc, second, 100, proof), "bad proof")
    house.refused(caller, f.claim(tly, first, 100, proof), "bad proof")
    house.refused(caller, f.claim(usdc, first, 100, proof[:-1]), "bad proof")
    house.refused(caller, f.claim(usdc, first, 100, [*proof, b"\x01" * 32]), "bad proof")
    house.refused(caller, f.claim(usdc, first, 100, []), "bad proof")
    house.refused(caller, f.claim(caller.address, first, 100, proof), "unknown token")
    # Leaves of another contract or chain do not count here.
    for chain, contract in ((1, house.vault.address), (31337, house.usdc.address)):
        alone = leaf_hash(chain, contract, usdc, first, 100)
        house.send(house.operator, f.commitRoot(f.batch().call() + 1, alone, 300, 100, HEAD, OWED))
        house.refused(caller, f.claim(usdc, first, 100, []), "bad proof")
    assert f.claimedTotal(usdc).call() == 0


def test_claim_before_any_root(house, f):
    anyone = house.people[9]
    call = f.claim(house.tly.address, anyone.address, 1, [])
    house.refused(anyone, call, "bad proof")


def test_lower_cumulative_pays_nothing(house, f):
    tly, account = house.tly.address, house.people[3].address
    tree = house.commit({(tly, account): 100})
    house.send(house.people[9], f.claim(tly, account, 100, tree.proof((tly, account))))
    lower = house.tree({(tly, account): 60})
    house.send(house.operator, f.commitRoot(2, lower.root, 0, 100, HEAD, OWED))
    house.refused(house.people[9], f.claim(tly, account, 60, []), "nothing to claim")
    assert f.claimed(tly, account).call() == 100


def test_claims_stop_at_the_committed_total(house, f):
    tly = house.tly.address
    first, second = house.people[3].address, house.people[4].address
    tree = house.tree({(tly, first): 100, (tly, second): 100})
    house.send(house.operator, f.commitRoot(1, tree.root, 0, 150, HEAD, OWED))  # the leaves say 200
    house.send(house.people[9], f.claim(tly, first, 100, tree.proof((tly, first))))
    claim = f.claim(tly, second, 100, tree.proof((tly, second)))
    # What active roots promise is all that there is to be claimed: the reserve lies elsewhere.
    house.refused(house.people[9], claim, "ERC20: transfer amount exceeds balance")
    assert balance(house, house.safe, house.tly) == TLY_RESERVE - 150


def test_commit_refusals(house, f):
    root, operator = b"\x77" * 32, house.operator
    house.send(house.people[1], f.deposit(1000))
    house.refused(house.people[5], f.commitRoot(1, root, 0, 0, HEAD, OWED), "not settler")
    house.refused(operator, f.commitRoot(0, root, 0, 0, HEAD, OWED), "batch order")
    house.refused(operator, f.commitRoot(2, root, 0, 0, HEAD, OWED), "batch order")
    house.refused(operator, f.commitRoot(1, b"\0" * 32, 0, 0, HEAD, OWED), "empty root")
    for totals in ((2**88, 0), (0, 2**88)):
        house.refused(operator, f.commitRoot(1, root, *totals, HEAD, OWED), "total too large")
    house.refused(operator, f.commitRoot(1, root, 1001, 0, HEAD, OWED), "underfunded")
    house.refused(operator, f.commitRoot(1, root, 0, TLY_RESERVE + 1, HEAD, OWED), "underfunded")
    house.send(operator, f.commitRoot(1, root, 1000, TLY_RESERVE, HEAD, OWED))
    house.refused(operator, f.commitRoot(1, root, 1000, TLY_RESERVE, HEAD, OWED), "batch order")
    house.refused(operator, f.commitRoot(2, root, 999, TLY_RESERVE, HEAD, OWED), "total shrinks")
    house.refused(operator, f.commitRoot(2, root, 1000, TLY_RESERVE - 1, HEAD, OWED), "total shrinks")


def test_no_root_reaches_the_bonds(house, f):
    root = b"\x77" * 32
    house.send(house.people[3], f.bond(500))
    house.send(house.people[3], f.requestUnbond(200))
    house.refused(house.operator, f.commitRoot(1, root, 1, 0, HEAD, OWED), "underfunded")
    house.send(house.people[1], f.deposit(40))
    house.send(house.operator, f.slash(house.people[3].address, 100, 50, verdict(1)))
    house.refused(house.operator, f.commitRoot(1, root, 91, 0, HEAD, OWED), "underfunded")
    house.send(house.operator, f.commitRoot(1, root, 90, 0, HEAD, OWED))
    assert f.uncommitted(house.usdc.address).call() == 0


def test_claim_many(house, f):
    usdc, tly = house.usdc.address, house.tly.address
    house.send(house.people[1], f.deposit(1000))
    accounts = [person.address for person in house.people[3:9]]
    entries = {(usdc, account): 10 + i for i, account in enumerate(accounts)}
    entries |= {(tly, account): 100 + i for i, account in enumerate(accounts)}
    tree = house.commit(entries)
    claims = [(*key, amount, tree.proof(key)) for key, amount in entries.items()]
    house.send(house.people[3], f.claim(*claims[2]))  # somebody was first
    before = [balance(house, account) for account in accounts]
    bad = [*claims[:3], (*claims[3][:2], 10**6, claims[3][3])]
    house.refused(house.people[9], f.claimMany(bad), "bad proof")
    receipt = house.send(house.people[9], f.claimMany(claims))
    assert len(house.events(receipt, "Claimed")) == len(claims) - 1
    gained = [balance(house, account) - b for account, b in zip(accounts, before)]
    assert gained == [10, 11, 0, 13, 14, 15]
    assert [balance(house, account, house.tly) for account in accounts] == list(range(100, 106))
    house.refused(house.people[9], f.claimMany(claims), "nothing to claim")
    house.refused(house.people[9], f.claimMany([]), "nothing to claim")
    twice = house.commit(entries | {(tly, accounts[0]): 200})
    same = (tly, accounts[0], 200, twice.proof((tly, accounts[0])))
    house.send(house.people[9], f.claimMany([same, same]))
    assert balance(house, accounts[0], house.tly) == 200


# ---- roles, pause, ownership


def test_roles_are_separate(house, f):
    settler, slasher, pauser, provider = house.people[5:9]
    house.send(provider, f.bond(100))
    receipt = house.send(house.operator, f.grantRoles(settler.address, SETTLER))
    wanted = {"account": settler.address, "roles": SETTLER}
    assert house.events(receipt, "RolesChanged") == [wanted]
    house.send(house.operator, f.grantRoles(slasher.address, SLASHER))
    house.send(house.operator, f.grantRoles(pauser.address, PAUSER))
    root = b"\x77" * 32
    calls = {
        settler: (f.commitRoot(1, root, 0, 0, HEAD, OWED), "not settler"),
        slasher: (f.slash(provider.address, 1, 0, verdict(1)), "not slasher"),
        pauser: (f.pause(), "not pauser"),
    }
    for holder, (call, reason) in calls.items():
        for other in calls:
            if other is not holder:
                house.refused(other, call, reason)
    for holder, (call, _) in calls.items():
        house.send(holder, call)


def test_revoked_roles_are_gone(house, f):
    operator = house.operator
    house.send(operator, f.revokeRoles(operator.address, SLASHER | PAUSER))
    assert f.roles(operator.address).call() == SETTLER | GUARDIAN | ARBITER
    house.refused(operator, f.pause(), "not pauser")
    house.refused(operator, f.slash(operator.address, 1, 0, verdict(1)), "not slasher")
    house.send(operator, f.revokeRoles(operator.address, SLASHER))  # revoking twice gives nothing
    house.send(operator, f.revokeRoles(operator.address, GUARDIAN | ARBITER))
    assert f.roles(operator.address).call() == SETTLER
    house.send(operator, f.commitRoot(1, b"\x77" * 32, 0, 0, HEAD, OWED))
    house.send(operator, f.grantRoles(operator.address, PAUSER))  # the owner grants anew
    assert f.roles(operator.address).call() == SETTLER | PAUSER


def test_only_the_owner_administers(house, f):
    stranger = house.people[5]
    house.send(house.operator, f.grantRoles(stranger.address, SETTLER | SLASHER | PAUSER))
    house.refused(stranger, f.grantRoles(stranger.address, SETTLER), "not owner")
    house.refused(stranger, f.revokeRoles(house.operator.address, SETTLER), "not owner")
    house.refused(stranger, f.offerOwnership(stranger.address), "not owner")
    house.send(stranger, f.pause())
    house.refused(stranger, f.unpause(), "not owner")
    house.refused(house.operator, f.grantRoles(ZERO, SETTLER), "zero address")


def test_ownership_takes_two_steps(house, f):
    old, new = house.operator, house.people[5]
    house.refused(new, f.acceptOwnership(), "not candidate")
    house.send(old, f.offerOwnership(new.address))
    assert f.owner().call() == old.address
    house.refused(house.people[6], f.acceptOwnership(), "not candidate")
    house.send(old, f.offerOwnership(ZERO))
    house.refused(new, f.acceptOwnership(), "not candidate")
    receipt = house.send(old, f.offerOwnership(new.address))
    wanted = {"owner": old.address, "candidate": new.address}
    assert house.events(receipt, "OwnershipOffered") == [wanted]
    receipt = house.send(new, f.acceptOwnership())
    wanted = {"previousOwner": old.address, "newOwner": new.address}
    assert house.events(receipt, "OwnershipTransferred") == [wanted]
    house.refused(old, f.grantRoles(old.address, SETTLER), "not owner")
    house.refused(new, f.acceptOwnership(), "not candidate")
    house.send(new, f.grantRoles(new.address, SETTLER))


def test_pause_stops_entries_but_no_exit(house, f):
    usdc, operator = house.usdc.address, house.operator
    buyer, provider = house.people[1], house.people[3]
    house.send(buyer, f.deposit(100))
    house.send(provider, f.bond(100))
    tree = house.commit({(usdc, provider.address): 50})
    house.send(provider, f.requestUnbond(10))
    receipt = house.send(operator, f.pause())
    assert house.events(receipt, "Paused") == [{"account": operator.address}]
    house.refused(operator, f.pause(), "paused")

    house.refused(buyer, f.deposit(1), "paused")
    terms = house.authorization(buyer, house.vault.address, 7)
    call = f.depositWithAuthorization(*terms[:1], *terms[2:])
    house.refused(buyer, call, "paused")
    house.refused(provider, f.bond(1), "paused")
    house.refused(operator, f.commitRoot(2, b"\x77" * 32, 50, 0, HEAD, OWED), "paused")

    claim = (usdc, provider.address, 50, tree.proof((usdc, provider.address)))
    house.send(provider, f.claim(*claim))
    house.send(provider, f.requestUnbond(10))
    house.send(operator, f.slash(provider.address, 5, 5, verdict(1)))
    house.later(DELAY)
    house.send(provider, f.withdrawBond())

    receipt = house.send(operator, f.unpause())
    assert house.events(receipt, "Unpaused") == [{"account": operator.address}]
    house.refused(operator, f.unpause(), "not paused")
    house.send(buyer, f.deposit(1))


def test_a_pause_ends_by_itself(house, f):
    """Whoever pauses cannot keep what is in no root yet: after thirty days roots are made again, for
    thirty days at least."""
    usdc, operator = house.usdc.address, house.operator
    buyer, pauser = house.people[1], house.people[2]
    limit = 30 * 86_400
    house.send(operator, f.grantRoles(pauser.address, PAUSER))
    house.send(buyer, f.deposit(100))
    root = f.commitRoot(1, house.tree({(usdc, buyer.address): 100}).root, 100, 0, HEAD, OWED)
    house.send(pauser, f.pause())
    ends = f.pausedUntil().call()
    assert ends == house.web3.eth.get_block("latest").timestamp + limit
    house.later(limit - 60)
    assert f.paused().call()
    house.refused(operator, root, "paused")
    house.later(60)
    assert not f.paused().call()
    # Neither at once nor after a root, which takes the mark of the pause with it.
    house.refused(pauser, f.pause(), "too early")
    tree = house.commit({(usdc, buyer.address): 100})
    house.refused(pauser, f.pause(), "too early")
    house.refused(operator, f.unpause(), "not paused")
    claim = (usdc, buyer.address, 100, tree.proof((usdc, buyer.address)))
    house.send(buyer, f.claim(*claim))
    house.later(limit)
    house.send(pauser, f.pause())
    # Once the owner has looked, there may be another at once.
    house.send(operator, f.unpause())
    assert f.pausedUntil().call() == 0
    house.send(pauser, f.pause())
    house.refused(buyer, f.deposit(1), "paused")


def test_nobody_sends_ether(house):
    fields = {"from": house.operator.address, "to": house.vault.address, "value": 1}
    with pytest.raises(Exception, match="revert"):
        house.web3.eth.call(fields)
