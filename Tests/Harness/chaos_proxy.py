#!/usr/bin/env python3
"""One chain behind several JSON-RPC endpoints that misbehave at random, for tests.

    python Tests/Harness/chaos_proxy.py evm --endpoints 3 --seed 7 --accounts 12
    python Tests/Harness/chaos_proxy.py solana --endpoints 3 --seed 7 --tokens 1000000 --slot-ms 50

The chain is that of evm_node.py or svm_node.py. It prints what they print, and "endpoints", a list
of URLs. "listening" is honest: for who looks on, and for control. Until it is told otherwise all is
calm. Besides the node's own methods the honest one has

    test_chaos [on]      whether the endpoints misbehave
    test_weather [on]    whether the chain does: reorganisations and forks that are shallower than
                         `--depth`, evicted and dropped transactions, dear fees, expired blockhashes
    test_met []          how often each kind of fault was met

An endpoint changes its mood every few seconds (`MOODS`): good, flaky, behind the others, or down.
At most one at a time lies (`LIES`), for some seconds; nobody does between two liars, so that no two
of them lie within one question. The seed decides what is drawn, threads decide in which order: the
same seed is the same kind of weather, not the same run.
"""

import argparse
import collections
import contextlib
import json
import os
import random
import sys
import threading
import time

import chaos_lies
import evm_node
import svm_node
from evm_chain import data, number, quantity
from rpc_server import RpcError, block_signals, failure, make_server, wait_for_the_end

GWEI = 10**9
# Name: how often it is drawn, how likely a call then fails.
MOODS = {"good": (14, 0.01), "flaky": (4, 0.12), "behind": (2, 0.02), "down": (1, 1.0)}
MOOD_SECONDS = (0.5, 3.0)
LIAR_SECONDS = 5.0
CALM_SECONDS = 6.0
HANG_SECONDS = (0.1, 1.5)
# A client gives up before.
STALL_SECONDS = 8.0
ERRORS = [
    (-32005, "daily request count exceeded, request rate limited"),
    (-32603, "Internal error"),
    (-32000, "header not found"),
    (-32002, "request timed out"),
    (-32016, "Minimum context slot has not been reached"),
]
SENDS = ("eth_sendRawTransaction", "sendTransaction")
# What clients say of a transaction that they have, or may get again: see BroadcastAnswer.swift.
SEND_ERRORS = [
    "already known",
    "ALREADY_EXISTS: already known",
    "INTERNAL_ERROR: existing tx with same hash",
    "Known transaction",
    "AlreadyKnown",
    "nonce too low: next nonce 9, tx nonce 8",
    "OldNonce",
    "replacement transaction underpriced",
    "transaction underpriced: gas tip cap 1, minimum needed 2",
    "FeeTooLow",
    "nonce too high",
    "txpool is full",
    "upfront cost exceeds account balance",
    "something that no client has said before",
]


class World:
    """What the endpoints of one chain have in common."""

    def __init__(self, node, seed: int, count: int):
        self.node, self.count = node, count
        self.is_wild = self.is_stormy = False
        self.begun = time.monotonic()
        self.seed = seed
        # Until then every endpoint takes transactions and forgets them.
        self.dropping_until = 0.0
        self.met = collections.Counter()

    def meet(self, kind: str):
        self.met[kind] += 1

    def is_liar(self, place: int) -> bool:
        turn, second = divmod(time.monotonic() - self.begun, LIAR_SECONDS + CALM_SECONDS)
        # Sometimes nobody is.
        who = random.Random(f"{self.seed}/liar/{int(turn)}").randrange(self.count + 1)
        return who == place and second < LIAR_SECONDS


