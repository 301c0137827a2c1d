#!/usr/bin/env python3
"""A Solana node for tests and the demo: JSON-RPC over a real SVM (LiteSVM in solders).

    python Tests/Harness/svm_node.py --port 0 --accounts 4 --slot-ms 400 --tokens 1000000

It listens on 127.0.0.1 only and prints one JSON line when it is ready:
    {"listening": "http://127.0.0.1:40123", "port": 40123, "endpoints": ["http://..", ..],
     "accounts": [{"address": "..", "seed": "64 hex digits"}, ..], "mint": "..",
     "token_program": ".."}
Account i has the seed sha256("exchequer-dev-<i>") and 1,000 SOL. With --tokens there is a mint with
6 decimals, of which account 0 holds so many units; with --token-2022 it is one of Token-2022,
without extensions. SIGTERM and SIGINT end it.

Not a validator: one process, no votes. Transactions really execute, in slots that pass by time or
with test_tick. Besides a validator's methods it has the faults of rpc_server.py, and
    test_tick [n]                    n slots pass
    test_drop [n]                    the next n sends are acknowledged and never land
    test_rollback [slots, keep]      a fork takes the place of the last slots, also of confirmed
                                     ones; keep: with their transactions
    test_stall [stalls]              no slot passes by time
    test_stallFinality [stalls]      no further slot becomes final
    test_forget [slot, looks]        nothing is told of transactions of earlier slots any more; 0:
                                     all of them are known again, as they are after so many answers
                                     about transactions
    test_hole [slot, n]              nor of transactions of these slots, though earlier are known
    test_setAccount [key, lamports, owner, data in base64]
    test_addProgram [key, ELF in base64]
    test_setTime [seconds]           what programs take for the time since 1970
"""

import argparse
import base64
import hashlib
import json
import os
import struct
import sys
import threading

from base58 import b58decode, b58encode
from rpc_server import RpcError, RpcNode, block_signals, make_servers, wait_for_the_end
from solders.account import Account
from solders.hash import Hash
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from svm_chain import LAMPORTS, LEVELS, VALID_BLOCKS, Chain
from svm_trace import TOKEN_PROGRAMS, transaction_json

PACKET_BYTES = 1_232
MAX_STATUSES = 256
MAX_ACCOUNTS = 100
MAX_TICKS = 10_000
TOKEN_PROGRAMS = (
    "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
    "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb",
)
ASSOCIATED = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"
COMPUTE_BUDGET = "ComputeBudget111111111111111111111111111111"
MAX_LISTED = 1_000
MAX_BLOCKS = 500_000


def invalid(message: str):
    raise RpcError(-32602, message)


def error_json(error):
    """An error of the SVM as a validator prints it."""
    if error is None:
        return None
    if type(error).__name__ == "TransactionErrorInstructionError":
        inner = error.err
        if hasattr(inner, "code"):
            return {"InstructionError": [error.index, {"Custom": inner.code}]}
        return {"InstructionError": [error.index, str(inner).split(".")[-1]]}
    return str(error).split(".")[-1]


def error_words(error) -> str:
    """An error of the SVM in a validator's words (`Display` of `TransactionError`), then its own."""
    if type(error).__name__ == "TransactionErrorInstructionError" and hasattr(error.err, "code"):
        place = f"Error processing Instruction {error.index}"
        return f"{place}: custom program error: {error.err.code:#x} ({error})"
    return str(error)


