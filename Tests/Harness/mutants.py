#!/usr/bin/env python3
"""Breaks the code in small ways and demands that a check notices each.

    mutants.py [--list] [--only NAME]... [--again] [--scratch FOLDER]

All mutants go into one copy of the sources, each behind a switch that the environment turns on
(EXCHEQUER_MUTANT), so that one build serves all of them. The repository itself is only read. First
every check has to pass with no mutant active, then each mutant's check has to fail, or hang. What
was found is kept in the scratch folder: a run that was stopped goes on where it was, until a source
or the list changes. Prints a table; exit code 1 unless every mutant was caught.
"""

import argparse
import hashlib
import json
import os
import pathlib
import re
import shutil
import sys
import time

import child
from mutant import Mutant
from mutant_list import MUTANTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPIED = ("Package.swift", "Package.resolved", "Sources", "Tests", "sim", "contracts-abi", "docs")
# The simulator's seeds: enough for the rarest of what a mutant needs.
SEEDS = 3_000
# Seconds after which a check hangs. The slowest takes a minute on two busy cores.
LIMIT = 180
BIN = ".build/release"
SWITCH = """// Which mutant is active: made by mutants.py, never part of the repository.
#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

private let active: Int = 
    unsafe getenv("EXCHEQUER_MUTANT").map { unsafe Int(atol($0)) } ?? 0

/// Whether the mutant with this number is active.
public func isMutated(_ number: Int) -> Bool { active == number }
"""


def mutated(name: str, text: str, number_of: dict[str, int]) -> str:
    """The text of a source file with all of its mutants in it."""
    here = [mutant for mutant in MUTANTS if name == mutant.path]
    for mutant in here:
        if text.count(mutant.old) != 1:
            sys.exit(f"{mutant.name}: its text is in {text.count(mutant.old)} places of {name}")
        switch = f"isMutated({number_of[mutant.name]})"
        text = text.replace(mutant.old, re.sub(r"\bON\b", switch, mutant.new))
    inside = name.startswith("Sources/Primitives/")
    if here and not inside and not re.search(r"^(public )?import Primitives$", text, re.MULTILINE):
        text = "import Primitives\n\n" + text
    return text


def sources() -> dict[str, bytes]:
    """Every file that is built or read by tests, with the mutants, by path."""
    number_of = {mutant.name: number for number, mutant in enumerate(MUTANTS, 1)}
    found = {"Sources/Primitives/MutantSwitch.swift": SWITCH.encode()}
    for top in COPIED:
        place = ROOT / top
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if not path.is_file() or "__pycache__" in path.parts:
                continue
            name = str(path.relative_to(ROOT))
            data = path.read_bytes()
            if name.endswith(".swift"):
                data = mutated(name, data.decode(), number_of).encode()
            found[name] = data
    return found


