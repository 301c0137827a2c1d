# pragma version 0.4.3
"""
@title BatchSettlement
@license Apache-2.0
@notice A counterpart of x402's `x402BatchSettlement` for tests, since no Solidity compiler is to be
        had for them: written from its published interface and behaviour (x402-foundation/x402,
        contracts/evm/src/x402BatchSettlement.sol at 3d73f63f), with its functions, events, error
        selectors, digests and rules. It is not that contract and must never hold money.
@dev    It lacks multicall and contracts that sign (ERC-1271), and takes at most 128 rows a claim.
"""

struct ChannelConfig:
    payer: address
    payerAuthorizer: address
    receiver: address
    receiverAuthorizer: address
    token: address
    withdrawDelay: uint40
    salt: bytes32

struct ChannelState:
    balance: uint128
    totalClaimed: uint128

struct WithdrawalState:
    amount: uint128
    initiatedAt: uint40

struct ReceiverState:
    totalClaimed: uint128
    totalSettled: uint128

struct Voucher:
    channel: ChannelConfig
    maxClaimableAmount: uint128

struct VoucherClaim:
    voucher: Voucher
    signature: Bytes[128]
    totalClaimed: uint128

interface ERC20:
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable
    def balanceOf(owner: address) -> uint256: view

interface DepositCollector:
    def collect(
        payer: address, token: address, amount: uint256, channelId: bytes32, data: Bytes[1024]
    ): nonpayable

event ChannelCreated:
    channelId: indexed(bytes32)
    config: ChannelConfig

event ChannelClosed:
    channelId: indexed(bytes32)
    config: ChannelConfig

event Deposited:
    channelId: indexed(bytes32)
    sender: indexed(address)
    amount: uint128
    newBalance: uint128

event Claimed:
    channelId: indexed(bytes32)
    sender: indexed(address)
    claimAmount: uint128
    newTotalClaimed: uint128

event Settled:
    receiver: indexed(address)
    token: indexed(address)
    sender: indexed(address)
    amount: uint128

event Refunded:
    channelId: indexed(bytes32)
    sender: indexed(address)
    amount: uint128

event WithdrawInitiated:
    channelId: indexed(bytes32)
    amount: uint128
    finalizeAfter: uint40

event WithdrawFinalized:
    channelId: indexed(bytes32)
    sender: indexed(address)
    amount: uint128

MIN_WITHDRAW_DELAY: public(constant(uint40)) = 900
MAX_WITHDRAW_DELAY: public(constant(uint40)) = 30 * 86400
DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
CHANNEL_CONFIG_TYPEHASH: public(constant(bytes32)) = keccak256(
    "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,address token,uint40 withdrawDelay,bytes32 salt)"
)
VOUCHER_TYPEHASH: public(constant(bytes32)) = keccak256(
    "Voucher(bytes32 channelId,uint128 maxClaimableAmount)"
)
REFUND_TYPEHASH: public(constant(bytes32)) = keccak256(
    "Refund(bytes32 channelId,uint256 nonce,uint128 amount)"
)
CLAIM_ENTRY_TYPEHASH: public(constant(bytes32)) = keccak256(
    "ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)"
)
CLAIM_BATCH_TYPEHASH: public(constant(bytes32)) = keccak256(
    "ClaimBatch(ClaimEntry[] claims)ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)"
)
HALF_ORDER: constant(uint256) = (
    57896044618658097711785492504343953926418782139537452191302581570759080747168
)
MAX_ROWS: constant(uint256) = 128

DOMAIN: immutable(bytes32)

channels: public(HashMap[bytes32, ChannelState])
refundNonce: public(HashMap[bytes32, uint256])
pendingWithdrawals: public(HashMap[bytes32, WithdrawalState])
receivers: public(HashMap[address, HashMap[address, ReceiverState]])


@deploy
def __init__():
    DOMAIN = keccak256(
        abi_encode(
            DOMAIN_TYPE, keccak256("x402 Batch Settlement"), keccak256("1"), chain.id, self
        )
    )


@external
@nonreentrant
def deposit(
    config: ChannelConfig, amount: uint128, collector: address, collectorData: Bytes[1024]
):
    if (
        config.payer == empty(address)
        or config.receiver == empty(address)
        or config.receiverAuthorizer == empty(address)
        or config.token == empty(address)
    ):
        raw_revert(method_id("InvalidChannel()"))
    if config.withdrawDelay < MIN_WITHDRAW_DELAY or config.withdrawDelay > MAX_WITHDRAW_DELAY:
        raw_revert(method_id("WithdrawDelayOutOfRange()"))
    if amount == 0:
        raw_revert(method_id("ZeroDeposit()"))
    if collector == empty(address):
        raw_revert(method_id("InvalidCollector()"))
    channelId: bytes32 = self._channelId(config)
    balance: uint128 = self.channels[channelId].balance
    if amount > max_value(uint128) - balance:
        raw_revert(method_id("DepositOverflow()"))
    self.channels[channelId].balance = balance + amount
    before: uint256 = staticcall ERC20(config.token).balanceOf(self)
    extcall DepositCollector(collector).collect(
        config.payer, config.token, convert(amount, uint256), channelId, collectorData
    )
    after: uint256 = staticcall ERC20(config.token).balanceOf(self)
    if after != before + convert(amount, uint256):
        raw_revert(method_id("DepositCollectionFailed()"))
    if balance == 0 and self.channels[channelId].totalClaimed == 0:
        log ChannelCreated(channelId=channelId, config=config)
    log Deposited(
        channelId=channelId, sender=msg.sender, amount=amount, newBalance=balance + amount
    )


