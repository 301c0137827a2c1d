"""A real EVM chain in memory: py-evm blocks, tries and receipts, a mempool, mining and rewinding.

`evm_node.py` puts JSON-RPC in front of it. Not safe for several threads: the node holds a lock.
Known limits: no blobs, no peers, no competing senders; the fork is Prague.
"""

import os
import time

import rlp
from eth.chains.base import MiningChain
from eth.constants import BLANK_ROOT_HASH
from eth.db import get_db_backend
from eth.db.schema import SchemaV1
from eth.exceptions import HeaderNotFound, TransactionNotFound
from eth.vm.forks.prague import PragueVM
from eth.vm.spoof import SpoofTransaction
from eth_account import Account
from eth_utils import ValidationError, decode_hex, keccak
from evm_rollup import RollupFees, make_state_class

DEV_BALANCE = 10**24
COINBASE = b"\xc0" * 20
NO_ADDRESS = b"\0" * 20


def dev_key(index: int) -> bytes:
    """Private key number `index`: keccak256("exchequer-dev-<index>"). Public, so worthless."""
    return keccak(text=f"exchequer-dev-{index}")


def quantity(number: int) -> str:
    return hex(number)


def data(octets: bytes) -> str:
    return "0x" + bytes(octets).hex()


def word(octets: bytes) -> str:
    return "0x" + bytes(octets).rjust(32, b"\0").hex()


def address(octets: bytes) -> str | None:
    return data(octets) if octets else None


def number(value) -> int:
    """A JSON-RPC quantity (0x hex) or a plain number."""
    return int(value, 16) if isinstance(value, str) else int(value)


def effective_price(transaction, base_fee: int) -> int:
    tip = base_fee + transaction.max_priority_fee_per_gas
    return min(transaction.max_fee_per_gas, tip)


class Reverted(Exception):
    """A call failed; `output` is what the contract returned with the revert."""

    def __init__(self, text: str, output: bytes):
        super().__init__(text)
        self.output = output


def make_chain_class(chain_id: int, fees: RollupFees) -> type:
    class DevVM(PragueVM):
        _state_class = make_state_class(fees)

    class DevChain(MiningChain):
        vm_configuration = ((0, DevVM),)

        def create_header_from_parent(self, parent, **fields):
            fields.setdefault("gas_limit", parent.gas_limit)
            return super().create_header_from_parent(parent, **fields)

    DevChain.chain_id = chain_id
    return DevChain


