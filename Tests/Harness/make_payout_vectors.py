#!/usr/bin/env python3
"""Makes Tests/ChainsTests/Vectors/solana-payout.json: addresses, leaves, proofs and instructions of
the payout program as `payout_program.py` makes them with solders.

    .venv/bin/python Tests/Harness/make_payout_vectors.py > FILE

Always the same file.
"""

import hashlib
import json

from payout_program import TOKEN, TOKEN_2022, Pool
from solders.pubkey import Pubkey


def key(label: str) -> Pubkey:
    return Pubkey(hashlib.sha256(label.encode()).digest())


def told(instruction) -> dict:
    return {
        "data": bytes(instruction.data).hex(),
        "accounts": [{"address": str(meta.pubkey), "isSigner": meta.is_signer,
                      "isWritable": meta.is_writable} for meta in instruction.accounts],
    }


def row(number: int) -> dict:
    token = (TOKEN, TOKEN_2022)[number % 2]
    cluster = bytes(key(f"cluster {number}"))
    pool = Pool(key(f"program {number}"), key(f"opener {number}"), key(f"mint {number}"), cluster,
                token)
    payees = {key(f"payee {number} {place}"): (place * 2**61 + number) % 2**64
              for place in range(1, 2 + 3 * number)}
    tree = pool.tree(payees)
    settler, guardian, admin = key("settler"), key("guardian"), key("admin")
    first, amount = next(iter(payees.items()))
    return {
        "program": str(pool.program), "opener": str(pool.opener), "mint": str(pool.mint),
        "token": str(token), "cluster": cluster.hex(), "address": str(pool.address),
        "vault": str(pool.vault), "root": tree.root.hex(),
        "payees": [{"payee": str(payee), "cumulative": str(owed),
                    "record": str(pool.record(payee)), "leaf": pool.leaf(payee, owed).hex(),
                    "proof": [sibling.hex() for sibling in tree.proof(payee)]}
                   for payee, owed in payees.items()],
        "instructions": [told(instruction) for instruction in [
            pool.open(settler, guardian, 432_000),
            pool.commit(settler, 7, 2**63 + number, tree.root, bytes(key("journal")),
                        bytes(key("liabilities"))),
            pool.activate(), pool.dispute(guardian, 7), pool.enrol(key("payer"), first),
            pool.claim(first, amount, tree.proof(first)),
            pool.claim(first, amount, tree.proof(first), key("elsewhere"), signs=True),
            pool.propose_roles(key("admin"), admin, settler, guardian), pool.take_roles(),
        ]],
    }


if __name__ == "__main__":
    print(json.dumps([row(number) for number in range(8)]))
