"""`exchequer journal` and `exchequer audit` on real journals: what they print, their exit codes, what
they say of damage, and read models whose filling was killed."""

import contextlib
import hashlib
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXCHEQUER = ROOT / ".build" / "release" / "exchequer"
# Enough for several transactions of a read model, so that a kill finds it half filled.
TRANSFERS = 220_000
RESTORE = "restore it from a backup or a standby"


def exchequer(*arguments, code=0):
    """Runs a command to its end; gives what it printed and what it said."""
    done = subprocess.run(
        [EXCHEQUER, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout, done.stderr


class Server:
    def __init__(self, place):
        self.process = subprocess.Popen(
            [EXCHEQUER, "ledger", "serve", "--journal", place, "--port", "0", "--http-port", "0"],
            stdout=subprocess.PIPE,
            text=True,
        )
        ready = json.loads(self.process.stdout.readline())
        self.port, self.http = ready["port"], ready["httpPort"]

    def post(self, kind, events):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http}/v1/{kind}",
            json.dumps(events).encode(),
            {"content-type": "application/json"},
        )
        return json.load(urllib.request.urlopen(request, timeout=30))["results"]

    def load(self, transfers, batch):
        exchequer("ledger", "load", "--port", self.port, "--transfers", transfers,
                  "--batch", batch, "--accounts", 500)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 128 + signal.SIGTERM


