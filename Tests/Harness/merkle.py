"""The claim tree of Exchequer.vy, for its tests.

A leaf is keccak256(keccak256(abi.encode(keccak256("exchequer.claim.v1"), chain id, contract,
token, account, cumulative))). Leaves lie in ascending byte order of their hashes. A level pairs
neighbours: the parent is keccak256(smaller child ++ larger child); an odd last node is promoted
unchanged. `check_claims.py` does the same with code of its own.
"""

from eth_abi import encode
from eth_utils import keccak

DOMAIN = keccak(text="exchequer.claim.v1")


def leaf_hash(chain_id, contract, token, account, cumulative) -> bytes:
    types = ["bytes32", "uint256", "address", "address", "address", "uint256"]
    return keccak(
        keccak(encode(types, [DOMAIN, chain_id, contract, token, account, cumulative]))
    )


def parent(left: bytes, right: bytes) -> bytes:
    return keccak(min(left, right) + max(left, right))


class Tree:
    """The tree over {key: leaf hash}; not for empty input."""

    def __init__(self, leaves: dict):
        self.leaves = leaves
        self.levels = [sorted(leaves.values())]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            pairs = [below[i : i + 2] for i in range(0, len(below), 2)]
            self.levels.append([parent(*pair) if len(pair) == 2 else pair[0] for pair in pairs])

    @property
    def root(self) -> bytes:
        return self.levels[-1][0]

    def proof(self, key) -> list:
        index, siblings = self.levels[0].index(self.leaves[key]), []
        for level in self.levels[:-1]:
            if index ^ 1 < len(level):
                siblings.append(level[index ^ 1])
            index //= 2
        return siblings
