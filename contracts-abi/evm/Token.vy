# pragma version 0.4.3
"""
@title Token
@license Apache-2.0
@notice An ERC-20 token with EIP-3009 transfers by signature, for local chains and tests.
        It is deployed twice: as "USD Coin" (USDC, 6 decimals, version "2") and as "Tally"
        (TLY, 9 decimals). The revert texts are those of Circle's FiatToken, because clients
        recognise them.
@dev    Only the (v, r, s) form of EIP-3009 exists: Vyper has no overloading.
"""

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    amount: uint256

event Approval:
    owner: indexed(address)
    spender: indexed(address)
    amount: uint256

event AuthorizationUsed:
    authorizer: indexed(address)
    nonce: indexed(bytes32)

event AuthorizationCanceled:
    authorizer: indexed(address)
    nonce: indexed(bytes32)

DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
TRANSFER_TYPE: constant(bytes32) = keccak256(
    "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
)
RECEIVE_TYPE: constant(bytes32) = keccak256(
    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
)
CANCEL_TYPE: constant(bytes32) = keccak256(
    "CancelAuthorization(address authorizer,bytes32 nonce)"
)
# Half the order of secp256k1: signatures with a larger s are refused (malleable).
PERMIT_TYPE: constant(bytes32) = keccak256(
    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)
HALF_ORDER: constant(uint256) = (
    57896044618658097711785492504343953926418782139537452191302581570759080747168
)

name: public(immutable(String[32]))
symbol: public(immutable(String[16]))
version: public(immutable(String[8]))
decimals: public(immutable(uint8))
DOMAIN_SEPARATOR: public(immutable(bytes32))

totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
nonces: public(HashMap[address, uint256])
authorizationState: public(HashMap[address, HashMap[bytes32, bool]])


@deploy
def __init__(
    tokenName: String[32],
    tokenSymbol: String[16],
    tokenVersion: String[8],
    tokenDecimals: uint8,
    supply: uint256,
):
    """
    @notice Creates the whole supply in the deployer's account.
    @param supply Chain units, that is whole tokens times 10^decimals.
    """
    name = tokenName
    symbol = tokenSymbol
    version = tokenVersion
    decimals = tokenDecimals
    DOMAIN_SEPARATOR = keccak256(
        abi_encode(
            DOMAIN_TYPE, keccak256(tokenName), keccak256(tokenVersion), chain.id, self
        )
    )
    self.totalSupply = supply
    self.balanceOf[msg.sender] = supply
    log Transfer(sender=empty(address), receiver=msg.sender, amount=supply)


@external
def transfer(receiver: address, amount: uint256) -> bool:
    self._move(msg.sender, receiver, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    log Approval(owner=msg.sender, spender=spender, amount=amount)
    return True


@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    allowed: uint256 = self.allowance[sender][msg.sender]
    assert allowed >= amount, "ERC20: transfer amount exceeds allowance"
    if allowed != max_value(uint256):
        self.allowance[sender][msg.sender] = unsafe_sub(allowed, amount)
    self._move(sender, receiver, amount)
    return True


@external
def permit(
    owner: address,
    spender: address,
    amount: uint256,
    deadline: uint256,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    """
    @notice Sets an allowance by an EIP-2612 signature of `owner`.
    """
    assert block.timestamp <= deadline, "FiatTokenV2: permit is expired"
    nonce: uint256 = self.nonces[owner]
    self.nonces[owner] = nonce + 1
    self._requireSigner(
        owner,
        keccak256(abi_encode(PERMIT_TYPE, owner, spender, amount, nonce, deadline)),
        v,
        r,
        s,
    )
    self.allowance[owner][spender] = amount
    log Approval(owner=owner, spender=spender, amount=amount)


@external
def transferWithAuthorization(
    authorizer: address,
    receiver: address,
    amount: uint256,
    validAfter: uint256,
    validBefore: uint256,
    nonce: bytes32,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    """
    @notice Moves `amount` by the authorizer's EIP-712 signature; anyone may submit it.
    """
    self._useAuthorization(
        TRANSFER_TYPE, authorizer, receiver, amount, validAfter, validBefore, nonce, v, r, s
    )


@external
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
):
    """
    @notice As `transferWithAuthorization`, but only the receiver may submit it.
    """
    assert receiver == msg.sender, "FiatTokenV2: caller must be the payee"
    self._useAuthorization(
        RECEIVE_TYPE, authorizer, receiver, amount, validAfter, validBefore, nonce, v, r, s
    )


@external
def cancelAuthorization(
    authorizer: address, nonce: bytes32, v: uint8, r: bytes32, s: bytes32
):
    """
    @notice Makes an unused authorization worthless.
    """
    assert not self.authorizationState[authorizer][
        nonce
    ], "FiatTokenV2: authorization is used or canceled"
    self._requireSigner(
        authorizer, keccak256(abi_encode(CANCEL_TYPE, authorizer, nonce)), v, r, s
    )
    self.authorizationState[authorizer][nonce] = True
    log AuthorizationCanceled(authorizer=authorizer, nonce=nonce)


@internal
def _move(sender: address, receiver: address, amount: uint256):
    assert receiver != empty(address), "ERC20: transfer to the zero address"
    balance: uint256 = self.balanceOf[sender]
    assert balance >= amount, "ERC20: transfer amount exceeds balance"
    self.balanceOf[sender] = unsafe_sub(balance, amount)
    # No overflow: the sum of all balances is the fixed supply.
    self.balanceOf[receiver] = unsafe_add(self.balanceOf[receiver], amount)
    log Transfer(sender=sender, receiver=receiver, amount=amount)


@internal
def _useAuthorization(
    kind: bytes32,
    authorizer: address,
    receiver: address,
    amount: uint256,
    validAfter: uint256,
    validBefore: uint256,
    nonce: bytes32,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    assert block.timestamp > validAfter, "FiatTokenV2: authorization is not yet valid"
    assert block.timestamp < validBefore, "FiatTokenV2: authorization is expired"
    assert not self.authorizationState[authorizer][
        nonce
    ], "FiatTokenV2: authorization is used or canceled"
    self._requireSigner(
        authorizer,
        keccak256(
            abi_encode(kind, authorizer, receiver, amount, validAfter, validBefore, nonce)
        ),
        v,
        r,
        s,
    )
    self.authorizationState[authorizer][nonce] = True
    log AuthorizationUsed(authorizer=authorizer, nonce=nonce)
    self._move(authorizer, receiver, amount)


@internal
@view
def _requireSigner(signer: address, structHash: bytes32, v: uint8, r: bytes32, s: bytes32):
    assert convert(s, uint256) <= HALF_ORDER, "ECRecover: invalid signature 's' value"
    digest: bytes32 = keccak256(concat(b"\x19\x01", DOMAIN_SEPARATOR, structHash))
    recovered: address = ecrecover(digest, v, r, s)
    assert (
        recovered != empty(address) and recovered == signer
    ), "FiatTokenV2: invalid signature"
