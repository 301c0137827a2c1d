"""The published schema takes the scenarios of the repository and refuses what the reader refuses."""

import copy
import json

import jsonschema
import pytest
import yaml
from conftest import ROOT

SCHEMA = json.loads((ROOT / "sim" / "schema" / "scenario.schema.json").read_text())
SCENARIOS = sorted((ROOT / "sim" / "scenarios").glob("*.yaml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenarios_fit(path):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(yaml.safe_load(path.read_text()), SCHEMA)


@pytest.mark.parametrize(
    "change",
    [
        {"stepz": 3},
        {"model": "unknown"},
        {"steps": "many"},
        {"metric": "colour"},
        {"parameters": {"demnd": 3}},
        {"parameters": {"demand": [3]}},
        {"rules": {"minimum_bnd": 3}},
        {"rules": {"emission": {"policy": "height_halving"}}},
        {"study": {"kind": "grids"}},
        {"study": {"kind": "grid", "axes": {"demnd": [1]}}},
        {"study": {"kind": "grid", "axes": {"demand": {"low": 1}}}},
        {"record": "all"},
        {"demand": {"generator": "azure-coding"}},
        {"model": "market", "parameters": {}, "demand": {"generator": "azure"}},
        {"model": "market", "parameters": {}, "demand": {"step": 60}},
        {"model": "market", "parameters": {}, "demand": {"trace": "a", "fitted": "b"}},
        {"model": "market", "parameters": {}, "demand": {"trace": "a", "every": 60}},
    ],
    ids=str,
)
def test_what_is_wrong_does_not(change):
    sound = {"model": "halving_pool", "steps": 3, "parameters": {"demand": "2.5 usd"}}
    jsonschema.validate(sound, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(copy.deepcopy(sound) | change, SCHEMA)
