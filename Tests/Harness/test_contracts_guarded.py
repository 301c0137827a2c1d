"""Exchequer.vy with delays: disputed roots, vetoed slashes, scheduled roles, an abandoned house."""

import pytest
from conftest import (
    ARBITER,
    DAY,
    DELAY,
    GUARDED,
    GUARDIAN,
    PAUSER,
    SETTLER,
    SLASHER,
)
from eth_account.messages import encode_typed_data
from eth_utils import keccak

HEAD = b"\x22" * 32
OWED = b"\x44" * 32
ZERO = "0x" + "00" * 20
_, ACTIVATION, VETO, ROLES, ESCAPE = GUARDED
EXECUTION = 30 * DAY


@pytest.fixture
def f(guarded):
    return guarded.vault.functions


def verdict(number):
    return keccak(text=f"verdict {number}")


def held(house, account, token=None):
    return (token or house.usdc).functions.balanceOf(account).call()


def only(house, account, roles):
    """Moves roles from the operator to an account, waiting as long as that takes."""
    house.send(house.operator, house.vault.functions.grantRoles(account.address, roles))
    house.later(ROLES)
    house.send(account, house.vault.functions.enactRoles(account.address))


# ---- roots


def wait_and_activate(house, tree):
    house.later(ACTIVATION)
    house.send(house.people[9], house.vault.functions.activateRoot(tree.root, HEAD, OWED))


def commit(house, entries, **options):
    return house.commit(entries, head=HEAD, owed=OWED, **options)


def test_a_root_pays_after_its_delay(guarded, f):
    usdc, payee, anyone = guarded.usdc.address, guarded.people[3].address, guarded.people[9]
    guarded.send(guarded.people[1], f.deposit(1000))
    tree = commit(guarded, {(usdc, payee): 600})
    assert f.batch().call() == 1 and f.rootWaiting().call()
    assert f.root().call() == bytes(32) and f.committedTotal(usdc).call() == 0
    assert f.uncommitted(usdc).call() == 400
    claim = f.claim(usdc, payee, 600, [])
    guarded.refused(anyone, claim, "bad proof")
    guarded.refused(anyone, f.activateRoot(tree.root, HEAD, OWED), "too early")
    guarded.later(ACTIVATION)
    for told in ((b"\1" * 32, HEAD, OWED), (tree.root, OWED, OWED), (tree.root, HEAD, HEAD)):
        guarded.refused(anyone, f.activateRoot(*told), "another root")
    receipt = guarded.send(anyone, f.activateRoot(tree.root, HEAD, OWED))
    assert guarded.events(receipt, "RootActivated") == [{"batch": 1, "root": tree.root}]
    assert (f.root().call(), f.journalHead().call()) == (tree.root, HEAD)
    assert f.liabilitiesRoot().call() == OWED
    assert held(guarded, guarded.vault.address) == 600 == f.committedTotal(usdc).call()
    assert held(guarded, guarded.safe) == 400 == f.uncommitted(usdc).call()
    guarded.refused(anyone, f.activateRoot(tree.root, HEAD, OWED), "no root waiting")
    guarded.send(anyone, claim)
    assert f.claimedTotal(usdc).call() == 600


def test_a_disputed_root_never_pays(guarded, f):
    usdc, payee, anyone = guarded.usdc.address, guarded.people[3].address, guarded.people[9]
    guarded.send(guarded.people[1], f.deposit(1000))
    first = commit(guarded, {(usdc, payee): 100})
    wait_and_activate(guarded, first)
    wrong = commit(guarded, {(usdc, payee): 1000})
    guarded.refused(anyone, f.disputeRoot(2, HEAD), "not guardian")
    guarded.refused(guarded.operator, f.disputeRoot(1, HEAD), "no root waiting")
    receipt = guarded.send(guarded.operator, f.disputeRoot(2, HEAD))
    wanted = {"batch": 2, "guardian": guarded.operator.address, "reason": HEAD}
    assert guarded.events(receipt, "RootDisputed") == [wanted]
    guarded.refused(guarded.operator, f.disputeRoot(2, HEAD), "no root waiting")
    guarded.later(ACTIVATION)
    guarded.refused(anyone, f.activateRoot(wrong.root, HEAD, OWED), "no root waiting")
    # The root of before pays, the number is used up, and the totals may be lower than the wrong.
    guarded.send(anyone, f.claim(usdc, payee, 100, []))
    assert f.batch().call() == 2 and f.uncommitted(usdc).call() == 900
    right = commit(guarded, {(usdc, payee): 150})
    wait_and_activate(guarded, right)
    guarded.send(anyone, f.claim(usdc, payee, 150, []))
    assert f.batch().call() == 3 and held(guarded, guarded.safe) == 850


