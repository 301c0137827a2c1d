#!/usr/bin/env python3
"""Makes Tests/ChainsTests/Vectors/x402.json: what the `x402` package of the protocol's authors says
of batch settlement: ids of channels, signatures of vouchers, claims and refunds, and calls. Its own
virtual environment, as it wants other versions of what the project's has:

    Tests/Harness/setup-venv.sh .venv-x402 Tests/Harness/requirements-x402.txt
    .venv-x402/bin/python Tests/Harness/make_x402_vectors.py > FILE

Always the same file.
"""

import hashlib
import importlib.metadata
import json

from x402.mechanisms.evm.batch_settlement.abi import BATCH_SETTLEMENT_ABI
from x402.mechanisms.evm.batch_settlement.authorizer_signer import (
    LocalAuthorizerSigner,
    sign_claim_batch,
    sign_refund,
)
from x402.mechanisms.evm.batch_settlement.client.voucher import sign_voucher
from x402.mechanisms.evm.batch_settlement.constants import (
    BATCH_SETTLEMENT_ADDRESS,
    ERC3009_DEPOSIT_COLLECTOR_ADDRESS,
)
from x402.mechanisms.evm.batch_settlement.encoding import (
    build_erc3009_collector_data,
    build_erc3009_deposit_nonce,
)
from x402.mechanisms.evm.batch_settlement.facilitator.claim import build_voucher_claim_args
from x402.mechanisms.evm.batch_settlement.facilitator.utils import to_contract_channel_config
from x402.mechanisms.evm.batch_settlement.types import ChannelConfig, VoucherClaim
from x402.mechanisms.evm.batch_settlement.utils import compute_channel_id
from x402.mechanisms.evm.signers import EthAccountSigner
from eth_account import Account
from web3 import Web3

NOBODY = "0x" + "00" * 20


def seed(label: str) -> str:
    return "0x" + hashlib.sha256(label.encode()).hexdigest()


def call(name: str, arguments: list) -> str:
    contract = Web3().eth.contract(address=BATCH_SETTLEMENT_ADDRESS, abi=BATCH_SETTLEMENT_ABI)
    return contract.encode_abi(abi_element_identifier=name, args=arguments).removeprefix("0x")


def row(number: int, chain: int, delay: int, amount: int, *, delegates: bool) -> dict:
    network = f"eip155:{chain}"
    payer = Account.from_key(seed(f"payer {number}"))
    signer = Account.from_key(seed(f"signer {number}")) if delegates else payer
    authorizer = LocalAuthorizerSigner(seed(f"authorizer {number}"))
    config = ChannelConfig(
        payer=payer.address,
        payer_authorizer=signer.address if delegates else NOBODY,
        receiver=Account.from_key(seed(f"receiver {number}")).address,
        receiver_authorizer=authorizer.address,
        token=Account.from_key(seed("token")).address,
        withdraw_delay=delay,
        salt=seed(f"salt {number}"),
    )
    channel = compute_channel_id(config, network)
    voucher = sign_voucher(EthAccountSigner(signer), channel, amount, network)
    claim = VoucherClaim(config, str(amount), voucher.signature, str(amount // 2))
    batch = sign_claim_batch(authorizer, [claim], network)
    salt = seed(f"deposit {number}")
    collected = build_erc3009_collector_data("7", "1900000000", salt, voucher.signature)
    tuples = build_voucher_claim_args([claim])
    contract_config = to_contract_channel_config(config)
    found = {
        "chainID": chain,
        "config": config.to_dict() | {"salt": config.salt.removeprefix("0x")},
        "signerKey": seed(f"signer {number}" if delegates else f"payer {number}"),
        "authorizerKey": seed(f"authorizer {number}"),
        "channelId": channel,
        "amount": str(amount),
        "voucher": voucher.signature,
        "claimBatch": batch,
        "refundNonce": number,
        "refund": sign_refund(authorizer, channel, amount, number, network),
        "depositSalt": salt,
        "depositNonce": build_erc3009_deposit_nonce(channel, salt),
        "collectorData": collected.hex(),
        "depositCall": call(
            "deposit", [contract_config, amount, ERC3009_DEPOSIT_COLLECTOR_ADDRESS, collected]
        ),
        "claimCall": call("claimWithSignature", [tuples, bytes.fromhex(batch[2:])]),
        "settleCall": call("settle", [config.receiver, config.token]),
    }
    return {
        key: value.removeprefix("0x") if isinstance(value, str) else value
        for key, value in found.items()
    }


if __name__ == "__main__":
    rows = [
        row(0, 8453, 900, 1, delegates=True),
        row(1, 84532, 86_400, 1_000_000, delegates=True),
        row(2, 8453, 2_592_000, 2**128 - 1, delegates=False),
    ]
    package = importlib.metadata.version("x402")
    print(json.dumps({"package": f"x402 {package}", "rows": rows}, indent=1))
