# pragma version 0.4.3
"""
@title Vault
@license Apache-2.0
@notice Holds what the house has and has not committed to anybody: deposits, bonds, slashed bonds
        and the incentive reserve. Made by Exchequer.vy, and obeys nobody else.
@dev    Deployed once as a blueprint (ERC-5202), from which each Exchequer makes its own.
"""
from ethereum.ercs import IERC20

HOUSE: public(immutable(address))


@deploy
def __init__():
    HOUSE = msg.sender


@external
def pay(token: address, receiver: address, amount: uint256):
    """
    @notice Pays out of the vault. Only the contract that made it may say so.
    """
    assert msg.sender == HOUSE, "not house"
    assert extcall IERC20(token).transfer(
        receiver, amount, default_return_value=True
    ), "transfer failed"
