#!/usr/bin/env python3
"""Compiles the contracts here and writes one JSON artefact each; --check compares instead.

    python contracts-abi/evm/build.py            writes Token.json, Vault.json, Exchequer.json
    python contracts-abi/evm/build.py --check    exits 1 if a committed artefact is out of date

Needs vyper of exactly the version in Tests/Harness/requirements-chain.txt.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import vyper
from vyper.compiler import compile_from_file_input
from vyper.compiler.input_bundle import FilesystemInputBundle
from vyper.compiler.settings import OptimizationLevel, Settings

HERE = Path(__file__).resolve().parent
CONTRACTS = ("Token", "Vault", "Exchequer")
# What a contract is made of besides its own source.
MODULES = {"Exchequer": ("Claims", "Events", "Head", "Pause", "Roles")}
COMPILER = "0.4.3"
# Deployed as a blueprint (ERC-5202): its code is what Exchequer.vy makes its own vault of.
BLUEPRINTS = ("Vault",)
EVM_VERSION = "cancun"
# EIP-170: a chain refuses longer runtime code.
CODE_LIMIT = 24_576


def compiled(name: str, *formats: str) -> dict:
    """What the compiler makes of a contract."""
    bundle = FilesystemInputBundle([HERE])
    settings = Settings(evm_version=EVM_VERSION, optimize=OptimizationLevel.GAS)
    source = bundle.load_file(f"{name}.vy")
    return compile_from_file_input(
        source, input_bundle=bundle, settings=settings, output_formats=list(formats))


def artefact(name: str) -> str:
    """The text of one artefact: the same bytes for the same source and compiler."""
    names = (name, *MODULES.get(name, ()))
    sources = b"".join((HERE / f"{one}.vy").read_bytes() for one in names)
    output = compiled(
        name, "abi", "bytecode", "bytecode_runtime", "blueprint_bytecode", "method_identifiers")
    size = len(output["bytecode_runtime"]) // 2 - 1
    if size > CODE_LIMIT:
        raise SystemExit(f"{name}: {size} bytes of code, the chain allows {CODE_LIMIT}")
    record = {
        "contractName": name,
        "compiler": f"vyper {COMPILER}",
        "evmVersion": EVM_VERSION,
        "optimize": "gas",
        "source_sha256": hashlib.sha256(sources).hexdigest(),
        "selectors": output["method_identifiers"],
        "abi": output["abi"],
        "bytecode": output["blueprint_bytecode" if name in BLUEPRINTS else "bytecode"],
        "deployedBytecode": output["bytecode_runtime"],
    }
    return json.dumps(record, indent=1) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    if vyper.__version__.split("+")[0] != COMPILER:
        print(f"needs vyper {COMPILER}, this is {vyper.__version__}", file=sys.stderr)
        return 2
    stale = 0
    for name in CONTRACTS:
        path = HERE / f"{name}.json"
        text = artefact(name)
        if check:
            same = path.exists() and path.read_text() == text
            stale += not same
            print(f"{name}: {'up to date' if same else 'OUT OF DATE, run build.py'}")
        else:
            path.write_text(text)
            size = len(json.loads(text)["deployedBytecode"]) // 2 - 1
            print(f"{name}: {size} bytes of code -> {path.name}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
