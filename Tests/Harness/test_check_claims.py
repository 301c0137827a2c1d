"""check_claims.py over HTTP against real payments: it agrees with the truth and finds each lie."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rpc_server import make_server

SCRIPT = Path(__file__).with_name("check_claims.py")


@pytest.fixture
def url(house):
    server = make_server(house.node, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def paid(house):
    """Two batches, partly claimed, among bonds, a withdrawal and a slash; returns the truth."""
    f, usdc, tly = house.vault.functions, house.usdc.address, house.tly.address
    first, second, third = house.people[3:6]
    house.send(house.people[1], f.deposit(10_000))
    house.send(first, f.bond(700))
    house.send(first, f.requestUnbond(300))
    house.send(second, f.bond(500))
    house.send(house.operator, f.slash(second.address, 400, 250, b"\x05" * 32))
    house.later(8 * 86_400)
    house.send(first, f.withdrawBond())
    tree = house.commit({(usdc, first.address): 100, (tly, first.address): 9})
    key = (usdc, first.address)
    house.send(first, f.claim(*key, 100, tree.proof(key)))
    entries = {
        (usdc, first.address): 150,
        (usdc, second.address): 70,
        (tly, first.address): 9,
        (tly, third.address): 11,
    }
    tree = house.commit(entries)
    for key in list(entries)[:3]:
        house.send(house.people[9], f.claim(*key, entries[key], tree.proof(key)))
    assets = {usdc: "USD", tly: "TLY"}
    claims = [
        {
            "address": account.lower(),
            "asset": assets[token],
            "cumulative_chain_units": str(amount),
            "claimed_chain_units": str(0 if account == third.address else amount),
        }
        for (token, account), amount in entries.items()
    ]
    return {"batch": 2, "root": "0x" + tree.root.hex(), "claims": claims}


def check(house, url, document, tmp_path, *options):
    path = tmp_path / "expectations.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    places = {"rpc": url, "contract": house.vault.address}
    places |= {"usdc": house.usdc.address, "tly": house.tly.address}
    words = [word for name, value in places.items() for word in (f"--{name}", value)]
    command = [sys.executable, str(SCRIPT), *words, str(path), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_agrees_with_the_truth(house, url, paid, tmp_path):
    result = check(house, url, paid, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "everybody received exactly what the ledger says" in result.stdout
    result = check(house, url, paid["claims"], tmp_path, "--json")
    report = json.loads(result.stdout)
    assert result.returncode == 0 and report["agrees"] and report["root"] == paid["root"]
    assert len(report["claims"]) == 4 and all(row["agrees"] for row in report["claims"])


def lie_about_owed(document):
    document["claims"][0]["cumulative_chain_units"] = "151"


def lie_about_claimed(document):
    document["claims"][1]["claimed_chain_units"] = "69"


def lie_about_unclaimed(document):
    document["claims"][3]["claimed_chain_units"] = "11"


def lie_about_asset(document):
    document["claims"][3]["asset"] = "USD"


def hide_a_payee(document):
    del document["claims"][1]


def swap_two_payees(document):
    first, second = document["claims"][0], document["claims"][1]
    first["address"], second["address"] = second["address"], first["address"]


def lie_about_batch(document):
    document["batch"] = 1


def lie_about_root(document):
    document["root"] = "0x" + "11" * 32


@pytest.mark.parametrize(
    "lie, finding",
    [
        (lie_about_owed, "root of the leaves"),
        (lie_about_claimed, "by Claimed events: the ledger says 69, the chain says 70"),
        (lie_about_unclaimed, "by token transfers: the ledger says 11, the chain says 0"),
        (lie_about_asset, "root of the leaves"),
        (hide_a_payee, "the ledger knows nothing"),
        (swap_two_payees, "root of the leaves"),
        (lie_about_batch, "batch: the ledger says 1, the chain says 2"),
        (lie_about_root, "root of the batch"),
    ],
)
def test_finds_a_lie(house, url, paid, tmp_path, lie, finding):
    lie(paid)
    result = check(house, url, paid, tmp_path)
    assert result.returncode == 1
    assert finding in result.stdout


@pytest.mark.parametrize(
    "text, reason",
    [
        ("{", "check_claims: "),
        ('{"claims": []}', "no claims"),
        ('[{"address": "0x12", "asset": "USD"}]', "0x12"),
        ('[{"asset": "USD"}]', "'address' is missing"),
    ],
)
def test_bad_input_is_no_verdict(house, url, tmp_path, text, reason):
    result = check(house, url, text, tmp_path)
    assert result.returncode == 2 and reason in result.stderr and result.stdout == ""


def test_wrong_place_is_no_verdict(house, url, paid, tmp_path):
    result = check(house, "http://127.0.0.1:9", paid, tmp_path)
    assert result.returncode == 2 and result.stderr.startswith("check_claims: ")
