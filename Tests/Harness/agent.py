#!/usr/bin/env python3
"""A buyer: deposits USDC on chain, gets an API key with a signature, and sends real prompts.

It speaks to the gateway through the official `openai` client only, as any customer would.

    python agent.py --base-url http://127.0.0.1:8080 --rpc http://127.0.0.1:8545 \\
        --contract 0x.. --usdc 0x.. --private-key-file key.hex --deposit 2.50 \\
        --prompts prompts.json --out results.json

The key may also be in the environment as EXCHEQUER_AGENT_KEY. PROMPTS is a list of
    {"kind": "chat", "messages": [..]} or {"kind": "raw", "prompt": ".."}, and optionally
    "title", "model", "stream", "max_tokens", "temperature", "top_p", "seed", "stop" and
    "provider", the routing preferences as OpenRouter spells them.
One line per prompt goes to stdout; all details go to the JSON file of --out.

Exit code: 0 all prompts were answered, 1 some were not, 2 it did not come to that.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path

import openai
from eth_account import Account
from eth_account.messages import encode_defunct
from web3 import Web3

USDC_DECIMALS = 6
POLL_SECONDS = 0.25
PASSED_ON = ("max_tokens", "temperature", "top_p", "seed", "stop")


class Trouble(Exception):
    """Something that ends the agent, in plain words."""


def function(name, inputs, outputs=(), view=False):
    return {
        "type": "function",
        "name": name,
        "stateMutability": "view" if view else "nonpayable",
        "inputs": [{"name": "", "type": kind} for kind in inputs],
        "outputs": [{"name": "", "type": kind} for kind in outputs],
    }


TOKEN_ABI = [
    function("approve", ["address", "uint256"], ["bool"]),
    function("balanceOf", ["address"], ["uint256"], view=True),
]
VAULT_ABI = [function("deposit", ["uint256"])]


@dataclass
class Outcome:
    """What came of one prompt."""

    index: int
    title: str
    kind: str
    stream: bool
    model: str
    provider: dict | None
    ok: bool = False
    error: str | None = None
    job: object = None
    text: str = ""
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: str | None = None
    exchequer: dict = field(default_factory=dict)
    seconds: float = 0.0
    ttft: float | None = None  # seconds to the first text; streamed prompts only


# ---- the chain


class Wallet:
    def __init__(self, rpc: str, key: str, wait: float):
        self.web3 = Web3(Web3.HTTPProvider(rpc))
        self.account = Account.from_key(key)
        self.wait = wait

    def send(self, call) -> str:
        """Signs and sends a contract call and waits until it is mined."""
        sender = self.account.address
        nonce = self.web3.eth.get_transaction_count(sender)
        transaction = call.build_transaction({"from": sender, "nonce": nonce})
        signed = self.account.sign_transaction(transaction)
        sent = self.web3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = self.web3.eth.wait_for_transaction_receipt(sent, self.wait, POLL_SECONDS)
        if receipt.status != 1:
            raise Trouble(f"transaction {Web3.to_hex(sent)} reverted")
        return Web3.to_hex(sent)

    def deposit(self, usdc: str, contract: str, dollars: Decimal) -> str:
        """Approves and pays in; returns the hash of the deposit."""
        units = int(dollars.scaleb(USDC_DECIMALS))
        token = self.web3.eth.contract(Web3.to_checksum_address(usdc), abi=TOKEN_ABI)
        vault = self.web3.eth.contract(Web3.to_checksum_address(contract), abi=VAULT_ABI)
        held = token.functions.balanceOf(self.account.address).call()
        if held < units:
            have = Decimal(held).scaleb(-USDC_DECIMALS)
            raise Trouble(f"{self.account.address} has {have} USDC, the deposit is {dollars}")
        self.send(token.functions.approve(vault.address, units))
        return self.send(vault.functions.deposit(units))


# ---- the gateway beside the OpenAI endpoints


class Gateway:
    def __init__(self, base_url: str, wait: float):
        base = base_url.rstrip("/")
        self.base = base if base.endswith("/v1") else base + "/v1"
        self.wait = wait
        self.key = None

    def request(self, method: str, path: str, body: dict | None = None) -> dict:
        headers = {"content-type": "application/json"}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        content = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, content, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self.wait) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            text = error.read(2000).decode("utf8", "replace")
            raise Trouble(f"{method} {path}: status {error.code}: {text}") from error
        except (OSError, ValueError) as error:
            raise Trouble(f"{method} {path}: {error}") from error

    def create_key(self, account, label: str) -> int:
        """Proves who owns the address and keeps the API key it gets; returns the party."""
        address = account.address.lower()
        challenge = self.request("POST", "/keys/challenge", {"address": address})
        message = challenge["message"]
        signed = account.sign_message(encode_defunct(text=message))
        proof = {
            "address": address,
            "message": message,
            "signature": "0x" + signed.signature.hex().removeprefix("0x"),
            "label": label,
        }
        answer = self.request("POST", "/keys", proof)
        self.key = answer["api_key"]
        return answer["party"]

    def balance(self) -> Decimal:
        """The dollars available to the key's party."""
        answer = self.request("GET", "/balance")
        rows = answer["balances"] if "balances" in answer else answer["data"]
        return sum((Decimal(row["available"]) for row in rows if row["asset"] == "USD"), Decimal())

    def wait_for_credit(self, dollars: Decimal) -> Decimal:
        end = time.monotonic() + self.wait
        while (available := self.balance()) < dollars:
            if time.monotonic() > end:
                text = f"{available} of {dollars} dollars credited after {self.wait:g} s"
                raise Trouble(text)
            time.sleep(POLL_SECONDS)
        return available


