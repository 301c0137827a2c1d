"""The mutants still fit the code that they break; what they do is for `make mutants`."""

import mutants
from mutant_list import MUTANTS


def test_each_text_is_once_in_its_file():
    numbers = {mutant.name: number for number, mutant in enumerate(MUTANTS, 1)}
    assert len(numbers) == len(MUTANTS)
    for name in sorted({mutant.path for mutant in MUTANTS}):
        mutants.mutated(name, (mutants.ROOT / name).read_text(), numbers)
