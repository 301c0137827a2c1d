# pragma version 0.4.3
"""
@title Exchequer
@license Apache-2.0
@notice The house's money on chain: buyers deposit, providers bond, a settler commits one
        cumulative Merkle root per batch, and everybody is paid by proof against it.
@dev    Money lies at two addresses. The vault holds deposits, bonds, slashed bonds and the
        incentive reserve. This contract holds what active roots promise and nobody has claimed:
            balance(this) >= active total - everything claimed
            balance(vault) >= bonds
        A root's money moves here when it becomes active, so no claim, however forged the root,
        can reach a bond or a deposit. Nobody, the owner included, can take money out except by a
        claim or by leaving a bond.
"""
from ethereum.ercs import IERC20

import Claims as proofs
import Events as events
import Head as packed
import Pause as pausing
import Roles as access

initializes: access

exports: (
    proofs.CLAIM_DOMAIN, access.owner, access.candidateOwner, access.candidateFrom, access.roles,
    access.roleChanges, access.ROLE_DELAY, access.grantRoles, access.revokeRoles, access.enactRoles,
    access.cancelRoles, access.offerOwnership, access.acceptOwnership, pausing.pausedUntil,
)

interface IReceiver:
    def receiveWithAuthorization(
        authorizer: address, receiver: address, amount: uint256, validAfter: uint256,
        validBefore: uint256, nonce: bytes32, v: uint8, r: bytes32, s: bytes32
    ): nonpayable

interface IVault:
    def pay(token: address, receiver: address, amount: uint256): nonpayable

struct Unbonding:
    amount: uint256
    unlocksAt: uint256

struct Slash:
    provider: address
    amount: uint256
    burned: uint256
    executableFrom: uint256
    isAppealed: bool

MAX_CLAIMS: constant(uint256) = 32
# A queue a provider can always work off by withdrawing.
MAX_UNBONDINGS: constant(uint256) = 16
MAX_PAYEES: constant(uint256) = 512
# Delays are fixed at deployment and bounded, so that no typing error locks money for good.
MAX_UNBONDING_DELAY: constant(uint256) = 90 * 86400
MAX_DELAY: constant(uint256) = 30 * 86400
MAX_ESCAPE_DELAY: constant(uint256) = 365 * 86400
# A slash that nobody executes so long after its window is void.
EXECUTION_WINDOW: constant(uint256) = 30 * 86400
BURN_ADDRESS: constant(address) = 0x000000000000000000000000000000000000dEaD

USDC: public(immutable(address))
TLY: public(immutable(address))
VAULT: public(immutable(address))
UNBONDING_DELAY: public(immutable(uint256))
ACTIVATION_DELAY: public(immutable(uint256))
VETO_WINDOW: public(immutable(uint256))
ESCAPE_DELAY: public(immutable(uint256))

# ---- settlement: only the active root pays, and it repeats every earlier claim
head: uint256
# Keccak-256 of the last committed root, journal head and liabilities root.
committed: bytes32
root: public(bytes32)
journalHead: public(bytes32)
liabilitiesRoot: public(bytes32)
# The two totals of the active root, as in the head.
activeTotals: uint256
claimed: public(HashMap[address, HashMap[address, uint256]])
dispersed: public(HashMap[address, HashMap[bytes32, bool]])

# ---- bonds, in USDC units
bonded: public(HashMap[address, uint256])
unbondings: HashMap[address, DynArray[Unbonding, MAX_UNBONDINGS]]
bondTotal: public(uint256)
verdictUsed: public(HashMap[bytes32, bool])
slashes: public(HashMap[bytes32, Slash])
# What requested slashes may still take of a provider.
frozen: public(HashMap[address, uint256])

lastHeartbeat: public(uint256)
initializes: pausing


