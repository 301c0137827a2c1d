"""The key that pays on Solana in a signer of its own, and never in the house."""

import pytest
from test_house_chain import MODEL, eventually, exchequer
from test_house_costs import dollars_for, lamports, totals, upkeep_on_solana
from test_house_payouts import Payer
from test_keys import House, Secrets, files_in, memory, phrase, run, sealed


class SolanaHouse(House, Payer):
    """A house whose key on Solana is a signer's; the other one is in a file."""

    def solana_policy(self, **caps):
        return {
            "mints": [self.solana.mint], "coin_per_transaction": "0.05", "coin_per_day": "0.5",
            "usd_per_transaction": "3", "usd_per_day": "50", **caps,
        }

    def sign_with(self, file, words, **caps):
        return self.signer([file], {self.payer: self.solana_policy(**caps)}, *words)

    @property
    def payer(self):
        return self.solana.keys[0][1]

    def begin(self, *more):
        operator = ("--operator-key", self.chain.keys[0][0], "--any-roles")
        self.start(key=(*operator, "--signer", self.socket), extra=[
            "--payouts", "plan", "--refund-above", "1000", "--solana-rpc-url", self.solana.rpc,
            "--solana-mint", self.solana.mint, "--solana-signer-key", self.payer,
            "--solana-table-threshold", "1", *more])

    def is_paid(self, made):
        return not self.get(f"/v1/dispersals/{made['dispersal']}")["open"]

    def breakers(self):
        return self.report()["solana"]["breakers"]


@pytest.fixture
def solana_house(tmp_path):
    house = SolanaHouse(tmp_path)
    yield house
    house.stop()


def test_on_solana_a_signer_signs_all_that_the_house_does_and_nothing_above_its_caps(solana_house):
    """Accounts, payments and lookup tables; the signer refuses, goes away and comes back."""
    house, solana = solana_house, solana_house.solana
    words = ["--passphrase-file", phrase(house.folder)]
    plain = solana.keys[0][0]
    secrets = Secrets()
    file, secret = sealed(house.folder, "payer.key", bytes.fromhex(plain.read_text()))
    secrets.add("payer", secret)
    plain.unlink()
    signer = house.sign_with(file, words)
    held = lamports(house)
    house.begin()
    dollars_for(house, 3)
    payee = solana.keys[1][1]
    exchequer("payout", "--house", house.base, "--api-key-file", house.key(3),
              "--solana-key-file", solana.keys[1][0])
    first = house.withdraw(3, "1.25", key="june")
    eventually("the first payment", lambda: house.is_paid(first))
    assert solana.tokens(payee) == 1_250_000

    # Above the cap of a transaction: it waits, is told, and its table is made meanwhile.
    second = house.withdraw(3, "3.50", key="july")
    eventually("the refusal is told", lambda: house.breakers() == ["no_signature"])
    assert "Solana's payouts wait for a signature" in house.log_text()
    eventually("a table is made and filled", lambda: len(upkeep_on_solana(house)) >= 3)
    eventually("the books are stated", lambda: totals(house, "lamports")["books"] != "0")
    assert "signed the books" in house.log_text("signer.log")
    assert solana.tokens(payee) == 1_250_000 and not house.is_paid(second)
    assert "signed a lookup table" in house.log_text("signer.log")

    # The signer goes away, the house is killed, and both come back; the signer with other caps.
    signer.kill()
    signer.wait(10)
    house.kill()
    house.begin()
    eventually("it waits for the signer", lambda: house.breakers() == ["no_signature"])
    signer = house.sign_with(file, words, usd_per_transaction="5", usd_per_day="9")
    eventually("the second payment", lambda: house.is_paid(second), seconds=60)
    assert solana.tokens(payee) == 4_750_000
    name = house.get(f"/v1/dispersals/{second['dispersal']}")["payments"][0]["transaction"]
    found = solana.call("getTransaction", name, {"encoding": "json"})
    assert solana.account(payee) in found["meta"]["loadedAddresses"]["writable"]
    assert solana.mint in found["transaction"]["message"]["accountKeys"]

    # What a day may move holds, also for a signer that begins anew.
    third = house.withdraw(3, "4.50", key="august")
    eventually("the day's cap is told", lambda: "(10)" in house.log_text())
    signer.terminate()
    assert signer.wait(10) == 143
    house.sign_with(file, words, usd_per_transaction="5", usd_per_day="9")
    eventually("it is asked again", lambda: house.log_text("signer.log").count("in a day") > 1)
    assert not house.is_paid(third) and solana.tokens(payee) == 4_750_000

    def is_exact():
        spent = held - lamports(house)
        told = house.report()["solana"]["unbooked"] == 0
        return told and totals(house, "lamports")["units"] == str(spent)

    eventually("every lamport is booked", is_exact)
    exchequer("reconcile", "--data", house.folder / "house")
    # The key is the signer's alone.
    found = secrets.found(memory(house.process.pid), "the memory of the house")
    for path, data in files_in(house.folder, {"zealou.passphrase"}):
        found += secrets.found(data, path.relative_to(house.folder))
    assert found == []


def test_a_house_says_what_its_solana_signer_lacks(solana_house):
    house = solana_house
    words = ["--rpc-url", house.chain.rpc, "--contract", house.addresses["contract"],
             "--operator-key", house.chain.keys[0][0], "--payouts", "plan",
             "--solana-rpc-url", house.solana.rpc, "--solana-mint", house.solana.mint]

    def refused(*more, code=64):
        return run("serve", "--data", house.folder / "h", "--model", MODEL, *words, *more,
                   code=code)

    assert "goes with --signer" in refused("--solana-signer-key", house.payer)
    socket = ["--signer", house.socket]
    assert "base58" in refused(*socket, "--solana-signer-key", "0x12")
    both = ["--solana-key", house.solana.keys[0][0], "--solana-signer-key", house.payer]
    assert "not both" in refused(*socket, *both)
    assert "--signer-key" in refused(*socket, "--solana-key", house.solana.keys[0][0])


def test_a_signer_makes_durable_nonces(solana_house):
    house = solana_house
    words = ["--passphrase-file", phrase(house.folder)]
    file, _ = sealed(house.folder, "payer.key",
                     bytes.fromhex(house.solana.keys[0][0].read_text()))
    house.sign_with(file, words)
    house.begin("--solana-durable-nonces", "2")
    eventually("both are in use", lambda: house.report()["solana"]["nonces"] == 2)
    assert "signed a nonce account" in house.log_text("signer.log")