class Endpoint:
    """One way to the node; a server takes it for the node itself."""

    def __init__(self, world: World, place: int, view):
        self.world, self.place, self.view = world, place, view
        self.random = random.Random(f"{world.seed}/endpoint/{place}")
        self.mood, self.lag, self.until = "good", 0, 0.0

    def feel(self):
        """The mood it is in now, and how likely a call fails."""
        now = time.monotonic()
        if now >= self.until:
            names = list(MOODS)
            weights = [MOODS[name][0] for name in names]
            self.mood = self.random.choices(names, weights)[0]
            self.lag = self.random.randrange(*self.view.lags) if self.mood == "behind" else 0
            self.until = now + self.random.uniform(*MOOD_SECONDS)
        return self.mood, MOODS[self.mood][1]

    def answer(self, request, _listener=0):
        world, method = self.world, request.get("method", "") if isinstance(request, dict) else ""
        if not world.is_wild or not method:
            return world.node.answer(request)
        mood, risk = self.feel()
        if mood == "down":
            world.meet("down")
            return {}, {"kind": "lost"}
        fault = None
        if self.random.random() < risk:
            kind = self.random.choice(["error", "lost", "garbage", "hang", "hang", "stall"])
            world.meet(kind)
            if kind == "error":
                return failure(request.get("id"), RpcError(*self.random.choice(ERRORS))), None
            seconds = STALL_SECONDS if kind == "stall" else self.random.uniform(*HANG_SECONDS)
            fault = {"kind": "hang" if kind == "stall" else kind, "seconds": seconds}
        try:
            return self.reply(method, request), fault
        except RpcError as error:
            return failure(request.get("id"), error), fault

    def reply(self, method, request):
        """The answer as this endpoint gives it now."""
        world = self.world
        if method in SENDS:
            return self.take(method, request)
        lies = chaos_lies.LIES.get(method)
        if lies and world.is_liar(self.place) and self.random.random() < 0.5:
            world.meet(f"lie {method}")
            honest = self.result(request)
            told = self.random.choice(lies)(self.random, honest)
            return {"jsonrpc": "2.0", "id": request.get("id"), "result": told}
        if self.lag:
            world.meet("lag")
            with world.node.lock:
                return self.view.answer(world.node, request, self.lag)
        return world.node.answer(request)[0]

    def result(self, request):
        """What the node says; its error as an exception."""
        said = world_answer(self.world, request)
        if "error" in said:
            raise RpcError(said["error"]["code"], said["error"]["message"])
        return said["result"]

    def take(self, method, request):
        """A transaction: taken, taken with other words, or forgotten."""
        world = self.world
        draw = self.random.random()
        is_lying = world.is_liar(self.place)
        if time.monotonic() < world.dropping_until or draw < (0.5 if is_lying else 0.05):
            world.meet("dropped send")
            name = self.view.name_of(world.node, request["params"][0])
            return {"jsonrpc": "2.0", "id": request.get("id"), "result": name}
        if is_lying and method == SENDS[0] and draw < 0.7:
            world.meet("refused send")
            raise RpcError(-32000, "intrinsic gas too low: gas 0, minimum needed 21000")
        said = world_answer(world, request)
        if method == SENDS[0] and draw > 0.85:
            world.meet("other words")
            raise RpcError(-32000, self.random.choice(SEND_ERRORS))
        return said


def world_answer(world, request):
    return world.node.answer(request)[0]


# ---- a node that is behind