@deploy
def __init__(
    usdc: address, tly: address, vaultBlueprint: address, unbondingDelay: uint256,
    activationDelay: uint256, vetoWindow: uint256, roleDelay: uint256, escapeDelay: uint256
):
    """
    @notice The deployer becomes owner and holds every role until it grants and revokes.
    @param vaultBlueprint Where Vault.vy lies as a blueprint.
    @param unbondingDelay Seconds between `requestUnbond` and `withdrawBond`, 90 days at most.
    @param activationDelay Seconds in which a committed root can be disputed, 30 days at most; with
           none a root is active at once.
    @param vetoWindow Seconds in which a slash can be appealed and vetoed, 30 days at most; with
           none it is executed at once.
    @param roleDelay Seconds until granted roles count, 30 days at most.
    @param escapeDelay Seconds without a sign of life of a settler until anyone may declare the
           house abandoned, a year at most.
    """
    assert usdc != empty(address) and tly != empty(address), "zero address"
    assert usdc != tly, "same token"
    assert unbondingDelay <= MAX_UNBONDING_DELAY, "delay too long"
    assert max(max(activationDelay, vetoWindow), roleDelay) <= MAX_DELAY, "delay too long"
    assert escapeDelay <= MAX_ESCAPE_DELAY, "delay too long"
    assert escapeDelay > max(activationDelay, roleDelay), "delay too short"
    USDC = usdc
    TLY = tly
    VAULT = create_from_blueprint(vaultBlueprint)
    UNBONDING_DELAY = unbondingDelay
    ACTIVATION_DELAY = activationDelay
    VETO_WINDOW = vetoWindow
    ESCAPE_DELAY = escapeDelay
    self.lastHeartbeat = block.timestamp
    access.__init__(roleDelay)


# ---------------------------------------------------------------- deposits


@external
@nonreentrant
def deposit(amount: uint256):
    """@notice Pays `amount` USDC into the house for the caller. Needs an allowance."""
    self._requireRunning(self.head)
    assert amount != 0, "zero amount"
    log events.Deposited(account=msg.sender, amount=amount)
    self._pull(msg.sender, amount)


@external
@nonreentrant
def depositWithAuthorization(
    account: address, amount: uint256, validAfter: uint256, validBefore: uint256, nonce: bytes32,
    v: uint8, r: bytes32, s: bytes32
):
    """
    @notice Pays in by one EIP-3009 ReceiveWithAuthorization signature of `account` with this
            contract as receiver. Anyone may submit it: the credit is always the signer's.
    """
    self._requireRunning(self.head)
    assert amount != 0, "zero amount"
    log events.Deposited(account=account, amount=amount)
    extcall IReceiver(USDC).receiveWithAuthorization(
        account, self, amount, validAfter, validBefore, nonce, v, r, s
    )
    self._send(USDC, VAULT, amount)


@external
@nonreentrant
def depositWithPermit(amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32):
    """
    @notice `deposit` with an allowance given by an EIP-2612 signature of the caller. Whoever saw
            the signature may use it up first: then the allowance is there already, so a permit
            that is refused does not stop the deposit.
    """
    self._requireRunning(self.head)
    assert amount != 0, "zero amount"
    permitted: bool = raw_call(
        USDC,
        abi_encode(
            msg.sender, self, amount, deadline, v, r, s,
            method_id=method_id(
                "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)"
            ),
        ),
        revert_on_failure=False,
    )
    log events.Deposited(account=msg.sender, amount=amount)
    self._pull(msg.sender, amount)


# ---------------------------------------------------------------- bonds


@external
@nonreentrant
def bond(amount: uint256):
    """@notice Adds `amount` USDC to the caller's bond. Needs an allowance."""
    self._requireRunning(self.head)
    assert amount != 0, "zero amount"
    self.bonded[msg.sender] += amount
    self.bondTotal += amount
    log events.Bonded(provider=msg.sender, amount=amount)
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
    log events.UnbondRequested(provider=msg.sender, amount=amount, unlocksAt=unlocksAt)


