#!/usr/bin/env python3
"""Builds the counterparts here, which tests run in the place of contracts and programs that cannot
be built here; --check compares instead.

    python Tests/Harness/channels/build.py            writes BatchSettlement.json,
                                                      DepositCollector.json, payment_channels.so
    python Tests/Harness/channels/build.py --check    exits 1 if one is out of date

With the compilers of contracts-abi/evm and contracts-abi/solana.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from vyper.compiler import compile_from_file_input
from vyper.compiler.input_bundle import FilesystemInputBundle
from vyper.compiler.settings import OptimizationLevel, Settings

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


def contract(name: str) -> bytes:
    bundle = FilesystemInputBundle([HERE])
    output = compile_from_file_input(
        bundle.load_file(f"{name}.vy"), input_bundle=bundle,
        settings=Settings(evm_version="cancun", optimize=OptimizationLevel.GAS),
        output_formats=["abi", "bytecode"])
    return (json.dumps({"abi": output["abi"], "bytecode": output["bytecode"]}) + "\n").encode()


def program(name: str) -> bytes:
    sys.path.insert(0, str(ROOT / "contracts-abi" / "solana"))
    try:
        from build import FLAGS, clang
        from sbpf_link import link
    finally:
        sys.path.pop(0)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "program.o"
        subprocess.run([clang(), *FLAGS, "-c", f"{name}.c", "-o", str(target)], cwd=HERE, check=True)
        return link(target.read_bytes())


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    made = {f"{name}.json": contract(name) for name in ("BatchSettlement", "DepositCollector")}
    made["payment_channels.so"] = program("payment_channels")
    stale = [name for name, content in made.items()
             if not (HERE / name).exists() or (HERE / name).read_bytes() != content]
    for name, content in made.items():
        if not check:
            (HERE / name).write_bytes(content)
        print(f"{name}: {len(content)} bytes" + (" OUT OF DATE" if check and name in stale else ""))
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
