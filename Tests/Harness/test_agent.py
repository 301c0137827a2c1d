"""agent.py against a real chain and a small gateway that answers as the real one does.

The gateway here lets the agent's own decisions be tested without a model; end to end the agent
runs against the real gateway in the demo.
"""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from rpc_server import make_server

HERE = Path(__file__).parent
PROMPTS = HERE / "prompts.json"
MESSAGE = "exchequer-api-key-v1\nnonce 12"
API_KEY = "sk-exq-" + "A" * 43


class Gateway(BaseHTTPRequestHandler):
    """Credits deposits it sees on chain, after a few questions; answers with the prompt's tail."""

    protocol_version = "HTTP/1.1"
    house, seen, jobs, broken, patience = None, [], 0, (), 3

    def do_GET(self):
        if self.path == "/v1/models":
            return self.reply({"object": "list", "data": [{"id": "tiny", "object": "model"}]})
        assert self.path == "/v1/balance" and self.authorised()
        type(self).seen.append("balance")
        late = self.seen.count("balance") < self.patience
        logs = self.house.vault.events.Deposited().get_logs(from_block=0)
        units = sum(log.args.amount for log in logs)
        available = "0.00" if late else f"{units / 10**6:.2f}"
        rows = [{"asset": "TLY", "available": "9"}, {"asset": "USD", "available": available}]
        return self.reply({"data": rows})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        type(self).seen.append(body)
        if self.path == "/v1/keys/challenge":
            return self.reply({"message": MESSAGE, "expires_at": 1})
        if self.path == "/v1/keys":
            who = Account.recover_message(encode_defunct(text=MESSAGE), signature=body["signature"])
            if who.lower() != body["address"] or body["message"] != MESSAGE:
                return self.reply({"error": {"message": "wrong signature"}}, 401)
            return self.reply({"api_key": API_KEY, "party": 3})
        assert self.authorised()
        type(self).jobs += 1
        if self.jobs in self.broken:
            error = {"message": "no wallet", "type": "insufficient_quota", "code": "exchequer_407"}
            return self.reply({"error": error}, 402)
        chat = self.path == "/v1/chat/completions"
        assert chat or self.path == "/v1/completions"
        text = (body["messages"][-1]["content"] if chat else body["prompt"])[-9:]
        usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "cost": 0.0000123}
        house = {"job": self.jobs, "cost": "0.0000123", "providers": ["n1", "n2"], "attempts": 1}
        base = {"id": f"x{self.jobs}", "created": 1, "model": body["model"]}
        if not body.get("stream"):
            choice = {"index": 0, "finish_reason": "stop"}
            message = {"role": "assistant", "content": text}
            choice |= {"message": message} if chat else {"text": text}
            kind = "chat.completion" if chat else "text_completion"
            answer = base | {"object": kind, "choices": [choice], "usage": usage}
            return self.reply(answer | {"exchequer": house})
        assert body["stream_options"] == {"include_usage": True}
        chunks = []
        for part, reason in ((text[:4], None), (text[4:], None), ("", "length")):
            choice = {"index": 0, "finish_reason": reason}
            choice |= {"delta": {"content": part}} if chat else {"text": part}
            kind = "chat.completion.chunk" if chat else "text_completion"
            chunks.append(base | {"object": kind, "choices": [choice]})
        chunks[-1] |= {"usage": usage, "exchequer": house}
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]
        return self.send("".join(lines).encode(), 200, "text/event-stream")

    def authorised(self):
        return self.headers["authorization"] == f"Bearer {API_KEY}"

    def reply(self, value, status=200):
        self.send(json.dumps(value).encode(), status, "application/json")

    def send(self, body, status, kind):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture
