"""What a Solana node keeps of a transaction beside its bytes: balances, inner instructions, loaded
addresses, in a validator's JSON."""

import struct

from base58 import b58encode
from solders.pubkey import Pubkey

TOKEN_PROGRAMS = (
    "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
    "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb",
)
TABLE_META_BYTES = 56
TOKEN_ACCOUNT_BYTES = 165


def loaded_addresses(svm, message) -> tuple[list, list]:
    """The addresses that a message takes from lookup tables: written ones, then read ones."""
    written, read = [], []
    for lookup in getattr(message, "address_table_lookups", None) or []:
        table = svm.get_account(lookup.account_key)
        content = bytes(table.data) if table else b""

        def key(index, content=content):
            start = TABLE_META_BYTES + 32 * index
            return Pubkey(content[start : start + 32])

        written += [key(index) for index in bytes(lookup.writable_indexes)]
        read += [key(index) for index in bytes(lookup.readonly_indexes)]
    return written, read


def token_balances(svm, keys) -> list[dict]:
    """The token accounts among these accounts, as they are now."""
    found = []
    for index, key in enumerate(keys):
        account = svm.get_account(key)
        if account is None or str(account.owner) not in TOKEN_PROGRAMS:
            continue
        content = bytes(account.data)
        if len(content) < TOKEN_ACCOUNT_BYTES or content[108] == 0:
            continue
        mint = svm.get_account(Pubkey(content[:32]))
        amount = str(struct.unpack("<Q", content[64:72])[0])
        decimals = bytes(mint.data)[44] if mint else 0
        found.append(
            {
                "accountIndex": index,
                "mint": str(Pubkey(content[:32])),
                "owner": str(Pubkey(content[32:64])),
                "programId": str(account.owner),
                "uiTokenAmount": {"amount": amount, "decimals": decimals},
            }
        )
    return found


def instruction_json(instruction) -> dict:
    return {
        "programIdIndex": instruction.program_id_index,
        "accounts": list(bytes(instruction.accounts)),
        "data": b58encode(bytes(instruction.data)).decode(),
    }


def inner_json(groups) -> list[dict]:
    """The instructions that instructions led to, by the place of the outer one."""
    return [
        {
            "index": index,
            "instructions": [
                instruction_json(inner.instruction()) | {"stackHeight": inner.stack_height()}
                for inner in group
            ],
        }
        for index, group in enumerate(groups)
        if group
    ]


def transaction_json(transaction) -> dict:
    """The encoding `json` of a transaction."""
    message = transaction.message
    return {
        "signatures": [str(signature) for signature in transaction.signatures],
        "message": {
            "accountKeys": [str(key) for key in message.account_keys],
            "recentBlockhash": str(message.recent_blockhash),
            "instructions": [instruction_json(one) for one in message.instructions],
        },
    }