class EVMView:
    """The chain as of some blocks ago."""

    lags = (1, 6)
    # Where each method has its block.
    places = {
        "eth_getBlockByNumber": 0, "eth_call": 1, "eth_estimateGas": 1, "eth_getBalance": 1,
        "eth_getTransactionCount": 1, "eth_getCode": 1, "eth_getStorageAt": 2,
    }

    @staticmethod
    def name_of(node, raw):
        transaction = node.chain.builder.decode(bytes.fromhex(raw.removeprefix("0x")))
        return "0x" + transaction.hash.hex()

    @classmethod
    def answer(cls, node, request, lag):
        method, parameters = request["method"], list(request.get("params") or [])
        head = max(0, node.chain.head.block_number - lag)
        place = cls.places.get(method)
        if place is not None:
            parameters += ["latest"] * (place + 1 - len(parameters))
            parameters[place] = cls.tag(node, parameters[place], head)
            if number(parameters[place]) > head:
                if method == "eth_getBlockByNumber":
                    return {"jsonrpc": "2.0", "id": request.get("id"), "result": None}
                raise RpcError(-32000, "header not found")
        if method == "eth_getLogs":
            query = dict(parameters[0])
            if query.get("blockHash"):
                if node.chain.header(query["blockHash"]).block_number > head:
                    raise RpcError(-32000, "unknown block")
            elif number(query["toBlock"]) > head:
                query["toBlock"] = quantity(head)
                if number(query["fromBlock"]) > head:
                    return {"jsonrpc": "2.0", "id": request.get("id"), "result": []}
            parameters = [query]
        said = node.answer(request | {"params": parameters})[0]
        result = said.get("result")
        if method == "eth_blockNumber":
            said["result"] = quantity(head)
        elif isinstance(result, dict) and number(result.get("blockNumber") or 0) > head:
            said["result"] = None
        return said

    @staticmethod
    def tag(node, tag, head):
        """A block's number: those of tags as of the head that this node has."""
        if tag in (None, "latest", "pending"):
            return quantity(head)
        if tag == "finalized":
            return quantity(max(0, head - node.chain.final))
        return tag if isinstance(tag, str) and tag.startswith("0x") and len(tag) < 66 else "0x0"


class SolanaView:
    """The cluster as of some slots ago. What accounts held then it does not know, and says so."""

    lags = (2, 40)
    unknown = ("getAccountInfo", "getMultipleAccounts", "getBalance")

    @staticmethod
    def name_of(node, raw):
        return str(node.decode(raw, {"encoding": "base64"}).signatures[0])

    @classmethod
    def answer(cls, node, request, lag):
        if request["method"] in cls.unknown:
            raise RpcError(-32005, f"Node is behind by {lag} slots")
        with behind(node.chain, lag):
            return node.answer(request)[0]


@contextlib.contextmanager
def behind(chain, lag):
    """The slots of a Solana chain as of `lag` slots ago, while the node's lock is held."""
    lag = min(lag, len(chain.blocks) - 1)
    saved = chain.slot, chain.height, chain.blocks, chain.landed
    chain.slot, chain.height = chain.slot - lag, chain.height - lag
    chain.blocks = chain.blocks[: len(chain.blocks) - lag]
    chain.landed = {n: found for n, found in chain.landed.items() if found.slot <= chain.slot}
    try:
        yield
    finally:
        chain.slot, chain.height, chain.blocks, chain.landed = saved


# ---- the chains' weather


class EVMWeather:
    """Blocks, one every `seconds`; with storms the last ones are sometimes others."""

    def __init__(self, world, depth):
        self.world, self.depth = world, depth
        self.random = random.Random(f"{world.seed}/weather")
        self.dear_until = 0.0

    def pass_time(self):
        node, draw, now = self.world.node, self.random.random(), time.monotonic()
        if node.minimum_tip and now > self.dear_until:
            node.test_setMinimumTip("0x0")
        if self.world.is_stormy and draw < 0.05:
            deepest = min(self.depth, node.chain.head.block_number)
            self.world.meet("reorganisation")
            node.anvil_reorg(self.random.randint(1, deepest), self.random.random() < 0.5)
        elif self.world.is_stormy and draw < 0.06:
            # Fees rise: the pool forgets what is too cheap now.
            self.world.meet("fee spike")
            node.test_setMinimumTip(quantity(self.random.randint(2, 9) * GWEI))
            self.dear_until = now + self.random.uniform(1, 8)
            node.chain.pool.clear()
        elif self.world.is_stormy and draw < 0.07:
            self.world.meet("storm of drops")
            self.world.dropping_until = now + self.random.uniform(0.2, 1.5)
        node.chain.mine()