@external
@nonreentrant
def withdrawBond() -> uint256:
    """
    @notice Pays out every entry of the caller whose delay is over, but for what requested slashes
            may still take. Works while paused.
    @return The amount paid.
    """
    free: uint256 = self._free(msg.sender)
    matured: uint256 = 0
    waiting: DynArray[Unbonding, MAX_UNBONDINGS] = []
    for entry: Unbonding in self.unbondings[msg.sender]:
        part: uint256 = 0
        if entry.unlocksAt <= block.timestamp:
            part = min(entry.amount, free - matured)
            matured += part
        if part < entry.amount:
            waiting.append(Unbonding(amount=entry.amount - part, unlocksAt=entry.unlocksAt))
    assert matured != 0, "nothing matured"
    self.unbondings[msg.sender] = waiting
    self.bondTotal -= matured
    log events.BondWithdrawn(provider=msg.sender, amount=matured)
    self._payFromVault(USDC, msg.sender, matured)
    return matured


@external
@nonreentrant
def slash(provider: address, amount: uint256, burned: uint256, verdictHash: bytes32) -> uint256:
    """
    @notice Takes `amount` from a provider: first from its bond, then from its unbonding
            entries, oldest first. `burned` of it is destroyed, the rest joins the pool that
            pays claims. With a veto window this only requests it, and freezes the amount.
            Works while paused, or a pause would let a cheat run out the delay.
    @dev    If less is there, all of it is taken and the burn shrinks in proportion, rounded up.
    @param verdictHash The verdict that ordered it; each counts once.
    @return The amount taken; 0 for a request.
    """
    access._requireRole(access.Role.SLASHER, "not slasher")
    assert self.head & packed.ABANDONED == 0, "abandoned"
    assert amount != 0, "zero amount"
    assert burned <= amount, "burn exceeds slash"
    assert verdictHash != empty(bytes32), "empty verdict"
    assert not self.verdictUsed[verdictHash], "verdict used"
    self.verdictUsed[verdictHash] = True
    if VETO_WINDOW == 0:
        return self._slash(provider, amount, burned, verdictHash)
    assert self._slashable(provider) != 0, "no bond"
    executableFrom: uint256 = block.timestamp + VETO_WINDOW
    self.slashes[verdictHash] = Slash(
        provider=provider, amount=amount, burned=burned, executableFrom=executableFrom,
        isAppealed=False
    )
    self.frozen[provider] += amount
    log events.SlashRequested(
        provider=provider, verdictHash=verdictHash, amount=amount, burned=burned,
        executableFrom=executableFrom
    )
    return 0


@external
def appealSlash(verdictHash: bytes32, statement: bytes32):
    """
    @notice The provider objects to a requested slash, which gives the arbiters another window.
            Once per slash.
    @param statement The hash of what the provider says, or anything else.
    """
    request: Slash = self.slashes[verdictHash]
    assert request.provider == msg.sender, "not accused"
    assert not request.isAppealed, "appealed"
    assert block.timestamp < request.executableFrom, "too late"
    executableFrom: uint256 = request.executableFrom + VETO_WINDOW
    self.slashes[verdictHash].executableFrom = executableFrom
    self.slashes[verdictHash].isAppealed = True
    log events.SlashAppealed(
        provider=msg.sender, verdictHash=verdictHash, statement=statement,
        executableFrom=executableFrom
    )


@external
def vetoSlash(verdictHash: bytes32):
    """@notice An arbiter sets a requested slash aside for good, before its window is over."""
    access._requireRole(access.Role.ARBITER, "not arbiter")
    request: Slash = self._closed(verdictHash)
    assert block.timestamp < request.executableFrom, "too late"
    log events.SlashVetoed(verdictHash=verdictHash, arbiter=msg.sender)


