"""Studies that the real program ran, for all tests."""

import pytest
from exchequer_sim import run

HALVING = """\
question: What does a halving do?
model: halving_pool
metric: price
steps: 40
seed: 42
replicates: 8
rules:
  initial_emission: "1000.00"
  halving_epochs: 20
study:
  kind: grid
  axes:
    demand: [100, 1_000]
    sell_share: [0.25, 0.5, 1]
"""

SAMPLED = """\
model: halving_pool
metric: price
steps: 20
seed: 42
study:
  kind: {kind}
  {size}
  axes:
    demand: {{low: 10, high: 2_000}}
    rules.initial_emission: {{low: 10, high: 1_000}}
"""


@pytest.fixture(scope="session")
def grid(tmp_path_factory):
    return run(HALVING, tmp_path_factory.mktemp("grid") / "out")


@pytest.fixture(scope="session")
def sobol(tmp_path_factory):
    text = SAMPLED.format(kind="sobol", size="samples: 64")
    return run(text, tmp_path_factory.mktemp("sobol") / "out")


@pytest.fixture(scope="session")
def morris(tmp_path_factory):
    text = SAMPLED.format(kind="morris", size="trajectories: 10")
    return run(text, tmp_path_factory.mktemp("morris") / "out")
