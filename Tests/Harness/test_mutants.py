"""The mutants still fit the code that they break; what they do is for `make mutants`."""

import re

import mutants
from mutant_list import MUTANTS


def test_each_text_is_once_in_its_file():
    numbers = {mutant.name: number for number, mutant in enumerate(MUTANTS, 1)}
    assert len(numbers) == len(MUTANTS)
    for name in sorted({mutant.path for mutant in MUTANTS}):
        mutants.mutated(name, (mutants.ROOT / name).read_text(), numbers)


def test_each_check_is_there():
    """A filter that finds no test would end as if the mutant were caught."""
    for tests in {mutant.tests for mutant in MUTANTS if mutant.tests}:
        target, dot, names = tests.rpartition("\\.")
        targets = [target] if dot else ["StorageTests", "ServiceTests"]
        for name in names.strip("()").split("|"):
            places = [mutants.ROOT / "Tests" / one for one in targets]
            if (mutants.ROOT / "Tests" / name).is_dir():
                continue
            assert any(
                re.search(rf"\b(struct|class|actor) {name}", file.read_text())
                for place in places for file in place.rglob("*.swift")), f"no suite is {tests}"