class SolanaWeather:
    """Slots; with storms forks take the place of the last ones, finality stalls, hashes expire."""

    def __init__(self, world, depth):
        self.world, self.depth = world, depth
        self.random = random.Random(f"{world.seed}/weather")
        self.stalled_until = 0.0

    def pass_time(self):
        world, node, now = self.world, self.world.node, time.monotonic()
        if node.chain.stalled_at is not None and now > self.stalled_until:
            node.test_stallFinality(False)
        draw = self.random.random() if world.is_stormy else 1.0
        if draw < 0.006:
            world.meet("fork")
            slots = self.random.randint(1, min(self.depth, len(node.chain.blocks) - 1))
            node.test_rollback(slots, self.random.random() < 0.5)
        elif draw < 0.009:
            world.meet("stalled finality")
            node.test_stallFinality(True)
            self.stalled_until = now + self.random.uniform(0.3, 3)
        elif draw < 0.010:
            world.meet("expired blockhashes")
            node.test_tick(160)
        elif draw < 0.012:
            world.meet("storm of drops")
            world.dropping_until = now + self.random.uniform(0.2, 1.5)
        node.chain.tick()


def pass_time(world, weather, seconds, stop):
    while not stop.wait(seconds):
        with world.node.lock:
            weather.pass_time()


# ---- the program


class Control:
    """The honest endpoint's own methods."""

    def test_chaos(self, on=True):
        self.world.is_wild = bool(on)
        return True

    def test_weather(self, on=True):
        self.world.is_stormy = bool(on)
        return True

    def test_met(self):
        return dict(self.world.met)


class EVM(Control, evm_node.Node):
    """Endpoints that are asked the same at the same block need no second answer."""

    estimates = (None, {})

    def told(self):
        accounts = zip(self.chain.accounts, self.chain.keys)
        return {
            "accounts": [{"address": one.address, "privateKey": data(key)}
                         for one, key in accounts]}

    def eth_maxPriorityFeePerGas(self):
        return quantity(max(GWEI, self.minimum_tip))

    def eth_estimateGas(self, call, tag="latest"):
        head = self.chain.head.hash
        if self.estimates[0] != head:
            self.estimates = (head, {})
        key = json.dumps([call, tag], sort_keys=True)
        if key not in self.estimates[1]:
            self.estimates[1][key] = super().eth_estimateGas(call, tag)
        return self.estimates[1][key]


class Solana(Control, svm_node.Node):
    def told(self):
        accounts = [{"address": str(key.pubkey()), "seed": bytes(key)[:32].hex()}
                    for key in self.keys]
        return {"accounts": accounts, "mint": str(self.mint),
                "token_program": self.token_program}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chain", choices=["evm", "solana"])
    parser.add_argument("--endpoints", type=int, default=3, help="that misbehave")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--depth", type=int, default=0, help="of the deepest reorganisation")
    parser.add_argument("--accounts", type=int, default=4, help="funded dev accounts")
    parser.add_argument("--block-ms", type=int, default=250, help="an EVM block comes so often")
    parser.add_argument("--slot-ms", type=int, default=50, help="a slot passes so often")
    parser.add_argument("--tokens", type=int, default=0, help="units of a mint for account 0")
    parser.add_argument("--exit-with-parent", action="store_true", help="end when orphaned")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    stop = threading.Event()
    block_signals()
    parent = os.getppid() if arguments.exit_with_parent else None
    if arguments.chain == "evm":
        node, view = EVM(31337, False, accounts=arguments.accounts), EVMView
        weather, seconds = EVMWeather, arguments.block_ms / 1_000
    else:
        node, view = Solana(arguments.accounts, arguments.tokens), SolanaView
        weather, seconds = SolanaWeather, arguments.slot_ms / 1_000
    world = node.world = World(node, arguments.seed, arguments.endpoints)
    weather = weather(world, arguments.depth or (3 if arguments.chain == "evm" else 20))
    faces = [Endpoint(world, place, view) for place in range(arguments.endpoints)]
    servers = [make_server(face, 0) for face in [node, *faces]]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=pass_time, args=(world, weather, seconds, stop), daemon=True).start()
    urls = [f"http://127.0.0.1:{server.server_address[1]}" for server in servers]
    line = {"listening": urls[0], "endpoints": urls[1:]} | node.told()
    print(json.dumps(line), flush=True)
    wait_for_the_end(parent)
    stop.set()
    for server in servers:
        server.shutdown()
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