class Chain:
    """The chain with `accounts` dev accounts of 1,000,000 ether each.

    `safe` and `final` say how many blocks the tags "safe" and "finalized" lie behind the head.
    """

    def __init__(self, chain_id, accounts=10, safe=2, final=4, gas_limit=60_000_000):
        self.keys = [dev_key(index) for index in range(accounts)]
        self.accounts = [Account.from_key(key) for key in self.keys]
        empty = {"balance": DEV_BALANCE, "nonce": 0, "code": b"", "storage": {}}
        state = {decode_hex(account.address): dict(empty) for account in self.accounts}
        genesis = {
            "coinbase": NO_ADDRESS,
            "difficulty": 0,
            "extra_data": b"",
            "gas_limit": gas_limit,
            "mix_hash": b"\0" * 32,
            "nonce": b"\0" * 8,
            "receipt_root": BLANK_ROOT_HASH,
            "transaction_root": BLANK_ROOT_HASH,
            "timestamp": int(time.time()) - 5,
        }
        self.rollup = RollupFees()
        chain_class = make_chain_class(chain_id, self.rollup)
        self.chain = chain_class.from_genesis(get_db_backend(), genesis, state)
        self.chain_id = chain_id
        self.safe = safe
        self.final = final
        self.stalled_at = None
        self.pool = {}  # sender -> nonce -> transaction
        self.next_timestamp = None
        self.clock_offset = 0
        self.builder = self.chain.get_vm().get_transaction_builder()

    # ---- reading blocks

    @property
    def head(self):
        return self.chain.get_canonical_head()

    @property
    def next_base_fee(self) -> int:
        return self.chain.header.base_fee_per_gas

    def header_at(self, height: int):
        if not 0 <= height <= self.head.block_number:
            raise HeaderNotFound(f"no block {height}")
        return self.chain.get_canonical_block_header_by_number(height)

    def header(self, tag):
        """The header that a block tag, number, hash or EIP-1898 object names."""
        if isinstance(tag, dict):
            tag = tag.get("blockHash") or tag.get("blockNumber")
        height = self.head.block_number
        if tag in (None, "latest", "pending"):
            return self.head
        if tag == "earliest":
            return self.header_at(0)
        if tag == "safe":
            return self.header_at(max(0, height - self.safe))
        if tag == "finalized":
            final = height - self.final if self.stalled_at is None else self.stalled_at
            return self.header_at(max(0, final))
        if isinstance(tag, str) and len(tag) == 66:
            return self.chain.get_block_header_by_hash(decode_hex(tag))
        return self.header_at(number(tag))

    def headers(self, first, last) -> list:
        """The headers from tag `first` to tag `last`, both included."""
        low, high = self.header(first).block_number, self.header(last).block_number
        return [self.header_at(height) for height in range(low, high + 1)]

    def block(self, header):
        return self.chain.get_block_by_header(header)

    def state(self, tag="latest"):
        following = self.chain.create_header_from_parent(self.header(tag))
        return self.chain.get_vm(following).state

    def find(self, transaction_hash: str):
        """(header, index) of a mined transaction, or None."""
        try:
            key = decode_hex(transaction_hash)
            height, index = self.chain.chaindb.get_transaction_index(key)
        except (TransactionNotFound, KeyError):
            return None
        if height > self.head.block_number:
            return None
        return self.header_at(height), index

    def pending(self, transaction_hash: str):
        """A transaction of the pool, or None."""
        for queue in self.pool.values():
            for transaction in queue.values():
                if data(transaction.hash) == transaction_hash.lower():
                    return transaction
        return None

    # ---- changing blocks

    def coming_timestamp(self) -> int:
        """The time of the next block: the clock's, but later than the head's."""
        now = self.next_timestamp or int(time.time()) + self.clock_offset
        return max(now, self.head.timestamp + 1)

    def advance_clock(self, seconds: int):
        """Puts the clock `seconds` after the head, or after now if that is later."""
        now = int(time.time())
        current = max(now + self.clock_offset, self.head.timestamp)
        self.clock_offset = current + seconds - now

    def most(self, transaction) -> int:
        """What a transaction may take from its sender."""
        gas = transaction.gas * transaction.max_fee_per_gas
        return gas + transaction.value + self.rollup.most(transaction)

    def choose(self) -> list:
        """The transactions of the next block: best tip first, nonces without gaps, affordable."""

        def best_tip(sender):
            return max(t.max_priority_fee_per_gas for t in self.pool[sender].values())

        state, left, chosen = self.state(), self.head.gas_limit, []
        for sender in sorted(self.pool, key=best_tip, reverse=True):
            nonce, balance = state.get_nonce(sender), state.get_balance(sender)
            while transaction := self.pool[sender].get(nonce):
                cost = self.most(transaction)
                too_cheap = transaction.max_fee_per_gas < self.next_base_fee
                if transaction.gas > left or too_cheap or cost > balance:
                    break
                chosen.append(transaction)
                left -= transaction.gas
                balance -= cost
                nonce += 1
        return chosen

    def mine(self):
        """Mines one block from the pool, also an empty one, and returns its header."""
        stamp = self.coming_timestamp()
        self.next_timestamp = None
        self.chain.header = self.chain.create_header_from_parent(self.head, timestamp=stamp)
        # One call for all: applying one by one rebuilds the tries each time.
        self.chain.mine_all(self.choose(), coinbase=COINBASE, mix_hash=os.urandom(32))
        state = self.state()
        for sender in list(self.pool):
            floor = state.get_nonce(sender)
            queue = {n: t for n, t in self.pool[sender].items() if n >= floor}
            if queue:
                self.pool[sender] = queue
            else:
                del self.pool[sender]
        return self.head

    def drop(self, transaction):
        """Takes a transaction out of the pool."""
        queue = self.pool[transaction.sender]
        del queue[transaction.nonce]
        if not queue:
            del self.pool[transaction.sender]

    def rewind(self, header, keep: bool):
        """Makes an older block the head. Later transactions return to the pool or are dropped."""
        undone = []
        for later in range(header.block_number + 1, self.head.block_number + 1):
            undone += self.chain.get_canonical_block_by_number(later).transactions
        database = self.chain.chaindb.db
        # Number-to-hash entries above the new head stay, py-evm's gap tracking reads them;
        # header_at() hides them.
        for transaction in undone:
            key = SchemaV1.make_transaction_hash_to_block_lookup_key(transaction.hash)
            database.pop(key, None)
        database[SchemaV1.make_canonical_head_hash_lookup_key()] = header.hash
        self.chain.header = self.chain.create_header_from_parent(header)
        if keep:
            for transaction in undone:
                self.pool.setdefault(transaction.sender, {})[transaction.nonce] = transaction

    # ---- executing without mining

    def spoof(self, call: dict, gas: int, tag="latest"):
        """The transaction that stands for an eth_call object on top of a block."""
        sender = decode_hex(call["from"]) if call.get("from") else NO_ADDRESS
        unsigned = self.builder.create_unsigned_transaction(
            nonce=self.state(tag).get_nonce(sender),
            gas_price=0,
            gas=gas,
            to=decode_hex(call["to"]) if call.get("to") else b"",
            value=number(call.get("value", 0)),
            data=decode_hex(call.get("input") or call.get("data") or "0x"),
        )
        return SpoofTransaction(unsigned, from_=sender)

    def execute(self, call: dict, tag, gas=None):
        """Runs an eth_call object on top of a block and returns py-evm's computation."""
        header = self.header(tag)
        latest = header.hash == self.head.hash
        stamp = self.coming_timestamp() if latest else header.timestamp + 1
        following = self.chain.create_header_from_parent(header, timestamp=stamp)
        state = self.chain.get_vm(following.copy(base_fee_per_gas=0)).state
        limit = min(gas or number(call.get("gas", header.gas_limit)), header.gas_limit)
        return state.apply_transaction(self.spoof(call, limit, tag))

    def call(self, call: dict, tag) -> bytes:
        computation = self.execute(call, tag)
        self.check(computation)
        return bytes(computation.output)

    @staticmethod
    def check(computation):
        """Raises `Reverted` in the words of geth if the computation failed."""
        if not computation.is_error:
            return
        output, text = bytes(computation.output), "execution reverted"
        if output[:4].hex() == "08c379a0" and len(output) >= 68:
            length = int.from_bytes(output[36:68], "big")
            text += ": " + output[68 : 68 + length].decode("utf8", "replace")
        elif not output and "Revert" not in type(computation._error).__name__:
            text = str(computation._error) or type(computation._error).__name__
        raise Reverted(text, output)

    def estimate(self, call: dict, tag) -> int:
        """The least gas that suffices, at most 0.5 % too high."""
        computation = self.execute(call, tag)
        self.check(computation)

        def suffices(gas):
            try:
                return not self.execute(call, tag, gas).is_error
            except ValidationError:  # below the intrinsic gas
                return False

        limit = self.header(tag).gas_limit
        low = self.spoof(call, limit).intrinsic_gas
        if suffices(low):
            return low  # a plain transfer
        # As geth does: what was used is too little, and seldom more than a 64th of it.
        used = computation.get_gas_used()
        low = max(low, used - 1)
        high = min(limit, used * 64 // 63 + 2_300)
        if not suffices(high):
            low, high = high, min(limit, 2 * used + 50_000)
        while high - low > max(1, high // 200):
            middle = (low + high) // 2
            low, high = (low, middle) if suffices(middle) else (middle, high)
        return high

    # ---- the JSON forms of transactions, blocks and receipts

    def format_transaction(self, transaction, header=None, index=None) -> dict:
        kind = getattr(transaction, "type_id", None) or 0
        fields = {
            "type": quantity(kind),
            "hash": data(transaction.hash),
            "from": address(transaction.sender),
            "nonce": quantity(transaction.nonce),
            "to": address(transaction.to),
            "value": quantity(transaction.value),
            "gas": quantity(transaction.gas),
            "input": data(transaction.data),
            "chainId": quantity(self.chain_id),
            "r": quantity(transaction.r),
            "s": quantity(transaction.s),
        }
        if kind >= 2:
            fields["maxFeePerGas"] = quantity(transaction.max_fee_per_gas)
            fields["maxPriorityFeePerGas"] = quantity(transaction.max_priority_fee_per_gas)
            fields["accessList"] = []
            fields["v"] = fields["yParity"] = quantity(transaction.y_parity)
        else:
            fields["v"] = quantity(getattr(transaction, "v", getattr(transaction, "y_parity", 0)))
        price = transaction.max_fee_per_gas
        if header:
            price = effective_price(transaction, header.base_fee_per_gas)
        fields["gasPrice"] = quantity(price)
        fields["blockHash"] = data(header.hash) if header else None
        fields["blockNumber"] = quantity(header.block_number) if header else None
        fields["transactionIndex"] = quantity(index) if header else None
        return fields

    def format_block(self, header, full: bool) -> dict:
        block = self.block(header)
        transactions = [data(t.hash) for t in block.transactions]
        if full:
            pairs = enumerate(block.transactions)
            transactions = [self.format_transaction(t, header, i) for i, t in pairs]
        return {
            "number": quantity(header.block_number),
            "hash": data(header.hash),
            "parentHash": data(header.parent_hash),
            "nonce": data(header.nonce),
            "sha3Uncles": data(header.uncles_hash),
            "logsBloom": data(header.bloom.to_bytes(256, "big")),
            "transactionsRoot": data(header.transaction_root),
            "stateRoot": data(header.state_root),
            "receiptsRoot": data(header.receipt_root),
            "miner": address(header.coinbase),
            "difficulty": "0x0",
            "totalDifficulty": "0x0",
            "extraData": data(header.extra_data),
            "size": quantity(len(rlp.encode(block))),
            "gasLimit": quantity(header.gas_limit),
            "gasUsed": quantity(header.gas_used),
            "timestamp": quantity(header.timestamp),
            "mixHash": data(header.mix_hash),
            "baseFeePerGas": quantity(header.base_fee_per_gas),
            "withdrawalsRoot": data(header.withdrawals_root),
            "withdrawals": [],
            "uncles": [],
            "blobGasUsed": quantity(header.blob_gas_used),
            "excessBlobGas": quantity(header.excess_blob_gas),
            "parentBeaconBlockRoot": data(header.parent_beacon_block_root),
            "transactions": transactions,
        }

    def receipts(self, header) -> list:
        """The receipts of a block in JSON form."""
        block = self.block(header)
        stored = block.get_receipts(self.chain.chaindb)
        used, log_index, formatted = 0, 0, []
        for index, (transaction, receipt) in enumerate(zip(block.transactions, stored)):
            place = {
                "blockNumber": quantity(header.block_number),
                "blockHash": data(header.hash),
                "transactionHash": data(transaction.hash),
                "transactionIndex": quantity(index),
            }
            logs = []
            for log in receipt.logs:
                entry = {
                    "address": address(log.address),
                    "topics": [word(topic.to_bytes(32, "big")) for topic in log.topics],
                    "data": data(log.data),
                    "logIndex": quantity(log_index),
                    "removed": False,
                }
                logs.append(entry | place)
                log_index += 1
            created = None
            if not transaction.to:
                created = address(keccak(rlp.encode([transaction.sender, transaction.nonce]))[12:])
            price = effective_price(transaction, header.base_fee_per_gas)
            fields = {
                "from": address(transaction.sender),
                "to": address(transaction.to),
                "type": quantity(getattr(transaction, "type_id", None) or 0),
                "status": "0x1" if receipt.state_root == b"\x01" else "0x0",
                "gasUsed": quantity(receipt.gas_used - used),
                "cumulativeGasUsed": quantity(receipt.gas_used),
                "effectiveGasPrice": quantity(price),
                "contractAddress": created,
                "logsBloom": data(receipt.bloom.to_bytes(256, "big")),
                "logs": logs,
            }
            extra = self.rollup.charged.get((header.block_number, transaction.hash), {})
            formatted.append(fields | extra | place)
            used = receipt.gas_used
        return formatted

    def logs(self, headers: list, addresses: set | None, topics: list) -> list:
        """The logs of these blocks that match; a topic is None or a list of alternatives."""

        def matches(log):
            if addresses and log["address"] not in addresses:
                return False
            if len(log["topics"]) < len(topics):
                return False
            pairs = zip(topics, log["topics"])
            return all(wanted is None or topic in wanted for wanted, topic in pairs)

        found = []
        for header in headers:
            if header.bloom:
                for receipt in self.receipts(header):
                    found += filter(matches, receipt["logs"])
        return found