@external
@nonreentrant
def executeSlash(verdictHash: bytes32) -> uint256:
    """
    @notice Carries out a requested slash whose window is over. Anyone may call.
    @return The amount taken.
    """
    assert self.head & packed.ABANDONED == 0, "abandoned"
    request: Slash = self._closed(verdictHash)
    assert block.timestamp >= request.executableFrom, "too early"
    assert block.timestamp < request.executableFrom + EXECUTION_WINDOW, "too late"
    return self._slash(request.provider, request.amount, request.burned, verdictHash)


@external
def lapseSlash(verdictHash: bytes32):
    """
    @notice Frees what a requested slash froze, if nobody executed it in time. Anyone may call.
    """
    request: Slash = self._closed(verdictHash)
    if self.head & packed.ABANDONED == 0:
        assert block.timestamp >= request.executableFrom + EXECUTION_WINDOW, "too early"
    log events.SlashLapsed(verdictHash=verdictHash)


# ---------------------------------------------------------------- settlement


@external
@nonreentrant
def commitRoot(
    batch: uint256, root: bytes32, totalUsdc: uint256, totalTly: uint256, journalHead: bytes32,
    liabilitiesRoot: bytes32
):
    """
    @notice Commits the Merkle root of cumulative claims. It pays once it is active: at once, or
            after the delay by `activateRoot`, unless a guardian disputes it.
    @param batch The last batch plus one.
    @param totalUsdc The sum of all USDC leaves: what was ever owed, claimed or not.
    @param totalTly The same for TLY.
    @param journalHead The head hash of the house's journal at the batch.
    @param liabilitiesRoot The root of the Merkle sum tree of everything the house owes.
    """
    before: uint256 = self.head
    self._requireRunning(before)
    access._requireRole(access.Role.SETTLER, "not settler")
    assert batch == packed._batch(before) + 1 and batch < 1 << packed.BATCH_BITS, "batch order"
    assert root != empty(bytes32), "empty root"
    assert totalUsdc <= packed.TOTAL_MASK and totalTly <= packed.TOTAL_MASK, "total too large"
    totals: uint256 = before
    if before & packed.WAITING != 0:
        # A root that is due and that nobody made active gives way: this one repeats its claims.
        assert block.timestamp >= packed._time(before), "root waiting"
        totals = self.activeTotals
    assert totalUsdc >= packed._usdc(totals), "total shrinks"
    assert totalTly >= totals & packed.TOTAL_MASK, "total shrinks"
    activeFrom: uint256 = block.timestamp + ACTIVATION_DELAY
    head: uint256 = (
        (batch << packed.BATCH_AT) | (activeFrom << packed.TIME_AT)
        | (totalUsdc << packed.TOTAL_BITS) | totalTly
    )
    log events.RootCommitted(
        batch=batch, root=root, journalHead=journalHead, totalUsdc=totalUsdc, totalTly=totalTly,
        liabilitiesRoot=liabilitiesRoot, timestamp=block.timestamp
    )
    if ACTIVATION_DELAY == 0:
        self._activate(head, root, journalHead, liabilitiesRoot)
    else:
        self.head = head | packed.WAITING
        self.committed = keccak256(concat(root, journalHead, liabilitiesRoot))


@external
@nonreentrant
def activateRoot(root: bytes32, journalHead: bytes32, liabilitiesRoot: bytes32):
    """
    @notice Makes the committed root the one that pays, once its delay is over, and moves its money
            here. Anyone may call, with what `RootCommitted` told. Works while paused.
    """
    head: uint256 = self.head
    assert head & packed.WAITING != 0, "no root waiting"
    assert block.timestamp >= packed._time(head), "too early"
    assert self.committed == keccak256(
        concat(root, journalHead, liabilitiesRoot)
    ), "another root"
    self._activate(head ^ packed.WAITING, root, journalHead, liabilitiesRoot)


