"""`exchequer vault`: the history of a real pool's vault, added up and compared with the chain."""

import fcntl
import json
import struct
import subprocess
import threading

import pytest
from payout_program import TOKEN, TOKEN_2022, token_account
from rpc_server import make_servers
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from test_house_chain import EXCHEQUER
from test_payout_program import World

MEMO = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")


def deposit(world, amount, *memos):
    """The opener pays into the vault."""
    source = token_account(world.opener.pubkey(), world.mint, world.token)
    transfer = Instruction(
        world.token,
        b"\3" + struct.pack("<Q", amount),
        [
            AccountMeta(source, False, True),
            AccountMeta(world.pool.vault, False, True),
            AccountMeta(world.opener.pubkey(), True, False),
        ],
    )
    world.done(transfer, *[Instruction(MEMO, memo, []) for memo in memos])


@pytest.mark.parametrize("token", [TOKEN, TOKEN_2022], ids=["token", "token-2022"])
def test_a_vault_adds_up_to_the_unit(token, tmp_path):
    if not EXCHEQUER.exists():
        pytest.fail(f"{EXCHEQUER} is missing: run `make build`")
    state = str(tmp_path / "vault.sqlite")
    world = World(token)
    start = world.call.ok("getSlot", {"commitment": "processed"}) - 10
    owed, tree = world.ready(funds=2_000)
    world.fund(world.opener.pubkey(), 500)
    deposit(world, 70, b"party 7")
    deposit(world, 9)
    for payee in list(owed)[:3]:
        world.done(world.pool.claim(payee, owed[payee], tree.proof(payee)))
    # What is undone is in the history too, and changes nothing.
    world.run(world.pool.claim(payee, owed[payee], tree.proof(payee)))
    world.call.ok("test_tick", 60)
    servers = make_servers(world.call.node, 0, 2)
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    url, other = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)

    def vault(*more, code=0):
        line = [EXCHEQUER, "vault", "--rpc", url, "--rpc", other]
        line += ["--account", str(world.pool.vault)]
        line += ["--program", str(world.program), "--start-slot", str(start), "--json", *more]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout) if done.stdout else done.stderr

    try:
        report = vault()
        assert report["balanced"]
        # The first two thousand were made in the vault, which is no deposit.
        assert report["holds"] == report["history"] == str(2_000 + 79 - 600)
        assert (report["deposited"], report["claimed"], report["withdrawn"]) == ("79", "600", "0")
        assert (report["claimed_by_pool"], report["active_total"]) == ("600", "1500")
        assert report["roots"] == 1
        (unnamed,) = report["unnamed"]
        assert (unnamed["amount"], unnamed["owner"]) == ("9", str(world.opener.pubkey()))
        assert vault("--state", state) == report
        # A node that has forgotten the beginning has nothing to say.
        world.call.ok("test_forget", unnamed["slot"])
        assert "historyMissing" in vault(code=6)
        # Who has written down what was read needs only what came since.
        deposit(world, 30, b"party 8")
        deposit(world, 4)
        world.call.ok("test_tick", 60)
        later = vault("--state", state)
        assert later["balanced"] and later["from_slot"] == report["slot"]
        assert (later["deposited"], later["claimed"]) == ("113", "600")
        assert [one["amount"] for one in later["unnamed"]] == ["9", "4"]
        again = vault("--state", state)
        changed = {key for key in later if later[key] != again[key]}
        assert changed <= {"from_slot", "slot"}
        # The file is this account's, as this program's vault, and no other process's.
        held = open(f"{state}.lock")
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another process" in vault("--state", state, code=3)
        held.close()
        source = token_account(world.opener.pubkey(), world.mint, world.token)
        assert "it belongs to" in vault("--state", state, "--account", str(source), code=3)
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
