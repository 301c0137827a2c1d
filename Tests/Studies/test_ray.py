"""The Ray example on this machine: the digest is that of one process, also after a lost worker."""

import subprocess
import sys

import pytest
from conftest import PROGRAM, ROOT, axes

pytest.importorskip("ray")

EXAMPLE = ROOT / "sim" / "python" / "examples" / "ray_study.py"
STUDY = "  kind: lhs\n  samples: 200\n" + axes()


def run_example(study, out):
    command = [sys.executable, str(EXAMPLE), str(study.folder / "study.yaml"), "--out", str(out)]
    result = subprocess.run(
        [*command, "--shards", "5", "--exchequer", PROGRAM],
        capture_output=True, text=True, timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()[-1]


def test_ray_gives_the_digest_of_one_process(study):
    study.write(STUDY)
    digest = study.run()
    out = study.folder / "shared"
    assert run_example(study, out) == digest
    for name in ("final.csv", "results.csv"):
        assert (out / name).read_bytes() == (study.out / name).read_bytes()
    # A part that was lost half way is gone on with.
    part = out / "results-3-of-5.csv"
    part.write_bytes(part.read_bytes()[:-100])
    (out / "results.csv").unlink()
    assert run_example(study, out) == digest