@external
def disputeRoot(batch: uint256, reason: bytes32):
    """@notice A guardian drops a committed root before it is active. Its number is used up."""
    access._requireRole(access.Role.GUARDIAN, "not guardian")
    head: uint256 = self.head
    assert head & packed.WAITING != 0 and packed._batch(head) == batch, "no root waiting"
    assert block.timestamp < packed._time(head), "too late"
    self.head = ((head ^ packed.WAITING) & ~packed.TOTALS_MASK) | self.activeTotals
    log events.RootDisputed(batch=batch, guardian=msg.sender, reason=reason)


@external
@nonreentrant
def claim(
    token: address, account: address, cumulative: uint256,
    proof: DynArray[bytes32, proofs.MAX_PROOF]
) -> uint256:
    """
    @notice Pays `account` what the active root owes it and it has not had yet. Anyone may
            call; the money only ever goes to `account`. Works while paused.
    @return The amount paid.
    """
    # `_leaf`, `_fold` and `_claim` written out: the calls would cost 300 gas.
    node: bytes32 = keccak256(
        keccak256(abi_encode(proofs.CLAIM_DOMAIN, chain.id, self, token, account, cumulative))
    )
    for sibling: bytes32 in proof:
        if convert(node, uint256) < convert(sibling, uint256):
            node = keccak256(abi_encode(node, sibling))
        else:
            node = keccak256(abi_encode(sibling, node))
    assert token == USDC or token == TLY, "unknown token"
    assert node == self.root, "bad proof"
    before: uint256 = self.claimed[token][account]
    assert cumulative > before, "nothing to claim"
    amount: uint256 = unsafe_sub(cumulative, before)
    self.claimed[token][account] = cumulative
    log events.Claimed(token=token, account=account, amount=amount, cumulative=cumulative)
    assert extcall IERC20(token).transfer(
        account, amount, default_return_value=True
    ), "transfer failed"
    return amount


@external
@nonreentrant
def claimMany(claims: DynArray[proofs.Claim, MAX_CLAIMS]) -> uint256:
    """
    @notice `claim` for up to 32 leaves. Leaves paid already are skipped, so that nobody can
            spoil a batch by claiming one of its leaves first; a bad proof reverts all.
    @return How many leaves were paid.
    """
    paid: uint256 = 0
    for item: proofs.Claim in claims:
        node: bytes32 = proofs._fold(
            proofs._leaf(item.token, item.account, item.cumulative), item.proof
        )
        if self._claim(item.token, item.account, item.cumulative, node) != 0:
            paid += 1
    assert paid != 0, "nothing to claim"
    return paid


@external
@nonreentrant
def disperse(
    token: address, dispersal: bytes32, accounts: DynArray[address, MAX_PAYEES],
    amounts: DynArray[uint256, MAX_PAYEES]
):
    """
    @notice Pays up to 512 accounts from the caller's own tokens at once. Needs an allowance.
    @param dispersal A name that the caller uses once: a repeat is refused whole.
    """
    self._requireToken(token)
    count: uint256 = len(accounts)
    assert count != 0 and count == len(amounts), "bad lengths"
    assert not self.dispersed[msg.sender][dispersal], "dispersed"
    self.dispersed[msg.sender][dispersal] = True
    for index: uint256 in range(count, bound=MAX_PAYEES):
        assert extcall IERC20(token).transferFrom(
            msg.sender, accounts[index], amounts[index], default_return_value=True
        ), "transfer failed"
    log events.Dispersed(sender=msg.sender, dispersal=dispersal, token=token, count=count)


# ---------------------------------------------------------------- administration


@external
def pause():
    """@notice Stops deposits, bonds and new roots for a while. Every other exit stays open."""
    access._requireRole(access.Role.PAUSER, "not pauser")
    head: uint256 = self.head
    self._requireRunning(head)
    pausing._begin()
    self.head = head | packed.PAUSED
    log events.Paused(account=msg.sender)


