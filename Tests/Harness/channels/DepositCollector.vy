# pragma version 0.4.3
"""
@title DepositCollector
@license Apache-2.0
@notice A counterpart of x402's `ERC3009DepositCollector` for tests, from its published interface
        (x402-foundation/x402, contracts/evm/src/periphery/ERC3009DepositCollector.sol at 5dc34292):
        the same data, nonce and caller. It hands the token the signature in three parts, as
        `Token.vy` has only that form of EIP-3009.
"""

interface Token:
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
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable

SETTLEMENT: immutable(address)


@deploy
def __init__(settlement: address):
    SETTLEMENT = settlement


@external
def collect(
    payer: address, token: address, amount: uint256, channelId: bytes32, data: Bytes[1024]
):
    if msg.sender != SETTLEMENT:
        raw_revert(method_id("OnlyBatchSettlement()"))
    validAfter: uint256 = 0
    validBefore: uint256 = 0
    salt: uint256 = 0
    signature: Bytes[128] = b""
    validAfter, validBefore, salt, signature = abi_decode(
        data, (uint256, uint256, uint256, Bytes[128])
    )
    extcall Token(token).receiveWithAuthorization(
        payer,
        self,
        amount,
        validAfter,
        validBefore,
        keccak256(abi_encode(channelId, salt)),
        convert(slice(signature, 64, 1), uint8),
        extract32(signature, 0),
        extract32(signature, 32),
    )
    assert extcall Token(token).transfer(SETTLEMENT, amount)
