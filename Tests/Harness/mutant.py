"""One way in which `mutants.py` breaks the code."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Mutant:
    name: str
    # Below Sources, or from the root on if it is in `sim`.
    file: str
    # A text that is once in the file, and what it becomes. `ON` is true while this mutant is
    # active; while it is not, the new text has to mean what the old one does.
    old: str
    new: str
    # What must notice it: tests, as a filter of their names, or the simulator.
    tests: str | None = None

    @property
    def path(self) -> str:
        return self.file if self.file.startswith("sim/") else f"Sources/{self.file}"
