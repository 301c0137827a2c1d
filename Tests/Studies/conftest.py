"""What the tests of studies share: the program, and a scenario run into a folder."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("EXCHEQUER", str(ROOT / ".build" / "release" / "exchequer"))

AXES = {
    "sell_share": ("0", "1"),
    "demand": ("100", "2000"),
    "swap_fee": ("0", "0.1"),
    "rules.initial_emission": ("100", "2000"),
}


class Study:
    """A scenario in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.out = folder / "out"

    def write(self, study: str, **changes: object) -> Path:
        fields = {"model": "halving_pool", "metric": "price", "steps": 40, "seed": 3} | changes
        text = "".join(f"{key}: {value}\n" for key, value in fields.items())
        path = self.folder / "study.yaml"
        path.write_text(text + f"study:\n{study}")
        return path

    def run(self, *options: str) -> str:
        """Runs it to the end and gives the digest."""
        path = str(self.folder / "study.yaml")
        command = [PROGRAM, "simulate", "run", path, "--out", str(self.out), "--json", *options]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return json.loads(lines.splitlines()[-1]).get("digest", "")


def axes(indent: int = 4) -> str:
    """The axes of every sampled study here."""
    rows = [f"{name}: {{low: {low}, high: {high}}}" for name, (low, high) in AXES.items()]
    return "  axes:\n" + "".join(" " * indent + row + "\n" for row in rows)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)
