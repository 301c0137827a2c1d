#!/usr/bin/env python3
"""The long checks: the ledger's simulation, kills and comparisons; payouts over misbehaving nodes, by
the managers alone and by a whole house; a million simulated agents.

    soak.py [--seconds N] [--kills N] [--operations N] [--wire-operations N] [--payouts N]
            [--house-payouts N]

Runs what is built in .build/release, one part after the other, all of them also if one fails. Shows
their progress and a summary; exit code 1 if anything was lost, wrong or did not end as it should.
However it ends, it leaves no process. `make soak` builds first.
"""

import argparse
import os
import pathlib
import random
import re
import sys
import time

import child

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / ".build" / "release"
# What the test library prints of its own, beside issues.
NOISE = re.compile(r"^[◇✔]|^↳ (///|Testing Library|Swift Version|Target)|^Test Suite|^\s*Executed |^$")


def tests(filter: str) -> list[str]:
    return [f"{BIN}/exchequerPackageTests.xctest", "--testing-library", "swift-testing",
            "--filter", filter]


def run(name: str, command: list[str], environment: dict[str, str]) -> tuple[bool, str]:
    """Runs one part and shows its progress; whether it passed, and the last that it said."""
    print(f"-- {name}", flush=True)
    last, ran, start = "", None, time.monotonic()
    with child.group(["stdbuf", "-oL", *command], cwd=ROOT,
                     env=os.environ | environment | {"NO_COLOR": "1"}) as process:
        for line in process.stdout:
            line = line.rstrip()
            ran = re.search(r"Test run with (\d+)", line) or ran
            if NOISE.match(line):
                continue
            print(f"   {time.monotonic() - start:6.0f} s  {line}", flush=True)
            last = line
        code = process.wait()
    if command[0].endswith(".xctest") and (not ran or ran[1] == "0"):
        return False, "no test ran"
    return code == 0, last if code == 0 else f"exit code {code}: {last}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3_600, help="of simulation")
    parser.add_argument("--kills", type=int, default=1_000, help="of each journal")
    parser.add_argument("--operations", type=int, default=10_000_000, help="against the naive one")
    parser.add_argument("--wire-operations", type=int, default=1_000_000,
                        help="the same through a server")
    parser.add_argument("--payouts", type=int, default=100_000, help="on each chain, each way")
    parser.add_argument("--house-payouts", type=int, default=10_000,
                        help="of a whole house that is killed every few seconds")
    options = parser.parse_args()
    child.end_on_signals()
    parts = [
        (f"{options.kills} kills of each journal", tests("ServiceTests.CrashTests/"),
         {"EXCHEQUER_KILLS": str(options.kills)}),
        (f"{options.operations} operations against the naive ledger",
         tests("LedgerTests.DifferentialTests/"),
         {"EXCHEQUER_LEDGER_OPERATIONS": str(options.operations)}),
        (f"{options.wire_operations} operations through a server",
         tests("LedgerServerTests.WireDifferentialTests/"),
         {"EXCHEQUER_WIRE_OPERATIONS": str(options.wire_operations)}),
        (f"{options.payouts} payouts over misbehaving nodes",
         tests("ChainsTests.(Manager|Settlement|Solana)ChaosTests/"),
         {"EXCHEQUER_CHAOS": str(options.payouts),
          "EXCHEQUER_CHAOS_SEED": str(random.randrange(1, 1 << 40))}),
        (f"{options.house_payouts} payouts of a whole house",
         [f"{ROOT}/.venv/bin/python", f"{ROOT}/Tests/Harness/house_chaos.py",
          "--payouts", str(options.house_payouts)], {}),
        ("a million agents of CMW-1", tests("SimulatorTests.CMW1Tests/aMillion"),
         {"EXCHEQUER_MILLION": "1"}),
        (f"{options.seconds} seconds of simulation",
         [f"{BIN}/commitsimulator", "-", str(10**12), str(options.seconds)], {}),
    ]
    rows = []
    for name, command, environment in parts:
        start = time.monotonic()
        passed, words = run(name, command, environment)
        rows.append((passed, name, time.monotonic() - start, words))
    print("\nsummary")
    for passed, name, seconds, words in rows:
        print(f"   {'held  ' if passed else 'FAILED'} {name}, {seconds:.0f} s: {words}")
    return 0 if all(row[0] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
