# pragma version 0.4.3
"""
@title Exchequer
@license Apache-2.0
@notice The house's money on chain: buyers deposit, providers bond, a settler commits one
        cumulative Merkle root per batch, and everybody is paid by proof against it.
@dev    Held at any time, per token:
            balance >= bondTotal (USDC only) + committedTotal - claimedTotal
        `commitRoot` refuses a root that would break it, every payment lowers both sides alike.
        So a committed claim is always funded, and no root can reach a provider's bond.
        Nobody, the owner included, can take money out except by a claim or by leaving a bond.
"""
from ethereum.ercs import IERC20

interface IReceiver:
    def receiveWithAuthorization(
        authorizer: address,
        receiver: address,
        amount: uint256,
        validAfter: uint256,
        validBefore: uint256,
        nonce: bytes32,
        v: uint8,
        r: bytes32,
        s: bytes32,
    ): nonpayable

# Roles are bits of one word per account: settler 1, slasher 2, pauser 4.
flag Role:
    SETTLER
    SLASHER
    PAUSER

struct Unbonding:
    amount: uint256
    unlocksAt: uint256

struct Claim:
    token: address
    account: address
    cumulative: uint256
    proof: DynArray[bytes32, MAX_PROOF]

event Deposited:
    account: indexed(address)
    amount: uint256

event Bonded:
    provider: indexed(address)
    amount: uint256

event UnbondRequested:
    provider: indexed(address)
    amount: uint256
    unlocksAt: uint256

event BondWithdrawn:
    provider: indexed(address)
    amount: uint256

event Slashed:
    provider: indexed(address)
    verdictHash: indexed(bytes32)
    amount: uint256
    burned: uint256
    fromUnbonding: uint256

event RootCommitted:
    batch: indexed(uint256)
    root: bytes32
    journalHead: bytes32
    totalUsdc: uint256
    totalTly: uint256
    liabilitiesRoot: bytes32
    timestamp: uint256

event Claimed:
    token: indexed(address)
    account: indexed(address)
    amount: uint256
    cumulative: uint256

event RolesChanged:
    account: indexed(address)
    roles: Role

event Paused:
    account: indexed(address)

event Unpaused:
    account: indexed(address)

event OwnershipOffered:
    owner: indexed(address)
    candidate: indexed(address)

event OwnershipTransferred:
    previousOwner: indexed(address)
    newOwner: indexed(address)

# A tree of 2^32 claims; a queue a provider can always work off by withdrawing.
MAX_PROOF: constant(uint256) = 32
MAX_CLAIMS: constant(uint256) = 32
MAX_UNBONDINGS: constant(uint256) = 16
# The delay is fixed at deployment and bounded, so that no typing error locks bonds for good.
MAX_UNBONDING_DELAY: constant(uint256) = 90 * 86400
BURN_ADDRESS: constant(address) = 0x000000000000000000000000000000000000dEaD
CLAIM_DOMAIN: public(constant(bytes32)) = keccak256("exchequer.claim.v1")

USDC: public(immutable(address))
TLY: public(immutable(address))
UNBONDING_DELAY: public(immutable(uint256))

# ---- who may do what
owner: public(address)
candidateOwner: public(address)
roles: public(HashMap[address, Role])
paused: public(bool)

# ---- bonds, in USDC units
bonded: public(HashMap[address, uint256])
unbondings: HashMap[address, DynArray[Unbonding, MAX_UNBONDINGS]]
bondTotal: public(uint256)
verdictUsed: public(HashMap[bytes32, bool])

# ---- settlement: only the latest root pays, and it repeats every earlier claim
batch: public(uint256)
root: public(bytes32)
journalHead: public(bytes32)
liabilitiesRoot: public(bytes32)
committedTotal: public(HashMap[address, uint256])
claimedTotal: public(HashMap[address, uint256])
claimed: public(HashMap[address, HashMap[address, uint256]])


@deploy
def __init__(usdc: address, tly: address, unbondingDelay: uint256):
    """
    @notice The deployer becomes owner and holds every role until it grants and revokes.
    @param unbondingDelay Seconds between `requestUnbond` and `withdrawBond`, 90 days at most.
    """
    assert usdc != empty(address) and tly != empty(address), "zero address"
    assert usdc != tly, "same token"
    assert unbondingDelay <= MAX_UNBONDING_DELAY, "delay too long"
    USDC = usdc
    TLY = tly
    UNBONDING_DELAY = unbondingDelay
    self.owner = msg.sender
    log OwnershipTransferred(previousOwner=empty(address), newOwner=msg.sender)
    self._setRoles(msg.sender, Role.SETTLER | Role.SLASHER | Role.PAUSER)