def test_a_root_cannot_be_disputed_late_nor_replaced_early(guarded, f):
    usdc, payee = guarded.usdc.address, guarded.people[3].address
    guarded.send(guarded.people[1], f.deposit(1000))
    tree = commit(guarded, {(usdc, payee): 100})
    second = guarded.tree({(usdc, payee): 90})
    replace = f.commitRoot(2, second.root, 90, 0, HEAD, OWED)
    guarded.refused(guarded.operator, replace, "root waiting")
    guarded.later(ACTIVATION)
    guarded.refused(guarded.operator, f.disputeRoot(1, HEAD), "too late")
    # Due and not made active: a later root, which repeats every claim, takes its place.
    guarded.send(guarded.operator, replace)
    guarded.refused(guarded.people[9], f.activateRoot(tree.root, HEAD, OWED), "too early")
    wait_and_activate(guarded, second)
    third = guarded.tree({(usdc, payee): 80})
    shrunk = f.commitRoot(3, third.root, 80, 0, HEAD, OWED)
    guarded.refused(guarded.operator, shrunk, "total shrinks")


def test_an_unfunded_root_waits_for_money_and_leaves_the_bonds(guarded, f):
    usdc, payee = guarded.usdc.address, guarded.people[3].address
    guarded.send(guarded.people[3], f.bond(500))
    guarded.send(guarded.people[1], f.deposit(40))
    tree = commit(guarded, {(usdc, payee): 41})
    guarded.later(ACTIVATION)
    activate = f.activateRoot(tree.root, HEAD, OWED)
    guarded.refused(guarded.people[9], activate, "underfunded")
    assert f.uncommitted(usdc).call() == 0
    guarded.send(guarded.people[1], f.deposit(1))
    guarded.send(guarded.people[9], activate)
    assert held(guarded, guarded.safe) == 500 == f.bondTotal().call()


def test_a_pause_does_not_hold_a_due_root_back(guarded, f):
    usdc, payee = guarded.usdc.address, guarded.people[3].address
    guarded.send(guarded.people[1], f.deposit(40))
    tree = commit(guarded, {(usdc, payee): 40})
    guarded.send(guarded.operator, f.pause())
    wait_and_activate(guarded, tree)
    guarded.send(guarded.people[9], f.claim(usdc, payee, 40, []))


# ---- slashes


@pytest.fixture
def bonded(guarded, f):
    """A provider with 100 bonded, 60 of it leaving, and a requested slash of 50."""
    provider = guarded.people[3]
    guarded.send(provider, f.bond(100))
    guarded.send(provider, f.requestUnbond(60))
    guarded.requested = guarded.send(
        guarded.operator, f.slash(provider.address, 50, 30, verdict(1)))
    return provider


def test_a_slash_is_requested_then_executed(guarded, f, bonded):
    stamp = guarded.web3.eth.get_block(guarded.requested.blockNumber).timestamp
    assert guarded.events(guarded.requested, "SlashRequested") == [{
        "provider": bonded.address, "verdictHash": verdict(1), "amount": 50, "burned": 30,
        "executableFrom": stamp + VETO}]
    assert guarded.events(guarded.requested, "Slashed") == []
    assert f.verdictUsed(verdict(1)).call() and f.frozen(bonded.address).call() == 50
    assert f.slashable(bonded.address).call() == 100
    again = f.slash(bonded.address, 1, 0, verdict(1))
    guarded.refused(guarded.operator, again, "verdict used")
    anyone = guarded.people[9]
    guarded.refused(anyone, f.executeSlash(verdict(1)), "too early")
    guarded.refused(anyone, f.lapseSlash(verdict(1)), "too early")
    guarded.later(VETO)
    receipt = guarded.send(anyone, f.executeSlash(verdict(1)))
    event = guarded.events(receipt, "Slashed")[0]
    assert (event["amount"], event["burned"], event["fromUnbonding"]) == (50, 30, 10)
    assert f.frozen(bonded.address).call() == 0 and f.slashable(bonded.address).call() == 50
    guarded.refused(anyone, f.executeSlash(verdict(1)), "no slash waiting")
    nobody = f.slash(anyone.address, 1, 0, verdict(2))
    guarded.refused(guarded.operator, nobody, "no bond")


