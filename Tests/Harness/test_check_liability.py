"""check_liability.py against a tree built here from the page alone, and against each lie.

LiabilityTests.swift pins the same root, so both sides follow docs/reference/liabilities.md.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from check_liability import Refused, blake2b, check, sha256

SCRIPT = Path(__file__).with_name("check_liability.py")
SALT = bytes([7]) * 32
PLACE = (3).to_bytes(8, "little") + (41).to_bytes(8, "little") + bytes(range(32))
ROOT = "85c5e948d44015afe1c7ded0ebbf8c411790de9677a79b4d81ab2909e925f37a"
OWED = {
    bytes(20): (5_000_000, 0),
    bytes([1]) * 20: (12_345_678_901_234_567_890, 1),
    bytes([2]) * 20: (0, 10**30),
}


def units(sums) -> bytes:
    return b"".join(value.to_bytes(16, "little") for value in sums)


def parts(holder):
    """The nonce of a holder and its leaves as (part, sums, node)."""
    nonce = blake2b("nonce", SALT, PLACE, holder)
    random = blake2b("split", nonce)
    shares = [int.from_bytes(random[at : at + 8], "big") for at in (0, 8)]
    first = [amount * share >> 64 for amount, share in zip(OWED[holder], shares)]
    second = [amount - part for amount, part in zip(OWED[holder], first)]
    leaves = []
    for part, sums in enumerate((first, second)):
        blind = blake2b("blind", nonce, bytes([part]))
        leaf = sha256("leaf", holder, bytes([part]), units(sums), blind)
        leaves.append((sums, leaf + units(sums)))
    return nonce, leaves


def build():
    """The levels of the tree, leaves first."""
    leaves = [node for holder in OWED for _, node in parts(holder)[1]]
    for number in range(16 - len(leaves)):
        padding = blake2b("padding", SALT, PLACE, number.to_bytes(8, "little"))
        leaves.append(padding + bytes(32))
    levels = [sorted(leaves)]
    while len(levels[-1]) > 1:
        below, above = levels[-1], []
        for left, right in zip(below[::2], below[1::2]):
            sums = [
                int.from_bytes(left[at : at + 16], "little")
                + int.from_bytes(right[at : at + 16], "little")
                for at in (32, 48)
            ]
            above.append(sha256("node", left, right) + units(sums))
        levels.append(above)
    return levels


def proof_of(holder):
    """A proof's bytes, and the root it leads to."""
    levels = build()
    top = levels[-1][0]
    commitment = PLACE + bytes([len(levels) - 1]) + top[32:] + top[:32]
    nonce, leaves = parts(holder)
    data = commitment + holder + units(OWED[holder]) + nonce + (2).to_bytes(4, "little")
    for sums, node in leaves:
        place = levels[0].index(node)
        data += place.to_bytes(8, "little") + units(sums) + (4).to_bytes(4, "little")
        data += b"".join(level[place >> at ^ 1] for at, level in enumerate(levels[:-1]))
    return data, sha256("root", commitment)


@pytest.mark.parametrize("holder", OWED)
def test_every_holder_is_in_the_tree(holder):
    data, root = proof_of(holder)
    assert root.hex() == ROOT
    assert check(data, root) == (holder, OWED[holder])


def test_every_changed_byte_is_refused():
    data, root = proof_of(bytes([1]) * 20)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(Refused):
            check(bytes(changed), root)
    for other in (data[:-1], data + b"\0", b""):
        with pytest.raises(Refused):
            check(other, root)
    with pytest.raises(Refused, match="another root"):
        check(data, bytes(32))


def test_the_command(tmp_path):
    data, root = proof_of(bytes([2]) * 20)
    file = tmp_path / "proof.json"
    file.write_text(json.dumps({"proof": data.hex()}))

    def run(path, root):
        command = [sys.executable, SCRIPT, path, root]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    good = run(file, "0x" + root.hex())
    assert good.returncode == 0 and str(10**30) in good.stdout
    bad = run(file, "00" * 32)
    assert bad.returncode == 1 and "another root" in bad.stdout
    assert run(tmp_path / "none.json", root.hex()).returncode == 2