# ---- prompts


def read_prompts(path: str) -> list:
    prompts = json.loads(Path(path).read_text())
    if not isinstance(prompts, list) or not prompts:
        raise Trouble(f"{path}: not a list of prompts")
    for index, prompt in enumerate(prompts):
        wanted = {"chat": "messages", "raw": "prompt"}.get(prompt.get("kind"))
        if wanted is None or wanted not in prompt:
            raise Trouble(f"{path}: prompt {index} is neither chat with messages nor raw")
    return prompts


def extras(model) -> dict:
    """The fields of a response object that the OpenAI client does not know."""
    return model.model_extra or {} if model is not None else {}


def note_end(outcome: Outcome, response):
    """Keeps usage, cost and job of a response or of a stream's chunk, if it has them."""
    usage = getattr(response, "usage", None)
    if usage is not None:
        outcome.prompt_tokens = usage.prompt_tokens
        outcome.completion_tokens = usage.completion_tokens
        if (cost := extras(usage).get("cost")) is not None:
            outcome.cost = str(cost)
    if isinstance(house := extras(response).get("exchequer"), dict):
        outcome.exchequer |= house
        outcome.job = house.get("job", outcome.job)
        # The decimal text is exact, the number in `usage` may be rounded.
        outcome.cost = str(house.get("cost", outcome.cost))


def create(client, prompt: dict, model: str):
    """Sends one prompt; the answer is a response or a stream of chunks."""
    options = {name: prompt[name] for name in PASSED_ON if name in prompt}
    if prompt.get("stream"):
        options |= {"stream": True, "stream_options": {"include_usage": True}}
    if prompt.get("provider"):
        options["extra_body"] = {"provider": prompt["provider"]}
    if prompt["kind"] == "chat":
        messages = prompt["messages"]
        return client.chat.completions.create(model=model, messages=messages, **options)
    return client.completions.create(model=model, prompt=prompt["prompt"], **options)


def read_stream(outcome: Outcome, stream, started: float):
    chat = outcome.kind == "chat"
    for chunk in stream:
        note_end(outcome, chunk)
        for choice in chunk.choices:
            text = (choice.delta.content if chat else choice.text) or ""
            if text and outcome.ttft is None:
                outcome.ttft = round(time.monotonic() - started, 4)
            outcome.text += text
            outcome.finish_reason = choice.finish_reason or outcome.finish_reason


def ask(client, index: int, prompt: dict, model: str) -> Outcome:
    outcome = Outcome(
        index=index,
        title=prompt.get("title", f"prompt {index + 1}"),
        kind=prompt["kind"],
        stream=bool(prompt.get("stream")),
        model=prompt.get("model", model),
        provider=prompt.get("provider"),
    )
    started = time.monotonic()
    try:
        answer = create(client, prompt, outcome.model)
        if outcome.stream:
            read_stream(outcome, answer, started)
        else:
            note_end(outcome, answer)
            choice = answer.choices[0]
            text = choice.message.content if outcome.kind == "chat" else choice.text
            outcome.text, outcome.finish_reason = text or "", choice.finish_reason
        outcome.ok = outcome.finish_reason is not None
        if not outcome.ok:
            outcome.error = "the answer ended without a finish reason"
    except openai.OpenAIError as error:
        outcome.error = f"{type(error).__name__}: {error}"
    outcome.seconds = round(time.monotonic() - started, 4)
    return outcome


