#!/usr/bin/env python3
"""Checks, from the chain alone, that each dispersal was made as a house says, under its books.

Uses web3 and nothing of the project, so that an error there cannot hide itself here.

    curl -s HOUSE/v1/dispersals > dispersals.json
    python check_dispersals.py --rpc URL --contract 0x.. --usdc 0x.. --tly 0x.. --payer 0x.. \\
        dispersals.json

Behind the arguments of `disperse` a transaction carries 64 bytes: the head hash of the house's
journal, by which the dispersal was decided, and the root of everything the house owed then. Who has
the journal checks both with `exchequer audit --data house --expect SEQUENCE:HEAD`.

Checked, for each dispersal of the EVM chain that the house calls made: its transaction is the
payer's, to the contract, and was carried out; its name, token, payees and amounts are those of the
house; the tokens moved; behind the arguments there are the books that the house names, or nothing
if it names none. And every `Dispersed` log of the payer is of one of these.

With `--solana-rpc` and `--solana-payer` those on Solana too: where the house says by which
transaction their books are stated, that is the payer's, was carried out, and its memo says these
books of a run of dispersals with this one.

Exit code: 0 everything agrees, 1 something does not, 2 the check could not be made.
"""

import argparse
import json
import re
import sys
import urllib.request
from collections import Counter

import base58
from eth_abi import decode, encode
from eth_abi.exceptions import DecodingError
from web3 import Web3
from web3.exceptions import TransactionNotFound

TYPES = ["address", "bytes32", "address[]", "uint256[]"]
SELECTOR = bytes(Web3.keccak(text=f"disperse({','.join(TYPES)})")[:4])
DISPERSED = bytes(Web3.keccak(text="Dispersed(address,bytes32,address,uint256)"))
TRANSFER = bytes(Web3.keccak(text="Transfer(address,address,uint256)"))
BOOKS = 64
MEMO = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"
STATEMENT = re.compile("exchequer books ([1-9][0-9]*)-([1-9][0-9]*) ([0-9a-f]{64}) ([0-9a-f]{64})")
LOG_RANGE = 5_000


class BadInput(Exception):
    pass


def digest(text) -> bytes:
    found = bytes.fromhex(text.removeprefix("0x"))
    if len(found) != 32:
        raise BadInput(f"{text} is no hash")
    return found


def account(topic) -> str:
    return Web3.to_checksum_address(bytes(topic)[-20:])


class Check:
    def __init__(self, web3, contract, tokens, payer):
        self.web3, self.contract, self.payer = web3, contract, payer
        self.tokens = tokens  # asset -> token address
        self.findings = []
        self.block = web3.eth.block_number

    def expect(self, what, wanted, found):
        if wanted != found:
            self.findings.append(f"{what}: the house says {wanted}, the chain says {found}")

    def dispersal(self, record):
        what = f"dispersal {record['dispersal']}"
        name = "0x" + record["transaction"].removeprefix("0x")
        try:
            transaction = self.web3.eth.get_transaction(name)
            receipt = self.web3.eth.get_transaction_receipt(name)
        except TransactionNotFound:
            return self.findings.append(f"{what}: the chain does not know {name}")
        self.expect(f"{what} payer", self.payer, transaction["from"])
        self.expect(f"{what} contract", self.contract, transaction["to"])
        self.expect(f"{what} status", 1, receipt["status"])
        data = bytes(transaction["input"])
        try:
            token, own, accounts, amounts = decode(TYPES, data[4:])
        except DecodingError as error:
            return self.findings.append(f"{what}: its call cannot be read: {error}")
        payments = [
            (Web3.to_checksum_address(one["receiver"]), int(one["units"]))
            for one in record["payments"]
        ]
        paid = [(Web3.to_checksum_address(to), units) for to, units in zip(accounts, amounts)]
        self.expect(f"{what} function", SELECTOR.hex(), data[:4].hex())
        self.expect(f"{what} name", digest(record["name"]).hex(), own.hex())
        self.expect(f"{what} token", self.tokens[record["asset"]], Web3.to_checksum_address(token))
        self.expect(f"{what} payments", payments, paid)
        self.moved(what, receipt, payments, record["asset"])
        plain = encode(TYPES, [token, own, accounts, amounts])
        self.expect(f"{what} arguments", plain.hex(), data[4 : 4 + len(plain)].hex())
        self.books(what, record.get("books"), data[4 + len(plain) :])

    def books(self, what, books, tail):
        if books is None:
            return self.expect(f"{what} books", "", tail.hex())
        if len(tail) != BOOKS:
            return self.findings.append(f"{what}: {len(tail)} bytes behind the arguments")
        self.expect(f"{what} journal head", digest(books["journal_head"]).hex(), tail[:32].hex())
        self.expect(
            f"{what} liabilities root", digest(books["liabilities_root"]).hex(), tail[32:].hex())

    def moved(self, what, receipt, payments, asset):
        wanted, found = Counter(), Counter()
        for to, units in payments:
            wanted[to] += units
        for log in receipt["logs"]:
            is_ours = log["address"] == self.tokens[asset] and bytes(log["topics"][0]) == TRANSFER
            if is_ours and account(log["topics"][1]) == self.payer:
                found[account(log["topics"][2])] += int.from_bytes(bytes(log["data"]), "big")
        self.expect(f"{what} tokens moved", dict(wanted), dict(found))

    def strangers(self, names):
        """Dispersals of the payer that the house does not tell of."""
        sender = "0x" + bytes.fromhex(self.payer[2:]).rjust(32, b"\0").hex()
        for first in range(0, self.block + 1, LOG_RANGE):
            last = min(first + LOG_RANGE - 1, self.block)
            query = {"address": self.contract, "topics": ["0x" + DISPERSED.hex(), sender],
                     "fromBlock": first, "toBlock": last}
            for log in self.web3.eth.get_logs(query):
                name = bytes(log["topics"][2]).hex()
                if name not in names:
                    self.findings.append(f"the payer made {name}, of which the house knows nothing")