def test_what_a_slash_may_take_does_not_leave_before_it(guarded, f, bonded):
    """Its provider takes what is over, and no more, until it is decided."""
    guarded.later(DELAY)
    assert f.withdrawable(bonded.address).call() == 50
    receipt = guarded.send(bonded, f.withdrawBond())
    assert guarded.events(receipt, "BondWithdrawn")[0]["amount"] == 50
    guarded.refused(bonded, f.withdrawBond(), "nothing matured")
    assert [a for a, _ in f.unbondingEntries(bonded.address).call()] == [10]
    guarded.send(guarded.people[9], f.executeSlash(verdict(1)))
    assert f.slashable(bonded.address).call() == f.bondTotal().call() == 0


def test_a_vetoed_slash_takes_nothing(guarded, f, bonded):
    guarded.refused(bonded, f.vetoSlash(verdict(1)), "not arbiter")
    guarded.refused(guarded.operator, f.vetoSlash(verdict(2)), "no slash waiting")
    receipt = guarded.send(guarded.operator, f.vetoSlash(verdict(1)))
    wanted = {"verdictHash": verdict(1), "arbiter": guarded.operator.address}
    assert guarded.events(receipt, "SlashVetoed") == [wanted]
    guarded.later(VETO)
    guarded.refused(guarded.people[9], f.executeSlash(verdict(1)), "no slash waiting")
    again = f.slash(bonded.address, 50, 30, verdict(1))
    guarded.refused(guarded.operator, again, "verdict used")
    guarded.later(DELAY)
    guarded.send(bonded, f.withdrawBond())
    assert f.slashable(bonded.address).call() == 40 and f.frozen(bonded.address).call() == 0


def test_an_appeal_gives_another_window_once(guarded, f, bonded):
    stamp = f.slashes(verdict(1)).call()[3]
    guarded.refused(guarded.people[4], f.appealSlash(verdict(1), HEAD), "not accused")
    guarded.refused(bonded, f.appealSlash(verdict(2), HEAD), "not accused")
    receipt = guarded.send(bonded, f.appealSlash(verdict(1), HEAD))
    assert guarded.events(receipt, "SlashAppealed") == [{
        "provider": bonded.address, "verdictHash": verdict(1), "statement": HEAD,
        "executableFrom": stamp + VETO}]
    guarded.refused(bonded, f.appealSlash(verdict(1), HEAD), "appealed")
    guarded.later(VETO)
    guarded.refused(guarded.people[9], f.executeSlash(verdict(1)), "too early")
    guarded.later(VETO)
    guarded.refused(guarded.operator, f.vetoSlash(verdict(1)), "too late")
    guarded.send(guarded.people[9], f.executeSlash(verdict(1)))


def test_an_appeal_after_the_window_is_late(guarded, f, bonded):
    guarded.later(VETO)
    guarded.refused(bonded, f.appealSlash(verdict(1), HEAD), "too late")


def test_a_slash_that_nobody_executes_lapses(guarded, f, bonded):
    guarded.later(VETO + EXECUTION)
    guarded.refused(guarded.people[9], f.executeSlash(verdict(1)), "too late")
    receipt = guarded.send(guarded.people[9], f.lapseSlash(verdict(1)))
    assert guarded.events(receipt, "SlashLapsed") == [{"verdictHash": verdict(1)}]
    guarded.send(bonded, f.withdrawBond())
    assert f.slashable(bonded.address).call() == 40
    guarded.refused(guarded.people[9], f.lapseSlash(verdict(1)), "no slash waiting")


# ---- roles


def test_granted_roles_count_after_the_delay(guarded, f):
    person, anyone = guarded.people[5], guarded.people[9]
    receipt = guarded.send(guarded.operator, f.grantRoles(person.address, SETTLER | GUARDIAN))
    stamp = guarded.web3.eth.get_block(receipt.blockNumber).timestamp
    assert guarded.events(receipt, "RolesScheduled") == [{
        "account": person.address, "granted": SETTLER | GUARDIAN, "revoked": 0,
        "effectiveFrom": stamp + ROLES}]
    assert f.roles(person.address).call() == 0
    guarded.refused(anyone, f.enactRoles(person.address), "too early")
    guarded.refused(anyone, f.enactRoles(anyone.address), "nothing scheduled")
    # A second thought about one of them, at once.
    guarded.send(guarded.operator, f.revokeRoles(person.address, SETTLER))
    guarded.later(ROLES)
    guarded.send(anyone, f.enactRoles(person.address))
    assert f.roles(person.address).call() == GUARDIAN
    guarded.refused(anyone, f.enactRoles(person.address), "nothing scheduled")


