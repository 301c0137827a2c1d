"""The escape hatch: a house is stopped for good, somebody declares it abandoned, payees claim from
what they have kept or from a copy of its journal, and bonds come back: by commands alone."""

import json
import shutil
import subprocess

import pytest
from test_house_chain import EXCHEQUER, ROOT, House, exchequer
from test_settlement_upkeep import begin, eventually, pass_time, paying, settle, usdc

WINDOW, ESCAPE = 1_000, 5_000


class Hatch:
    """A house with delays that is stopped for good, and what is done then, by commands alone."""

    def __init__(self, folder):
        self.house = House(folder, "--activation-delay", str(WINDOW), "--escape-delay", str(ESCAPE))
        self.provider = self.house.chain.keys[2][1]
        self.at = ["--contract", self.house.addresses["contract"]]

    def call(self, command, account, *arguments, code=0):
        line = ["contracts", command, "--rpc", self.house.chain.rpc, *self.at, *arguments]
        line += ["--key-file", self.house.chain.keys[account][0]]
        line += ["--artifacts", ROOT / "contracts-abi/evm"]
        done = subprocess.run([EXCHEQUER, *line], capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def settled(self, amount, number):
        """A batch whose root pays."""
        settle(self.house, amount, number)
        pass_time(self.house, WINDOW)
        eventually("the root pays", lambda: paying(self.house) == number)

    def kept(self, name):
        """What a payee keeps of a batch that pays."""
        file = self.house.folder / name
        asked = ["claimable", "--house", self.house.base, "--address", self.provider]
        file.write_text(exchequer(*asked, "--json"))
        return file

    def gone(self):
        self.house.kill()
        shutil.move(self.house.folder / "house", self.house.folder / "copy")

    def abandon(self):
        said = self.call("abandon", 4, code=1)
        assert "the contract refuses it: too early" in said
        assert "it can be declared abandoned after second" in said
        pass_time(self.house, ESCAPE + 10)
        assert "abandon: settled" in self.call("abandon", 4)
        assert "the house was declared abandoned" in self.call("abandon", 4, code=1)
        assert "ABANDONED: only exits are open" in self.shown()

    def shown(self):
        return exchequer(
            "contracts", "show", "--rpc", self.house.chain.rpc, *self.at, "--artifacts",
            ROOT / "contracts-abi/evm")

    def dollars(self):
        return usdc(self.house, self.provider)

    def copied(self, address, code=0):
        """What can be claimed, out of a copy of the journal."""
        folder = self.house.folder / "copy"
        line = [EXCHEQUER, "claimable", "--data", folder, "--rpc", self.house.chain.rpc, *self.at]
        line += ["--address", address, "--artifacts", ROOT / "contracts-abi/evm", "--json"]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout) if code == 0 else done.stderr

    def bond_leaves(self):
        self.call("unbond", 2, "--amount", "100")
        assert "nothing matured" in self.call("withdraw-bond", 2, code=1)
        pass_time(self.house, 900)
        self.call("withdraw-bond", 2)


@pytest.fixture
def hatch(tmp_path):
    if not EXCHEQUER.exists():
        pytest.fail(f"{EXCHEQUER} is missing: run `make build`")
    hatch = Hatch(tmp_path)
    yield hatch
    hatch.house.stop()


def test_a_payee_is_paid_from_its_file_when_the_house_is_gone(hatch):
    begin(hatch.house)
    hatch.settled("20", 1)
    file = hatch.kept("claims.json")
    hatch.gone()
    hatch.abandon()
    # A file that was changed is found before it costs gas; a foreign one is named.
    statement = json.loads(file.read_text())
    for change, code, words in [
        ({"claims": [{**statement["claims"][0], "cumulative": "20000001"}]}, 5,
         "does not lead to the root that pays"),
        ({"contract": hatch.house.addresses["usdc"]}, 3, "is of the contract"),
        ({"network": "eip155:1"}, 3, "is of the contract"),
    ]:
        other = hatch.house.folder / "changed.json"
        other.write_text(json.dumps({**statement, **change}))
        assert words in hatch.call("claim", 4, "--claims", other, code=code)
    assert "holds no JSON" in hatch.call("claim", 4, "--claims", hatch.house.log.name, code=3)
    assert "--house or --claims" in hatch.call("claim", 4, code=64)
    # Out of the journal's copy there is the same claim, to the byte.
    assert hatch.copied(hatch.provider)["claims"] == statement["claims"]
    before = hatch.dollars()
    said = hatch.call("claim", 4, "--claims", file)
    assert f"USD 20.00 paid to {hatch.provider}" in said
    assert hatch.dollars() == before + 20_000_000
    assert "everything was claimed before" in hatch.call("claim", 4, "--claims", file)
    assert hatch.dollars() == before + 20_000_000
    assert hatch.copied(hatch.provider)["claims"] == []
    hatch.bond_leaves()
    # A thousand less the 50 that were deposited, and the 20 of them that were claimed.
    assert hatch.dollars() == 970_000_000
    assert "the contract refuses it: abandoned" in hatch.call(
        "deposit", 2, "--amount", "1", code=1)


def test_a_root_that_waited_is_claimed_from_a_copy_of_the_journal(hatch):
    begin(hatch.house)
    hatch.settled("20", 1)
    old = hatch.kept("claims.json")
    settle(hatch.house, "5", 2)
    hatch.gone()
    hatch.abandon()
    assert "batch 2 waits" in hatch.shown()
    assert hatch.copied(hatch.provider)["batch"] == 1
    hatch.call("activate", 4)
    said = hatch.call("claim", 4, "--claims", old, code=5)
    assert "it is of another batch" in said and "claimable --data" in said
    found = hatch.copied(hatch.provider)
    assert (found["batch"], found["claims"][0]["amount"]) == (2, "25.00")
    new = hatch.house.folder / "new.json"
    new.write_text(json.dumps(found))
    before = hatch.dollars()
    hatch.call("claim", 4, "--claims", new)
    assert hatch.dollars() == before + 25_000_000
    hatch.bond_leaves()
    assert hatch.dollars() == 975_000_000
    # The copy of another house, or an older one, says so.
    elsewhere = hatch.house.addresses["usdc"]
    hatch.at = ["--contract", elsewhere]
    assert "does not answer" in hatch.copied(hatch.provider, code=6)
