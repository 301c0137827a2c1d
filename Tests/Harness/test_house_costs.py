"""What the chains charge a house is in its books to the wei and to the lamport, although it is
killed between sending and booking."""

import base64
import json
import urllib.request

import pytest
from test_house_chain import House, eventually, exchequer
from test_house_payouts import Payer
from test_settlement_upkeep import begin, pass_time, paying, send, settle

DELAY = "1000"


def settlement(house):
    """What only the operator sees."""
    token = (house.folder / "house" / "operator.token").read_text().strip()
    request = urllib.request.Request(
        house.base + "/v1/operator/settlement", headers={"authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def totals(house, coin):
    found = [one for one in settlement(house)["costs"] if one["coin"] == coin]
    return found[0] if found else {"units": "0"}


def wei(house):
    """What the account that settles holds."""
    return int(house.chain.call("eth_getBalance", house.chain.keys[0][1], "latest"), 16)


def lamports(house):
    """What the account that pays on Solana holds."""
    return house.solana.call("getBalance", house.solana.keys[0][1])["value"]


def charged(house, name):
    """What a Solana transaction took from its payer, and its fee."""
    meta = house.solana.call("getTransaction", name)["meta"]
    return meta["preBalances"][0] - meta["postBalances"][0], meta["fee"]


def dollars_for(house, account, amount="10.00"):
    house.pay("deposit", account, amount)
    house.chain.call("anvil_mine", "0x3")
    owner = house.chain.keys[account][1]
    eventually("the deposit", lambda: house.usd(owner).get("available") == amount)


@pytest.fixture
def payer(tmp_path):
    house = Payer(tmp_path)
    yield house
    house.stop()


@pytest.fixture
def guarded(tmp_path):
    house = House(tmp_path, "--activation-delay", DELAY)
    yield house
    house.stop()


def test_what_solana_charges_outlives_kills(payer):
    house, solana = payer, payer.solana
    tables = ("--solana-table-threshold", "1")
    held = lamports(house)
    house.begin(*tables)
    dollars_for(house, 3)
    payout(house, "--solana-key-file", solana.keys[1][0])

    def is_paid(made):
        return not house.get(f"/v1/dispersals/{made['dispersal']}")["open"]

    def is_exact():
        """Whether all that left the account is booked, and nothing more."""
        found = settlement(house)
        spent = held - lamports(house)
        return found["solana"]["unbooked"] == 0 and totals(house, "lamports")["units"] == str(spent)

    # It pays, for which it makes the payee's account, and is killed before it can know the price.
    solana.everywhere(
        "test_fault", {"method": "getTransaction", "kind": "error", "count": 10**6})
    first = house.withdraw(3, "1.25", key="june")
    eventually("the first payment", lambda: is_paid(first))
    assert totals(house, "lamports")["units"] == "0"
    assert settlement(house)["solana"]["unbooked"] >= 2
    house.kill()
    solana.everywhere("test_clearFaults")
    house.begin(*tables)
    eventually("all of it is booked", is_exact)
    paid = house.get(f"/v1/dispersals/{first['dispersal']}")
    name = paid["payments"][0]["transaction"]
    assert [cost["transaction"] for cost in paid["costs"]] == [name]
    assert paid["costs"][0]["units"] == str(charged(house, name)[1])
    upkeep = upkeep_on_solana(house)
    for one in upkeep:
        assert one["units"] == str(charged(house, one["transaction"])[0])
    # A token account with its rent, and a table.
    assert max(int(one["units"]) for one in upkeep) > 2_000_000 and len(upkeep) >= 2

    # What is signed and never lands costs nothing, and is forgotten when no block can take it.
    solana.call("test_drop", 10**6)
    second = house.withdraw(3, "1.00", key="july")
    eventually("it is signed", lambda: is_signed(house, second))
    house.kill()
    house.begin(*tables)
    assert settlement(house)["solana"]["unbooked"] > 0
    solana.call("test_tick", 200)
    solana.call("test_drop", 0)
    eventually("the second payment", lambda: is_paid(second))
    eventually("it is booked", is_exact_after_ticks(solana, is_exact))

    # Nobody wants the tables any more: their rent comes back, and is no expense.
    payout(house, "--reset")

    def is_closed():
        solana.call("test_tick", 20)
        return totals(house, "lamports")["rent_return"] != "0"

    eventually("a table is closed", is_closed)
    house.kill()
    house.begin()
    eventually("the rent is booked", is_exact)

    # A payment that is undone costs its fee: the nodes hide that the account is frozen.
    payout(house, "--solana-key-file", solana.keys[1][0])
    account = solana.account(solana.keys[1][1])
    seen = solana.call("getMultipleAccounts", [account], {"encoding": "base64"})
    freeze(solana, solana.keys[1][1])
    solana.everywhere(
        "test_fault",
        {"method": "getMultipleAccounts", "kind": "lie", "count": 10**6, "result": seen,
         "contains": account})
    third = house.withdraw(3, "0.50", key="august")
    eventually("it is signed too", lambda: is_signed(house, third))

    def found():
        return house.get(f"/v1/dispersals/{third['dispersal']}")

    eventually("it is put aside", lambda: found()["payments"][0]["stage"] == "quarantined")
    # Not before: what is not in a block soon enough is signed again, if it can be received.
    solana.everywhere("test_clearFaults")
    eventually("its fee is booked", is_exact)
    assert found()["costs"] == []
    lost = [one for one in spent_on_solana(house) if failed(solana, one["transaction"])]
    assert [one["subject"] for one in lost] == ["upkeep"]
    assert lost[0]["units"] == str(charged(house, lost[0]["transaction"])[1])
    audit(house)


def is_exact_after_ticks(solana, is_exact):
    def look():
        solana.call("test_tick", 50)
        return is_exact()

    return look


def spent_on_solana(house):
    return [one for one in house.get("/v1/costs")["data"] if one["coin"] == "lamports"]


def is_signed(house, made):
    """Whether a payment's own transaction was signed; others may be under way."""
    (payment,) = house.get(f"/v1/dispersals/{made['dispersal']}")["payments"]
    return payment["stage"] != "waiting"


def upkeep_on_solana(house):
    return [one for one in spent_on_solana(house) if one["subject"] == "upkeep"]


def failed(solana, name):
    return solana.call("getTransaction", name)["meta"]["err"] is not None


def payout(house, *how):
    """Says how the third account is paid."""
    exchequer("payout", "--house", house.base, "--api-key-file", house.key(3), *how)


def freeze(solana, owner):
    """Freezes an owner's token account, as the mint's authority can."""
    account = solana.account(owner)
    found = solana.call("getAccountInfo", account, {"encoding": "base64"})["value"]
    content = bytearray(base64.b64decode(found["data"][0]))
    content[108] = 2
    words = base64.b64encode(bytes(content)).decode()
    solana.call("test_setAccount", account, found["lamports"], found["owner"], words)


def audit(house):
    """The journal leads whoever replays it to the same state."""
    state = house.get("/v1/state")
    house.process.terminate()
    house.process.wait(30)
    exchequer(
        "audit", "--data", house.folder / "house", "--expect",
        f"{state['sequence']}:{state['head']}")


def test_a_root_costs_its_making_it_pay_as_well(guarded):
    house = guarded
    begin(house)
    held = wei(house)
    settle(house, "20", 1)
    house.kill()
    house.start()
    pass_time(house, int(DELAY))
    eventually("the root pays", lambda: paying(house) == 1)

    def is_exact():
        house.chain.call("anvil_mine", "0x1")
        return totals(house, "wei")["units"] == str(held - wei(house))

    eventually("both are booked", is_exact)
    costs = house.get("/v1/batches/1")["costs"]
    assert len(costs) == 2 and totals(house, "wei")["batch"] == str(held - wei(house))
    for cost in costs:
        receipt = house.chain.call("eth_getTransactionReceipt", "0x" + cost["transaction"])
        assert int(receipt["gasUsed"], 16) == cost["gas"]


def test_who_holds_nothing_yet_is_quoted_dearer(payer):
    """Two of three hold none of the token: they are sent it, at what was quoted. When nobody holds
    any, a root is cheaper. Nobody waits for a node that does not tell."""
    house = payer
    usdc, keys = house.addresses["usdc"], house.chain.keys
    house.begin()
    house.fill(1, 2, 3)

    def empty(*accounts):
        for account in accounts:
            send(house, account, usdc, "transfer(address,uint256)", ["address", "uint256"],
                 keys[0][1], house.dollars(account))

    def settled():
        for account in (1, 2, 3):
            house.withdraw(account, "0.50")
        house.operate("settle")
        return max(house.get("/v1/settlements")["data"], key=lambda one: one["made_at"])

    empty(1, 2)
    pushed = settled()
    assert "batch" not in pushed and pushed["quotes"]["new_holders"] == 2
    assert pushed["quotes"]["gas"]["new_holder"] == 17_100
    assert pushed["gas"] == 63_400 + 3 * 9_025 + 2 * 17_100
    eventually("all are paid", lambda: house.are_over(1))

    def costs():
        house.chain.call("anvil_mine", "0x1")
        return house.get("/v1/dispersals/1")["costs"]

    (cost,) = eventually("it is booked", costs)
    assert 0.99 < cost["gas"] / pushed["gas"] < 1.01
    empty(1, 2, 3)
    house.chain.fault("eth_call", "hang", count=1_000, contains=keys[1][1][2:].lower())
    untold = settled()
    house.chain.call("test_clearFaults")
    assert "batch" not in untold and "new_holders" not in untold["quotes"]
    assert untold["gas"] == 63_400 + 3 * 9_025
    eventually("all are paid", lambda: house.are_over(2))
    empty(1, 2, 3)
    rooted = settled()
    assert rooted["batch"] == 1 and rooted["dispersals"] == 0
    assert rooted["quotes"]["new_holders"] == 3 and rooted["gas"] == 39_535 + 90_091


def test_what_a_rollup_charges_is_quoted_and_booked(payer):
    house = payer
    house.chain.call("test_setRollupFees", hex(5 * 10**9), "0x7a120", hex(10**9))
    held = wei(house)
    house.begin()
    house.fill(2, 3)
    house.withdraw(3, "1.25", key="june")
    eventually("it is paid", lambda: house.are_over(1))
    house.kill()
    # What was charged stays, whatever prices come.
    house.chain.call("test_setRollupFees", hex(8 * 10**9), "0x0", "0x0")
    house.begin("--gas", "payee=9100")
    for account in (2, 3):
        house.withdraw(account, "0.50")
    house.operate("settle")
    eventually("both are paid", lambda: house.are_over(2))

    def is_exact():
        house.chain.call("anvil_mine", "0x1")
        return totals(house, "wei")["units"] == str(held - wei(house))

    eventually("all of it is booked", is_exact)
    first, second = house.get("/v1/dispersals")["data"]
    for one, operator in ((first, 0x7A120 * 100), (second, 0)):
        (cost,) = one["costs"]
        receipt = house.chain.call("eth_getTransactionReceipt", "0x" + cost["transaction"])
        gas, price, fee = (
            int(receipt[name], 16) for name in ("gasUsed", "effectiveGasPrice", "l1Fee"))
        constant = 10**9 if operator else 0
        assert fee > 0 and cost["gas"] == gas
        assert cost["units"] == str(gas * (price + operator) + fee + constant)
    # The plan was made with what the chain's oracle had said of such transactions.
    quotes = house.get("/v1/settlements")["data"][0]["quotes"]
    price = int(quotes["gas_price"])
    fees = fee // price
    quoted = quotes["gas"]["dispersal"] + 2 * quotes["gas"]["payee"]
    assert fees > 2_000 and quotes["gas"]["payee"] >= 9_100 + 64 * 8 * 10**9 // price - 1
    assert 0.95 < quoted / (63_400 + 2 * 9_100 + fees) < 1.05
    assert quotes["gas"]["commit"] > 39_535 + 260 * 8 * 10**9 // price
    audit(house)


def test_nobody_waits_for_what_a_rollup_does_not_quote(payer):
    """Its oracle reverts: everybody is paid, and plans know what was told last."""
    house = payer
    house.chain.call("test_setRollupFees", hex(8 * 10**9), "0x0", "0x0")
    house.chain.call("test_muteRollupOracle", True)
    house.begin()
    house.fill(2, 3)
    paid = 0

    def settle(*accounts):
        nonlocal paid
        for account in accounts:
            house.withdraw(account, "0.50")
        house.operate("settle")
        paid += 1
        eventually("they are paid", lambda: house.are_over(paid))
        return house.get("/v1/settlements")["data"][-1]["quotes"]["gas"]

    house.withdraw(3, "1.25", key="june")
    paid += 1
    eventually("it is paid at once", lambda: house.are_over(1))
    without = "without what this rollup charges beside gas"
    assert without not in (house.folder / "house.log").read_text()
    gas = settle(2, 3)
    assert (gas["commit"], gas["dispersal"], gas["payee"]) == (39_535, 63_400, 9_025)
    settle(2)
    log = (house.folder / "house.log").read_text()
    assert log.count(without) == 1, "it is told once"
    house.chain.call("test_muteRollupOracle", False)
    told = settle(2)
    assert told["payee"] > 9_025 and told["dispersal"] > 63_400
    house.chain.call("test_muteRollupOracle", True)
    assert settle(2) == told
    assert "with what this rollup charged beside gas before" in (
        house.folder / "house.log").read_text()
    audit(house)


def test_the_leave_to_disperse_is_upkeep(payer):
    house = payer
    held = wei(house)
    house.begin()
    eventually("leave to disperse", house.is_approved)

    def is_exact():
        house.chain.call("anvil_mine", "0x1")
        return totals(house, "wei").get("upkeep") == str(held - wei(house))

    eventually("it is booked", is_exact)
    listed = house.get("/v1/costs")["data"]
    assert {(one["subject"], one["coin"]) for one in listed} == {("upkeep", "wei")}
    assert len(listed) == 2


def test_signs_of_life_and_empty_transactions_are_upkeep(tmp_path):
    house = House(tmp_path, "--escape-delay", "3000")
    try:
        begin(house)
        held, address = wei(house), house.chain.keys[0][1]
        first = nonce(house, address)
        # No node takes the first sign of life for what it is, so that its nonce is filled.
        house.chain.call("test_fault", {
            "method": "eth_sendRawTransaction", "kind": "error", "count": 3,
            "message": "intrinsic gas too low"})
        pass_time(house, 1_100)

        def is_mined(count):
            house.chain.call("anvil_mine", "0x1")
            return nonce(house, address) == first + count

        eventually("the nonce is filled", lambda: is_mined(1), seconds=90)
        house.kill()
        house.start()
        eventually("the sign of life", lambda: is_mined(2), seconds=90)
        house.kill()
        house.start()

        def is_exact():
            house.chain.call("anvil_mine", "0x1")
            return totals(house, "wei").get("upkeep") == str(held - wei(house))

        eventually("both are booked", is_exact)
        listed = house.get("/v1/costs")["data"]
        assert {one["subject"] for one in listed} == {"upkeep"}
        gas = sorted(one["gas"] for one in listed)
        assert len(gas) == 2 and gas[0] == 21_000 < gas[1]
        # A root, and what it costs is the root's.
        settle(house, "20", 1)
        eventually("the root is booked", lambda: house.get("/v1/batches/1")["costs"])
        assert totals(house, "wei")["units"] == str(held - wei(house))
        audit(house)
    finally:
        house.stop()


def nonce(house, account):
    return int(house.chain.call("eth_getTransactionCount", account, "latest"), 16)
