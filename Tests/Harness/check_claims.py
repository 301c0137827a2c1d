#!/usr/bin/env python3
"""Checks, from the chain alone, that everybody was paid exactly what the ledger says.

Uses web3 and nothing of the project, so that an error there cannot hide itself here.

    python check_claims.py --rpc URL --contract 0x.. --usdc 0x.. --tly 0x.. EXPECTATIONS.json

EXPECTATIONS.json:
    {"batch": 3, "root": "0x..",
     "claims": [{"address": "0x..", "asset": "USD", "cumulative_chain_units": "1200",
                 "claimed_chain_units": "1200"}, ..]}
`claims` has one entry per address and asset (USD or TLY) of the batch. `batch` and `root` may be
left out, and a bare list of claims is accepted too.

The tree: a leaf is keccak256(keccak256(abi.encode(bytes32 keccak256("exchequer.claim.v1"), uint256
chain id, address contract, address token, address account, uint256 cumulative))). Leaves lie in
ascending byte order; pairs of neighbours are sorted and hashed together; an odd last node is
promoted unchanged.

Checked: the root on chain is the root of these leaves, the batch and the totals agree; per entry
the sum of Claimed events, the contract's `claimed` and the tokens that moved (Transfer logs from
the contract, but for deposits that it passed to its vault) are all equal to what the ledger says;
nobody else was paid.

Exit code: 0 everything agrees, 1 something does not, 2 the check could not be made.
"""

import argparse
import json
import sys
from collections import Counter

from web3 import Web3

ASSETS = ("USD", "TLY")
LOG_RANGE = 5_000
VIEWS = {
    "VAULT": ([], "address"),
    "root": ([], "bytes32"),
    "batch": ([], "uint256"),
    "committedTotal": (["address"], "uint256"),
    "claimedTotal": (["address"], "uint256"),
    "claimed": (["address", "address"], "uint256"),
}
ABI = [
    {
        "type": "function",
        "name": name,
        "stateMutability": "view",
        "inputs": [{"name": "", "type": kind} for kind in inputs],
        "outputs": [{"name": "", "type": output}],
    }
    for name, (inputs, output) in VIEWS.items()
]


class BadInput(Exception):
    pass


def read_expectations(path: str) -> tuple[dict, dict]:
    """The document and {(asset, address): (cumulative, claimed)}."""
    with open(path) as file:
        document = json.load(file)
    if isinstance(document, list):
        document = {"claims": document}
    claims = {}
    for index, entry in enumerate(document["claims"]):
        key = (entry["asset"], Web3.to_checksum_address(entry["address"]))
        if key[0] not in ASSETS:
            raise BadInput(f"claim {index}: asset {key[0]} is not one of {', '.join(ASSETS)}")
        if key in claims:
            raise BadInput(f"claim {index}: {key[1]} has {key[0]} twice")
        units = (int(entry["cumulative_chain_units"]), int(entry["claimed_chain_units"]))
        if min(units) < 0:
            raise BadInput(f"claim {index}: negative units")
        claims[key] = units
    if not claims:
        raise BadInput("no claims")
    return document, claims


def merkle_root(leaves: list) -> bytes:
    level = sorted(leaves)
    while len(level) > 1:
        above = []
        for index in range(0, len(level) - 1, 2):
            pair = sorted(level[index : index + 2])
            above.append(bytes(Web3.keccak(pair[0] + pair[1])))
        if len(level) % 2 == 1:
            above.append(level[-1])
        level = above
    return level[0]


def word(value) -> bytes:
    """A 32-byte ABI word of a number, an address or 32 bytes."""
    if isinstance(value, str):
        value = bytes.fromhex(value[2:])
    if isinstance(value, int):
        value = value.to_bytes(32, "big")
    return bytes(value).rjust(32, b"\0")