class Statements:
    """What the payer on Solana said of its books."""

    def __init__(self, rpc, payer):
        self.rpc, self.payer = rpc, payer
        self.known = {}  # transaction -> first, last, head, root
        self.findings = []

    def memo(self, name):
        call = {"jsonrpc": "2.0", "id": 1, "method": "getTransaction", "params": [name, {
            "commitment": "finalized", "encoding": "json", "maxSupportedTransactionVersion": 0}]}
        request = urllib.request.Request(
            self.rpc, json.dumps(call).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
        if "error" in answer:
            raise OSError(f"{self.rpc} does not tell of {name}: {answer['error']}")
        found = answer.get("result")
        if not found or found["meta"]["err"] is not None:
            raise BadInput(f"the node knows no {name} that was carried out")
        message = found["transaction"]["message"]
        keys = message["accountKeys"]
        if keys[0] != self.payer:
            raise BadInput(f"{name} is of {keys[0]}")
        texts = [base58.b58decode(one["data"]).decode() for one in message["instructions"]
                 if keys[one["programIdIndex"]] == MEMO]
        if len(texts) != 1 or not (said := STATEMENT.fullmatch(texts[0])):
            raise BadInput(f"{name} has no statement but {texts}")
        return int(said[1]), int(said[2]), said[3], said[4]

    def dispersal(self, record):
        what, books = f"dispersal {record['dispersal']}", record["books"]
        name = books["transaction"]
        try:
            if name not in self.known:
                self.known[name] = self.memo(name)
        except BadInput as error:
            return self.findings.append(f"{what}: {error}")
        first, last, head, root = self.known[name]
        if not first <= record["dispersal"] <= last:
            self.findings.append(f"{what}: {name} is of {first} to {last}")
        if (head, root) != (books["journal_head"], books["liabilities_root"]):
            self.findings.append(f"{what}: {name} says other books")


def run(arguments) -> int:
    with open(arguments.dispersals) as file:
        document = json.load(file)
    records = document["data"] if isinstance(document, dict) else document
    statements = Statements(arguments.solana_rpc, arguments.solana_payer)
    stated = [one for one in records if one["rail"] == "solana"
              and one.get("books", {}).get("transaction")] if arguments.solana_rpc else []
    for record in stated:
        statements.dispersal(record)
    records = [one for one in records if one["rail"] == "push"]
    web3 = Web3(Web3.HTTPProvider(arguments.rpc))
    named = (arguments.contract, arguments.usdc, arguments.tly, arguments.payer)
    contract, usdc, tly, payer = (Web3.to_checksum_address(one) for one in named)
    if not web3.eth.get_code(contract):
        raise BadInput(f"--contract {contract}: no contract there")
    check = Check(web3, contract, {"USD": usdc, "TLY": tly}, payer)
    made = [one for one in records if one.get("transaction")]
    for record in made:
        check.dispersal(record)
    check.strangers({digest(one["name"]).hex() for one in records})
    check.findings += statements.findings
    for finding in check.findings:
        print(f"WRONG: {finding}")
    if arguments.solana_rpc:
        print(f"{len(stated)} dispersals on Solana, by {len(statements.known)} statements")
    carrying = sum(1 for one in made if one.get("books"))
    print(f"{len(made)} dispersals, {carrying} with their books, at block {check.block}")
    if not check.findings:
        print("each was made as the house says")
    return 1 if check.findings else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--rpc", "--contract", "--usdc", "--tly", "--payer"):
        parser.add_argument(name, required=True)
    parser.add_argument("--solana-rpc", help="a node of the cluster")
    parser.add_argument("--solana-payer", help="whose statements they are, in base58")
    parser.add_argument("dispersals", help="what GET /v1/dispersals answers")
    arguments = parser.parse_args()
    try:
        return run(arguments)
    except KeyError as error:
        print(f"check_dispersals: {arguments.dispersals}: {error} is missing", file=sys.stderr)
    except (BadInput, OSError, ValueError) as error:
        print(f"check_dispersals: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
