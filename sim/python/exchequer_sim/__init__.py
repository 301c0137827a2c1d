"""Studies of the Exchequer simulator for people who work in Python: see README.md."""

from .figures import fan, heat_map, index_bars
from .sensitivity import analyze, problem, sample_file
from .study import Study, StudyError, run

__all__ = [
    "Study",
    "StudyError",
    "analyze",
    "fan",
    "heat_map",
    "index_bars",
    "problem",
    "run",
    "sample_file",
]