def business(server):
    """A little of everything that has a row of its own in a read model."""
    account = {"ledger": 2, "code": 9, "flags": ["history"]}
    server.post("accounts", [{**account, "id": str(900 + n)} for n in range(4)])
    move = {"ledger": 2, "code": 1, "debit_account": "900", "credit_account": "901"}
    server.post("transfers", [
        {**move, "id": "1000001", "amount": "7"},
        {**move, "id": "1000002", "amount": "5", "flags": ["pending"], "timeout": 1},
        {**move, "id": "1000003", "amount": "6", "flags": ["pending"]},
        {**move, "id": "1000004", "amount": "4", "flags": ["pending"]},
        {"id": "1000005", "pending_id": "1000003", "amount": "2", "flags": ["post_pending"]},
        {"id": "1000006", "pending_id": "1000004", "flags": ["void_pending"]},
        {**move, "id": "1000007", "amount": "1", "flags": ["linked"]},
        {**move, "id": "1000007", "amount": "2"},
    ])


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    """A journal in append files that nobody writes to."""
    folder = tmp_path_factory.mktemp("books")
    server = Server(f"file:{folder}/books")
    business(server)
    server.load(TRANSFERS, 500)
    server.stop()
    return folder / "books"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A small journal in SQLite."""
    path = tmp_path_factory.mktemp("database") / "books.sqlite"
    server = Server(f"sqlite:{path}")
    business(server)
    server.load(2_000, 20)
    server.stop()
    return path


def tables(path):
    """Every table of a read model, as a digest of its rows."""
    connection = sqlite3.connect(path)
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    found = {}
    for (name,) in names.fetchall():
        digest, count = hashlib.sha256(), 0
        for row in connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2"):
            digest.update(repr(row).encode())
            count += 1
        found[name] = (count, digest.hexdigest())
    found["indexes"] = connection.execute(
        "SELECT count(*) FROM sqlite_master WHERE type = 'index'").fetchone()
    connection.close()
    return found


@pytest.fixture(scope="module")
def clean(books, tmp_path_factory):
    """The read model that one filling without an interruption makes."""
    path = tmp_path_factory.mktemp("clean") / "read.sqlite"
    exchequer("journal", "rebuild", "--journal", f"file:{books}", "--into", f"sqlite:{path}")
    return tables(path)


def test_info(books, database):
    for place, store in ((f"file:{books}", "append files"), (f"sqlite:{database}", "SQLite file")):
        text, _ = exchequer("journal", "info", "--journal", place)
        found = json.loads(exchequer("journal", "info", "--journal", place, "--json")[0])
        assert found["store"] == store and found["machine"] == "ledger" and found["term"] == 1
        assert f"last batch  {found['sequence']}, term 1" in text and found["headHash"] in text
        assert found["sequence"] > 5 and found["bytes"] > 0 and len(found["headHash"]) == 64


def test_verify_and_audit(books, database):
    for place, transfers in ((f"file:{books}", TRANSFERS), (f"sqlite:{database}", 2_000)):
        info = json.loads(exchequer("journal", "info", "--journal", place, "--json")[0])
        text, _ = exchequer("journal", "verify", "--journal", place)
        assert f"{info['sequence']} batches hold; head hash {info['headHash']}" in text
        found = json.loads(exchequer("journal", "verify", "--journal", place, "--json")[0])
        assert found == {"sequence": str(info["sequence"]), "headHash": info["headHash"]}
        audit = json.loads(exchequer("audit", "--journal", place, "--json")[0])
        assert audit["sound"] and audit["faults"] == [] and audit["headHash"] == info["headHash"]
        # One moved, three reserved, one posted, one voided; the chain left nothing.
        assert audit["transfers"] == transfers + 6 and audit["accounts"] == 504
        assert [line["ledger"] for line in audit["trialBalance"]] == [1, 2]
        assert all(line["balanced"] for line in audit["trialBalance"])
        assert audit["trialBalance"][1]["debitsPosted"] == "9"
        text, _ = exchequer("audit", "--journal", place)
        assert "nothing is wrong" in text and audit["stateHash"] in text
        point = f"{info['sequence']}:{info['headHash']}"
        exchequer("audit", "--journal", place, "--expect", point)
        _, said = exchequer("audit", "--journal", place, "--expect", f"1:{'0' * 64}", code=5)
        assert "batch 1 should have hash" in said and RESTORE in said


def test_what_is_not_there_or_not_a_journal(tmp_path):
    (tmp_path / "letter").write_text("no journal\n" * 200)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "letter").write_text("no journal")
    for place in (f"sqlite:{tmp_path}/none", f"file:{tmp_path}/none", f"sqlite:{tmp_path}/letter",
                  f"file:{tmp_path}/folder", "postgres:host=/nowhere dbname=none"):
        for command in ("info", "verify", "rebuild", "snapshot"):
            into = ["--into", f"sqlite:{tmp_path}/read"] if command == "rebuild" else []
            into = ["--into", f"{tmp_path}/snapshots"] if command == "snapshot" else into
            done = subprocess.run(
                [EXCHEQUER, "journal", command, "--journal", place, *into],
                capture_output=True, text=True, timeout=60)
            code = 6 if place.startswith("postgres") else 3
            assert done.returncode == code, f"{command} {place}: {done.stderr}"
            assert done.stdout == "" and done.stderr.strip()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "letter"]
    exchequer("journal", "info", code=64)


def flip(path, place):
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 0x10]))


def test_a_flipped_byte_is_reported(books, database, tmp_path):
    shutil.copytree(books, tmp_path / "books")
    shutil.copy(database, tmp_path / "books.sqlite")
    # In the body of a batch in the middle: each of 500 transfers is a record of 17 blocks.
    segment = sorted((tmp_path / "books").glob("*.segment"))[0]
    flip(segment, 4_096 * 1_000 + 700)
    connection = sqlite3.connect(tmp_path / "books.sqlite")
    body = connection.execute("SELECT body FROM journal WHERE seq = 50").fetchone()[0]
    connection.close()
    place = (tmp_path / "books.sqlite").read_bytes().index(body) + len(body) // 2
    flip(tmp_path / "books.sqlite", place)
    for journal in (f"file:{tmp_path}/books", f"sqlite:{tmp_path}/books.sqlite"):
        commands = [
            ["journal", "verify"],
            ["journal", "rebuild", "--into", f"sqlite:{tmp_path}/read"],
            ["journal", "follow", "--once", "--into", f"sqlite:{tmp_path}/follow"],
            ["journal", "snapshot", "--into", f"{tmp_path}/snapshots"],
            ["audit"],
        ]
        for command in commands:
            printed, said = exchequer(*command, "--journal", journal, code=5)
            assert "of the journal is damaged" in said and RESTORE in said, f"{command}: {said}"
            assert printed == ""
        number = said.split("batch ")[1].split(" ")[0]
        assert journal.startswith("file") or number == "50"
    # What came before the damage may be in the models; no snapshot was kept.
    assert not list((tmp_path / "snapshots").glob("snapshot-*"))


def test_a_snapshot_by_hand_serves_the_next_start(books, tmp_path):
    shutil.copytree(books, tmp_path / "books")
    place = f"file:{tmp_path}/books"
    text, _ = exchequer("journal", "snapshot", "--journal", place)
    assert "snapshot" in text
    made = list((tmp_path / "books.snapshots").glob("snapshot-*"))
    assert len(made) == 1
    again, _ = exchequer("journal", "snapshot", "--journal", place)
    assert "nothing new" in again
    server = Server(place)
    server.post("accounts", [{"id": "999", "ledger": 2, "code": 9}])
    server.stop()
    audit = json.loads(exchequer("audit", "--journal", place, "--json")[0])
    assert audit["sound"] and audit["transfers"] == TRANSFERS + 6


def killed(command, path, sequence):
    """Runs a command and kills it when its model has gone on to a batch or beyond; whether it was
    still running."""
    before = applied(path)
    process = subprocess.Popen(
        [EXCHEQUER, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and (applied(path) == before or applied(path) < sequence):
        time.sleep(0.001)
    is_running = process.poll() is None
    process.kill()
    process.wait()
    return is_running


def applied(path):
    """The last batch that is in a read model; -1 if there is none yet."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT applied_seq FROM read_model").fetchone()[0]
    except (sqlite3.OperationalError, TypeError):
        return -1


