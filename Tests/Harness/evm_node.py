#!/usr/bin/env python3
"""An EVM node for tests and the demo: JSON-RPC over a real in-memory chain (py-evm, Prague).

    python Tests/Harness/evm_node.py --port 0 --chain-id 31337 --accounts 12

It listens on 127.0.0.1 only and prints one JSON line when it is ready:
    {"listening": "http://127.0.0.1:40123", "port": 40123, "chainId": 31337,
     "endpoints": ["http://127.0.0.1:40123", ..], "accounts": [{"address": "0x..", "privateKey": "0x.."}, ..]}
Account i has the key keccak256("exchequer-dev-<i>"). SIGTERM and SIGINT end it with exit code 0.

Besides the eth_ methods it has the control methods of hardhat and anvil, the faults of rpc_server.py,
and
    anvil_reorg [depth, keep, blocks]   un-mines `depth` blocks; keep: their transactions go back
                                        to the pool, else they vanish; then mines `blocks`
    test_refuse [account]               an estimate that names the account is refused from now on,
                                        as a token refuses whom it has on a list;
                                        without one nobody is any more
    test_setMinimumTip [wei]            the pool takes nothing with a lower tip from now on
    test_setRollupFees [wei a byte, operator scalar, operator constant]
                                        it is a rollup of the OP stack from now on, and charges that
                                        beside gas (evm_rollup.py); zeros: a chain like another
    test_muteRollupOracle [on]          the contract that quotes those fees reverts
    test_stall [stalls]                 no block is made, however much time passes
    test_stallFinality [stalls]         the block of the tag "finalized" stays what it is
    test_mute [on]                      reverts come without their reasons, as from some nodes
"""

import argparse
import json
import os
import sys
import threading

from eth.exceptions import HeaderNotFound
from eth_utils import decode_hex
from evm_chain import Chain, Reverted, data, effective_price, number, quantity, word
from rpc_server import (
    RpcError,
    RpcNode,
    block_signals,
    make_servers,
    refuse,
    wait_for_the_end,
)

MAX_LOG_BLOCKS = 10_000
MAX_MINED_AT_ONCE = 10_000
GWEI = 10**9


