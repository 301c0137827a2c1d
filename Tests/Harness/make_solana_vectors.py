#!/usr/bin/env python3
"""Makes Tests/ChainsTests/Vectors/solana.json with solders, Solana's own Rust code behind Python.

    .venv/bin/python Tests/Harness/make_solana_vectors.py > Tests/ChainsTests/Vectors/solana.json

Always the same file: everything comes from one seed.
"""

import hashlib
import json
import random
import struct

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import AdvanceNonceAccountParams, advance_nonce_account
from solders.transaction import VersionedTransaction

TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022 = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
ASSOCIATED = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
dice = random.Random(20261126)


def some(count: int) -> bytes:
    return dice.randbytes(count)


def key(label: str) -> Keypair:
    return Keypair.from_seed(hashlib.sha256(label.encode()).digest())


def token_account(owner: Pubkey, mint: Pubkey, program: Pubkey) -> Pubkey:
    return Pubkey.find_program_address([bytes(owner), bytes(program), bytes(mint)], ASSOCIATED)[0]


def derived() -> list[dict]:
    rows = []
    for _ in range(100):
        seeds = [some(dice.randrange(33)) for _ in range(dice.randrange(16))]
        program = Pubkey(some(32))
        address, bump = Pubkey.find_program_address(seeds, program)
        rows.append({"seeds": [seed.hex() for seed in seeds], "program": str(program),
                     "address": str(address), "bump": bump})
    return rows


def points() -> list[dict]:
    """What is on the curve, with points of small order and encodings that are not canonical."""
    prime = 2**255 - 19
    odd = [0, 1, 2, prime - 1, prime, prime + 1, 2**255 - 1, 1 << 255, (1 << 255) + 1,
           0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd83d3d706a17c7,
           0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826]
    texts = [value.to_bytes(32, "little") for value in odd] + [some(32) for _ in range(60)]
    return [{"bytes": text.hex(), "isPoint": Pubkey(text).is_on_curve()} for text in texts]


def accounts() -> list[dict]:
    rows = []
    for number in range(40):
        owner, mint = Pubkey(some(32)), Pubkey(some(32))
        program = (TOKEN, TOKEN_2022)[number % 2]
        rows.append({"owner": str(owner), "mint": str(mint), "program": str(program),
                     "account": str(token_account(owner, mint, program))})
    return rows


def messages() -> list[dict]:
    """Instructions of any shape over few addresses, so that rights meet in every way."""
    rows = []
    while len(rows) < 80:
        pool = [Pubkey(some(32)) for _ in range(dice.randrange(4, 14))]
        programs = [Pubkey(some(32)) for _ in range(3)] + pool[:1]
        instructions = [
            Instruction(dice.choice(programs), some(dice.randrange(40)), [
                AccountMeta(dice.choice(pool), dice.random() < 0.2, dice.random() < 0.5)
                for _ in range(dice.randrange(8))])
            for _ in range(dice.randrange(5))]
        tables = []
        for _ in range(dice.randrange(3)):
            entries = dice.sample(pool, dice.randrange(1, len(pool)))
            entries += [Pubkey(some(32)) for _ in range(dice.randrange(4))] + entries[:1]
            dice.shuffle(entries)
            tables.append(AddressLookupTableAccount(Pubkey(some(32)), entries))
        payer, blockhash = dice.choice(pool + [Pubkey(some(32))]), Hash(some(32))
        message = MessageV0.try_compile(payer, instructions, tables, blockhash)
        # A message's own first byte says its version.
        text = b"\x80" + bytes(message)
        if len(text) + 1 + 64 * message.header.num_required_signatures > 1_232:
            continue
        rows.append({
            "payer": str(payer), "blockhash": str(blockhash), "message": text.hex(),
            "instructions": [{
                "program": str(one.program_id), "data": bytes(one.data).hex(),
                "accounts": [{"address": str(meta.pubkey), "isSigner": meta.is_signer,
                              "isWritable": meta.is_writable} for meta in one.accounts]}
                for one in instructions],
            "tables": [{"address": str(table.key), "entries": [str(e) for e in table.addresses]}
                       for table in tables]})
    return rows


def payouts() -> list[dict]:
    """As many transfers as fit: with and without a table, a nonce, and both token programs."""
    rows = []
    payer, nonce = key("payer"), key("nonce").pubkey()
    mint = key("mint").pubkey()
    owners = [key(f"owner {number}").pubkey() for number in range(70)]
    for program in (TOKEN, TOKEN_2022):
        source = token_account(payer.pubkey(), mint, program)
        targets = [token_account(owner, mint, program) for owner in owners]
        whole = AddressLookupTableAccount(key("table").pubkey(), [source, mint] + targets)
        for tables in ([], [whole]):
            for has_nonce in (False, True):
                best = None
                for count in range(1, 70):
                    head = [set_compute_unit_limit(count * 6_500 + 450), set_compute_unit_price(7)]
                    if has_nonce:
                        head.insert(0, advance_nonce_account(AdvanceNonceAccountParams(
                            nonce_pubkey=nonce, authorized_pubkey=payer.pubkey())))
                    body = [Instruction(program, struct.pack("<BQB", 12, 1_000 + place, 6), [
                        AccountMeta(source, False, True), AccountMeta(mint, False, False),
                        AccountMeta(targets[place], False, True),
                        AccountMeta(payer.pubkey(), True, False)]) for place in range(count)]
                    message = MessageV0.try_compile(
                        payer.pubkey(), head + body, tables, Hash(bytes(range(32))))
                    found = VersionedTransaction(message, [payer])
                    locked = len(message.account_keys) + sum(
                        len(one.writable_indexes) + len(one.readonly_indexes)
                        for one in message.address_table_lookups)
                    if len(bytes(found)) > 1_232 or locked > 64:
                        break
                    best = (count, found)
                rows.append({"program": str(program), "hasTable": bool(tables),
                             "hasNonce": has_nonce, "count": best[0],
                             "transaction": bytes(best[1]).hex(),
                             "id": str(best[1].signatures[0])})
    return rows


def main() -> None:
    texts = [some(length) for length in range(65)] + [bytes(3), bytes(32), bytes(2) + some(30)]
    print(json.dumps({
        "base58": [{"bytes": text.hex(), "text": base58(text)} for text in texts],
        "points": points(), "derived": derived(), "tokenAccounts": accounts(),
        "messages": messages(), "payouts": payouts(),
    }))


def base58(data: bytes) -> str:
    letters = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, place = divmod(number, 58)
        text = letters[place] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


if __name__ == "__main__":
    main()
