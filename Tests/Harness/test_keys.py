"""Keys as processes: sealed files and their commands, a signer beside a house, a change of key; and
that no key, seed or passphrase is ever in what the processes say, write or would leave in a dump."""

import base64
import ctypes
import http.server
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import base58
import pytest
from eth_account import Account
from eth_utils import to_checksum_address
from solders.keypair import Keypair
from test_house_chain import EXCHEQUER, MODEL, ROOT, eventually, exchequer, withdraw
from test_house_chain import House as PlainHouse
from test_house_payouts import DOLLARS, Payer

PASSPHRASE = "zealous-otter-copper-lantern"
OTHER = "granite-velvet-anchor-plume"
QUICK = ["--cost", "interactive"]


def run(*arguments, code=0, env=None, **options):
    """What a command said, both streams together; it must end with this code."""
    done = subprocess.run(
        [EXCHEQUER, *arguments], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        env={**os.environ, **(env or {})}, start_new_session=True, **options,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def phrase(folder, text=PASSPHRASE):
    file = folder / f"{text[:6]}.passphrase"
    file.write_text(text + "\n")
    file.chmod(0o600)
    return file


class Secrets:
    """Known secrets, in every form in which they could slip out."""

    def __init__(self):
        self.forms = {}

    def add(self, name, secret):
        self.forms[name] = {
            "raw": secret,
            "hex": secret.hex().encode(),
            "HEX": secret.hex().upper().encode(),
            "base58": base58.b58encode(secret),
            # Base64 of any surroundings: the middle of all three alignments.
            **{
                f"base64/{shift}": base64.b64encode(b"\0" * shift + secret)[4 if shift else 0 :][:-4]
                for shift in range(3)
            },
            "list": b", ".join(b"%d" % byte for byte in secret[:8]),
        }

    def found(self, data, where):
        return [
            f"{name} in {form} in {where}"
            for name, forms in self.forms.items()
            for form, needle in forms.items()
            if needle in data
        ]

    def found_in(self, process, name):
        """What a dump of a running process's memory and its environment hold of them."""
        assert process.poll() is None, name
        dump = memory(process.pid)
        # The control: what is public about the process is there to be found.
        assert len(dump) > 1 << 20 and b"exchequer" in dump
        found = self.found(dump, f"the memory of the {name}")
        return found + self.found(environ(process.pid), f"the environment of the {name}")


def sealed(folder, name, secret=None, passphrase=PASSPHRASE):
    """A sealed key file and its secret."""
    secret = secret or os.urandom(32)
    file = folder / name
    file.write_text(secret.hex())
    file.chmod(0o600)
    run("keys", "seal", file, *QUICK, "--passphrase-file", phrase(folder, passphrase))
    return file, secret


# ---- files


def test_files_are_made_sealed_shown_and_unsealed(tmp_path):
    file = tmp_path / "a.key"
    words = ["--passphrase-file", phrase(tmp_path)]
    made = json.loads(run("keys", "new", "--sealed", file, *QUICK, *words, "--json"))
    assert made["sealed"] is True and file.stat().st_mode & 0o777 == 0o600
    assert json.loads(run("keys", "show", file, "--json")) == made
    assert "exists already" in run("keys", "new", file, code=3)
    assert "sealed already" in run("keys", "seal", file, *words, code=3)
    run("keys", "unseal", file, *words)
    secret = bytes.fromhex(file.read_text())
    assert Account.from_key(secret).address == made["address"]
    again = json.loads(run("keys", "show", file, "--json"))
    assert again == {**made, "sealed": False}
    file.chmod(0o644)
    assert "chmod 600" in run("keys", "show", file)
    run("keys", "seal", file, *QUICK, *words)
    assert secret.hex() not in file.read_text() and file.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.key", "zealou.passphrase"]


def test_a_passphrase_comes_from_file_environment_or_terminal(tmp_path):
    file, _ = sealed(tmp_path, "a.key")
    plain = {"EXCHEQUER_PASSPHRASE": PASSPHRASE}
    named = {"EXCHEQUER_PASSPHRASE_FILE": str(phrase(tmp_path))}
    wrong = {"EXCHEQUER_PASSPHRASE": OTHER}
    for env in (plain, named, {**named, **wrong}):
        run("keys", "unseal", file, env=env)
        run("keys", "seal", file, *QUICK, env=plain)
    assert "the passphrase is another one" in run("keys", "unseal", file, env=wrong, code=3)
    text = file.read_text()
    file.write_text(text.replace("salt 0", "salt 1") if "salt 0" in text else text[:-3] + "00\n")
    assert "damaged" in run("keys", "unseal", file, env=plain, code=3)
    file.write_text(text)
    # Without a terminal and without a word it says what is wanted.
    assert "EXCHEQUER_PASSPHRASE" in run("keys", "unseal", file, code=3)
    assert "8 to 1,024 bytes" in run(
        "keys", "new", "--sealed", tmp_path / "b.key", env={"EXCHEQUER_PASSPHRASE": "short"}, code=3
    )
    assert not (tmp_path / "b.key").exists()
    said = typed([EXCHEQUER, "keys", "unseal", file], [PASSPHRASE])
    assert "Passphrase of" in said and PASSPHRASE not in said
    said = typed([EXCHEQUER, "keys", "seal", file, *QUICK], [PASSPHRASE, OTHER])
    assert "differ" in said and "sealed" not in file.read_text()
    said = typed([EXCHEQUER, "keys", "seal", file, *QUICK], [OTHER, OTHER])
    assert "sealed-key" in file.read_text() and OTHER not in said


def typed(command, lines):
    """What a command shows at a terminal of its own, where somebody types these lines."""
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], [str(word) for word in command])
    said = b""
    for asked, line in enumerate(lines, 1):
        while said.count(b": ") < asked:
            said += os.read(terminal, 1024)
        os.write(terminal, line.encode() + b"\n")
    try:
        while part := os.read(terminal, 1024):
            said += part
    except OSError:
        pass
    os.waitpid(pid, 0)
    os.close(terminal)
    return said.decode()


