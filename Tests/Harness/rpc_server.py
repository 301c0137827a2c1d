"""What the test chains' JSON-RPC servers share: the server, its limits, and its faults.

    test_fault {method, kind, count, after, seconds, result, message, code, contains}
        kind "error"    the call is refused with `message` and `code`, and not executed
             "lost"     the call is executed, but the connection closes without an answer
             "hang"     the answer waits `seconds`
             "garbage"  the call is executed, the answer is not JSON
             "lie"      the call is not executed, `result` is the answer
             "already known", "underpriced", "nonce gap", "blockhash expired"
                        the call is refused in the words that a pool has for it; only what is
                        already known is executed
        for the next `count` calls (default 1) of `method`, after letting `after` calls pass; of
        those alone whose parameters have the text `contains` in them
    test_clearFaults []

A chain may have several listeners (`make_servers`), as one with several providers: a fault is of
the listener that it was asked of.
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BODY = 1 << 20
MAX_BATCH = 100
# Bounds the nesting of a body: py-evm raises Python's recursion limit so far that a deeply
# nested body would overrun the stack.
MAX_BRACKETS = 4_000
IDLE_SECONDS = 60
END_SIGNALS = {signal.SIGTERM, signal.SIGINT}
# What pools say, by the kind of fault.
REFUSALS = {
    "already known": (-32000, "already known"),
    "underpriced": (-32000, "replacement transaction underpriced"),
    "nonce gap": (-32000, "nonce too high"),
    "blockhash expired": (-32002, "Transaction simulation failed: Blockhash not found"),
}
FAULT_KINDS = ("error", "lost", "hang", "garbage", "lie", *REFUSALS)


class RpcError(Exception):
    def __init__(self, code: int, message: str, data: str | None = None):
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


def refuse(message: str):
    raise RpcError(-32000, message)


class RpcNode:
    """A chain's methods, called by name. A subclass says which names are public."""

    def __init__(self):
        # By listener; `listener` is the one whose call is being answered.
        self.faults = {}
        self.listener = 0
        self.lock = threading.RLock()

    def is_public(self, method: str) -> bool:
        """Whether a stranger may call the method of this name."""
        return False

    def explain(self, error: Exception) -> RpcError | None:
        """What an error of the chain is to the caller; None: its parameters are wrong."""
        return None

    # ---- faults

    def test_fault(self, fault):
        if fault.get("kind") not in FAULT_KINDS or not isinstance(fault.get("method"), str):
            raise RpcError(-32602, f"needs method and kind, one of {', '.join(FAULT_KINDS)}")
        defaults = {"count": 1, "after": 0, "seconds": 30, "result": None, "contains": ""}
        defaults |= {"message": "injected fault", "code": -32000}
        self.faults.setdefault(self.listener, []).append(defaults | fault)
        return True

    def test_clearFaults(self):
        self.faults.pop(self.listener, None)
        return True

    def take_fault(self, method, parameters=()):
        """The fault this call of `method` shall suffer, or None."""
        faults = self.faults.get(self.listener, [])
        for fault in faults:
            if fault["method"] != method or fault["contains"] not in json.dumps(parameters):
                continue
            if fault["after"] > 0:
                fault["after"] -= 1
                continue
            fault["count"] -= 1
            if fault["count"] <= 0:
                faults.remove(fault)
            return fault
        return None

    # ---- dispatch

    def answer(self, request, listener=0) -> tuple[dict, dict | None]:
        """The response to one JSON-RPC request and the fault for its transport, if any."""
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return failure(None, RpcError(-32600, "not a JSON-RPC request")), None
        identifier, method = request.get("id"), request["method"]
        with self.lock:
            self.listener = listener
            fault = None
            if not method.startswith("test_"):
                fault = self.take_fault(method, request.get("params"))
            try:
                if fault and fault["kind"] == "error":
                    raise RpcError(fault["code"], fault["message"])
                if fault and fault["kind"] in REFUSALS:
                    if fault["kind"] == "already known":
                        self._invoke(method, request.get("params") or [])
                    raise RpcError(*REFUSALS[fault["kind"]])
                if fault and fault["kind"] == "lie":
                    result = fault["result"]
                else:
                    result = self._invoke(method, request.get("params") or [])
                return {"jsonrpc": "2.0", "id": identifier, "result": result}, fault
            except RpcError as error:
                return failure(identifier, error), fault
            except Exception as error:  # a stranger's parameters must not end the node
                text = f"{type(error).__name__}: {error}"
                return failure(identifier, self.explain(error) or RpcError(-32602, text)), fault

    def _invoke(self, method, parameters):
        own = hasattr(RpcNode, method) and not method.startswith("test_")
        public = self.is_public(method) or method.startswith("test_")
        is_reachable = public and not own and not method.startswith("_")
        function = getattr(self, method, None) if is_reachable else None
        if not callable(function):
            raise RpcError(-32601, f"the method {method} does not exist/is not available")
        return function(*parameters)


def failure(identifier, error: RpcError) -> dict:
    fields = {"code": error.code, "message": error.message}
    if error.data is not None:
        fields["data"] = error.data
    return {"jsonrpc": "2.0", "id": identifier, "error": fields}


class Server(ThreadingHTTPServer):
    """A server for which a client that hangs up is no news: tests end theirs in the middle."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def make_servers(node: RpcNode, port: int, count: int) -> list[ThreadingHTTPServer]:
    """As many listeners of one chain, on `port` and those after it, or where the system chooses."""
    servers = []
    try:
        for listener in range(count):
            servers.append(make_server(node, port + listener if port else 0, listener))
    except OSError:
        for server in servers:
            server.server_close()
        raise
    return servers


def make_server(node: RpcNode, port: int, listener=0) -> ThreadingHTTPServer:
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
            answers = [node.answer(one, listener) for one in batch]
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

    server = Server(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    return server


def block_signals():
    """Lets SIGTERM and SIGINT wait for `wait_for_the_end`; call it before any thread starts."""
    signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS)


def wait_for_the_end(parent: int | None):
    """Returns at SIGTERM or SIGINT, or when process `parent` is no longer the parent.

    The signals are blocked in all threads and collected here, so no handler can run in the
    middle of anything.
    """
    while not signal.sigtimedwait(END_SIGNALS, 0.5):
        if parent is not None and os.getppid() != parent:
            return