@external
@nonreentrant
def claim(voucherClaims: DynArray[VoucherClaim, MAX_ROWS]):
    if len(voucherClaims) == 0:
        raw_revert(method_id("EmptyBatch()"))
    for row: VoucherClaim in voucherClaims:
        if not self._isReceiverSide(row.voucher.channel):
            raw_revert(method_id("NotAuthorizedToClaim()"))
        self._claimRow(row)


@external
@nonreentrant
def claimWithSignature(
    voucherClaims: DynArray[VoucherClaim, MAX_ROWS], authorizerSignature: Bytes[128]
):
    if len(voucherClaims) == 0:
        raw_revert(method_id("EmptyBatch()"))
    authorizer: address = voucherClaims[0].voucher.channel.receiverAuthorizer
    if self._signer(self._batchDigest(voucherClaims), authorizerSignature) != authorizer:
        raw_revert(method_id("InvalidSignature()"))
    for row: VoucherClaim in voucherClaims:
        if row.voucher.channel.receiverAuthorizer != authorizer:
            raw_revert(method_id("NotReceiverAuthorizer()"))
        self._claimRow(row)


@external
@nonreentrant
def settle(receiver: address, token: address):
    state: ReceiverState = self.receivers[receiver][token]
    amount: uint128 = state.totalClaimed - state.totalSettled
    if amount == 0:
        return
    self.receivers[receiver][token].totalSettled = state.totalClaimed
    assert extcall ERC20(token).transfer(receiver, convert(amount, uint256))
    log Settled(receiver=receiver, token=token, sender=msg.sender, amount=amount)


@external
@nonreentrant
def initiateWithdraw(config: ChannelConfig, amount: uint128):
    if msg.sender != config.payer and msg.sender != config.payerAuthorizer:
        raw_revert(method_id("InvalidChannel()"))
    if amount == 0:
        raw_revert(method_id("NothingToWithdraw()"))
    channelId: bytes32 = self._channelId(config)
    if self.pendingWithdrawals[channelId].initiatedAt != 0:
        raw_revert(method_id("WithdrawalAlreadyPending()"))
    if amount > self._available(channelId):
        raw_revert(method_id("WithdrawAmountExceedsAvailable()"))
    now: uint40 = convert(block.timestamp, uint40)
    self.pendingWithdrawals[channelId] = WithdrawalState(amount=amount, initiatedAt=now)
    log WithdrawInitiated(
        channelId=channelId, amount=amount, finalizeAfter=now + config.withdrawDelay
    )


@external
@nonreentrant
def finalizeWithdraw(config: ChannelConfig):
    if msg.sender != config.payer and msg.sender != config.payerAuthorizer:
        raw_revert(method_id("NotAuthorizedToFinalizeWithdraw()"))
    channelId: bytes32 = self._channelId(config)
    pending: WithdrawalState = self.pendingWithdrawals[channelId]
    if pending.initiatedAt == 0:
        raw_revert(method_id("WithdrawalNotPending()"))
    if block.timestamp < convert(pending.initiatedAt, uint256) + convert(
        config.withdrawDelay, uint256
    ):
        raw_revert(method_id("WithdrawDelayNotElapsed()"))
    amount: uint128 = min(pending.amount, self._available(channelId))
    self.pendingWithdrawals[channelId] = empty(WithdrawalState)
    self.channels[channelId].balance -= amount
    log WithdrawFinalized(channelId=channelId, sender=msg.sender, amount=amount)
    self._noteEnd(channelId, config)
    if amount > 0:
        assert extcall ERC20(config.token).transfer(config.payer, convert(amount, uint256))


@external
@nonreentrant
def refund(config: ChannelConfig, amount: uint128):
    if not self._isReceiverSide(config):
        raw_revert(method_id("NotAuthorizedToRefund()"))
    self._refund(config, amount)


@external
@nonreentrant
def refundWithSignature(
    config: ChannelConfig, amount: uint128, nonce: uint256, receiverAuthorizerSignature: Bytes[128]
):
    channelId: bytes32 = self._channelId(config)
    if nonce != self.refundNonce[channelId]:
        raw_revert(method_id("InvalidRefundNonce()"))
    digest: bytes32 = self._refundDigest(channelId, nonce, amount)
    if self._signer(digest, receiverAuthorizerSignature) != config.receiverAuthorizer:
        raw_revert(method_id("InvalidSignature()"))
    self._refund(config, amount)


@external
@view
def getChannelId(config: ChannelConfig) -> bytes32:
    return self._channelId(config)


