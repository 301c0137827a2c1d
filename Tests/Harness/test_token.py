"""Token.vy: ERC-20 and EIP-3009 as wallets and payment clients expect them."""

import pytest
from conftest import TLY_SUPPLY, USDC_SUPPLY
from eth_account.messages import encode_typed_data
from eth_utils import keccak

USED = "FiatTokenV2: authorization is used or canceled"


def test_both_tokens_carry_their_arguments(house):
    def facts(token):
        f = token.functions
        return [x().call() for x in (f.name, f.symbol, f.version, f.decimals, f.totalSupply)]

    assert facts(house.usdc) == ["USD Coin", "USDC", "2", 6, USDC_SUPPLY]
    assert facts(house.tly) == ["Tally", "TLY", "1", 9, TLY_SUPPLY]


def test_transfer(house):
    token, sender, receiver = house.usdc.functions, house.people[1], house.people[2].address
    before = token.balanceOf(receiver).call()
    receipt = house.send(sender, token.transfer(receiver, 5))
    assert token.balanceOf(receiver).call() == before + 5
    log = receipt.logs[0]
    assert bytes(log.topics[0]) == keccak(text="Transfer(address,address,uint256)")
    assert int(log.data.hex(), 16) == 5
    house.send(sender, token.transfer(sender.address, 7))  # to itself changes nothing
    more = token.balanceOf(sender.address).call() + 1
    text = "ERC20: transfer amount exceeds balance"
    house.refused(sender, token.transfer(receiver, more), text)
    zero = "0x" + "00" * 20
    text = "ERC20: transfer to the zero address"
    house.refused(sender, token.transfer(zero, 1), text)


def test_allowance(house):
    token = house.usdc.functions
    owner, spender = house.people[1], house.people[2]
    house.send(owner, token.approve(spender.address, 10))
    house.send(spender, token.transferFrom(owner.address, spender.address, 4))
    assert token.allowance(owner.address, spender.address).call() == 6
    text = "ERC20: transfer amount exceeds allowance"
    house.refused(spender, token.transferFrom(owner.address, spender.address, 7), text)
    house.send(owner, token.approve(spender.address, 2**256 - 1))
    house.send(spender, token.transferFrom(owner.address, spender.address, 4))
    assert token.allowance(owner.address, spender.address).call() == 2**256 - 1


@pytest.mark.parametrize("which", ["usdc", "tly"])
def test_transfer_with_authorization(house, which):
    token, relay = getattr(house, which), house.people[9]
    signer, receiver = house.operator, house.people[2].address
    kind = {"token": token, "kind": "TransferWithAuthorization"}
    arguments = house.authorization(signer, receiver, 5, **kind)
    before = token.functions.balanceOf(receiver).call()
    house.send(relay, token.functions.transferWithAuthorization(*arguments))
    assert token.functions.balanceOf(receiver).call() == before + 5
    assert token.functions.authorizationState(signer.address, arguments[5]).call()
    house.refused(relay, token.functions.transferWithAuthorization(*arguments), USED)


def test_receive_with_authorization_is_for_the_payee(house):
    token, signer, payee = house.usdc.functions, house.people[1], house.people[2]
    arguments = house.authorization(signer, payee.address, 5)
    call = token.receiveWithAuthorization(*arguments)
    house.refused(house.people[3], call, "FiatTokenV2: caller must be the payee")
    house.send(payee, call)
    house.refused(payee, call, USED)


def test_a_signature_for_one_token_is_worthless_for_another(house):
    kind = {"token": house.usdc, "kind": "TransferWithAuthorization"}
    arguments = house.authorization(house.operator, house.people[2].address, 5, **kind)
    call = house.tly.functions.transferWithAuthorization(*arguments)
    house.refused(house.people[9], call, "FiatTokenV2: invalid signature")


def test_cancel_authorization(house):
    token, signer, relay = house.usdc, house.people[1], house.people[9]
    kind = {"kind": "TransferWithAuthorization"}
    arguments = house.authorization(signer, house.people[2].address, 5, **kind)
    domain = {
        "name": "USD Coin",
        "version": "2",
        "chainId": 31337,
        "verifyingContract": token.address,
    }
    names = (("authorizer", "address"), ("nonce", "bytes32"))
    types = {"CancelAuthorization": [{"name": n, "type": t} for n, t in names]}
    message = {"authorizer": signer.address, "nonce": arguments[5]}

    def cancel(signed):
        pair = (signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big"))
        return token.functions.cancelAuthorization(*message.values(), signed.v, *pair)

    encoded = encode_typed_data(domain, types, message)
    forged = cancel(relay.sign_message(encoded))
    house.refused(relay, forged, "FiatTokenV2: invalid signature")
    call = cancel(signer.sign_message(encoded))
    house.send(relay, call)
    house.refused(relay, call, USED)
    house.refused(relay, token.functions.transferWithAuthorization(*arguments), USED)