class Node(RpcNode):
    """The methods. Public names with an underscore, such as `eth_call`, are callable by RPC."""

    def __init__(self, chain_id=31337, automine=True, **chain_options):
        super().__init__()
        self.chain = Chain(chain_id, **chain_options)
        self.automine = automine
        self.snapshots = []
        self.refused = set()
        self.minimum_tip = 0
        self.is_mute = False
        self.is_stalled = False

    def is_public(self, method):
        return "_" in method

    def explain(self, error):
        if isinstance(error, Reverted):
            if self.is_mute:
                return RpcError(3, "execution reverted", "0x")
            return RpcError(3, str(error), data(error.output))
        if isinstance(error, HeaderNotFound):
            return RpcError(-32001, "block not found")
        return None

    # ---- the chain as a whole

    def web3_clientVersion(self):
        return "exchequer-evm-node/py-evm"

    def net_version(self):
        return str(self.chain.chain_id)

    def eth_chainId(self):
        return quantity(self.chain.chain_id)

    def eth_syncing(self):
        return False

    def eth_accounts(self):
        return [account.address for account in self.chain.accounts]

    def eth_blockNumber(self):
        return quantity(self.chain.head.block_number)

    def eth_gasPrice(self):
        return quantity(self.chain.next_base_fee + GWEI)

    def eth_maxPriorityFeePerGas(self):
        return quantity(GWEI)

    def eth_feeHistory(self, count, newest="latest", percentiles=()):
        last = self.chain.header(newest)
        first = max(0, last.block_number - number(count) + 1)
        headers = self.chain.headers(quantity(first), quantity(last.block_number))
        following = self.chain.chain.create_header_from_parent(last).base_fee_per_gas
        answer = {
            "oldestBlock": quantity(first),
            "baseFeePerGas": [quantity(h.base_fee_per_gas) for h in headers],
            "gasUsedRatio": [h.gas_used / h.gas_limit for h in headers],
        }
        answer["baseFeePerGas"].append(quantity(following))
        if percentiles:
            answer["reward"] = [self._tips(header, percentiles) for header in headers]
        return answer

    def _tips(self, header, percentiles):
        base = header.base_fee_per_gas
        transactions = self.chain.block(header).transactions
        tips = sorted(effective_price(t, base) - base for t in transactions) or [0]
        last = len(tips) - 1
        return [quantity(tips[min(last, int(p / 100 * len(tips)))]) for p in percentiles]

    # ---- accounts

    def eth_getBalance(self, account, tag="latest"):
        return quantity(self.chain.state(tag).get_balance(decode_hex(account)))

    def eth_getCode(self, account, tag="latest"):
        return data(self.chain.state(tag).get_code(decode_hex(account)))

    def eth_getStorageAt(self, account, slot, tag="latest"):
        value = self.chain.state(tag).get_storage(decode_hex(account), number(slot))
        return word(value.to_bytes(32, "big"))

    def eth_getTransactionCount(self, account, tag="latest"):
        sender = decode_hex(account)
        nonce = self.chain.state(tag).get_nonce(sender)
        if tag == "pending":
            while nonce in self.chain.pool.get(sender, {}):
                nonce += 1
        return quantity(nonce)

    # ---- blocks, transactions, logs

    def eth_getBlockByNumber(self, tag, full=False):
        try:
            return self.chain.format_block(self.chain.header(tag), full)
        except HeaderNotFound:
            return None

    eth_getBlockByHash = eth_getBlockByNumber

    def eth_getBlockReceipts(self, tag):
        return self.chain.receipts(self.chain.header(tag))

    def eth_getTransactionByHash(self, transaction_hash):
        if found := self.chain.find(transaction_hash):
            header, index = found
            transaction = self.chain.block(header).transactions[index]
            return self.chain.format_transaction(transaction, header, index)
        if transaction := self.chain.pending(transaction_hash):
            return self.chain.format_transaction(transaction)
        return None

    def eth_getTransactionReceipt(self, transaction_hash):
        if found := self.chain.find(transaction_hash):
            header, index = found
            return self.chain.receipts(header)[index]
        return None

    def eth_getLogs(self, query):
        if query.get("blockHash"):
            headers = [self.chain.header(query["blockHash"])]
        else:
            first, last = query.get("fromBlock", "latest"), query.get("toBlock", "latest")
            low = self.chain.header(first).block_number
            # As real nodes do, a range may reach beyond the head.
            high = self.chain.head.block_number
            if not (isinstance(last, str) and last.startswith("0x") and number(last) > high):
                high = self.chain.header(last).block_number
            if high - low >= MAX_LOG_BLOCKS:
                raise RpcError(-32005, f"range of more than {MAX_LOG_BLOCKS} blocks")
            headers = [self.chain.header_at(height) for height in range(low, high + 1)]
        wanted = query.get("address")
        addresses = [wanted] if isinstance(wanted, str) else wanted
        addresses = {one.lower() for one in addresses} if addresses else None
        topics = []
        for topic in query.get("topics", []):
            choices = [topic] if isinstance(topic, str) else topic
            topics.append(choices and [choice.lower() for choice in choices])
        return self.chain.logs(headers, addresses, topics)

    # ---- execution

    def eth_call(self, call, tag="latest", _overrides=None):
        quoted = self.chain.rollup.answer(call)
        if quoted is not None and self.chain.rollup.is_mute:
            raise RpcError(3, "execution reverted", "0x")
        return data(self.chain.call(call, tag) if quoted is None else quoted)

    def eth_estimateGas(self, call, tag="latest"):
        content = str(call.get("data") or call.get("input") or "").lower()
        if any(account in content for account in self.refused):
            raise RpcError(3, "execution reverted: Blacklistable: account is blacklisted", "0x")
        return quantity(self.chain.estimate(call, tag))

    def eth_sendRawTransaction(self, raw):
        try:
            transaction = self.chain.builder.decode(decode_hex(raw))
            transaction.validate()
            sender = transaction.sender
        except Exception as error:  # any malformed input of a stranger
            refuse(f"rlp: {error}")
        self._admit(transaction, sender)
        self.chain.pool.setdefault(sender, {})[transaction.nonce] = transaction
        if self.automine and not self.is_stalled:
            self.chain.mine()
        return data(transaction.hash)

    def _admit(self, transaction, sender):
        """Refuses a transaction in the words of geth."""
        state = self.chain.state()
        nonce = state.get_nonce(sender)
        if getattr(transaction, "chain_id", None) not in (None, self.chain.chain_id):
            refuse("invalid chain id for signer")
        if transaction.nonce < nonce:
            refuse(f"nonce too low: next nonce {nonce}, tx nonce {transaction.nonce}")
        if transaction.intrinsic_gas > transaction.gas:
            refuse("intrinsic gas too low")
        if transaction.gas > self.chain.head.gas_limit:
            refuse("exceeds block gas limit")
        tip = transaction.max_priority_fee_per_gas
        if tip < self.minimum_tip:
            refuse(
                f"transaction underpriced: gas tip cap {tip}, minimum needed {self.minimum_tip}")
        if self.chain.most(transaction) > state.get_balance(sender):
            refuse("insufficient funds for gas * price + value")
        if old := self.chain.pool.get(sender, {}).get(transaction.nonce):
            if old.hash == transaction.hash:
                refuse("already known")
            for field in ("max_fee_per_gas", "max_priority_fee_per_gas"):
                if getattr(transaction, field) * 10 < getattr(old, field) * 11:
                    refuse("replacement transaction underpriced")

    # ---- control, named as hardhat and anvil name them

    def test_refuse(self, account=None):
        if account is None:
            self.refused.clear()
        else:
            self.refused.add(account.lower().removeprefix("0x"))
        return True

    def test_setMinimumTip(self, wei="0x0"):
        """What the pool takes nothing below: a node's own setting, as geth's --txpool.pricelimit."""
        self.minimum_tip = number(wei)
        return True

    def test_setRollupFees(self, byte_price="0x0", operator_scalar="0x0", operator_constant="0x0"):
        prices = number(byte_price), number(operator_scalar), number(operator_constant)
        self.chain.rollup.set(*prices)
        return True

    def test_muteRollupOracle(self, on=True):
        self.chain.rollup.is_mute = bool(on)
        return True

    def test_stallFinality(self, stalls=True):
        """Whether the block of the tag "finalized" stays what it is now, however many are mined."""
        chain = self.chain
        chain.stalled_at = chain.header("finalized").block_number if stalls else None
        return True

    def test_stall(self, stalls=True):
        self.is_stalled = bool(stalls)
        if not self.is_stalled and self.automine:
            self.chain.mine()
        return True

    def test_mute(self, on=True):
        self.is_mute = bool(on)
        return True

    def evm_mine(self, *_):
        return quantity(self.chain.mine().block_number)

    def anvil_mine(self, count="0x1", *_):
        if number(count) > MAX_MINED_AT_ONCE:
            raise RpcError(-32602, f"at most {MAX_MINED_AT_ONCE} blocks at once")
        for _block in range(number(count)):
            self.chain.mine()

    hardhat_mine = anvil_mine

    def evm_setAutomine(self, on):
        self.automine = bool(on)
        return True

    def evm_snapshot(self):
        pool = {sender: dict(queue) for sender, queue in self.chain.pool.items()}
        self.snapshots.append((self.chain.head, pool))
        return quantity(len(self.snapshots))

    def evm_revert(self, identifier):
        index = number(identifier) - 1
        if not 0 <= index < len(self.snapshots):
            return False
        header, pool = self.snapshots[index]
        del self.snapshots[index:]
        self.chain.rewind(header, keep=False)
        self.chain.pool = pool
        return True

    def evm_increaseTime(self, seconds):
        self.chain.advance_clock(number(seconds))
        return self.chain.clock_offset

    def evm_setNextBlockTimestamp(self, stamp):
        if number(stamp) <= self.chain.head.timestamp:
            raise RpcError(-32602, "timestamp is not after the head's")
        self.chain.next_timestamp = number(stamp)
        return True

    def anvil_dropTransaction(self, transaction_hash):
        if transaction := self.chain.pending(transaction_hash):
            self.chain.drop(transaction)
            return transaction_hash
        return None

    def anvil_reorg(self, depth, keep=True, blocks=None):
        height = self.chain.head.block_number
        if not 0 < number(depth) <= height:
            raise RpcError(-32602, f"depth must be 1..{height}")
        self.chain.rewind(self.chain.header_at(height - number(depth)), keep)
        # The new branch must differ from the old one also when it is empty.
        self.chain.clock_offset += 1
        for _block in range(number(depth if blocks is None else blocks)):
            self.chain.mine()
        return quantity(self.chain.head.block_number)

