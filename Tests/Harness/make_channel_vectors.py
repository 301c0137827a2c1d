#!/usr/bin/env python3
"""Makes Tests/ChainsTests/Vectors/channels.json: ids, digests, signatures and calls of channels as
eth-account, eth-abi and solders make them, from the published formats (docs/reference/channels.md)
and not from the Swift client, which is compared with them.

    .venv/bin/python Tests/Harness/make_channel_vectors.py > FILE

Always the same file.
"""

import hashlib
import json
import struct

from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import set_compute_unit_limit
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM

CONFIG = "(address,address,address,address,address,uint40,bytes32)"
CLAIMS = f"(({CONFIG},uint128),bytes,uint128)[]"
DOMAIN = {"name": "x402 Batch Settlement", "version": "1"}
FIELDS = [("payer", "address"), ("payerAuthorizer", "address"), ("receiver", "address"),
          ("receiverAuthorizer", "address"), ("token", "address"), ("withdrawDelay", "uint40"),
          ("salt", "bytes32")]
ENTRY = [("channelId", "bytes32"), ("maxClaimableAmount", "uint128"), ("totalClaimed", "uint128")]


def types(**structs):
    return {name: [{"name": field, "type": kind} for field, kind in fields]
            for name, fields in structs.items()}


def seed(label: str) -> bytes:
    return hashlib.sha256(label.encode()).digest()


def account(label: str):
    return Account.from_key(seed(label))


def typed(chain: int, contract: str, struct_types: dict, message: dict):
    domain = DOMAIN | {"chainId": chain, "verifyingContract": contract}
    return encode_typed_data(domain, struct_types, message)


def digest(message) -> bytes:
    return keccak(b"\x19" + message.version + message.header + message.body)


def call(name: str, kinds: list[str], values: list) -> str:
    return (keccak(text=f"{name}({','.join(kinds)})")[:4] + encode(kinds, values)).hex()