class Audit:
    def __init__(self, web3, contract, tokens, claims):
        self.web3 = web3
        self.address = contract
        self.contract = web3.eth.contract(contract, abi=ABI)
        self.tokens = tokens  # asset -> token address
        self.claims = claims
        self.findings = []
        # One block for all questions, or a claim in between would look like an error.
        self.block = web3.eth.block_number

    def ask(self, view, *arguments):
        function = getattr(self.contract.functions, view)
        return function(*arguments).call(block_identifier=self.block)

    def expect(self, what, wanted, found):
        if wanted != found:
            self.findings.append(f"{what}: the ledger says {wanted}, the chain says {found}")

    def logs(self, address, signature, *topics):
        """The logs of an event with these indexed topics, from the first block on."""
        wanted = ["0x" + Web3.keccak(text=signature).hex().removeprefix("0x"), *topics]
        for first in range(0, self.block + 1, LOG_RANGE):
            last = min(first + LOG_RANGE - 1, self.block)
            query = {"address": address, "topics": wanted, "fromBlock": first, "toBlock": last}
            yield from self.web3.eth.get_logs(query)

    def check_root(self, document):
        domain = Web3.keccak(text="exchequer.claim.v1")
        chain_id = self.web3.eth.chain_id
        leaves = []
        for (asset, account), (cumulative, _) in self.claims.items():
            place = (domain, chain_id, self.address, self.tokens[asset])
            packed = b"".join(word(value) for value in (*place, account, cumulative))
            leaves.append(bytes(Web3.keccak(Web3.keccak(packed))))
        on_chain = "0x" + bytes(self.ask("root")).hex()
        self.root = "0x" + merkle_root(leaves).hex()
        self.expect("root of the leaves", self.root, on_chain)
        if document.get("root") is not None:
            self.expect("root of the batch", document["root"].lower(), on_chain)
        if document.get("batch") is not None:
            self.expect("batch", int(document["batch"]), self.ask("batch"))

    def check_totals(self):
        for asset, token in self.tokens.items():
            mine = [units for (which, _), units in self.claims.items() if which == asset]
            committed, claimed = (sum(column) for column in zip(*mine)) if mine else (0, 0)
            self.expect(f"{asset} committed", committed, self.ask("committedTotal", token))
            self.expect(f"{asset} claimed", claimed, self.ask("claimedTotal", token))

    def paid_by_events(self):
        paid = Counter()
        assets = {token: asset for asset, token in self.tokens.items()}
        for log in self.logs(self.address, "Claimed(address,address,uint256,uint256)"):
            token, account = (Web3.to_checksum_address(topic[-20:]) for topic in log.topics[1:])
            paid[assets.get(token, token), account] += int.from_bytes(log.data[:32], "big")
        return paid

    def moved_by_tokens(self):
        """What left the contract for each account by the tokens' logs."""
        moved = Counter()
        sender, vault = "0x" + word(self.address).hex(), self.ask("VAULT")
        for asset, token in self.tokens.items():
            for log in self.logs(token, "Transfer(address,address,uint256)", sender):
                account = Web3.to_checksum_address(log.topics[2][-20:])
                if account != vault:
                    moved[asset, account] += int.from_bytes(log.data[:32], "big")
        return moved

    def check_payments(self) -> list:
        paid, moved = self.paid_by_events(), self.moved_by_tokens()
        rows = []
        for key, (cumulative, claimed) in self.claims.items():
            asset, account = key
            mapping = self.ask("claimed", self.tokens[asset], account)
            before = len(self.findings)
            self.expect(f"{asset} {account} by Claimed events", claimed, paid[key])
            self.expect(f"{asset} {account} by claimed()", claimed, mapping)
            self.expect(f"{asset} {account} by token transfers", claimed, moved[key])
            if claimed > cumulative:
                self.findings.append(f"{asset} {account}: claimed more than it was owed")
            rows.append(
                {
                    "asset": asset,
                    "address": account,
                    "cumulative_chain_units": str(cumulative),
                    "claimed_chain_units": str(claimed),
                    "events_chain_units": str(paid[key]),
                    "contract_chain_units": str(mapping),
                    "transfers_chain_units": str(moved[key]),
                    "agrees": len(self.findings) == before,
                }
            )
        for name, found in (("a claim", paid), ("tokens", moved)):
            for key, amount in found.items():
                if amount != 0 and key not in self.claims:
                    text = f"{key[0]} {key[1]}: got {name} of {amount}, the ledger knows nothing"
                    self.findings.append(text)
        return rows


def print_table(rows):
    heads = ("asset", "address", "owed", "ledger", "events", "contract", "transfers", "")
    lines = [heads]
    for row in rows:
        units = [value for name, value in row.items() if name.endswith("_chain_units")]
        lines.append((row["asset"], row["address"], *units, "ok" if row["agrees"] else "WRONG"))
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths))
        ]
        print("  ".join(cells).rstrip())


def run(arguments) -> int:
    document, claims = read_expectations(arguments.expectations)
    web3 = Web3(Web3.HTTPProvider(arguments.rpc))
    named = (arguments.contract, arguments.usdc, arguments.tly)
    contract, usdc, tly = (Web3.to_checksum_address(address) for address in named)
    for name, address in (("contract", contract), ("usdc", usdc), ("tly", tly)):
        if not web3.eth.get_code(address):
            raise BadInput(f"--{name} {address}: no contract there")
    audit = Audit(web3, contract, {"USD": usdc, "TLY": tly}, claims)
    audit.check_root(document)
    audit.check_totals()
    rows = audit.check_payments()
    if arguments.json:
        report = {
            "agrees": not audit.findings,
            "block": audit.block,
            "root": audit.root,
            "findings": audit.findings,
            "claims": rows,
        }
        print(json.dumps(report, indent=1))
    else:
        print_table(rows)
        print(f"root {audit.root}, {len(rows)} claims, at block {audit.block}")
        for finding in audit.findings:
            print(f"WRONG: {finding}")
        if not audit.findings:
            print("everybody received exactly what the ledger says")
    return 1 if audit.findings else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rpc", required=True)
    parser.add_argument("--contract", required=True)
    parser.add_argument("--usdc", required=True)
    parser.add_argument("--tly", required=True)
    parser.add_argument("--json", action="store_true", help="a JSON report instead of a table")
    parser.add_argument("expectations")
    arguments = parser.parse_args()
    try:
        return run(arguments)
    except KeyError as error:
        print(f"check_claims: {arguments.expectations}: {error} is missing", file=sys.stderr)
    except (BadInput, OSError, ValueError) as error:
        print(f"check_claims: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
