"""The committed artefacts are what the committed sources compile to."""

import json
import re
import subprocess
import sys

import pytest
from conftest import ARTEFACTS, ROOT


def test_build_check_agrees():
    command = [sys.executable, str(ARTEFACTS / "build.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_build_check_notices_a_change(tmp_path):
    for file in ARTEFACTS.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    source = tmp_path / "Token.vy"
    changed = source.read_text().replace("block.timestamp > validAfter", "validAfter == 0")
    assert changed != source.read_text()
    source.write_text(changed)
    command = [sys.executable, str(tmp_path / "build.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert "Token: OUT OF DATE" in result.stdout
    assert "Exchequer: up to date" in result.stdout


def test_the_documented_storage_is_the_compilers():
    sys.path.insert(0, str(ARTEFACTS))
    try:
        from build import compiled
    finally:
        sys.path.pop(0)
    layout = compiled("Exchequer", "layout")["layout"]["storage_layout"]
    for module in ("access", "pausing"):
        layout |= layout.pop(module)
    text = (ROOT / "docs" / "reference" / "contracts.md").read_text()
    table = text.split("## Storage")[1].split("## Gas")[0]
    told = {}
    for slots, cell in re.findall(r"\| +([\d, ]+?) \| (`.+?) \|", table):
        names = re.findall(r"`(\w+)", cell)
        told |= dict(zip(map(int, slots.split(", ")), names))
    assert told == {place["slot"]: name for name, place in layout.items()}


@pytest.mark.parametrize("name", ["Token", "Exchequer"])
def test_artefact_shape(name):
    record = json.loads((ARTEFACTS / f"{name}.json").read_text())
    assert record["contractName"] == name
    assert record["compiler"] == "vyper 0.4.3"
    assert record["evmVersion"] == "cancun"
    for field in ("bytecode", "deployedBytecode"):
        assert bytes.fromhex(record[field].removeprefix("0x"))
    assert {entry["type"] for entry in record["abi"]} == {"function", "event", "constructor"}
