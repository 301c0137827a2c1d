"""What a lying node says instead of the truth, by method: each takes a `random.Random` and the true
result, and returns another of the same form. A lie is plausible: whoever believes it pays twice,
never, or too much, books what was not, or waits for ever."""

import base64
import copy

from base58 import b58encode
from evm_chain import number, quantity


def changed(random, text):
    """The same hexadecimal text with other digits at its end."""
    return text[:-8] + f"{random.getrandbits(32):08x}"


def nothing(_random, _honest):
    return None


def off_by(*steps):
    """An EVM quantity that is too great or too small."""
    def lie(random, honest):
        return quantity(max(0, number(honest) + random.choice(steps)))

    return lie


def times(factor):
    return lambda _random, honest: quantity(number(honest) * factor)


def set_field(name, change):
    """An object of which one field is another."""
    def lie(random, honest):
        if not isinstance(honest, dict) or not honest.get(name):
            return honest
        return honest | {name: change(random, honest[name])}

    return lie


def other_word(random, honest):
    """What a contract returns, with another last word."""
    return honest if len(honest) < 66 else changed(random, honest)


def fewer(random, honest):
    """A list in which one is left out."""
    if not honest:
        return honest
    place = random.randrange(len(honest))
    return honest[:place] + honest[place + 1 :]


def other_log(random, honest):
    """Logs of which one says something else."""
    if not honest:
        return honest
    told = copy.deepcopy(honest)
    log = random.choice(told)
    if len(log["data"]) > 66:
        log["data"] = changed(random, log["data"])
    else:
        log["topics"][-1] = changed(random, log["topics"][-1])
    return told


def twice(_random, honest):
    return honest + honest[-1:]


def flip(_random, status):
    return "0x0" if status == "0x1" else "0x1"


# ---- Solana


def shifted(random, honest):
    return max(0, honest + random.choice((-300, -40, 40, 300, 5_000)))


def with_value(change):
    """An answer with its context, of which the value is another."""
    return lambda random, honest: honest | {"value": change(random, honest["value"])}


def hash_of_nothing(random, value):
    made = b58encode(random.randbytes(32)).decode()
    return value | {"blockhash": made, "lastValidBlockHeight": value["lastValidBlockHeight"] + 900}


def none_of_them(_random, value):
    return [None] * len(value)


def all_final(random, value):
    slot = max((one["slot"] for one in value if one), default=random.randrange(1, 2_000))
    made = {"slot": slot, "confirmations": None, "err": None, "confirmationStatus": "finalized"}
    return [one or made for one in value]


def all_undone(_random, value):
    error = {"InstructionError": [2, {"Custom": 1}]}
    return [one and one | {"err": error} for one in value]


def other_accounts(random, value):
    """Token accounts with another amount, or frozen; others without lamports."""
    return [one and other_account(random, one) for one in value]


def other_account(random, account):
    if not account:
        return account
    content = bytearray(base64.b64decode(account["data"][0]))
    if len(content) < 165:
        return account | {"lamports": 1}
    if random.random() < 0.5:
        content[64:72] = random.randrange(1, 10**6).to_bytes(8, "little")
    else:
        content[108] = 2 if content[108] == 1 else 1
    return account | {"data": [base64.b64encode(bytes(content)).decode(), "base64"]}


def other_fee(random, honest):
    if honest is None:
        return None
    told = copy.deepcopy(honest)
    told["meta"]["fee"] += random.randrange(1, 10_000)
    told["meta"]["postBalances"][0] -= random.randrange(1, 10_000)
    return told


def undone(_random, honest):
    if honest is None:
        return None
    return honest | {"meta": honest["meta"] | {"err": {"InstructionError": [0, "Custom"]}}}


LIES = {
    "eth_blockNumber": [off_by(-50, 1_000)],
    "eth_getBlockByNumber": [
        nothing, set_field("hash", changed), set_field("parentHash", changed),
        set_field("baseFeePerGas", times(50)), set_field("number", off_by(-3, 40))],
    "eth_getTransactionReceipt": [
        nothing, set_field("status", flip), set_field("blockHash", changed),
        set_field("blockNumber", off_by(-2, 2)), set_field("effectiveGasPrice", off_by(1, 10**9)),
        set_field("gasUsed", off_by(1, 900))],
    "eth_getTransactionCount": [off_by(-2, -1, 1, 2)],
    "eth_getBalance": [lambda _random, _honest: "0x0", times(2)],
    "eth_call": [other_word, lambda _random, honest: "0x" + "0" * (len(honest) - 2)],
    "eth_getLogs": [fewer, other_log, twice, lambda _random, _honest: []],
    "eth_estimateGas": [times(3), off_by(-10_000)],
    "eth_maxPriorityFeePerGas": [times(100)],
    "getSlot": [shifted],
    "getBlockHeight": [shifted],
    "getLatestBlockhash": [with_value(hash_of_nothing)],
    "isBlockhashValid": [with_value(lambda _random, value: not value)],
    "getSignatureStatuses": [
        with_value(none_of_them), with_value(all_final), with_value(all_undone)],
    "getMultipleAccounts": [with_value(none_of_them), with_value(other_accounts)],
    "getAccountInfo": [with_value(nothing), with_value(other_account)],
    "getBalance": [with_value(lambda _random, _value: 0)],
    "getTransaction": [nothing, other_fee, undone],
    "getSignaturesForAddress": [fewer, lambda _random, _honest: []],
    "getFirstAvailableBlock": [shifted],
    "getBlocks": [fewer],
    "getBlock": [set_field("blockHeight", shifted), set_field("parentSlot", shifted)],
    "getRecentPrioritizationFees": [
        lambda _random, _honest: [{"slot": 1, "prioritizationFee": 10**9}]],
}
