#!/usr/bin/env python3
"""Compiles the program here with Swift's own clang; --check compares instead.

    python contracts-abi/solana/build.py            writes payout.so and payout.json
    python contracts-abi/solana/build.py --check    exits 1 if they are out of date

Needs the clang of exactly the Swift toolchain in payout.json: the one beside `swift`, or
$SWIFT_CLANG. Needs no package.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sbpf_link import link

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "payout.c"
ELF = HERE / "payout.so"
RECORD = HERE / "payout.json"
COMPILER = "swiftlang/llvm-project.git 11673e6660b2d0a5f9f99b1c7b773f4c2f6df1b0"
FLAGS = [
    "--target=bpfel", "-mcpu=v2", "-O2", "-std=c17", "-Wall", "-Wextra", "-Werror",
    "-ffreestanding", "-fno-builtin", "-mllvm", "-bpf-stack-size=4096",
]


def clang() -> str:
    """The compiler of the Swift toolchain; ends the program if it is another one."""
    swift = shutil.which("swift")
    beside = swift and str(Path(swift).resolve().with_name("clang"))
    path = os.environ.get("SWIFT_CLANG") or beside
    if not path or not Path(path).exists():
        raise SystemExit("no clang beside swift; set SWIFT_CLANG")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    if COMPILER not in version.stdout:
        print(f"needs the clang of {COMPILER}, this is {version.stdout}", file=sys.stderr)
        raise SystemExit(2)
    return path


def build() -> bytes:
    """The program's ELF: the same bytes for the same source and compiler."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "payout.o"
        command = [clang(), *FLAGS, "-c", SOURCE.name, "-o", str(target)]
        subprocess.run(command, cwd=HERE, check=True)
        return link(target.read_bytes())


def record(elf: bytes) -> str:
    content = {
        "program": "payout",
        "compiler": COMPILER,
        "flags": FLAGS,
        "source_sha256": hashlib.sha256(SOURCE.read_bytes()).hexdigest(),
        "elf_sha256": hashlib.sha256(elf).hexdigest(),
    }
    return json.dumps(content, indent=1) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    elf = build()
    text = record(elf)
    if check:
        same = ELF.exists() and ELF.read_bytes() == elf and RECORD.read_text() == text
        print(f"payout: {'up to date' if same else 'OUT OF DATE, run build.py'}")
        return 0 if same else 1
    ELF.write_bytes(elf)
    RECORD.write_text(text)
    print(f"payout: {len(elf)} bytes -> {ELF.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