def test_who_acts_is_stopped_at_once_and_who_protects_is_not(guarded, f):
    operator = guarded.operator.address
    guarded.send(guarded.operator, f.revokeRoles(operator, 31))
    assert f.roles(operator).call() == GUARDIAN | ARBITER
    guarded.refused(guarded.people[9], f.enactRoles(operator), "too early")
    guarded.refused(guarded.people[9], f.cancelRoles(operator), "not owner")
    guarded.send(guarded.operator, f.cancelRoles(operator))
    guarded.refused(guarded.operator, f.cancelRoles(operator), "nothing scheduled")
    guarded.send(guarded.operator, f.revokeRoles(operator, GUARDIAN))
    guarded.later(ROLES)
    guarded.send(guarded.people[9], f.enactRoles(operator))
    assert f.roles(operator).call() == ARBITER


def test_ownership_passes_after_the_delay(guarded, f):
    heir = guarded.people[5]
    guarded.send(guarded.operator, f.offerOwnership(heir.address))
    guarded.refused(heir, f.acceptOwnership(), "too early")
    guarded.later(ROLES)
    guarded.send(heir, f.acceptOwnership())
    assert f.owner().call() == heir.address


# ---- an abandoned house


def test_an_abandoned_house_lets_everybody_out_and_nobody_in(guarded, f, bonded):
    usdc, payee, anyone = guarded.usdc.address, guarded.people[4].address, guarded.people[9]
    guarded.send(guarded.people[1], f.deposit(1000))
    tree = commit(guarded, {(usdc, payee): 600})
    guarded.refused(anyone, f.declareAbandoned(), "too early")
    guarded.refused(anyone, f.heartbeat(), "not settler")
    guarded.later(ESCAPE - DAY)
    guarded.send(guarded.operator, f.heartbeat())
    guarded.later(ESCAPE - DAY)
    guarded.refused(anyone, f.declareAbandoned(), "too early")
    guarded.send(guarded.operator, f.pause())
    guarded.later(DAY)
    assert f.abandonableFrom().call() < guarded.node.chain.head.timestamp
    receipt = guarded.send(anyone, f.declareAbandoned())
    assert guarded.events(receipt, "Abandoned") == [{"account": anyone.address}]
    guarded.refused(anyone, f.declareAbandoned(), "abandoned")
    guarded.send(guarded.operator, f.unpause())
    operator, root = guarded.operator, b"\x77" * 32
    guarded.refused(guarded.people[1], f.deposit(1), "abandoned")
    guarded.refused(bonded, f.bond(1), "abandoned")
    guarded.refused(operator, f.commitRoot(2, root, 600, 0, HEAD, OWED), "abandoned")
    guarded.refused(operator, f.slash(bonded.address, 1, 0, verdict(9)), "abandoned")
    guarded.refused(operator, f.executeSlash(verdict(1)), "abandoned")
    # The root that was due can still be made active, and pays.
    guarded.send(anyone, f.activateRoot(tree.root, HEAD, OWED))
    guarded.send(anyone, f.claim(usdc, payee, 600, []))
    # What was frozen is free, with or without the slash taken off the books.
    guarded.send(bonded, f.withdrawBond())
    guarded.send(anyone, f.lapseSlash(verdict(1)))
    guarded.send(bonded, f.requestUnbond(40))
    guarded.later(DELAY)
    guarded.send(bonded, f.withdrawBond())
    assert f.bondTotal().call() == 0


def test_a_commit_is_a_sign_of_life(guarded, f):
    guarded.later(ESCAPE - DAY)
    commit(guarded, {(guarded.tly.address, guarded.people[3].address): 5})
    guarded.later(ESCAPE - DAY)
    guarded.refused(guarded.people[9], f.declareAbandoned(), "too early")


# ---- ways in, and the push


