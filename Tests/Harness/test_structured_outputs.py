"""The schemas' rows, judged by another validator: what the engine writes under a schema is valid, and
what it refuses to write is invalid unless the row says that the engine is stricter."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[2]
ROWS = json.loads((ROOT / "Tests/Fixtures/structured-outputs.json").read_text())


def refuse(constant):
    raise ValueError(constant)


def is_valid(schema, text):
    """Whether a text is JSON, all of whose characters exist, and valid."""
    try:
        value = json.loads(text, parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except ValueError:
        return False
    checker = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator(schema, format_checker=checker).is_valid(value)


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_another_validator_agrees(row):
    Draft202012Validator.check_schema(row["schema"])
    wrong = [text for text in row["accepted"] if not is_valid(row["schema"], text)]
    assert not wrong, "accepted, but not valid"
    wrong = [text for text in row["rejected"] if is_valid(row["schema"], text)]
    assert not wrong, "rejected, but valid"
    wrong = [text for text in row["stricter"] if not is_valid(row["schema"], text)]
    assert not wrong, "named as valid, but not valid"
    assert row["accepted"] and row["rejected"] + row["stricter"]