def batch_row(number: int) -> dict:
    chain = (8453, 84532, 31337)[number % 3]
    contract = ("0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003" if number % 2 == 0
                else account(f"contract {number}").address)
    collector = "0x4020806089470a89826cB9fB1f4059150b550004"
    payer = account(f"payer {number}")
    signer = payer if number % 3 == 0 else account(f"signer {number}")
    config = {
        "payer": payer.address,
        "payerAuthorizer": "0x" + "00" * 20 if signer is payer else signer.address,
        "receiver": account("receiver").address,
        "receiverAuthorizer": account("authorizer").address,
        "token": account(f"token {number}").address,
        "withdrawDelay": (900, 86_400, 2_592_000)[number % 3], "salt": seed(f"salt {number}"),
    }
    values = tuple(config.values())
    channel = digest(typed(chain, contract, types(ChannelConfig=FIELDS), config))
    amount = (1, 10**6, 2**64, 2**128 - 1)[number % 4]
    voucher = typed(chain, contract, types(Voucher=ENTRY[:2]),
                    {"channelId": channel, "maxClaimableAmount": amount})
    refund = typed(
        chain, contract,
        types(Refund=[("channelId", "bytes32"), ("nonce", "uint256"), ("amount", "uint128")]),
        {"channelId": channel, "nonce": number, "amount": amount})
    signature = signer.sign_message(voucher).signature
    claim = typed(
        chain, contract, types(ClaimBatch=[("claims", "ClaimEntry[]")], ClaimEntry=ENTRY),
        {"claims": [{"channelId": channel, "maxClaimableAmount": amount,
                     "totalClaimed": amount // 2}]})
    approval = account("authorizer").sign_message(claim).signature
    rows = [((values, amount), signature, amount // 2)]
    salt = seed(f"deposit {number}")
    deposit = encode_typed_data(
        {"name": "USD Coin", "version": "2", "chainId": chain, "verifyingContract": config["token"]},
        types(ReceiveWithAuthorization=[
            ("from", "address"), ("to", "address"), ("value", "uint256"),
            ("validAfter", "uint256"), ("validBefore", "uint256"), ("nonce", "bytes32")]),
        {"from": payer.address, "to": collector, "value": amount, "validAfter": 0,
         "validBefore": 1_900_000_000,
         "nonce": keccak(encode(["bytes32", "uint256"], [channel, int.from_bytes(salt, "big")]))})
    authorization = payer.sign_message(deposit).signature
    collected = encode(["uint256", "uint256", "uint256", "bytes"],
                       [0, 1_900_000_000, int.from_bytes(salt, "big"), authorization])
    return {
        "chainID": chain, "contract": contract, "config": config | {"salt": config["salt"].hex()},
        "signerKey": seed(f"payer {number}" if signer is payer else f"signer {number}").hex(),
        "payerKey": seed(f"payer {number}").hex(), "channelId": channel.hex(),
        "amount": str(amount), "voucherDigest": digest(voucher).hex(),
        "signature": signature.hex(), "refundDigest": digest(refund).hex(),
        "claimDigest": digest(claim).hex(), "depositSalt": salt.hex(),
        "depositDigest": digest(deposit).hex(), "authorization": authorization.hex(),
        "collectorData": collected.hex(),
        "calls": [
            call("deposit", [CONFIG, "uint128", "address", "bytes"],
                 [values, amount, collector, collected]),
            call("claim", [CLAIMS], [rows]),
            call("claimWithSignature", [CLAIMS, "bytes"], [rows, approval]),
            call("settle", ["address", "address"], [config["receiver"], config["token"]]),
            call("initiateWithdraw", [CONFIG, "uint128"], [values, amount]),
            call("finalizeWithdraw", [CONFIG], [values]),
            call("refund", [CONFIG, "uint128"], [values, amount]),
        ],
    }


def batch_of_three() -> dict:
    """A claim of several channels, in the order of their ids, signed by the authorizer."""
    chain, contract = 31337, "0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003"
    rows = []
    for number in range(3):
        values = (account(f"payer {number}").address, "0x" + "00" * 20, account("receiver").address,
                  account("authorizer").address, account("token").address, 900,
                  seed(f"salt {number}"))
        config = dict(zip([name for name, _ in FIELDS], values))
        channel = digest(typed(chain, contract, types(ChannelConfig=FIELDS), config))
        voucher = typed(chain, contract, types(Voucher=ENTRY[:2]),
                        {"channelId": channel, "maxClaimableAmount": 1000 + number})
        signature = account(f"payer {number}").sign_message(voucher).signature
        rows.append((channel, values, 1000 + number, signature))
    rows.sort()
    claim = typed(
        chain, contract, types(ClaimBatch=[("claims", "ClaimEntry[]")], ClaimEntry=ENTRY),
        {"claims": [{"channelId": channel, "maxClaimableAmount": amount, "totalClaimed": amount}
                    for channel, _, amount, _ in rows]})
    approval = account("authorizer").sign_message(claim).signature
    claims = [((values, amount), signature, amount) for _, values, amount, signature in rows]
    return {"authorizerKey": seed("authorizer").hex(), "digest": digest(claim).hex(),
            "call": call("claimWithSignature", [CLAIMS, "bytes"], [claims, approval])}


# ---- Solana

TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022 = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
ASSOCIATED = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
ED25519 = Pubkey.from_string("Ed25519SigVerify111111111111111111111111111")
SYSVAR = Pubkey.from_string("Sysvar1nstructions1111111111111111111111111")
RENT = Pubkey.from_string("SysvarRent111111111111111111111111111111111")
PROGRAM = Pubkey.from_string("CHNLxYvVA28MJP9PrFuDXccuoGXAx7jBacfLEkahyGsX")
TREASURY = Pubkey.from_string("Cs2zdfUNonRdRGsiZUQQLdTxzxVvJZmgiX2mpLYKuEqP")


def keypair(label: str) -> Keypair:
    return Keypair.from_seed(seed(label))


class Channel:
    def __init__(self, number: int, splits: int | None = None):
        self.payer, self.payee = keypair(f"payer {number}"), keypair("payee")
        self.mint = Pubkey(seed(f"mint {number}"))
        self.signer = self.payer if number % 2 == 0 else keypair(f"signer {number}")
        self.rent_payer = self.payer if number % 3 else keypair("operator")
        self.salt, self.slot, self.grace = number * 2**60, 435_888_000 + number, 900 + number
        count = (0, 1, 3, 32)[number % 4] if splits is None else splits
        self.splits = [(Pubkey(seed(f"split {number} {place}")), 100 + place)
                       for place in range(count)]
        self.token = (TOKEN, TOKEN_2022)[number % 2]
        self.seeds = [b"channel", bytes(self.payer.pubkey()), bytes(self.payee.pubkey()),
                      bytes(self.mint), bytes(self.signer.pubkey()), struct.pack("<Q", self.salt),
                      struct.pack("<Q", self.slot)]
        self.address = Pubkey.find_program_address(self.seeds, PROGRAM)[0]
        self.events = Pubkey.find_program_address([b"event_authority"], PROGRAM)[0]

    def preimage(self) -> bytes:
        return struct.pack("<I", len(self.splits)) + b"".join(
            bytes(owner) + struct.pack("<H", bps) for owner, bps in self.splits)

    def tokens(self, owner: Pubkey) -> Pubkey:
        seeds = [bytes(owner), bytes(self.token), bytes(self.mint)]
        return Pubkey.find_program_address(seeds, ASSOCIATED)[0]

    def payload(self, amount: int, expires: int) -> bytes:
        return b"\x56\x01" + bytes(self.address) + struct.pack("<Qq", amount, expires)

    def check(self, amount: int, expires: int) -> Instruction:
        message = self.payload(amount, expires)
        offsets = struct.pack("<7H", 48, 0xFFFF, 16, 0xFFFF, 112, len(message), 0xFFFF)
        signature = bytes(self.signer.sign_message(message))
        return Instruction(
            ED25519, b"\x01\x00" + offsets + bytes(self.signer.pubkey()) + signature + message, [])

    def call(self, kind: int, data: bytes, *accounts) -> Instruction:
        metas = [AccountMeta(key, "s" in flags, "w" in flags) for key, flags in accounts]
        return Instruction(PROGRAM, bytes([kind]) + data, metas)

    def settle(self) -> Instruction:
        return self.call(2, b"", (self.address, "w"), (SYSVAR, ""))

    def instructions(self, amount: int, expires: int) -> list[Instruction]:
        payer, payee = self.payer.pubkey(), self.payee.pubkey()
        at, held = (self.address, "w"), (self.tokens(self.address), "w")
        paid = (self.tokens(payer), "w")
        header = struct.pack("<QQIQ", self.salt, amount, self.grace, self.slot)
        return [
            self.call(
                1, header + self.preimage(), (payer, "sw"), (self.rent_payer.pubkey(), "sw"),
                (payee, ""), (self.mint, ""), (self.signer.pubkey(), ""), at, paid, held,
                (self.token, ""), (SYSTEM, ""), (RENT, ""), (ASSOCIATED, ""), (self.events, ""),
                (PROGRAM, "")),
            self.check(amount, expires), self.settle(),
            self.call(3, struct.pack("<Q", amount), (payer, "sw"), at, paid, held, (self.mint, ""),
                      (self.token, "")),
            self.call(4, b"\x01", (payee, "s"), at, (SYSVAR, "")),
            self.call(4, b"\x00", (payee, "s"), at, (SYSVAR, "")),
            self.call(5, b"", (payer, "s"), at), self.call(6, b"", at),
            self.call(
                7, self.preimage(), at, (payer, "w"), (self.rent_payer.pubkey(), "w"), held, paid,
                (self.tokens(payee), "w"), (self.tokens(TREASURY), "w"), (self.mint, ""),
                (self.token, ""), (self.events, ""), (PROGRAM, ""),
                *[(self.tokens(owner), "w") for owner, _ in self.splits]),
            self.call(8, b"", (payer, "s"), at, held, paid, (self.mint, ""), (self.token, "")),
            self.call(9, b"", at, (self.rent_payer.pubkey(), "w")),
        ]


def told(instruction) -> dict:
    return {"program": str(instruction.program_id), "data": bytes(instruction.data).hex(),
            "accounts": [{"address": str(meta.pubkey), "isSigner": meta.is_signer,
                          "isWritable": meta.is_writable} for meta in instruction.accounts]}


def payment_row(number: int) -> dict:
    channel = Channel(number)
    amount = (1, 10**6, 2**32, 2**64 - 1)[number % 4]
    expires = (0, 1_900_000_000)[number % 2]
    payload = channel.payload(amount, expires)
    return {
        "payer": str(channel.payer.pubkey()), "payee": str(channel.payee.pubkey()),
        "mint": str(channel.mint), "authorizedSigner": str(channel.signer.pubkey()),
        "rentPayer": str(channel.rent_payer.pubkey()), "token": str(channel.token),
        "salt": str(channel.salt), "openSlot": str(channel.slot), "grace": channel.grace,
        "splits": [{"recipient": str(owner), "shareBps": bps} for owner, bps in channel.splits],
        "signerSeed": seed(f"payer {number}" if number % 2 == 0 else f"signer {number}").hex(),
        "address": str(channel.address), "amount": str(amount), "expires": expires,
        "payload": payload.hex(), "hash": hashlib.sha256(channel.preimage()).hexdigest(),
        "signature": bytes(channel.signer.sign_message(payload)).hex(),
        "instructions": [told(one) for one in channel.instructions(amount, expires)],
    }


def packed(count: int) -> dict:
    """The transaction of so many settles over a lookup table of the sysvar and the channels."""
    channels = [Channel(2 * number, splits=0) for number in range(count)]
    pairs = [one for channel in channels for one in (channel.check(1000, 0), channel.settle())]
    table = AddressLookupTableAccount(
        Pubkey(seed("table")), [SYSVAR] + [channel.address for channel in channels])
    message = MessageV0.try_compile(
        keypair("payer of fees").pubkey(), [set_compute_unit_limit(5_000 * count + 300)] + pairs,
        [table], Hash(seed("blockhash")))
    return {"count": count, "message": to_bytes_versioned(message).hex(),
            "bytes": 1 + 64 + len(to_bytes_versioned(message))}


if __name__ == "__main__":
    print(json.dumps({
        "batch": [batch_row(number) for number in range(12)], "three": batch_of_three(),
        "payment": [payment_row(number) for number in range(8)],
        "packed": [packed(count) for count in (1, 5)],
    }))
