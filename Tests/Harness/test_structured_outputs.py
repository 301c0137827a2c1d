"""The schemas' rows, judged by another validator: what the engine writes under a schema is valid, and
what it refuses to write is invalid unless the row says that the engine is stricter. And a real model's
answers."""

import json
import subprocess
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[2]
EXCHEQUER = ROOT / ".build" / "release" / "exchequer"
MODEL = ROOT / ".models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
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


SCHEMAS = {
    "person": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 40},
            "born": {"type": "string", "format": "date"},
            "fields": {"type": "array", "items": {"enum": ["mathematics", "music"]}, "maxItems": 2},
            "father": {
                "anyOf": [
                    {"type": "null"},
                    {
                        "type": "object",
                        "properties": {"name": {"type": "string", "maxLength": 40}},
                        "required": ["name"],
                    },
                ]
            },
        },
        "required": ["name", "born", "fields", "father"],
        "additionalProperties": False,
    },
    "tree": {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "value": {"type": "integer", "minimum": 1, "maximum": 9},
                    "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]},
                },
                "required": ["value", "next"],
                "additionalProperties": False,
            }
        },
    },
    "pattern": {"type": "string", "pattern": "^[A-Z][a-z]{2,8} [0-9]{4}$"},
}


@pytest.mark.parametrize("temperature", ["0", "1"])
@pytest.mark.parametrize("name", SCHEMAS)
def test_a_real_answer_is_valid(name, temperature, tmp_path):
    assert EXCHEQUER.is_file(), f"{EXCHEQUER} is missing: run `make build`"
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(SCHEMAS[name], indent=2))
    command = [EXCHEQUER, "model", "generate", "--json", "--chat", "--max-tokens", "600", "--seed", "4"]
    command += ["--temperature", temperature, "--json-schema", file, MODEL, "Tell me about Ada."]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["finish"] == "stop"
    assert is_valid(SCHEMAS[name], answer["text"]), answer["text"]
