"""A client of the Solana payout program, for its tests: addresses, leaves, instructions, states.

Written from docs/reference/solana-payout-program.md and not from the Swift client, which is
compared with it.
"""

import struct
from pathlib import Path

from eth_utils import keccak
from merkle import Tree
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

ELF = Path(__file__).resolve().parents[2] / "contracts-abi" / "solana" / "payout.so"
TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022 = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
ASSOCIATED = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
SYSTEM = Pubkey.default()
DOMAIN = keccak(text="exchequer.solana.claim.v1")
POOL_BYTES, RECORD_BYTES = 688, 80

# The pool's fields: nine numbers, bump, two flags, then keys and hashes.
NUMBERS = ("tag", "delay", "epoch", "active_epoch", "active_total", "claimed_total",
           "waiting_total", "active_from", "roles_from")
WORDS = ("active_root", "waiting_root", "active_journal", "waiting_journal", "domain", "cluster",
         "address", "mint", "vault", "token", "opener", "admin", "settler", "guardian",
         "next_admin", "next_settler", "next_guardian", "active_liabilities",
         "waiting_liabilities")


def token_account(owner: Pubkey, mint: Pubkey, token: Pubkey = TOKEN) -> Pubkey:
    return Pubkey.find_program_address([bytes(owner), bytes(token), bytes(mint)], ASSOCIATED)[0]


def read_pool(content: bytes) -> dict:
    assert len(content) == POOL_BYTES
    pool = dict(zip(NUMBERS, struct.unpack_from("<9Q", content)))
    pool |= dict(zip(("bump", "is_waiting", "roles_wait"), content[72:75]))
    return pool | {n: content[80 + 32 * i : 112 + 32 * i] for i, n in enumerate(WORDS)}


def read_record(content: bytes) -> dict:
    assert len(content) == RECORD_BYTES
    return {"tag": struct.unpack_from("<Q", content)[0], "pool": content[8:40],
            "payee": content[40:72], "cumulative": struct.unpack_from("<Q", content, 72)[0]}


class Pool:
    """The pool of an opener and a mint: where everything is, and how it is told what to do."""

    def __init__(self, program: Pubkey, opener: Pubkey, mint: Pubkey, cluster: bytes,
                 token: Pubkey = TOKEN):
        self.program, self.opener, self.mint = program, opener, mint
        self.cluster, self.token = cluster, token
        seeds = [b"pool", bytes(opener), bytes(mint)]
        self.address, self.bump = Pubkey.find_program_address(seeds, program)
        self.vault = token_account(self.address, mint, token)

    def record(self, payee: Pubkey) -> Pubkey:
        seeds = [b"paid", bytes(self.address), bytes(payee)]
        return Pubkey.find_program_address(seeds, self.program)[0]

    def leaf(self, payee: Pubkey, cumulative: int) -> bytes:
        words = [DOMAIN, self.cluster, bytes(self.address), bytes(self.mint), bytes(payee),
                 cumulative.to_bytes(32, "big")]
        return keccak(keccak(b"".join(words)))

    def tree(self, owed: dict) -> Tree:
        """The tree of {payee: cumulative}."""
        return Tree({payee: self.leaf(payee, amount) for payee, amount in owed.items()})

    # ---- instructions

    def call(self, kind: int, data: bytes, *accounts) -> Instruction:
        """`accounts` are (address, rights): "s" signs, "w" is written."""
        metas = [AccountMeta(key, "s" in rights, "w" in rights) for key, rights in accounts]
        return Instruction(self.program, struct.pack("<Q", kind) + data, metas)

    def open(self, settler, guardian, delay=0):
        data = struct.pack("<Q", delay) + self.cluster + bytes(settler) + bytes(guardian)
        return self.call(
            0, data, (self.opener, "sw"), (self.address, "w"), (self.mint, ""), (self.vault, ""),
            (self.token, ""), (SYSTEM, ""))

    def commit(self, settler, epoch, total, root, journal=b"j" * 32, liabilities=b"l" * 32):
        data = struct.pack("<QQ", epoch, total) + root + journal + liabilities
        return self.call(1, data, (settler, "s"), (self.address, "w"), (self.vault, ""))

    def activate(self):
        return self.call(2, b"", (self.address, "w"))

    def dispute(self, guardian, epoch):
        return self.call(3, struct.pack("<Q", epoch), (guardian, "s"), (self.address, "w"))

    def enrol(self, payer, payee):
        return self.call(
            4, bytes(payee), (payer, "sw"), (self.address, ""), (self.record(payee), "w"),
            (SYSTEM, ""))

    def claim(self, payee, cumulative, proof, destination=None, signs=False):
        destination = destination or token_account(payee, self.mint, self.token)
        data = struct.pack("<Q", cumulative) + b"".join(proof)
        return self.call(
            5, data, (self.address, "w"), (self.vault, "w"), (destination, "w"), (self.token, ""),
            (self.record(payee), "w"), (payee, "s" if signs else ""))

    def propose_roles(self, admin, next_admin, next_settler, next_guardian):
        data = bytes(next_admin) + bytes(next_settler) + bytes(next_guardian)
        return self.call(6, data, (admin, "s"), (self.address, "w"))

    def take_roles(self):
        return self.call(7, b"", (self.address, "w"))