@external
@view
def getVoucherDigest(channelId: bytes32, maxClaimableAmount: uint128) -> bytes32:
    return self._voucherDigest(channelId, maxClaimableAmount)


@external
@view
def getRefundDigest(channelId: bytes32, nonce: uint256, amount: uint128) -> bytes32:
    return self._refundDigest(channelId, nonce, amount)


@external
@view
def getClaimBatchDigest(voucherClaims: DynArray[VoucherClaim, MAX_ROWS]) -> bytes32:
    return self._batchDigest(voucherClaims)


@internal
@view
def _typed(structHash: bytes32) -> bytes32:
    return keccak256(concat(b"\x19\x01", DOMAIN, structHash))


@internal
@view
def _channelId(config: ChannelConfig) -> bytes32:
    return self._typed(keccak256(abi_encode(CHANNEL_CONFIG_TYPEHASH, config)))


@internal
@view
def _voucherDigest(channelId: bytes32, amount: uint128) -> bytes32:
    return self._typed(keccak256(abi_encode(VOUCHER_TYPEHASH, channelId, amount)))


@internal
@view
def _refundDigest(channelId: bytes32, nonce: uint256, amount: uint128) -> bytes32:
    return self._typed(keccak256(abi_encode(REFUND_TYPEHASH, channelId, nonce, amount)))


@internal
@view
def _batchDigest(rows: DynArray[VoucherClaim, MAX_ROWS]) -> bytes32:
    entries: DynArray[bytes32, MAX_ROWS] = []
    for row: VoucherClaim in rows:
        entries.append(
            keccak256(
                abi_encode(
                    CLAIM_ENTRY_TYPEHASH,
                    self._channelId(row.voucher.channel),
                    row.voucher.maxClaimableAmount,
                    row.totalClaimed,
                )
            )
        )
    # Behind the offset and the count: the hashes side by side.
    packed: bytes32 = keccak256(slice(abi_encode(entries), 64, 32 * len(entries)))
    return self._typed(keccak256(abi_encode(CLAIM_BATCH_TYPEHASH, packed)))


@internal
@view
def _signer(digest: bytes32, signature: Bytes[128]) -> address:
    # As OpenZeppelin's ECDSA: 65 bytes, a low s, and whatever v the precompile takes.
    if len(signature) != 65:
        return empty(address)
    s: uint256 = convert(extract32(signature, 32), uint256)
    if s > HALF_ORDER:
        return empty(address)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    return ecrecover(digest, v, convert(extract32(signature, 0), uint256), s)


@internal
@view
def _isReceiverSide(config: ChannelConfig) -> bool:
    return msg.sender == config.receiverAuthorizer or msg.sender == config.receiver


@internal
@view
def _available(channelId: bytes32) -> uint128:
    return self.channels[channelId].balance - self.channels[channelId].totalClaimed


@internal
def _claimRow(row: VoucherClaim):
    config: ChannelConfig = row.voucher.channel
    channelId: bytes32 = self._channelId(config)
    state: ChannelState = self.channels[channelId]
    if row.totalClaimed <= state.totalClaimed:
        return
    if row.totalClaimed > row.voucher.maxClaimableAmount:
        raw_revert(method_id("ClaimExceedsCeiling()"))
    if row.totalClaimed > state.balance:
        raw_revert(method_id("ClaimExceedsBalance()"))
    digest: bytes32 = self._voucherDigest(channelId, row.voucher.maxClaimableAmount)
    wanted: address = config.payerAuthorizer
    if wanted == empty(address):
        wanted = config.payer
    if self._signer(digest, row.signature) != wanted:
        raw_revert(method_id("InvalidSignature()"))
    delta: uint128 = row.totalClaimed - state.totalClaimed
    self.channels[channelId].totalClaimed = row.totalClaimed
    self.receivers[config.receiver][config.token].totalClaimed += delta
    log Claimed(
        channelId=channelId,
        sender=msg.sender,
        claimAmount=delta,
        newTotalClaimed=row.totalClaimed,
    )


@internal
def _refund(config: ChannelConfig, amount: uint128):
    if amount == 0:
        raw_revert(method_id("ZeroRefund()"))
    channelId: bytes32 = self._channelId(config)
    self.refundNonce[channelId] += 1
    refunded: uint128 = min(amount, self._available(channelId))
    if refunded == 0:
        return
    self.channels[channelId].balance -= refunded
    pending: WithdrawalState = self.pendingWithdrawals[channelId]
    if pending.initiatedAt != 0:
        if refunded >= pending.amount:
            self.pendingWithdrawals[channelId] = empty(WithdrawalState)
        else:
            self.pendingWithdrawals[channelId].amount = pending.amount - refunded
    log Refunded(channelId=channelId, sender=msg.sender, amount=refunded)
    self._noteEnd(channelId, config)
    assert extcall ERC20(config.token).transfer(config.payer, convert(refunded, uint256))


@internal
def _noteEnd(channelId: bytes32, config: ChannelConfig):
    state: ChannelState = self.channels[channelId]
    if state.balance == 0 and state.totalClaimed == 0:
        log ChannelClosed(channelId=channelId, config=config)
