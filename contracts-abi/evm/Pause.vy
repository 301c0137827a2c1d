# pragma version 0.4.3
"""
@title Pause
@license Apache-2.0
@notice Until when a pause of Exchequer.vy lasts: it ends by itself, since what is in no root yet
        leaves by the next one only.
"""
import Head as packed

MAX_PAUSE: constant(uint256) = 30 * 86400

# When the last pause ends by itself; 0 if the owner ended it.
pausedUntil: public(uint256)


@internal
def _begin():
    # After one that ended by itself there is as much time for roots before the next.
    assert block.timestamp >= self.pausedUntil + MAX_PAUSE, "too early"
    self.pausedUntil = block.timestamp + MAX_PAUSE


@internal
def _end():
    self.pausedUntil = 0


@internal
@view
def _lasts(head: uint256) -> bool:
    return head & packed.PAUSED != 0 and block.timestamp < self.pausedUntil
