# pragma version 0.4.3
"""
@title Events
@license Apache-2.0
@notice What Exchequer.vy logs, but for roles.
"""

event Deposited:
    account: indexed(address)
    amount: uint256

event Bonded:
    provider: indexed(address)
    amount: uint256

event UnbondRequested:
    provider: indexed(address)
    amount: uint256
    unlocksAt: uint256

event BondWithdrawn:
    provider: indexed(address)
    amount: uint256

event Slashed:
    provider: indexed(address)
    verdictHash: indexed(bytes32)
    amount: uint256
    burned: uint256
    fromUnbonding: uint256

event SlashRequested:
    provider: indexed(address)
    verdictHash: indexed(bytes32)
    amount: uint256
    burned: uint256
    executableFrom: uint256

event SlashAppealed:
    provider: indexed(address)
    verdictHash: indexed(bytes32)
    statement: bytes32
    executableFrom: uint256

event SlashVetoed:
    verdictHash: indexed(bytes32)
    arbiter: indexed(address)

event SlashLapsed:
    verdictHash: indexed(bytes32)

event RootCommitted:
    batch: indexed(uint256)
    root: bytes32
    journalHead: bytes32
    totalUsdc: uint256
    totalTly: uint256
    liabilitiesRoot: bytes32
    timestamp: uint256

event RootActivated:
    batch: indexed(uint256)
    root: bytes32

event RootDisputed:
    batch: indexed(uint256)
    guardian: indexed(address)
    reason: bytes32

event Claimed:
    token: indexed(address)
    account: indexed(address)
    amount: uint256
    cumulative: uint256

event Dispersed:
    sender: indexed(address)
    dispersal: indexed(bytes32)
    token: address
    count: uint256

event Paused:
    account: indexed(address)

event Unpaused:
    account: indexed(address)

event Abandoned:
    account: indexed(address)
