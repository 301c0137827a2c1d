#!/usr/bin/env python3
"""An EVM node for tests and the demo: JSON-RPC over a real in-memory chain (py-evm, Prague).

    python Tests/Harness/evm_node.py --port 0 --chain-id 31337 --accounts 12

It listens on 127.0.0.1 only and prints one JSON line when it is ready:
    {"listening": "http://127.0.0.1:40123", "port": 40123, "chainId": 31337,
     "accounts": [{"address": "0x..", "privateKey": "0x.."}, ..]}
Account i has the key keccak256("exchequer-dev-<i>"). SIGTERM and SIGINT end it with exit code 0.

Besides the eth_ methods it has the control methods of hardhat and anvil, and two for faults:
    anvil_reorg [depth, keep, blocks]   un-mines `depth` blocks; keep: their transactions go back
                                        to the pool, else they vanish; then mines `blocks`
    test_fault {method, kind, count, after, seconds, result}
        kind "error"    the call is refused and not executed
             "lost"     the call is executed, but the connection closes without an answer
             "hang"     the answer waits `seconds`
             "garbage"  the call is executed, the answer is not JSON
             "lie"      the call is not executed, `result` is the answer
        for the next `count` calls (default 1) of `method`, after letting `after` calls pass
    test_clearFaults []
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from eth.exceptions import HeaderNotFound
from eth_utils import decode_hex
from evm_chain import Chain, Reverted, data, effective_price, number, quantity, word

MAX_BODY = 1 << 20
MAX_BATCH = 100
MAX_LOG_BLOCKS = 10_000
MAX_MINED_AT_ONCE = 10_000
# Bounds the nesting of a body: py-evm raises Python's recursion limit so far that a deeply
# nested body would overrun the stack.
MAX_BRACKETS = 4_000
IDLE_SECONDS = 60
END_SIGNALS = {signal.SIGTERM, signal.SIGINT}
GWEI = 10**9
FAULT_KINDS = ("error", "lost", "hang", "garbage", "lie")


class RpcError(Exception):
    def __init__(self, code: int, message: str, data: str | None = None):
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


def refuse(message: str):
    raise RpcError(-32000, message)


class Node:
    """The methods. Public names with an underscore, such as `eth_call`, are callable by RPC."""

    def __init__(self, chain_id=31337, automine=True, **chain_options):
        self.chain = Chain(chain_id, **chain_options)
        self.automine = automine
        self.snapshots = []
        self.faults = []
        self.lock = threading.RLock()

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
        return data(self.chain.call(call, tag))

    def eth_estimateGas(self, call, tag="latest"):
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
        if self.automine:
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
        cost = transaction.gas * transaction.max_fee_per_gas + transaction.value
        if cost > state.get_balance(sender):
            refuse("insufficient funds for gas * price + value")
        if old := self.chain.pool.get(sender, {}).get(transaction.nonce):
            if old.hash == transaction.hash:
                refuse("already known")
            for field in ("max_fee_per_gas", "max_priority_fee_per_gas"):
                if getattr(transaction, field) * 10 < getattr(old, field) * 11:
                    refuse("replacement transaction underpriced")

    # ---- control, named as hardhat and anvil name them

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

    # ---- faults

    def test_fault(self, fault):
        if fault.get("kind") not in FAULT_KINDS or not isinstance(fault.get("method"), str):
            raise RpcError(-32602, f"needs method and kind, one of {', '.join(FAULT_KINDS)}")
        defaults = {"count": 1, "after": 0, "seconds": 30, "result": None}
        self.faults.append(defaults | fault)
        return True

    def test_clearFaults(self):
        self.faults.clear()
        return True

    def take_fault(self, method):
        """The fault this call of `method` shall suffer, or None."""
        for fault in self.faults:
            if fault["method"] != method:
                continue
            if fault["after"] > 0:
                fault["after"] -= 1
                continue
            fault["count"] -= 1
            if fault["count"] <= 0:
                self.faults.remove(fault)
            return fault
        return None

    # ---- dispatch

    def answer(self, request) -> tuple[dict, dict | None]:
        """The response to one JSON-RPC request and the fault for its transport, if any."""
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return failure(None, RpcError(-32600, "not a JSON-RPC request")), None
        identifier, method = request.get("id"), request["method"]
        with self.lock:
            fault = None if method.startswith("test_") else self.take_fault(method)
            try:
                if fault and fault["kind"] == "error":
                    refuse("injected fault")
                if fault and fault["kind"] == "lie":
                    result = fault["result"]
                else:
                    result = self._invoke(method, request.get("params") or [])
                return {"jsonrpc": "2.0", "id": identifier, "result": result}, fault
            except Reverted as error:
                return failure(identifier, RpcError(3, str(error), data(error.output))), fault
            except RpcError as error:
                return failure(identifier, error), fault
            except HeaderNotFound:
                return failure(identifier, RpcError(-32001, "block not found")), fault
            except Exception as error:  # a stranger's parameters must not end the node
                text = f"{type(error).__name__}: {error}"
                return failure(identifier, RpcError(-32602, text)), fault

    def _invoke(self, method, parameters):
        public = "_" in method and not method.startswith("_") and method != "take_fault"
        function = getattr(self, method, None) if public else None
        if not callable(function):
            raise RpcError(-32601, f"the method {method} does not exist/is not available")
        return function(*parameters)


def failure(identifier, error: RpcError) -> dict:
    fields = {"code": error.code, "message": error.message}
    if error.data is not None:
        fields["data"] = error.data
    return {"jsonrpc": "2.0", "id": identifier, "error": fields}


def make_server(node: Node, port: int) -> ThreadingHTTPServer:
    """An HTTP server on 127.0.0.1; port 0 lets the system choose."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1
        timeout = IDLE_SECONDS

        def do_POST(self):
            length = self.headers.get("content-length", "")
            if not length.isdigit():
                return self.reply(411, failure(None, RpcError(-32600, "length required")), True)
            if int(length) > MAX_BODY:
                error = RpcError(-32600, f"body over {MAX_BODY} bytes")
                return self.reply(413, failure(None, error), True)
            body = self.rfile.read(int(length))
            if body.count(b"[") + body.count(b"{") > MAX_BRACKETS:
                error = RpcError(-32600, f"more than {MAX_BRACKETS} brackets")
                return self.reply(400, failure(None, error))
            try:
                request = json.loads(body)
            except ValueError:
                return self.reply(400, failure(None, RpcError(-32700, "parse error")))
            batch = request if isinstance(request, list) else [request]
            if not 0 < len(batch) <= MAX_BATCH:
                error = RpcError(-32600, f"a batch has 1 to {MAX_BATCH} requests")
                return self.reply(400, failure(None, error))
            answers = [node.answer(one) for one in batch]
            fault = next((fault for _, fault in answers if fault), {})
            if fault.get("kind") == "lost":
                self.close_connection = True
                return None
            if fault.get("kind") == "garbage":
                return self.send(200, b"<html>502 Bad Gateway")
            if fault.get("kind") == "hang":
                time.sleep(fault["seconds"])
            responses = [response for response, _ in answers]
            return self.reply(200, responses if isinstance(request, list) else responses[0])

        def reply(self, status, value, close=False):
            self.close_connection = self.close_connection or close
            self.send(status, json.dumps(value).encode())

        def send(self, status, body):
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            if self.close_connection:
                self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    return server


