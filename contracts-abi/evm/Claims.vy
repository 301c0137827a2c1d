# pragma version 0.4.3
"""
@title Claims
@license Apache-2.0
@notice Leaves and tree of the claims of Exchequer.vy.
"""

struct Claim:
    token: address
    account: address
    cumulative: uint256
    proof: DynArray[bytes32, MAX_PROOF]

# A tree of 2^32 claims.
MAX_PROOF: constant(uint256) = 32
CLAIM_DOMAIN: public(constant(bytes32)) = keccak256("exchequer.claim.v1")


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
            node = keccak256(abi_encode(node, sibling))
        else:
            node = keccak256(abi_encode(sibling, node))
    return node
