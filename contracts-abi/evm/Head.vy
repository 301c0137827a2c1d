# pragma version 0.4.3
"""
@title Head
@license Apache-2.0
@notice The word of Exchequer.vy that says how far its roots are.
"""

# The head is one word: flags 8 bits, batch 32, time from which its root may be active 40, total of
# USDC 88, total of TLY 88.
TOTAL_BITS: constant(uint256) = 88
TIME_BITS: constant(uint256) = 40
BATCH_BITS: constant(uint256) = 32
TIME_AT: constant(uint256) = 2 * TOTAL_BITS
BATCH_AT: constant(uint256) = TIME_AT + TIME_BITS
FLAGS_AT: constant(uint256) = BATCH_AT + BATCH_BITS
TOTALS_MASK: constant(uint256) = 2**176 - 1
TOTAL_MASK: constant(uint256) = 2**88 - 1
WAITING: constant(uint256) = 1 << FLAGS_AT
PAUSED: constant(uint256) = 2 << FLAGS_AT
ABANDONED: constant(uint256) = 4 << FLAGS_AT


@internal
@pure
def _batch(head: uint256) -> uint256:
    return (head >> BATCH_AT) & (2**32 - 1)


@internal
@pure
def _time(head: uint256) -> uint256:
    return (head >> TIME_AT) & (2**40 - 1)


@internal
@pure
def _usdc(totals: uint256) -> uint256:
    return (totals >> TOTAL_BITS) & TOTAL_MASK