def run(house, tmp_path):
    """Runs the agent; returns the process, its report and the gateway's notes."""

    class Mine(Gateway):
        pass

    Mine.house, Mine.seen = house, []
    gateway = ThreadingHTTPServer(("127.0.0.1", 0), Mine)
    gateway.daemon_threads = True
    chain = make_server(house.node, 0)
    urls = serve(gateway), serve(chain)

    def run(*options, key=house.people[1].key.hex(), prompts=PROMPTS, broken=(), patience=3):
        Mine.broken, Mine.patience = broken, patience
        out = tmp_path / "results.json"
        places = {"--base-url": urls[0], "--rpc": urls[1], "--contract": house.vault.address}
        places |= {"--usdc": house.usdc.address, "--prompts": str(prompts), "--out": str(out)}
        command = [sys.executable, str(HERE / "agent.py")]
        command += [word for pair in places.items() for word in pair] + list(options)
        environment = os.environ | {"EXCHEQUER_AGENT_KEY": key}
        result = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=120
        )
        return result, json.loads(out.read_text()) if out.exists() else None, Mine

    yield run
    for server in (gateway, chain):
        server.shutdown()
        server.server_close()


def test_the_prompts_are_varied():
    prompts = json.loads(PROMPTS.read_text())
    assert len(prompts) >= 12
    assert sum(bool(prompt.get("stream")) for prompt in prompts) >= 5
    assert {prompt["kind"] for prompt in prompts} == {"chat", "raw"}
    assert all(24 <= prompt["max_tokens"] <= 48 for prompt in prompts)


def test_pays_and_asks(house, run):
    result, report, gateway = run("--deposit", "1.25")
    assert result.returncode == 0, result.stdout + result.stderr
    assert house.usdc.functions.balanceOf(house.safe).call() == 1_250_000
    prompts = json.loads(PROMPTS.read_text())
    lines = result.stdout.splitlines()
    assert len([line for line in lines if line.startswith("[")]) == len(prompts)
    assert API_KEY not in result.stdout + result.stderr + json.dumps(report)
    assert report["party"] == 3 and report["balance_before"] == "1.25"
    assert report["answered"] == len(prompts) and report["spent"] == "0.0001722"
    for index, (prompt, entry) in enumerate(zip(prompts, report["requests"])):
        last = prompt["messages"][-1]["content"] if "messages" in prompt else prompt["prompt"]
        assert entry["text"] == last[-9:] and entry["model"] == "tiny"
        assert entry["job"] == index + 1 and entry["cost"] == "0.0000123"
        assert (entry["prompt_tokens"], entry["completion_tokens"]) == (5, 2)
        assert (entry["ttft"] is not None) == entry["stream"]
        assert entry["finish_reason"] == ("length" if entry["stream"] else "stop")
        assert entry["exchequer"]["providers"] == ["n1", "n2"]
    asked = [body for body in gateway.seen if isinstance(body, dict) and "model" in body]
    assert [body.get("provider") for body in asked] == [p.get("provider") for p in prompts]
    assert [body.get("seed") for body in asked] == [p.get("seed") for p in prompts]


def test_a_failed_prompt_is_reported(run):
    result, report, _ = run(broken=(2, 4))
    assert result.returncode == 1
    failed = [entry["index"] for entry in report["requests"] if not entry["ok"]]
    assert failed == [1, 3]
    assert "no wallet" in report["requests"][1]["error"]
    assert result.stdout.count("FAILED") == 2


def test_trouble_is_said_in_one_line(house, run, tmp_path):
    less = ("--deposit", "0.50")

    def trouble(text, *options, **changes):
        result, report, _ = run(*options, **changes)
        assert result.returncode == 2 and report is None
        lines = result.stderr.strip().splitlines()
        assert len(lines) == 1 and text in lines[0], result.stderr

    trouble("no private key", key="0x12")
    trouble("has 1000000.000000 USDC, the deposit is 1000000.01", "--deposit", "1000000.01")
    trouble("0.00 of 0.50 dollars credited after 3 s", *less, "--wait", "3", patience=10**6)
    bad = tmp_path / "bad.json"
    bad.write_text('[{"kind": "song"}]')
    trouble("prompt 0 is neither", prompts=bad)
    house.send(house.operator, house.vault.functions.pause())
    trouble("execution reverted: paused", *less)
