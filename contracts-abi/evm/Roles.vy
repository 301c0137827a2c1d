# pragma version 0.4.3
"""
@title Roles
@license Apache-2.0
@notice Who may do what in Exchequer.vy: an owner, and roles that it grants after a delay.
"""

# Roles are bits of one word per account: settler 1, slasher 2, pauser 4, guardian 8, arbiter 16.
flag Role:
    SETTLER
    SLASHER
    PAUSER
    GUARDIAN
    ARBITER

struct RoleChange:
    granted: Role
    revoked: Role
    effectiveFrom: uint256

event RolesScheduled:
    account: indexed(address)
    granted: Role
    revoked: Role
    effectiveFrom: uint256

event RolesChanged:
    account: indexed(address)
    roles: Role

event OwnershipOffered:
    owner: indexed(address)
    candidate: indexed(address)

event OwnershipTransferred:
    previousOwner: indexed(address)
    newOwner: indexed(address)

ROLE_DELAY: public(immutable(uint256))

owner: public(address)
candidateOwner: public(address)
candidateFrom: public(uint256)
roles: public(HashMap[address, Role])
roleChanges: public(HashMap[address, RoleChange])


@deploy
def __init__(roleDelay: uint256):
    ROLE_DELAY = roleDelay
    self.owner = msg.sender
    log OwnershipTransferred(previousOwner=empty(address), newOwner=msg.sender)
    self._setRoles(
        msg.sender, Role.SETTLER | Role.SLASHER | Role.PAUSER | Role.GUARDIAN | Role.ARBITER
    )


@external
def grantRoles(account: address, granted: Role):
    """
    @notice Gives an account roles, after the delay by `enactRoles`.
    """
    self._requireOwner()
    assert account != empty(address), "zero address"
    self._change(account, granted, empty(Role))


@external
def revokeRoles(account: address, revoked: Role):
    """
    @notice Takes roles away: those that act at once, those that protect (guardian, arbiter) after
            the delay, or a stolen owner key could blind the house before it is robbed.
    """
    self._requireOwner()
    acting: Role = revoked & (Role.SETTLER | Role.SLASHER | Role.PAUSER)
    if acting != empty(Role):
        self.roleChanges[account].granted = self.roleChanges[account].granted & ~acting
        self._setRoles(account, self.roles[account] & ~acting)
    protecting: Role = revoked & (Role.GUARDIAN | Role.ARBITER)
    if protecting != empty(Role):
        self._change(account, empty(Role), protecting)


@external
def enactRoles(account: address):
    """
    @notice Makes a scheduled change of roles count. Anyone may call, after the delay.
    """
    change: RoleChange = self.roleChanges[account]
    assert change.effectiveFrom != 0, "nothing scheduled"
    assert block.timestamp >= change.effectiveFrom, "too early"
    self.roleChanges[account] = empty(RoleChange)
    self._setRoles(account, (self.roles[account] | change.granted) & ~change.revoked)


@external
def cancelRoles(account: address):
    """
    @notice Drops a scheduled change of roles.
    """
    self._requireOwner()
    assert self.roleChanges[account].effectiveFrom != 0, "nothing scheduled"
    self.roleChanges[account] = empty(RoleChange)
    log RolesScheduled(
        account=account, granted=empty(Role), revoked=empty(Role), effectiveFrom=0
    )


@external
def offerOwnership(candidate: address):
    """
    @notice First step of a hand-over; the zero address withdraws the offer.
    """
    self._requireOwner()
    self.candidateOwner = candidate
    self.candidateFrom = block.timestamp + ROLE_DELAY
    log OwnershipOffered(owner=msg.sender, candidate=candidate)


@external
def acceptOwnership():
    """
    @notice Second step, by the candidate, after the delay of roles.
    """
    assert msg.sender == self.candidateOwner, "not candidate"
    assert block.timestamp >= self.candidateFrom, "too early"
    log OwnershipTransferred(previousOwner=self.owner, newOwner=msg.sender)
    self.owner = msg.sender
    self.candidateOwner = empty(address)


@internal
@view
def _requireOwner():
    assert msg.sender == self.owner, "not owner"


@internal
@view
def _requireRole(role: Role, reason: String[16]):
    assert role in self.roles[msg.sender], reason


@internal
def _setRoles(account: address, roles: Role):
    self.roles[account] = roles
    log RolesChanged(account=account, roles=roles)


@internal
def _change(account: address, granted: Role, revoked: Role):
    if ROLE_DELAY == 0:
        self._setRoles(account, (self.roles[account] | granted) & ~revoked)
        return
    change: RoleChange = self.roleChanges[account]
    change.granted = (change.granted | granted) & ~revoked
    change.revoked = (change.revoked | revoked) & ~granted
    change.effectiveFrom = block.timestamp + ROLE_DELAY
    self.roleChanges[account] = change
    log RolesScheduled(
        account=account,
        granted=change.granted,
        revoked=change.revoked,
        effectiveFrom=change.effectiveFrom,
    )