@external
def unpause():
    access._requireOwner()
    head: uint256 = self.head
    assert pausing._lasts(head), "not paused"
    pausing._end()
    self.head = head ^ packed.PAUSED
    log events.Unpaused(account=msg.sender)


@external
def heartbeat():
    """@notice A settler's sign of life when there is no root to commit."""
    access._requireRole(access.Role.SETTLER, "not settler")
    self.lastHeartbeat = block.timestamp


@external
def declareAbandoned():
    """
    @notice Closes the house for good when no settler gave a sign of life for so long: no more
            deposits, bonds, roots and slashes. Everybody leaves by claims on the last root and by
            unbonding. Anyone may call.
    """
    head: uint256 = self.head
    assert head & packed.ABANDONED == 0, "abandoned"
    assert block.timestamp > self._lastSign(head) + ESCAPE_DELAY, "too early"
    self.head = head | packed.ABANDONED
    log events.Abandoned(account=msg.sender)


# ---------------------------------------------------------------- views


@external
@view
def batch() -> uint256:
    """@notice The number of the last committed root, active, waiting or disputed; 0 for none."""
    return packed._batch(self.head)


@external
@view
def paused() -> bool:
    return pausing._lasts(self.head)


@external
@view
def abandoned() -> bool:
    return self.head & packed.ABANDONED != 0


@external
@view
def rootWaiting() -> bool:
    """@notice Whether a committed root waits to be active."""
    return self.head & packed.WAITING != 0


@external
@view
def activeFrom() -> uint256:
    """@notice The time from which the last committed root could be active."""
    return packed._time(self.head)


@external
@view
def abandonableFrom() -> uint256:
    """@notice The last second in which nobody may declare the house abandoned."""
    return self._lastSign(self.head) + ESCAPE_DELAY


@external
@view
def committedTotal(token: address) -> uint256:
    """@notice The sum of the active root's leaves in a token."""
    return self._totalOf(token, self.activeTotals)


@external
@view
def claimedTotal(token: address) -> uint256:
    """@notice What was ever claimed in a token: what was committed and is not here any more."""
    total: uint256 = self._totalOf(token, self.activeTotals)
    held: uint256 = staticcall IERC20(token).balanceOf(self)
    return total - min(total, held)


@external
@view
def unbondingEntries(provider: address) -> DynArray[Unbonding, MAX_UNBONDINGS]:
    """@notice The provider's waiting entries, oldest first."""
    return self.unbondings[provider]


@external
@view
def slashable(provider: address) -> uint256:
    """@notice Everything of the provider that a slash can reach: bond and unbonding entries."""
    return self._slashable(provider)


@external
@view
def withdrawable(provider: address) -> uint256:
    """@notice What `withdrawBond` would pay the provider now."""
    total: uint256 = 0
    for entry: Unbonding in self.unbondings[provider]:
        if entry.unlocksAt <= block.timestamp:
            total += entry.amount
    return min(total, self._free(provider))


@external
@view
def uncommitted(token: address) -> uint256:
    """
    @notice What the next root may newly promise: what the vault holds without bonds and what a
            waiting root promises. 0 if the vault holds less.
    """
    head: uint256 = self.head
    held: uint256 = staticcall IERC20(token).balanceOf(VAULT)
    reserved: uint256 = self._totalOf(token, head) - self._totalOf(token, self.activeTotals)
    if token == USDC:
        reserved += self.bondTotal
    return held - min(held, reserved)


@external
@view
def leafOf(token: address, account: address, cumulative: uint256) -> bytes32:
    return proofs._leaf(token, account, cumulative)


@external
@view
def isProven(
    token: address, account: address, cumulative: uint256,
    proof: DynArray[bytes32, proofs.MAX_PROOF]
) -> bool:
    """@notice Whether the active root contains this leaf, paid or not."""
    return proofs._fold(proofs._leaf(token, account, cumulative), proof) == self.root


# ---------------------------------------------------------------- internal


