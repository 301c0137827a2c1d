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
    assert house_chaos.missing(met) == [], f"seed {SEED}"