# ---------------------------------------------------------------- deposits


@external
@nonreentrant
def deposit(amount: uint256):
    """
    @notice Pays `amount` USDC into the house for the caller. Needs an allowance.
    """
    self._requireRunning()
    assert amount != 0, "zero amount"
    log Deposited(account=msg.sender, amount=amount)
    self._pull(msg.sender, amount)


@external
@nonreentrant
def depositWithAuthorization(
    account: address,
    amount: uint256,
    validAfter: uint256,
    validBefore: uint256,
    nonce: bytes32,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    """
    @notice Pays in by one EIP-3009 ReceiveWithAuthorization signature of `account` with this
            contract as receiver. Anyone may submit it: the credit is always the signer's.
    """
    self._requireRunning()
    assert amount != 0, "zero amount"
    log Deposited(account=account, amount=amount)
    extcall IReceiver(USDC).receiveWithAuthorization(
        account, self, amount, validAfter, validBefore, nonce, v, r, s
    )


# ---------------------------------------------------------------- bonds


@external
@nonreentrant
def bond(amount: uint256):
    """
    @notice Adds `amount` USDC to the caller's bond. Needs an allowance.
    """
    self._requireRunning()
    assert amount != 0, "zero amount"
    self.bonded[msg.sender] += amount
    self.bondTotal += amount
    log Bonded(provider=msg.sender, amount=amount)
    self._pull(msg.sender, amount)


@external
@nonreentrant
def requestUnbond(amount: uint256):
    """
    @notice Starts the delay for `amount` of the caller's bond. It stays slashable until it is
            withdrawn.
    """
    assert amount != 0, "zero amount"
    held: uint256 = self.bonded[msg.sender]
    assert amount <= held, "exceeds bond"
    assert len(self.unbondings[msg.sender]) < MAX_UNBONDINGS, "too many unbondings"
    self.bonded[msg.sender] = held - amount
    unlocksAt: uint256 = block.timestamp + UNBONDING_DELAY
    self.unbondings[msg.sender].append(Unbonding(amount=amount, unlocksAt=unlocksAt))
    log UnbondRequested(provider=msg.sender, amount=amount, unlocksAt=unlocksAt)


@external
@nonreentrant
def withdrawBond() -> uint256:
    """
    @notice Pays out every entry of the caller whose delay is over. Works while paused.
    @return The amount paid.
    """
    matured: uint256 = 0
    waiting: DynArray[Unbonding, MAX_UNBONDINGS] = []
    for entry: Unbonding in self.unbondings[msg.sender]:
        if entry.unlocksAt <= block.timestamp:
            matured += entry.amount
        else:
            waiting.append(entry)
    assert matured != 0, "nothing matured"
    self.unbondings[msg.sender] = waiting
    self.bondTotal -= matured
    log BondWithdrawn(provider=msg.sender, amount=matured)
    self._pay(USDC, msg.sender, matured)
    return matured


@external
@nonreentrant
def slash(provider: address, amount: uint256, burned: uint256, verdictHash: bytes32) -> uint256:
    """
    @notice Takes `amount` from a provider: first from its bond, then from its unbonding
            entries, oldest first. `burned` of it is destroyed, the rest joins the pool that
            pays claims. Works while paused, or a pause would let a cheat run out the delay.
    @dev    If less is there, all of it is taken and the burn shrinks in proportion, rounded up.
    @param verdictHash The verdict that ordered it; each is executed once.
    @return The amount taken.
    """
    self._requireRole(Role.SLASHER, "not slasher")
    assert amount != 0, "zero amount"
    assert burned <= amount, "burn exceeds slash"
    assert verdictHash != empty(bytes32), "empty verdict"
    assert not self.verdictUsed[verdictHash], "verdict used"
    self.verdictUsed[verdictHash] = True

    held: uint256 = self.bonded[provider]
    fromBond: uint256 = min(held, amount)
    self.bonded[provider] = held - fromBond
    fromUnbonding: uint256 = 0
    if fromBond < amount:
        fromUnbonding = self._takeUnbonding(provider, amount - fromBond)
    taken: uint256 = fromBond + fromUnbonding
    assert taken != 0, "no bond"
    self.bondTotal -= taken

    destroyed: uint256 = burned
    if taken < amount:
        destroyed = (burned * taken + amount - 1) // amount
    log Slashed(
        provider=provider,
        verdictHash=verdictHash,
        amount=taken,
        burned=destroyed,
        fromUnbonding=fromUnbonding,
    )
    if destroyed != 0:
        self._pay(USDC, BURN_ADDRESS, destroyed)
    return taken


# ---------------------------------------------------------------- settlement


@external
@nonreentrant
def commitRoot(
    batch: uint256,
    root: bytes32,
    totalUsdc: uint256,
    totalTly: uint256,
    journalHead: bytes32,
    liabilitiesRoot: bytes32,
):
    """
    @notice Replaces the Merkle root of cumulative claims.
    @param batch The last batch plus one.
    @param totalUsdc The sum of all USDC leaves: what was ever owed, claimed or not.
    @param totalTly The same for TLY.
    @param journalHead The head hash of the house's journal at the batch.
    @param liabilitiesRoot The root of the Merkle sum tree of everything the house owes.
    """
    self._requireRunning()
    self._requireRole(Role.SETTLER, "not settler")
    assert batch == self.batch + 1, "batch order"
    assert root != empty(bytes32), "empty root"
    self.batch = batch
    self.root = root
    self.journalHead = journalHead
    self.liabilitiesRoot = liabilitiesRoot
    self._commitTotal(USDC, totalUsdc, self.bondTotal)
    self._commitTotal(TLY, totalTly, 0)
    log RootCommitted(
        batch=batch,
        root=root,
        journalHead=journalHead,
        totalUsdc=totalUsdc,
        totalTly=totalTly,
        liabilitiesRoot=liabilitiesRoot,
        timestamp=block.timestamp,
    )


@external
@nonreentrant
def claim(
    token: address, account: address, cumulative: uint256, proof: DynArray[bytes32, MAX_PROOF]
) -> uint256:
    """
    @notice Pays `account` what the current root owes it and it has not had yet. Anyone may
            call; the money only ever goes to `account`. Works while paused.
    @return The amount paid.
    """
    amount: uint256 = self._claim(token, account, cumulative, proof)
    assert amount != 0, "nothing to claim"
    return amount


@external
@nonreentrant
def claimMany(claims: DynArray[Claim, MAX_CLAIMS]) -> uint256:
    """
    @notice `claim` for up to 32 leaves. Leaves paid already are skipped, so that nobody can
            spoil a batch by claiming one of its leaves first; a bad proof reverts all.
    @return How many leaves were paid.
    """
    paid: uint256 = 0
    for item: Claim in claims:
        if self._claim(item.token, item.account, item.cumulative, item.proof) != 0:
            paid += 1
    assert paid != 0, "nothing to claim"
    return paid


# ---------------------------------------------------------------- administration


@external
def grantRoles(account: address, granted: Role):
    self._requireOwner()
    assert account != empty(address), "zero address"
    self._setRoles(account, self.roles[account] | granted)


@external
def revokeRoles(account: address, revoked: Role):
    self._requireOwner()
    self._setRoles(account, self.roles[account] & ~revoked)


@external
def pause():
    """
    @notice Stops deposits, bonds and new roots. Claims, unbonding and withdrawals go on.
    """
    self._requireRole(Role.PAUSER, "not pauser")
    self._requireRunning()
    self.paused = True
    log Paused(account=msg.sender)


@external
def unpause():
    self._requireOwner()
    assert self.paused, "not paused"
    self.paused = False
    log Unpaused(account=msg.sender)


@external
def offerOwnership(candidate: address):
    """
    @notice First step of a hand-over; the zero address withdraws the offer.
    """
    self._requireOwner()
    self.candidateOwner = candidate
    log OwnershipOffered(owner=msg.sender, candidate=candidate)


@external
def acceptOwnership():
    assert msg.sender == self.candidateOwner, "not candidate"
    log OwnershipTransferred(previousOwner=self.owner, newOwner=msg.sender)
    self.owner = msg.sender
    self.candidateOwner = empty(address)


# ---------------------------------------------------------------- views


@external
@view
def unbondingEntries(provider: address) -> DynArray[Unbonding, MAX_UNBONDINGS]:
    """
    @notice The provider's waiting entries, oldest first.
    """
    return self.unbondings[provider]


@external
@view
def slashable(provider: address) -> uint256:
    """
    @notice Everything of the provider that a slash can reach: bond and unbonding entries.
    """
    total: uint256 = self.bonded[provider]
    for entry: Unbonding in self.unbondings[provider]:
        total += entry.amount
    return total


@external
@view
def withdrawable(provider: address) -> uint256:
    """
    @notice What `withdrawBond` would pay the provider now.
    """
    total: uint256 = 0
    for entry: Unbonding in self.unbondings[provider]:
        if entry.unlocksAt <= block.timestamp:
            total += entry.amount
    return total


@external
@view
def uncommitted(token: address) -> uint256:
    """
    @notice What the next root may newly promise: the balance without bonds and open claims.
    """
    self._requireToken(token)
    held: uint256 = staticcall IERC20(token).balanceOf(self)
    reserved: uint256 = self.committedTotal[token] - self.claimedTotal[token]
    if token == USDC:
        reserved += self.bondTotal
    return held - reserved


@external
@view
def leafOf(token: address, account: address, cumulative: uint256) -> bytes32:
    return self._leaf(token, account, cumulative)


@external
@view
def isProven(
    token: address, account: address, cumulative: uint256, proof: DynArray[bytes32, MAX_PROOF]
) -> bool:
    """
    @notice Whether the current root contains this leaf, paid or not.
    """
    return self._fold(self._leaf(token, account, cumulative), proof) == self.root


# ---------------------------------------------------------------- internal


@internal
@view
def _requireRunning():
    assert not self.paused, "paused"


@internal
@view
def _requireOwner():
    assert msg.sender == self.owner, "not owner"


@internal
@view
def _requireRole(role: Role, reason: String[16]):
    assert role in self.roles[msg.sender], reason


@internal
@view
def _requireToken(token: address):
    assert token == USDC or token == TLY, "unknown token"


@internal
def _setRoles(account: address, roles: Role):
    self.roles[account] = roles
    log RolesChanged(account=account, roles=roles)


@internal
def _pull(sender: address, amount: uint256):
    assert extcall IERC20(USDC).transferFrom(
        sender, self, amount, default_return_value=True
    ), "transfer failed"


@internal
def _pay(token: address, receiver: address, amount: uint256):
    assert extcall IERC20(token).transfer(
        receiver, amount, default_return_value=True
    ), "transfer failed"


@internal
def _takeUnbonding(provider: address, wanted: uint256) -> uint256:
    taken: uint256 = 0
    kept: DynArray[Unbonding, MAX_UNBONDINGS] = []
    for entry: Unbonding in self.unbondings[provider]:
        part: uint256 = min(entry.amount, wanted - taken)
        taken += part
        if part < entry.amount:
            kept.append(Unbonding(amount=entry.amount - part, unlocksAt=entry.unlocksAt))
    self.unbondings[provider] = kept
    return taken


@internal
def _commitTotal(token: address, total: uint256, reserved: uint256):
    assert total >= self.committedTotal[token], "total shrinks"
    held: uint256 = staticcall IERC20(token).balanceOf(self)
    assert total - self.claimedTotal[token] + reserved <= held, "underfunded"
    self.committedTotal[token] = total


@internal
def _claim(
    token: address, account: address, cumulative: uint256, proof: DynArray[bytes32, MAX_PROOF]
) -> uint256:
    self._requireToken(token)
    assert self._fold(self._leaf(token, account, cumulative), proof) == self.root, "bad proof"
    before: uint256 = self.claimed[token][account]
    if cumulative <= before:
        return 0
    amount: uint256 = unsafe_sub(cumulative, before)
    total: uint256 = self.claimedTotal[token] + amount
    assert total <= self.committedTotal[token], "over total"
    self.claimed[token][account] = cumulative
    self.claimedTotal[token] = total
    log Claimed(token=token, account=account, amount=amount, cumulative=cumulative)
    self._pay(token, account, amount)
    return amount


@internal
@view
def _leaf(token: address, account: address, cumulative: uint256) -> bytes32:
    # Hashed twice, so that no inner node (64 bytes) can pose as a leaf.
    return keccak256(
        keccak256(abi_encode(CLAIM_DOMAIN, chain.id, self, token, account, cumulative))
    )


@internal
@pure
def _fold(leaf: bytes32, proof: DynArray[bytes32, MAX_PROOF]) -> bytes32:
    node: bytes32 = leaf
    for sibling: bytes32 in proof:
        if convert(node, uint256) < convert(sibling, uint256):
            node = keccak256(concat(node, sibling))
        else:
            node = keccak256(concat(sibling, node))
    return node
