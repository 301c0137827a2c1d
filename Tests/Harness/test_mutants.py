"""The mutants still fit the code that they break; what they do is for `make mutants`."""

import mutants
from mutant_list import MUTANTS


def test_each_text_is_once_in_its_file():
    numbers = {mutant.name: number for number, mutant in enumerate(MUTANTS, 1)}
    assert len(numbers) == len(MUTANTS)
    for file in sorted({mutant.file for mutant in MUTANTS}):
        name = f"Sources/{file}"
        mutants.mutated(name, (mutants.ROOT / name).read_text(), numbers)