def permit(house, owner, amount, **changes):
    """The signature of an EIP-2612 permit for the contract."""
    message = {
        "owner": owner.address,
        "spender": house.vault.address,
        "value": amount,
        "nonce": house.usdc.functions.nonces(owner.address).call(),
        "deadline": 2**40,
    } | changes
    kinds = ("address", "address", "uint256", "uint256", "uint256")
    types = [{"name": name, "type": kind} for name, kind in zip(message, kinds)]
    domain = {"name": "USD Coin", "version": "2", "chainId": 31337,
              "verifyingContract": house.usdc.address}
    signed = owner.sign_message(encode_typed_data(domain, {"Permit": types}, message))
    pair = (signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big"))
    return message["deadline"], signed.v, *pair


def test_deposit_with_permit(house):
    f, buyer = house.vault.functions, house.people[1]
    house.send(buyer, house.usdc.functions.approve(house.vault.address, 0))
    signature = permit(house, buyer, 70)
    receipt = house.send(buyer, f.depositWithPermit(70, *signature))
    assert house.events(receipt, "Deposited") == [{"account": buyer.address, "amount": 70}]
    assert held(house, house.safe) == 70
    exceeds = "ERC20: transfer amount exceeds allowance"
    house.refused(buyer, f.depositWithPermit(70, *signature), exceeds)
    house.refused(house.people[2], f.depositWithPermit(0, *signature), "zero amount")
    # Somebody else used the permit up: the deposit goes on.
    signature = permit(house, buyer, 30)
    terms = (buyer.address, house.vault.address, 30, *signature)
    house.send(house.people[9], house.usdc.functions.permit(*terms))
    house.send(buyer, f.depositWithPermit(30, *signature))
    assert held(house, house.safe) == 100
    # Another's signature moves nothing of the caller, who has no allowance, nor of its signer.
    signature = permit(house, house.people[2], 40)
    house.refused(buyer, f.depositWithPermit(40, *signature), exceeds)


def test_the_tokens_permit_refuses(house):
    owner, token = house.people[1], house.usdc.functions
    spender = house.vault.address

    def refused(signature, amount, reason, who=owner.address):
        call = token.permit(who, spender, amount, *signature)
        house.refused(house.people[9], call, reason)

    invalid = "FiatTokenV2: invalid signature"
    refused(permit(house, owner, 7), 8, invalid)
    refused(permit(house, owner, 7), 7, invalid, house.people[2].address)
    refused(permit(house, owner, 7, nonce=5), 7, invalid)
    refused(permit(house, owner, 7, deadline=1), 7, "FiatTokenV2: permit is expired")


def test_disperse(house):
    f, payer, usdc = house.vault.functions, house.people[1], house.usdc.address
    payees = [person.address for person in house.people[2:7]]
    before = [held(house, payee) for payee in payees]
    call = f.disperse(usdc, verdict(1), payees, [1, 2, 3, 4, 5])
    receipt = house.send(payer, call)
    assert house.events(receipt, "Dispersed") == [
        {"sender": payer.address, "dispersal": verdict(1), "token": usdc, "count": 5}]
    gained = [held(house, payee) - old for payee, old in zip(payees, before)]
    assert gained == [1, 2, 3, 4, 5]
    house.refused(payer, call, "dispersed")
    # A name is one sender's own, and one bad payment undoes all.
    house.send(house.people[2], call)
    house.refused(payer, f.disperse(usdc, verdict(2), payees, [1] * 4), "bad lengths")
    house.refused(payer, f.disperse(usdc, verdict(2), [], []), "bad lengths")
    house.refused(payer, f.disperse(payees[0], verdict(2), payees, [1] * 5), "unknown token")
    more = [1, 1, 1, 1, held(house, payer.address)]
    house.refused(payer, f.disperse(usdc, verdict(2), payees, more),
                  "ERC20: transfer amount exceeds balance")
    assert not f.dispersed(payer.address, verdict(2)).call()
    assert held(house, house.vault.address) == held(house, house.safe) == 0


def test_the_vault_obeys_only_its_house(house):
    artefact = house.deploy("Vault")
    safe = house.web3.eth.contract(house.safe, abi=artefact.abi).functions
    assert safe.HOUSE().call() == house.vault.address
    thief = house.people[5]
    for person in (thief, house.operator):
        call = safe.pay(house.tly.address, thief.address, 1)
        house.refused(person, call, "not house")
    # The blueprint itself is no contract that does anything.
    assert house.web3.eth.get_code(artefact.address)[:3] == b"\xfe\x71\x00"


def test_roles_of_a_guarded_house_are_separate(guarded, f):
    keys = dict(zip((SETTLER, SLASHER, PAUSER, GUARDIAN, ARBITER), guarded.people[4:9]))
    guarded.send(guarded.people[3], f.bond(100))
    for role, person in keys.items():
        only(guarded, person, role)
    calls = {
        SETTLER: (f.commitRoot(1, b"\x77" * 32, 0, 0, HEAD, OWED), "not settler"),
        GUARDIAN: (f.disputeRoot(1, HEAD), "not guardian"),
        SLASHER: (f.slash(guarded.people[3].address, 1, 0, verdict(1)), "not slasher"),
        ARBITER: (f.vetoSlash(verdict(1)), "not arbiter"),
        PAUSER: (f.pause(), "not pauser"),
    }
    for role, (call, reason) in calls.items():
        for other, person in keys.items():
            if other != role:
                guarded.refused(person, call, reason)
        guarded.send(keys[role], call)
