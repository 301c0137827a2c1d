"""What a storm of house_chaos.py is about, and what of it has not happened yet."""

# What a storm is about, by chain; it goes on until all of it has happened, but not for ever.
COMMON = ["dropped send", "error", "lost", "garbage", "hang", "stall", "down", "lag"]
WANTED = {"evm": ["reorganisation", "other words", *COMMON], "solana": ["fork", *COMMON]}
LIES = 4


def missing(met):
    """What has not happened, in words."""
    found = [] if met["house"]["kill"] else ["no kill of the house"]
    for chain, kinds in WANTED.items():
        found += [f"no {kind} on {chain}" for kind in kinds if not met[chain].get(kind)]
        lies = sum(kind.startswith("lie ") for kind in met[chain])
        if lies < LIES:
            found.append(f"{lies} kinds of lies on {chain}")
    return found
