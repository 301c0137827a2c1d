#!/usr/bin/env python3
"""Checks a proof of a balance as docs/reference/liabilities.md says, without any of our code.

    check_liability.py proof.json ROOT      ROOT as the settlement contract's liabilitiesRoot()

Exits 0 and says what is owed if the proof holds, 1 with the reason if it does not.
"""

import hashlib
import json
import sys

PARTS, DEPTH_LIMIT = 2, 64


class Refused(Exception):
    pass


class Reader:
    def __init__(self, data: bytes):
        self.data = data

    def take(self, count: int) -> bytes:
        if len(self.data) < count:
            raise Refused("the bytes end too early")
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "little")


def domain(text: str) -> bytes:
    return len(text).to_bytes(4, "little") + text.encode()


def sha256(name: str, *fields: bytes) -> bytes:
    return hashlib.sha256(domain(f"exchequer.liability.{name}.v1") + b"".join(fields)).digest()


def blake2b(name: str, key: bytes, *fields: bytes) -> bytes:
    text = domain(f"exchequer.liability.{name}.v1") + b"".join(fields)
    return hashlib.blake2b(text, key=key, digest_size=32).digest()


def split(sums: bytes) -> tuple:
    return int.from_bytes(sums[:16], "little"), int.from_bytes(sums[16:], "little")


def add(one: bytes, other: bytes) -> bytes:
    sums = [left + right for left, right in zip(split(one), split(other))]
    if any(units >= 1 << 128 for units in sums):
        raise Refused("a sum does not fit 128 bits")
    return b"".join(units.to_bytes(16, "little") for units in sums)


def check(data: bytes, root: bytes) -> tuple:
    """The holder's address and what it is owed in units of 10^-12, as (usd, tly)."""
    reader = Reader(data)
    commitment = reader.data[:113]
    reader.take(8 + 8 + 32)  # batch, sequence, head: bound by the root, not looked at
    depth, totals, top = reader.number(1), reader.take(32), reader.take(32)
    holder, owed, nonce = reader.take(20), reader.take(32), reader.take(32)
    if sha256("root", commitment) != root:
        raise Refused("the proof leads to another root")
    if depth > DEPTH_LIMIT or reader.number(4) != PARTS:
        raise Refused("the tree is too deep, or the balance is not in two parts")
    whole = bytes(32)
    for part in range(PARTS):
        place, sums = reader.number(8), reader.take(32)
        whole = add(whole, sums)
        blind = blake2b("blind", nonce, bytes([part]))
        node = sha256("leaf", holder, bytes([part]), sums, blind) + sums
        if reader.number(4) != depth or place >> depth:
            raise Refused("the way up is not that of a leaf of the tree")
        for height in range(depth):
            sibling = reader.take(64)
            left, right = (sibling, node) if place >> height & 1 else (node, sibling)
            node = sha256("node", left, right) + add(left[32:], right[32:])
        if node != top + totals:
            raise Refused("the balance is not in the tree")
    if reader.data:
        raise Refused("bytes follow the proof")
    if whole != owed:
        raise Refused("the parts do not add up")
    return holder, split(owed)


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(sys.argv[1]) as file:
            proof = bytes.fromhex(json.load(file)["proof"])
        holder, (usd, tly) = check(proof, bytes.fromhex(sys.argv[2].removeprefix("0x")))
    except Refused as refusal:
        print(f"check_liability: {refusal}")
        return 1
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"check_liability: {error!r}", file=sys.stderr)
        return 2
    print(f"0x{holder.hex()} is owed {usd} and {tly} units of 10^-12 USD and TLY")
    return 0


if __name__ == "__main__":
    sys.exit(main())
