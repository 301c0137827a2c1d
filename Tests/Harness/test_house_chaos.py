"""A whole house pays on both chains over endpoints that misbehave, and is killed meanwhile; a small
run of house_chaos.py. EXCHEQUER_CHAOS_SEED repeats one, EXCHEQUER_HOUSE_PAYOUTS makes it larger."""

import os
import random

import house_chaos

PAYOUTS = int(os.environ.get("EXCHEQUER_HOUSE_PAYOUTS", 400))
SEED = int(os.environ.get("EXCHEQUER_CHAOS_SEED", 0)) or random.randrange(1, 1 << 40)


def test_everybody_is_paid_once_whatever_the_chains_do():
    met = house_chaos.run(PAYOUTS, max(20, PAYOUTS // 10), SEED)
    # What it was all about has happened.
    for chain, kinds in {
        "evm": ["reorganisation", "dropped send", "other words"],
        "solana": ["fork", "dropped send"],
        "house": ["kill"],
    }.items():
        for kind in kinds:
            assert met[chain].get(kind), f"seed {SEED}: no {kind} on {chain}"
    for chain in ("evm", "solana"):
        for kind in ("error", "lost", "garbage", "hang", "stall", "down", "lag"):
            assert met[chain].get(kind), f"seed {SEED}: no {kind} on {chain}"
        lies = [kind for kind in met[chain] if kind.startswith("lie ")]
        assert len(lies) > 3, f"seed {SEED}: {lies} on {chain}"