def mine_regularly(node: Node, seconds: float, stop: threading.Event):
    while not stop.wait(seconds):
        with node.lock:
            if not node.is_stalled:
                node.chain.mine()


def announce(node: Node, ports: list[int]):
    accounts = [
        {"address": account.address, "privateKey": data(key)}
        for account, key in zip(node.chain.accounts, node.chain.keys)
    ]
    line = {
        "listening": f"http://127.0.0.1:{ports[0]}",
        "port": ports[0],
        "endpoints": [f"http://127.0.0.1:{port}" for port in ports],
        "chainId": node.chain.chain_id,
        "accounts": accounts,
    }
    print(json.dumps(line), flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8545, help="0: any free port")
    parser.add_argument("--chain-id", type=int, default=31337)
    parser.add_argument("--accounts", type=int, default=10, help="funded dev accounts")
    parser.add_argument("--no-automine", action="store_true", help="mine on evm_mine only")
    parser.add_argument("--interval", type=float, default=0, help="mine every so many seconds")
    parser.add_argument("--safe", type=int, default=2, help="depth of the tag safe")
    parser.add_argument("--final", type=int, default=4, help="depth of the tag finalized")
    parser.add_argument("--endpoints", type=int, default=1, help="how many ports it listens on")
    parser.add_argument("--exit-with-parent", action="store_true", help="end when orphaned")
    arguments = parser.parse_args()
    if not 1 <= arguments.endpoints <= 16:
        parser.error("--endpoints must be 1..16")
    if not 0 <= arguments.accounts <= 1000:
        parser.error("--accounts must be 0..1000")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    stop = threading.Event()
    block_signals()
    parent = os.getppid() if arguments.exit_with_parent else None
    automine = not arguments.no_automine and not arguments.interval
    node = Node(
        arguments.chain_id,
        automine,
        accounts=arguments.accounts,
        safe=arguments.safe,
        final=arguments.final,
    )
    try:
        servers = make_servers(node, arguments.port, arguments.endpoints)
    except OSError as error:
        print(f"cannot listen on port {arguments.port}: {error}", file=sys.stderr)
        return 1
    helpers = [threading.Thread(target=one.serve_forever, daemon=True) for one in servers]
    if arguments.interval:
        options = (node, arguments.interval, stop)
        helpers.append(threading.Thread(target=mine_regularly, args=options, daemon=True))
    for helper in helpers:
        helper.start()
    announce(node, [server.server_address[1] for server in servers])
    wait_for_the_end(parent)
    stop.set()
    for server in servers:
        server.shutdown()
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