def test_passphrases_change_and_keys_rotate(tmp_path):
    file, secret = sealed(tmp_path, "a.key")
    before = json.loads(run("keys", "show", file, "--json"))
    first, second = phrase(tmp_path), phrase(tmp_path, OTHER)
    run("keys", "passphrase", file, *QUICK, "--passphrase-file", first,
        "--new-passphrase-file", second)
    assert "another one" in run("keys", "unseal", file, "--passphrase-file", first, code=3)
    rotated = run("keys", "rotate", file, *QUICK, "--passphrase-file", second, "--json")
    after = json.loads(next(line for line in rotated.splitlines() if line.startswith("{")))
    assert after["address"] != before["address"] and after["sealed"]
    kept = tmp_path / f"a.key.{before['address'].lower()}"
    run("keys", "unseal", kept, "--passphrase-file", second)
    assert bytes.fromhex(kept.read_text()) == secret


# ---- a key that signs for an address


class Desk:
    """A house's `/v1/payout` as far as the command needs it, which looks at whoever asks."""

    def __init__(self):
        self.posted, self.limits = [], []
        desk = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = {"keep": "0", "debt": "0", "pushable": True,
                        "message": "Exchequer payout address\nfor party 7: ADDRESS"}
                self.answer(body)

            def do_POST(self):
                length = int(self.headers["content-length"])
                desk.posted.append(json.loads(self.rfile.read(length)))
                # The command waits for the answer, so it is there to be looked at.
                desk.limits.append(Path(f"/proc/{desk.pid}/limits").read_text())
                self.do_GET()

            def answer(self, body):
                content = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"

    def payout(self, folder, file, *more):
        """Runs the command; its code and what it said."""
        key = folder / "api.key"
        key.write_text("sk-exq-test")
        key.chmod(0o600)
        line = [EXCHEQUER, "payout", "--house", self.base, "--api-key-file", key]
        task = subprocess.Popen(
            [*line, "--solana-key-file", file, *more], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, start_new_session=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20)))
        self.pid = task.pid
        said = "".join(task.communicate(timeout=60))
        return task.returncode, said