def describe(outcome: Outcome, count: int) -> str:
    how = outcome.kind + (", streamed" if outcome.stream else "")
    head = f"[{outcome.index + 1:>2}/{count}] {outcome.title} ({how})"
    if not outcome.ok:
        return f"{head}: FAILED: {outcome.error}"
    by = ", ".join(map(str, outcome.exchequer.get("providers", []))) or "?"
    cost = f"${outcome.cost}" if outcome.cost is not None else "no cost given"
    text = " ".join(outcome.text.split())
    shown = text if len(text) <= 48 else text[:47] + "…"
    amounts = f"{outcome.completion_tokens} tokens in {outcome.seconds:.1f} s, {cost}"
    return f"{head}: {amounts}, by {by}: {shown}"


# ---- the whole


def private_key(path: str | None) -> str:
    text = Path(path).read_text() if path else os.environ.get("EXCHEQUER_AGENT_KEY", "")
    text = text.strip().removeprefix("0x")
    try:
        if len(bytes.fromhex(text)) == 32:
            return "0x" + text
    except ValueError:
        pass
    raise Trouble("no private key: give --private-key-file or EXCHEQUER_AGENT_KEY, 32 bytes hex")


def dollars(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount") from None
    if not amount.is_finite() or amount < 0 or amount != round(amount, USDC_DECIMALS):
        raise argparse.ArgumentTypeError("an amount has at most 6 decimal places")
    return amount


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base-url", required=True, help="of the gateway, with or without /v1")
    parser.add_argument("--rpc", required=True)
    parser.add_argument("--contract", required=True)
    parser.add_argument("--usdc", required=True)
    parser.add_argument("--private-key-file", help="32 bytes in hex")
    parser.add_argument("--prompts", required=True)
    parser.add_argument("--model", help="default: the first the gateway lists")
    parser.add_argument("--deposit", type=dollars, default=Decimal(2), help="dollars; 0: none")
    parser.add_argument("--label", default="agent", help="of the API key")
    parser.add_argument("--out", default="agent-results.json")
    parser.add_argument("--wait", type=float, default=120, help="seconds for chain and credit")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one answer")
    return parser.parse_args()


def say(text: str):
    print(text, flush=True)


def run(arguments) -> int:
    prompts = read_prompts(arguments.prompts)
    wallet = Wallet(arguments.rpc, private_key(arguments.private_key_file), arguments.wait)
    gateway = Gateway(arguments.base_url, arguments.wait)
    report = {"address": wallet.account.address, "deposit": str(arguments.deposit)}
    if arguments.deposit > 0:
        paid = wallet.deposit(arguments.usdc, arguments.contract, arguments.deposit)
        report["deposit_transaction"] = paid
        say(f"deposited ${arguments.deposit} from {wallet.account.address}")
    report["party"] = gateway.create_key(wallet.account, arguments.label)
    report["balance_before"] = str(gateway.wait_for_credit(arguments.deposit))
    say(f"credited: ${report['balance_before']} available to party {report['party']}")

    # No retries: a lost answer may have been paid for, the agent shows what happened.
    client = openai.OpenAI(
        api_key=gateway.key, base_url=gateway.base, timeout=arguments.timeout, max_retries=0
    )
    model = arguments.model or next(iter(client.models.list())).id
    outcomes = []
    for index, prompt in enumerate(prompts):
        outcome = ask(client, index, prompt, model)
        outcomes.append(outcome)
        say(describe(outcome, len(prompts)))

    answered = [outcome for outcome in outcomes if outcome.ok]
    spent = sum((Decimal(outcome.cost) for outcome in outcomes if outcome.cost), Decimal())
    report["balance_after"] = str(gateway.balance())
    report["answered"], report["spent"] = len(answered), format(spent, "f")
    report["requests"] = [asdict(outcome) for outcome in outcomes]
    Path(arguments.out).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    say(f"{len(answered)} of {len(outcomes)} prompts answered for ${report['spent']}")
    return 0 if len(answered) == len(outcomes) else 1


def main() -> int:
    arguments = parse_arguments()
    try:
        return run(arguments)
    except KeyboardInterrupt:
        return 130
    except KeyError as error:
        print(f"agent: an answer of the gateway has no {error}", file=sys.stderr)
    except Exception as error:  # of web3, of the network, of a file: said in one line
        print(f"agent: {error or type(error).__name__}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