def write(files: dict[str, bytes], folder: pathlib.Path) -> None:
    """Makes the scratch copy hold these files; those that are right stay untouched."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".build").exists() and (ROOT / ".build").exists():
        for part in ("checkouts", "repositories", "artifacts", "workspace-state.json"):
            source = ROOT / ".build" / part
            copy = shutil.copytree if source.is_dir() else shutil.copy
            if source.exists():
                (folder / ".build").mkdir(exist_ok=True)
                copy(source, folder / ".build" / part)
    # The programs that tests start.
    if (ROOT / ".venv").exists() and not (folder / ".venv").exists():
        (folder / ".venv").symlink_to(ROOT / ".venv")
    for top in ("Sources", "Tests", "sim"):
        for path in (folder / top).rglob("*.swift"):
            if str(path.relative_to(folder)) not in files:
                path.unlink()
    for name, data in files.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        # Tests run some of them.
        if (ROOT / name).exists():
            shutil.copymode(ROOT / name, path)


def build(folder: pathlib.Path) -> None:
    print("building (the first time takes as long as the whole project)", flush=True)
    code, output = child.run(
        ["nice", "swift", "build", "-c", "release", "-j", "2", "--build-tests"], cwd=folder)
    if code != 0:
        print("\n".join(line for line in output.splitlines() if "error" in line)[-4_000:])
        sys.exit("the mutants do not build")


def check(tests: str | None, folder: pathlib.Path, number: int) -> tuple[bool, str]:
    """Whether a check passes with a mutant, 0 for none, and what it said if not."""
    if tests:
        # Suites of these targets, or a target: others have suites of like names.
        command = [f"{BIN}/exchequerPackageTests.xctest", "--testing-library", "swift-testing",
                   "--filter", rf"^(StorageTests\.|ServiceTests\.)?({tests})"]
    else:
        command = [f"{BIN}/commitsimulator", "1", str(SEEDS)]
    environment = os.environ | {"EXCHEQUER_MUTANT": str(number)}
    code, output = child.run(["nice", *command], LIMIT, cwd=folder, env=environment)
    if code == 0:
        ran = re.search(r"Test run with (\d+)", output)
        if tests and (not ran or ran[1] == "0"):
            sys.exit(f"no test is named {tests}")
        return True, ""
    return False, reason(code, output)


def reason(code: int | None, output: str) -> str:
    """Which test failed first, or how the check ended."""
    if code is None:
        return f"hung for {LIMIT} s"
    failed = re.search(r"Test (\w+)\(.*?\) (?:with .* )?recorded an issue", output)
    if failed:
        return failed[1]
    failed = re.search(r"FAILED: (.*)", output)
    if failed:
        return failed[1]
    trap = re.search(r"Fatal error: (.*)", output)
    return f"ended with {code}" + (f": {trap[1]}" if trap else "")


class Findings:
    """What is known of the mutants of one state of the sources, kept in a file."""

    def __init__(self, folder: pathlib.Path, files: dict[str, bytes], again: bool):
        digest = hashlib.sha256()
        for name, data in sorted(files.items()):
            if name.endswith((".swift", ".c", ".h")):
                digest.update(name.encode() + b"\0" + data + b"\0")
        self.path = folder / "mutants.json"
        self.known = {"sources": digest.hexdigest(), "sound": [], "found": {}}
        if self.path.exists() and not again:
            old = json.loads(self.path.read_text())
            if old["sources"] == self.known["sources"]:
                self.known = old

    def keep(self) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.known, indent=1))
        new.rename(self.path)


def run(chosen: list[Mutant], folder: pathlib.Path, again: bool) -> int:
    files = sources()
    write(files, folder)
    findings = Findings(folder, files, again)
    sound, found = findings.known["sound"], findings.known["found"]
    if any(mutant.name not in found for mutant in chosen):
        build(folder)
    for number, mutant in enumerate(MUTANTS, 1):
        if mutant not in chosen:
            continue
        start = time.monotonic()
        if mutant.name not in found:
            tests = mutant.tests
            if (tests or "") not in sound:
                passes, words = check(tests, folder, 0)
                if not passes:
                    sys.exit(f"{tests or 'the simulation'} fails without a mutant: {words}")
                sound.append(tests or "")
            passes, words = check(tests, folder, number)
            found[mutant.name] = "MISSED" if passes else f"caught: {words}"
            findings.keep()
        print(f"{number:2}/{len(MUTANTS)} {mutant.name:48} {time.monotonic() - start:4.0f} s  "
              f"{found[mutant.name][:160]}", flush=True)
    caught = sum(found[mutant.name] != "MISSED" for mutant in chosen)
    print(f"{caught} of {len(chosen)} mutants were caught")
    return 0 if caught == len(chosen) else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="show the mutants and end")
    parser.add_argument("--only", action="append", default=[], metavar="NAME",
                        help="only mutants whose name holds this; may be given several times")
    parser.add_argument("--again", action="store_true", help="forget what earlier runs found")
    parser.add_argument("--scratch", type=pathlib.Path, default=ROOT.parent / "exchequer-mutants",
                        help="where the copy is, and the findings")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS
              if not options.only or any(name in mutant.name for name in options.only)]
    if not chosen:
        sys.exit("no mutant has such a name; --list shows all")
    if options.list:
        for mutant in chosen:
            print(f"{mutant.name:48} {mutant.tests or 'simulation':40} {mutant.file}")
        return 0
    child.end_on_signals()
    return run(chosen, options.scratch, options.again)


if __name__ == "__main__":
    sys.exit(main())