def fee(transaction: VersionedTransaction) -> int:
    """What a transaction pays for being carried out: its signatures, and price times limit."""
    message, limit, price = transaction.message, 0, 0
    for instruction in message.instructions:
        if str(message.account_keys[instruction.program_id_index]) != COMPUTE_BUDGET:
            continue
        content = bytes(instruction.data)
        if content[0] == 2:
            limit = struct.unpack("<I", content[1:5])[0]
        elif content[0] == 3:
            price = struct.unpack("<Q", content[1:9])[0]
    return 5_000 * len(transaction.signatures) + -(-limit * price // 1_000_000)


class Node(RpcNode):
    """The methods, named as a validator names them."""

    def __init__(
        self, accounts: int = 0, tokens: int = 0, program: str = TOKEN_PROGRAMS[0], **chain_options
    ):
        super().__init__()
        self.chain = Chain(**chain_options)
        self.is_stalled = False
        self.dropping = 0
        self.looks_left = 0
        self.keys = []
        for number in range(accounts):
            seed = hashlib.sha256(f"exchequer-dev-{number}".encode()).digest()
            self.keys.append(Keypair.from_seed(seed))
            self.chain.airdrop(self.keys[-1].pubkey(), 1_000 * LAMPORTS)
        self.token_program = program
        self.mint = self.make_mint(self.keys[0].pubkey(), tokens) if tokens else None

    def make_mint(self, owner: Pubkey, tokens: int) -> Pubkey:
        """A mint and its owner's account, as spl_token::state lays them out; spl_token_2022's are
        the same, and its associated accounts end with an extension: the owner never changes."""
        mint = Keypair.from_seed(hashlib.sha256(b"exchequer-dev-mint").digest()).pubkey()
        program = Pubkey.from_string(self.token_program)
        associated = Pubkey.from_string(ASSOCIATED)
        seeds = [bytes(owner), bytes(program), bytes(mint)]
        account = Pubkey.find_program_address(seeds, associated)[0]
        authority = struct.pack("<I", 1) + bytes(owner)
        whole = authority + struct.pack("<QBB", tokens, 6, 1) + authority
        held = bytes(mint) + bytes(owner) + struct.pack("<Q", tokens) + bytes(36) + b"\1" + bytes(56)
        if self.token_program == TOKEN_PROGRAMS[1]:
            # What the account is, then the kind and length of the one extension.
            held += b"\2" + struct.pack("<HH", 7, 0)
        for address, content in ((mint, whole), (account, held)):
            self.chain.set_account(address, Account(LAMPORTS // 100, content, program))
        return mint

    def is_public(self, method):
        return method.startswith(("get", "is", "send", "simulate", "request")) and "_" not in method

    def context(self, value, options=None):
        slot = self.chain.newest((options or {}).get("commitment")).slot
        return {"context": {"slot": slot, "apiVersion": "litesvm"}, "value": value}

    # ---- the chain as a whole

    def getHealth(self):
        return "ok"

    def getVersion(self):
        return {"solana-core": "litesvm", "feature-set": 0}

    def getGenesisHash(self):
        return "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY"

    def getSlot(self, options=None):
        return self.chain.newest((options or {}).get("commitment")).slot

    def getBlockHeight(self, options=None):
        return self.chain.newest((options or {}).get("commitment")).height

    def getLatestBlockhash(self, options=None):
        block = self.chain.newest((options or {}).get("commitment"))
        value = {
            "blockhash": str(block.blockhash),
            "lastValidBlockHeight": block.height + VALID_BLOCKS,
        }
        return self.context(value, options)

    def isBlockhashValid(self, text, options=None):
        known = [str(b.blockhash) for b in self.chain.blocks if self.chain.is_recent(b.blockhash)]
        return self.context(text in known, options)

    def getMinimumBalanceForRentExemption(self, size, _options=None):
        return self.chain.svm.minimum_balance_for_rent_exemption(size)

    def getRecentPrioritizationFees(self, _accounts=()):
        return [{"slot": self.chain.slot, "prioritizationFee": 0}]

    # ---- accounts

    def account(self, text, options):
        found = self.chain.svm.get_account(Pubkey.from_string(text))
        if found is None:
            return None
        content = bytes(found.data)
        if part := options.get("dataSlice"):
            content = content[part["offset"] :][: part["length"]]
        if options.get("encoding", "base58") == "base58":
            written = [b58encode(content).decode(), "base58"]
        else:
            written = [base64.b64encode(content).decode(), "base64"]
        return {
            "lamports": found.lamports,
            "owner": str(found.owner),
            "executable": found.executable,
            "rentEpoch": 2**64 - 1,
            "space": len(found.data),
            "data": written,
        }

    def getAccountInfo(self, text, options=None):
        return self.context(self.account(text, options or {}), options)

    def getMultipleAccounts(self, texts, options=None):
        if len(texts) > MAX_ACCOUNTS:
            invalid(f"Too many inputs provided; max {MAX_ACCOUNTS}")
        return self.context([self.account(text, options or {}) for text in texts], options)

    def getBalance(self, text, options=None):
        balance = self.chain.svm.get_balance(Pubkey.from_string(text)) or 0
        return self.context(balance, options)

    def getTokenAccountBalance(self, text, options=None):
        found = self.chain.svm.get_account(Pubkey.from_string(text))
        if found is None or str(found.owner) not in TOKEN_PROGRAMS:
            invalid("Invalid param: could not find account")
        content = bytes(found.data)
        mint = self.chain.svm.get_account(Pubkey(content[:32]))
        decimals, amount = bytes(mint.data)[44], struct.unpack("<Q", content[64:72])[0]
        return self.context({"amount": str(amount), "decimals": decimals}, options)

    def requestAirdrop(self, text, lamports, _options=None):
        return self.chain.airdrop(Pubkey.from_string(text), lamports)

    # ---- transactions

    def decode(self, raw, options):
        is_base64 = options.get("encoding") == "base64"
        content = base64.b64decode(raw, validate=True) if is_base64 else b58decode(raw)
        if len(content) > PACKET_BYTES:
            invalid(f"decoded too large: {len(content)} bytes (max: {PACKET_BYTES} bytes)")
        try:
            return VersionedTransaction.from_bytes(content)
        except Exception as error:  # any malformed input of a stranger
            invalid(f"failed to deserialize VersionedTransaction: {error}")

    def simulateTransaction(self, raw, options=None):
        options = options or {}
        transaction = self.decode(raw, options)
        value = {"err": "BlockhashNotFound", "logs": [], "unitsConsumed": 0}
        if options.get("replaceRecentBlockhash") or self.chain.may_land(transaction):
            meta, error = self.chain.simulate(transaction, bool(options.get("sigVerify")))
            value = {
                "err": error_json(error),
                "logs": meta.logs(),
                "unitsConsumed": meta.compute_units_consumed(),
            }
        return self.context(value, options)

    def sendTransaction(self, raw, options=None):
        options = options or {}
        transaction = self.decode(raw, options)
        name = str(transaction.signatures[0])
        try:
            transaction.verify_and_hash_message()
        except Exception:  # whatever solders says of it
            raise RpcError(-32003, "Transaction signature verification failure") from None
        if name in self.chain.landed:
            return name  # A resend is harmless.
        is_checked = not options.get("skipPreflight")
        if self.dropping > 0:
            self.dropping -= 1
            return name
        if not self.chain.may_land(transaction):
            if is_checked:
                self.refuse("Blockhash not found", "BlockhashNotFound")
            return name
        if is_checked:
            meta, error = self.chain.simulate(transaction)
            if error is not None:
                self.refuse(error_words(error), error_json(error), meta)
        self.chain.land(transaction)
        return name

    def refuse(self, words, error, meta=None):
        data = {
            "err": error,
            "logs": meta.logs() if meta else [],
            "unitsConsumed": meta.compute_units_consumed() if meta else 0,
        }
        raise RpcError(-32002, f"Transaction simulation failed: {words}", data)

    def getSignatureStatuses(self, names, options=None):
        if len(names) > MAX_STATUSES:
            invalid(f"Too many inputs provided; max {MAX_STATUSES}")
        found = self.context([self.status(name) for name in names], options)
        if self.looks_left:
            self.looks_left -= 1
            if self.looks_left == 0:
                self.chain.first_kept = 0
        return found

    def status(self, name):
        found = self.chain.landed.get(name)
        if found is None or not self.chain.tells_of(found.slot):
            return None
        level = self.chain.level(found.slot)
        return {
            "slot": found.slot,
            "confirmations": None if level == 2 else self.chain.slot - found.slot,
            "err": error_json(found.error),
            "confirmationStatus": list(LEVELS)[level],
        }

    def getTransaction(self, name, options=None):
        options = options or {}
        found = self.chain.landed.get(name)
        wanted = LEVELS[options.get("commitment", "finalized")]
        if found is None or found.transaction is None or self.chain.level(found.slot) < wanted:
            return None
        if not self.chain.tells_of(found.slot):
            return None
        if options.get("encoding") == "json":
            written = transaction_json(found.transaction)
        else:
            written = [base64.b64encode(bytes(found.transaction)).decode(), "base64"]
        return {
            "slot": found.slot,
            "version": 0,
            "meta": {
                "err": error_json(found.error),
                "fee": fee(found.transaction),
                "preBalances": [found.lamports[0]],
                "postBalances": [found.lamports[1]],
                "logMessages": found.logs,
                "computeUnitsConsumed": found.units,
                **found.meta,
            },
            "transaction": written,
        }

    def getSignaturesForAddress(self, text, options=None):
        options = options or {}
        limit = options.get("limit", MAX_LISTED)
        if not 0 < limit <= MAX_LISTED:
            invalid(f"Invalid limit; max {MAX_LISTED}")
        wanted = LEVELS[options.get("commitment", "finalized")]
        rows, is_after = [], "before" in options
        for name, found in self.chain.history(Pubkey.from_string(text)):
            if name == options.get("until") or len(rows) == limit:
                break
            if not is_after and self.chain.level(found.slot) >= wanted:
                rows.append({"signature": name, "slot": found.slot, "err": error_json(found.error)})
            is_after = is_after and name != options["before"]
        return rows

    def getFirstAvailableBlock(self):
        return self.chain.first_kept

    def getBlocks(self, first, last, options=None):
        if last - first > MAX_BLOCKS:
            invalid(f"Slot range too large; max {MAX_BLOCKS}")
        return self.chain.told_slots(first, last, (options or {}).get("commitment"))

    def getBlock(self, slot, options=None):
        options = options or {}
        if options.get("transactionDetails") != "none":
            invalid("only blocks without their transactions are told")
        if not self.chain.told_slots(slot, slot, options.get("commitment")):
            raise RpcError(-32007, f"Slot {slot} was skipped, or missing due to ledger jump")
        before = self.chain.hashes.get(slot - 1)
        return {
            "blockHeight": self.chain.height - (self.chain.slot - slot),
            "blockTime": None,
            "blockhash": str(self.chain.hashes[slot]),
            "parentSlot": max(slot - 1, 0),
            "previousBlockhash": str(before or Hash.default()),
        }

    # ---- control

    def test_tick(self, count=1):
        if not 0 < count <= MAX_TICKS:
            invalid(f"1 to {MAX_TICKS} slots")
        self.chain.tick(count)
        return self.chain.slot

    def test_drop(self, count):
        self.dropping = count
        return count

    def test_rollback(self, slots, keep=True):
        if not 0 < slots < len(self.chain.blocks):
            invalid(f"1 to {len(self.chain.blocks) - 1} slots")
        return self.chain.roll_back(slots, keep)

    def test_stall(self, stalls=True):
        self.is_stalled = bool(stalls)
        return True

    def test_stallFinality(self, stalls=True):
        self.chain.stall_finality(stalls)
        return True

    def test_forget(self, slot, looks=0):
        self.chain.first_kept = slot
        self.looks_left = looks
        return slot

    def test_hole(self, first, count):
        self.chain.hole = range(first, first + count)
        return True

    def test_setAccount(self, text, lamports, owner, content):
        account = Account(lamports, base64.b64decode(content), Pubkey.from_string(owner))
        self.chain.set_account(Pubkey.from_string(text), account)
        return True

    def test_setTime(self, seconds):
        self.chain.set_time(seconds)
        return True

    def test_addProgram(self, text, program):
        self.chain.add_program(Pubkey.from_string(text), base64.b64decode(program))
        return True


def pass_slots(node: Node, seconds: float, stop: threading.Event):
    while not stop.wait(seconds):
        with node.lock:
            if not node.is_stalled:
                node.chain.tick()


def announce(node: Node, ports: list[int]):
    accounts = [{"address": str(k.pubkey()), "seed": bytes(k)[:32].hex()} for k in node.keys]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    line = {"listening": urls[0], "port": ports[0], "endpoints": urls, "accounts": accounts}
    if node.mint:
        line |= {"mint": str(node.mint), "token_program": node.token_program}
    print(json.dumps(line), flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8899, help="0: any free port")
    parser.add_argument("--accounts", type=int, default=4, help="funded dev accounts")
    parser.add_argument("--tokens", type=int, default=0, help="units of a mint for account 0")
    parser.add_argument("--token-2022", action="store_true", help="the mint is of Token-2022")
    parser.add_argument("--slot-ms", type=int, default=0, help="a slot passes so often; 0: never")
    parser.add_argument("--final", type=int, default=31, help="slots until one is finalized")
    parser.add_argument("--endpoints", type=int, default=1, help="how many ports it listens on")
    parser.add_argument("--exit-with-parent", action="store_true", help="end when orphaned")
    arguments = parser.parse_args()
    if not 1 <= arguments.endpoints <= 16:
        parser.error("--endpoints must be 1..16")
    if not 0 <= arguments.accounts <= 1000:
        parser.error("--accounts must be 0..1000")
    if not 0 <= arguments.tokens < 2**64 or (arguments.tokens and not arguments.accounts):
        parser.error("--tokens must be 0..2^64-1, and wants an account")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    stop = threading.Event()
    block_signals()
    parent = os.getppid() if arguments.exit_with_parent else None
    program = TOKEN_PROGRAMS[1 if arguments.token_2022 else 0]
    node = Node(arguments.accounts, arguments.tokens, program, final=arguments.final)
    try:
        servers = make_servers(node, arguments.port, arguments.endpoints)
    except OSError as error:
        print(f"cannot listen on port {arguments.port}: {error}", file=sys.stderr)
        return 1
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    if arguments.slot_ms:
        options = (node, arguments.slot_ms / 1_000, stop)
        threading.Thread(target=pass_slots, args=options, daemon=True).start()
    announce(node, [server.server_address[1] for server in servers])
    wait_for_the_end(parent)
    stop.set()
    for server in servers:
        server.shutdown()
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