@pytest.mark.parametrize("first, then", [("rebuild", "follow"), ("follow", "rebuild")])
def test_a_filling_that_is_killed_goes_on(books, clean, tmp_path, first, then):
    def command(name):
        once = ["--once"] if name == "follow" else []
        return ["journal", name, "--journal", f"file:{books}", "--into", f"sqlite:{path}", *once]

    path = tmp_path / "read.sqlite"
    info = exchequer("journal", "info", "--journal", f"file:{books}", "--json")[0]
    head = json.loads(info)["sequence"]
    places = sorted(random.sample(range(1, head), 2))
    kills = sum(killed(command(name), path, at) for name, at in zip((first, then), places))
    exchequer(*command(then))
    assert tables(path) == clean
    assert kills > 0


def test_follow_keeps_up_with_a_server_and_ends_on_a_signal(tmp_path):
    place, path = f"file:{tmp_path}/books", tmp_path / "books.read.sqlite"
    server = Server(place)
    business(server)
    follower = subprocess.Popen(
        [EXCHEQUER, "journal", "follow", "--journal", place, "--every", "20", "--json"],
        stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(3):
            server.load(1_000, 50)
            end = time.monotonic() + 30
            while True:
                head = json.loads(exchequer("journal", "info", "--journal", place, "--json")[0])
                connection = sqlite3.connect(path)
                try:
                    filled = connection.execute("SELECT applied_seq FROM read_model").fetchone()[0]
                except sqlite3.OperationalError:
                    filled = 0
                connection.close()
                if filled == head["sequence"]:
                    break
                assert time.monotonic() < end, f"{filled} of {head['sequence']}"
                time.sleep(0.05)
    finally:
        follower.send_signal(signal.SIGINT)
        printed, _ = follower.communicate(timeout=30)
        server.stop()
    assert follower.returncode == 0
    assert json.loads(printed)["machine"] == "ledger"
    followed = tables(path)
    exchequer("journal", "rebuild", "--journal", place)
    rebuilt = tables(path)
    # What the server journaled while it stopped is only in the second.
    assert {name: rows for name, rows in followed.items() if name != "read_model"} == {
        name: rows for name, rows in rebuilt.items() if name != "read_model"}