@internal
@view
def _totalOf(token: address, totals: uint256) -> uint256:
    self._requireToken(token)
    return packed._usdc(totals) if token == USDC else totals & packed.TOTAL_MASK


@internal
@view
def _lastSign(head: uint256) -> uint256:
    committed: uint256 = packed._time(head)
    return max(self.lastHeartbeat, committed - min(committed, ACTIVATION_DELAY))


@internal
@view
def _requireRunning(head: uint256):
    assert head & packed.PAUSED == 0 or not pausing._lasts(head), "paused"
    assert head & packed.ABANDONED == 0, "abandoned"


@internal
@view
def _requireToken(token: address):
    assert token == USDC or token == TLY, "unknown token"


@internal
def _pull(sender: address, amount: uint256):
    assert extcall IERC20(USDC).transferFrom(
        sender, VAULT, amount, default_return_value=True
    ), "transfer failed"


@internal
def _payFromVault(token: address, receiver: address, amount: uint256):
    extcall IVault(VAULT).pay(token, receiver, amount)


@internal
def _send(token: address, receiver: address, amount: uint256):
    assert extcall IERC20(token).transfer(
        receiver, amount, default_return_value=True
    ), "transfer failed"


@internal
@view
def _slashable(provider: address) -> uint256:
    total: uint256 = self.bonded[provider]
    for entry: Unbonding in self.unbondings[provider]:
        total += entry.amount
    return total


@internal
@view
def _free(provider: address) -> uint256:
    """
    @dev What a provider may withdraw as far as requested slashes go.
    """
    frozen: uint256 = self.frozen[provider]
    if frozen == 0 or self.head & packed.ABANDONED != 0:
        return max_value(uint256)
    there: uint256 = self._slashable(provider)
    return there - min(there, frozen)


@internal
def _closed(verdictHash: bytes32) -> Slash:
    """
    @dev Takes a requested slash off the books and returns it.
    """
    request: Slash = self.slashes[verdictHash]
    assert request.provider != empty(address), "no slash waiting"
    self.frozen[request.provider] -= request.amount
    self.slashes[verdictHash] = empty(Slash)
    return request


@internal
def _slash(
    provider: address, amount: uint256, burned: uint256, verdictHash: bytes32
) -> uint256:
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
    log events.Slashed(
        provider=provider, verdictHash=verdictHash, amount=taken, burned=destroyed,
        fromUnbonding=fromUnbonding
    )
    if destroyed != 0:
        self._payFromVault(USDC, BURN_ADDRESS, destroyed)
    return taken


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
def _activate(head: uint256, root: bytes32, journalHead: bytes32, liabilitiesRoot: bytes32):
    self.head = head
    self.root = root
    self.journalHead = journalHead
    self.liabilitiesRoot = liabilitiesRoot
    before: uint256 = self.activeTotals
    self.activeTotals = head & packed.TOTALS_MASK
    log events.RootActivated(batch=packed._batch(head), root=root)
    self._release(USDC, packed._usdc(head) - packed._usdc(before), self.bondTotal)
    self._release(TLY, (head & packed.TOTAL_MASK) - (before & packed.TOTAL_MASK), 0)


@internal
def _release(token: address, amount: uint256, reserved: uint256):
    if amount == 0:
        return
    held: uint256 = staticcall IERC20(token).balanceOf(VAULT)
    assert amount + reserved <= held, "underfunded"
    self._payFromVault(token, self, amount)


@internal
def _claim(token: address, account: address, cumulative: uint256, node: bytes32) -> uint256:
    self._requireToken(token)
    assert node == self.root, "bad proof"
    before: uint256 = self.claimed[token][account]
    if cumulative <= before:
        return 0
    amount: uint256 = unsafe_sub(cumulative, before)
    self.claimed[token][account] = cumulative
    log events.Claimed(token=token, account=account, amount=amount, cumulative=cumulative)
    self._send(token, account, amount)
    return amount