def test_payout_signs_with_a_sealed_key_and_leaves_no_dump(tmp_path):
    desk = Desk()
    try:
        file, secret = sealed(tmp_path, "solana.key")
        words = ["--passphrase-file", phrase(tmp_path)]
        assert desk.payout(tmp_path, file, *words)[0] == 0
        plain = tmp_path / "plain.key"
        plain.write_text(secret.hex())
        plain.chmod(0o644)
        code, said = desk.payout(tmp_path, plain)
        assert code == 0 and f"chmod 600 {plain}" in said
        # The same address, and the same signature of the message with it.
        first, second = desk.posted
        assert first == second
        key = Keypair.from_seed(secret)
        message = f"Exchequer payout address\nfor party 7: {first['solana']}".encode()
        assert first["solana"] == str(key.pubkey())
        assert first["signature"] == bytes(key.sign_message(message)).hex()
        for limits in desk.limits:
            assert re.search(r"Max core file size +0 +0 ", limits), limits
        code, said = desk.payout(tmp_path, file, "--passphrase-file", phrase(tmp_path, OTHER))
        assert code == 3 and "cannot be opened" in said and len(desk.posted) == 2
    finally:
        desk.server.shutdown()
        desk.server.server_close()


# ---- a house with a signer


class House(PlainHouse):
    """A house whose key is a signer's, on a contract whose owner is another key."""

    def __init__(self, folder, *delays):
        super().__init__(folder, *delays)
        self.signers = []
        self.said = []

    def fund(self, address, coins=10):
        """Gives an account wei from the deployer."""
        account = Account.from_key(self.chain.keys[0][0].read_text())
        nonce = int(self.chain.call("eth_getTransactionCount", account.address, "pending"), 16)
        raw = account.sign_transaction(
            {"chainId": 31337, "nonce": nonce, "to": to_checksum_address(address),
             "value": coins * 10**18, "gas": 21_000, "maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9, "type": 2}
        ).raw_transaction
        self.chain.call("eth_sendRawTransaction", "0x" + raw.hex().removeprefix("0x"))

    def roles(self, verb, address, roles=None):
        words = ["--roles", roles] if roles else []
        return exchequer(
            "contracts", "roles", verb, "--rpc", self.chain.rpc, "--contract",
            self.addresses["contract"], "--key-file", self.chain.keys[0][0], "--account", address,
            "--artifacts", ROOT / "contracts-abi/evm", *words)

    def policy(self, address, **caps):
        contract = self.addresses["contract"]
        return {
            "chains": [31337],
            "calls": {contract: [
                "commitRoot(uint256,bytes32,uint256,uint256,bytes32,bytes32)",
                "slash(address,uint256,uint256,bytes32)"]},
            "coin_per_transaction": "1", "coin_per_day": "2", "usd_per_transaction": "100",
            "usd_per_day": "100", "tly_per_transaction": "0", "tly_per_day": "0", **caps,
        }

    def signer(self, files, policies, *words, env=None):
        (self.folder / "policy.json").write_text(json.dumps({"version": 1, "keys": policies}))
        log = open(self.folder / "signer.log", "a")
        keys = [word for file in files for word in ("--key", file)]
        process = subprocess.Popen(
            [EXCHEQUER, "signer", "--socket", self.socket, *keys, "--policy",
             self.folder / "policy.json", "--state", self.folder / "signer.state", *words],
            stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **(env or {})},
        )
        self.signers.append(process)
        line = process.stdout.readline()
        assert line, (self.folder / "signer.log").read_text()
        self.said.append(line)
        return process

    @property
    def socket(self):
        return f"/tmp/exq-{os.getpid()}-{self.folder.name}.socket"[:100]

    def start_with(self, *words):
        self.start(key=words)

    def end(self):
        self.process.terminate()
        self.process.wait(30)

    def report(self):
        token = (self.folder / "house" / "operator.token").read_text().strip()
        request = urllib.request.Request(
            self.base + "/v1/operator/settlement", headers={"authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def stop(self):
        for process in self.signers:
            process.kill()
            process.wait(10)
            process.stdout.close()
        super().stop()

    def log_text(self, name="house.log"):
        return (self.folder / name).read_text()


@pytest.fixture
def house(tmp_path):
    if not EXCHEQUER.exists():
        pytest.fail(f"{EXCHEQUER} is missing: run `make build`")
    house = House(tmp_path)
    yield house
    house.stop()


def address_of(file):
    return json.loads(run("keys", "show", file, "--json"))["address"].lower()


def pay_out(house, amount):
    """Has the provider take out so many dollars with the next root."""
    withdraw(house, 2, amount)
    house.operate("settle")


def confirmed(house, batch=1):
    house.chain.call("anvil_mine", "0x1")
    batches = house.get("/v1/batches")["data"]
    return len(batches) >= batch and batches[batch - 1]["state"] == "confirmed"


def test_a_key_with_more_roles_than_it_needs_is_refused(house):
    words = ["--operator-key", house.chain.keys[0][0]]
    done = subprocess.run(
        [EXCHEQUER, "serve", "--data", house.folder / "h", "--model", MODEL, "--http-port", "0",
         "--wire-port", "0", "--rpc-url", house.chain.rpc, "--contract",
         house.addresses["contract"], "--artifacts", ROOT / "contracts-abi/evm", "--parameters",
         house.folder / "rules.json", *words],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 3, done.stderr
    assert "owner, pauser, guardian, arbiter" in done.stderr and "--any-roles" in done.stderr
    house.start_with(*words, "--any-roles")
    assert "is also owner" in house.log_text()
    house.end()
    # With the two it needs nothing is said; with none it starts, and says what will come of it.
    operator = house.chain.keys[3]
    house.start_with("--operator-key", operator[0])
    assert "lacks=settler and slasher" in house.log_text()
    house.end()
    house.roles("grant", operator[1], "settler,slasher")
    before = len(house.log_text())
    house.start_with("--operator-key", operator[0])
    # That they have changed is told too, sooner or later.
    said = house.log_text()[before:]
    assert "lacks=" not in said and "is also" not in said


def test_the_key_changes_and_the_cap_holds_and_nothing_is_lost(house):
    words = ["--passphrase-file", phrase(house.folder)]
    old, _ = sealed(house.folder, "old.key")
    new, _ = sealed(house.folder, "new.key")
    first, second = address_of(old), address_of(new)
    for address in (first, second):
        house.fund(address)
    house.roles("grant", first, "settler,slasher")
    signer = house.signer([old, new], {first: house.policy(first, usd_per_transaction="50")}, *words)
    words_of_house = ["--signer", house.socket, "--signer-key", first]
    house.start_with(*words_of_house)
    provider = house.chain.keys[2][1]
    house.pay("bond", 2, "100")
    house.pay("deposit", 2, "90.00")
    house.chain.call("anvil_mine", "0x3")
    eventually("the deposit", lambda: house.usd(provider).get("available") == "90.00")
    pay_out(house, "5")
    eventually("the first root", lambda: confirmed(house, 1))
    # Above the cap of a transaction: it waits, and is not lost.
    pay_out(house, "60")
    eventually("the refusal is told", lambda: "(9)" in house.log_text())
    assert "the signer refuses the root of batch 2" in house.log_text()
    eventually("it is seen", lambda: house.get("/v1/batches/2")["rail"]["stage"] == "refused")
    assert house.report()["refused_by_signer"] == ["the root of batch 2"]
    assert house.report()["breakers"] == []
    # The signer is killed and comes back with another policy, for the new key alone. The old one
    # never signed the root, so it is the new key's.
    signer.kill()
    signer.wait(10)
    house.roles("grant", second, "settler,slasher")
    house.roles("revoke", first, "settler,slasher")
    house.signer([old, new], {second: house.policy(second, committed_usd="5")}, *words)
    house.kill()
    house.start_with(
        "--signer", house.socket, "--signer-key", second, "--retiring-signer-key", first)
    eventually("the second root", lambda: confirmed(house, 2), seconds=150)
    eventually("it is final", lambda: confirmed(house, 2) and house.report()["open"] == 0)
    report = house.report()
    assert report["key"] == second and report["retiring"] == []
    count = lambda who: int(house.chain.call("eth_getTransactionCount", who, "latest"), 16)
    assert (count(first), count(second)) == (1, 1)
    # 60 of 100 dollars of the day are gone, also for a signer that begins anew.
    house.signers[-1].terminate()
    assert house.signers[-1].wait(10) == 143
    house.signer([new], {second: house.policy(second, committed_usd="5")}, *words)
    house.pay("deposit", 2, "60.00")
    house.chain.call("anvil_mine", "0x3")
    eventually("more money", lambda: house.usd(provider).get("available") == "85.00")
    pay_out(house, "41")
    eventually("the day's cap", lambda: "(10)" in house.log_text())
    eventually("it is seen", lambda: house.get("/v1/batches/3")["rail"]["stage"] == "refused")
    assert count(second) == 1


def test_a_call_that_the_policy_lacks_holds_no_root_up(tmp_path):
    house = House(tmp_path, "--escape-delay", "3000")
    try:
        key, _ = sealed(house.folder, "key")
        words = ["--passphrase-file", phrase(house.folder)]
        address, provider = address_of(key), house.chain.keys[2][1]
        house.fund(address)
        house.roles("grant", address, "settler,slasher")
        signer = house.signer([key], {address: house.policy(address)}, *words)
        house.start_with("--signer", house.socket, "--signer-key", address)
        house.pay("bond", 2, "100")
        house.pay("deposit", 2, "90.00")
        house.chain.call("evm_increaseTime", 1_100)
        house.chain.call("anvil_mine", "0x3")
        eventually("the deposit", lambda: house.usd(provider).get("available") == "90.00")
        refused = lambda: house.report()["refused_by_signer"]
        eventually("it is refused", lambda: refused() == ["a sign of life"])
        assert "(8)" in house.log_text()
        pay_out(house, "5")
        eventually("the root goes by", lambda: confirmed(house, 1))
        assert house.log_text().count("the signer refuses a sign of life") == 1
        count = lambda: int(house.chain.call("eth_getTransactionCount", address, "latest"), 16)
        assert count() == 1
        # Silence again, until the signer has the call: it is made without a new start.
        house.chain.call("evm_increaseTime", 1_100)
        house.chain.call("anvil_mine", "0x3")
        signer.terminate()
        signer.wait(30)
        policy = house.policy(address, committed_usd="5")
        policy["calls"][house.addresses["contract"]].append("heartbeat()")
        house.signer([key], {address: policy}, *words)
        eventually("it is made", lambda: count() == 2, seconds=60)
        eventually("it is final", lambda: confirmed(house, 1) and refused() == [])
        assert house.report()["open"] == 0
    finally:
        house.stop()


def test_the_houses_own_cap_of_a_day_makes_it_wait(house):
    operator = house.chain.keys[3]
    house.roles("grant", operator[1], "settler,slasher")
    caps = ["--coin-price", "1000", "--fee-cap", "10", "--day-fee-cap", "0.0001"]
    house.start_with("--operator-key", operator[0], *caps)
    house.pay("bond", 2, "100")
    house.pay("deposit", 2, "9.00")
    house.chain.call("anvil_mine", "0x3")
    eventually("money", lambda: house.usd(house.chain.keys[2][1]).get("available") == "9.00")
    pay_out(house, "5")
    eventually("the limit", lambda: house.report()["breakers"] == ["day_limit"])
    assert "settlement waits for tomorrow" in house.log_text()
    house.kill()
    caps[-1] = "10"
    house.start_with("--operator-key", operator[0], *caps)
    eventually("the root", lambda: confirmed(house))
    assert house.report()["breakers"] == []


# ---- what must never be seen


def memory(pid):
    """What a core dump of a process would hold: its memory without what is left out of dumps."""
    parts, span = [], None
    with open(f"/proc/{pid}/smaps") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            head = re.match(r"([0-9a-f]+)-([0-9a-f]+) r(.)\S+ \S+ \S+ \d+ *(\S*)", line)
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                # Code, and the model, are as their files are.
                seen = head and (head[3] == "w" or not head[4].startswith("/"))
                span = (int(head[1], 16), int(head[2], 16)) if seen else None
            elif line.startswith("VmFlags:") and span and " dd" not in line and " io" not in line:
                try:
                    mem.seek(span[0])
                    parts.append(mem.read(span[1] - span[0]))
                except (OSError, ValueError):
                    pass
    return b"\n".join(parts)


def files_in(folder, but):
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in but:
            yield path, path.read_bytes()


def environ(pid):
    return Path(f"/proc/{pid}/environ").read_bytes()


def test_no_secret_is_in_logs_files_environment_or_dumps(house):
    secrets = Secrets()
    secrets.add("passphrase", PASSPHRASE.encode())
    del secrets.forms["passphrase"]["list"]
    operator, secret = sealed(house.folder, "operator.key")
    secrets.add("operator", secret)
    provider, secret = sealed(house.folder, "provider.key")
    secrets.add("provider", secret)
    identity, secret = sealed(house.folder, "node.identity")
    secrets.add("identity", secret)
    secrets.add("house", own_key(house))
    address = address_of(operator)
    house.fund(address)
    house.roles("grant", address, "settler,slasher")

    env = {"EXCHEQUER_PASSPHRASE": PASSPHRASE}
    signer = house.signer([operator], {address: house.policy(address)}, env=env)
    house.start_with("--signer", house.socket, "--signer-key", address, "--log-level", "trace")
    node_log = open(house.folder / "node.log", "w+b")
    node = subprocess.Popen(
        [EXCHEQUER, "node", "--house", house.base, "--model", MODEL, "--key-file", provider,
         "--identity", identity, "--json"],
        stdout=node_log, stderr=node_log, env={**os.environ, **env})
    try:
        house.pay("bond", 2, "100")
        house.pay("deposit", 2, "50.00")
        house.chain.call("anvil_mine", "0x3")
        holder = house.chain.keys[2][1]
        eventually("money", lambda: house.usd(holder).get("available") == "50.00")
        pay_out(house, "5")
        eventually("a root", lambda: confirmed(house, 1))
        eventually("a node", lambda: b"registered" in (house.folder / "node.log").read_bytes()
                   or b"waiting" in (house.folder / "node.log").read_bytes())
        said = drive_errors(house, operator, provider, identity)
        found = secrets.found("".join(said + house.said).encode(), "what commands said")
        processes = {"node": node, "house": house.process, "signer": signer}
        for name, process in processes.items():
            found += secrets.found_in(process, name)
        assert found == []
        for name, process in processes.items():
            end_badly(process, name)
    finally:
        if node.returncode is None:
            node.kill()
            node.wait(10)
        node_log.close()
    assert left_behind(house, secrets) == []


class BothChains(Payer, House):
    """A house that settles and pays on two chains, with keys of its own."""


def test_no_secret_of_a_house_with_its_own_keys_is_seen(tmp_path, monkeypatch):
    """The house opens the sealed keys of both chains itself, and works with them: it commits a
    root, makes it pay, sends on both chains and says the books."""
    house = BothChains(tmp_path)
    try:
        secrets, public = plain_and_sealed(house)
        monkeypatch.setenv("EXCHEQUER_PASSPHRASE", PASSPHRASE)
        words = ["--log-level", "trace"]
        operator = house.folder / "operator.key"
        house.begin(*words, key=("--operator-key", operator))
        # It was given the passphrase by its environment, and wiped it.
        monkeypatch.delenv("EXCHEQUER_PASSPHRASE")
        assert b"EXCHEQUER_PASSPHRASE=" in environ(house.process.pid)
        settle_on_both(house)
        said = drive_errors(house, operator, house.solana.keys[0][0])
        found = secrets.found("".join(said).encode(), "what commands said")
        found += secrets.found_in(house.process, "house")
        assert found == []
        # The control: the same search finds the public half of each key in memory and log.
        dump = memory(house.process.pid)
        for name in public.forms:
            assert any(name in line for line in public.found(dump, "memory")), name
        end_badly(house.process, "house")
        # Once more, from what it left behind, with the passphrase in a file.
        house.begin(*words, "--passphrase-file", phrase(house.folder),
                    key=("--operator-key", operator))
        eventually("it may settle", lambda: house.report()["may_disperse"])
        assert secrets.found_in(house.process, "house") == []
        end_badly(house.process, "house")
        assert left_behind(house, secrets) == []
        assert left_behind(house, public) != []
        # A file that held one of them would be found.
        for name, forms in secrets.forms.items():
            (house.folder / "house" / "slip").write_bytes(forms["raw"])
            (slip,) = left_behind(house, secrets)
            assert slip.startswith(f"{name} in raw") and slip.endswith("slip")
    finally:
        house.stop()


def plain_and_sealed(house):
    """Gives the house sealed keys for both chains, and a plain one of its own. What must not be
    seen of them, and what may."""
    secrets, public = Secrets(), Secrets()
    secrets.add("passphrase", PASSPHRASE.encode())
    del secrets.forms["passphrase"]["list"]
    operator, secret = sealed(house.folder, "operator.key")
    secrets.add("operator", secret)
    address = address_of(operator)
    public.add("operator", bytes.fromhex(address[2:]))
    house.fund(address)
    house.roles("grant", address, "settler,slasher")
    house.run("send", 0, "--token", house.addresses["usdc"], "--to", address, "--amount", "100")
    payer, account = house.solana.keys[0]
    secrets.add("payer on Solana", bytes.fromhex(payer.read_text().removeprefix("0x")))
    public.add("payer on Solana", base58.b58decode(account))
    run("keys", "seal", payer, *QUICK, "--passphrase-file", phrase(house.folder))
    secrets.add("house", own_key(house))
    return secrets, public


def own_key(house):
    """Gives the house a plain key, which is read from its digits; the key."""
    (house.folder / "house").mkdir(mode=0o700)
    own = os.urandom(32)
    file = house.folder / "house" / "house.key"
    file.write_text(own.hex() + "\n")
    file.chmod(0o600)
    return own


def settle_on_both(house):
    """One payee is sent its money, one has it on Solana, one is refused and becomes a leaf."""
    house.fill(1, 2, 3)
    exchequer("payout", "--house", house.base, "--api-key-file", house.key(3),
              "--solana-key-file", house.solana.keys[1][0])
    for account in (1, 2, 3):
        house.withdraw(account, "2")
    house.chain.call("test_refuse", house.chain.keys[2][1])
    house.operate("settle")

    def are_paid():
        house.chain.call("anvil_mine", "0x1")
        found = house.get("/v1/dispersals")["data"]
        return len(found) > 2 and not any(one["open"] for one in found)

    eventually("two are paid, one is refused", are_paid, seconds=60)
    assert house.solana.tokens(house.solana.keys[1][1]) == 2 * DOLLARS
    house.operate("settle")
    eventually("the root pays", lambda: confirmed(house))
    sent = lambda: [one for one in house.get("/v1/dispersals")["data"] if one["rail"] == "solana"]
    eventually("the books are stated",
               lambda: all("transaction" in one["books"] for one in sent()) and sent())


def end_badly(process, name):
    """A process ends as badly as can be, in a world that wants a core dump, and leaves none."""
    assert resource.prlimit(process.pid, resource.RLIMIT_CORE) == (0, 0), name
    status = crash(process)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSEGV, name
    assert not os.WCOREDUMP(status), f"{name} left a core dump"


def left_behind(house, secrets):
    """What a house's folder holds of these, logs included, but where they are kept."""
    return [
        line for path, data in files_in(house.folder, {"house.key", phrase(house.folder).name})
        for line in secrets.found(data, path.relative_to(house.folder))
    ]


def writes_dumps():
    """Whether the kernel writes dumps to files here, rather than handing them to a program."""
    return not Path("/proc/sys/kernel/core_pattern").read_text().startswith("|")


def crash(process):
    """Has a process's first thread go on at address 0; its wait status. A signal would not do: the
    threads of a Swift program block all of them."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_long, ctypes.c_long]
    attach, poke, detach, orig_rax, rip = 16, 6, 17, 120, 128
    assert libc.ptrace(attach, process.pid, 0, 0) == 0, os.strerror(ctypes.get_errno())
    os.waitpid(process.pid, 0x40000000)
    # Not in a system call any more, which would be begun again.
    assert libc.ptrace(poke, process.pid, orig_rax, -1) == 0
    assert libc.ptrace(poke, process.pid, rip, 0) == 0
    assert libc.ptrace(detach, process.pid, 0, 0) == 0
    _, status = eventually("it ends", lambda: ended(process.pid))
    process.returncode = -signal.SIGSEGV
    return status


def ended(pid):
    found, status = os.waitpid(pid, os.WNOHANG)
    return (found, status) if found else None


def drive_errors(house, *files):
    """Whatever can go wrong with a key file; what was said about it."""
    said = []
    wrong = {"EXCHEQUER_PASSPHRASE": OTHER}
    right = {"EXCHEQUER_PASSPHRASE": PASSPHRASE}
    bad = house.folder / "bad.key"
    for file in files:
        said.append(run("keys", "unseal", file, env=wrong, code=3))
        if file != files[0]:
            continue
        said.append(run("keys", "unseal", file, code=3))
        said.append(run("keys", "seal", file, env=right, code=3))
        text = file.read_text()
        for other in (text[:-9], text + "x", text.replace("1", "2", 1), text.replace("a", "b")):
            bad.write_text(other)
            said.append(run("keys", "show", bad, code=3))
        said.append(run("keys", "show", file))
        said.append(run("keys", "new", file, code=3))
        said.append(run("keys", PASSPHRASE[:4], code=64))
        chain = ["--rpc", house.chain.rpc, "--contract", house.addresses["contract"]]
        chain += ["--artifacts", ROOT / "contracts-abi/evm"]
        said.append(run("contracts", "unbond", *chain, "--key-file", file, "--amount", "1",
                        env=right, code=1))
        said.append(run("contracts", "unbond", *chain, "--key-file", file, "--amount", "1",
                        env=wrong, code=3))
        said.append(run("keys", "api", "--house", "http://127.0.0.1:9", "--key-file", file,
                        env=right, code=6))
        said.append(run("appeal", "7", "--house", house.base, "--identity", file, env=right, code=1))
    secret = files[0].read_bytes()
    for line in ("{}", '{"v":1,"id":"x","method":"sign","key":"0x"}', "x" * 600_000):
        try:
            house_socket(house.socket, line)
        except OSError:
            pass
    assert files[0].read_bytes() == secret
    bad.unlink()
    return said


def house_socket(path, line):
    import socket

    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(path)
        client.sendall(line.encode() + b"\n")
        return client.recv(65_536)


def test_the_dump_check_would_find_a_secret(tmp_path):
    """The check itself: a program that holds a key as any program would, and dumps core."""
    secrets = Secrets()
    secrets.add("key", bytes(range(40, 72)))
    held = "import time; key = bytes(range(40, 72)); text = key.hex(); print(1, flush=True); "
    held += "time.sleep(60)"
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    process = subprocess.Popen(
        [sys.executable, "-c", held], stdout=subprocess.PIPE, cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)))
    process.stdout.readline()
    try:
        found = secrets.found(memory(process.pid), "memory")
        assert any("raw" in line for line in found) and any("hex" in line for line in found)
        # Where the system lets a program dump core at all, this one does.
        assert os.WCOREDUMP(crash(process)) or hard == 0 or not writes_dumps()
    finally:
        process.kill()
        process.stdout.close()
    for form in secrets.forms["key"].values():
        assert secrets.found(b"..." + form + b"...", "text")