def mine_regularly(node: Node, seconds: float, stop: threading.Event):
    while not stop.wait(seconds):
        with node.lock:
            node.chain.mine()


def wait_for_the_end(parent: int | None):
    """Returns at SIGTERM or SIGINT, or when process `parent` is no longer the parent.

    The signals are blocked in all threads and collected here, so no handler can run in the
    middle of anything.
    """
    while not signal.sigtimedwait(END_SIGNALS, 0.5):
        if parent is not None and os.getppid() != parent:
            return


def announce(node: Node, port: int):
    accounts = [
        {"address": account.address, "privateKey": data(key)}
        for account, key in zip(node.chain.accounts, node.chain.keys)
    ]
    line = {
        "listening": f"http://127.0.0.1:{port}",
        "port": port,
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
    parser.add_argument("--exit-with-parent", action="store_true", help="end when orphaned")
    arguments = parser.parse_args()
    if not 0 <= arguments.accounts <= 1000:
        parser.error("--accounts must be 0..1000")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    stop = threading.Event()
    signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS)  # before any thread starts
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
        server = make_server(node, arguments.port)
    except OSError as error:
        print(f"cannot listen on port {arguments.port}: {error}", file=sys.stderr)
        return 1
    helpers = [threading.Thread(target=server.serve_forever, daemon=True)]
    if arguments.interval:
        options = (node, arguments.interval, stop)
        helpers.append(threading.Thread(target=mine_regularly, args=options, daemon=True))
    for helper in helpers:
        helper.start()
    announce(node, server.server_address[1])
    wait_for_the_end(parent)
    stop.set()
    server.shutdown()
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
