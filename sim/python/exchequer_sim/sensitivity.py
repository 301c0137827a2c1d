"""SALib and the simulator exchange files: a sample goes in as a matrix, results come out as Y."""

import pandas as pd

from .study import StudyError


def problem(study):
    """SALib's problem of a study whose axes are sampled between bounds."""
    axes = study.manifest["study"]["axes"]
    if not all("low" in axis for axis in axes):
        raise StudyError("the axes of a grid have no bounds")
    return {
        "num_vars": len(axes),
        "names": [axis["name"] for axis in axes],
        "bounds": [[float(axis["low"]), float(axis["high"])] for axis in axes],
    }


def sample_file(problem, sample, path):
    """Writes a sample of SALib's as the `file` of a scenario's `matrix` study."""
    pd.DataFrame(sample, columns=problem["names"]).to_csv(path, index=False)


def analyze(study, metric=None, **options):
    """What SALib says of a Morris or Sobol study's own points, as SALib gives it."""
    y = study.table("Y")[metric or study.metric].to_numpy(dtype=float)
    if study.kind == "sobol":
        from SALib.analyze import sobol

        second = study.manifest["study"].get("second_order", True)
        return sobol.analyze(problem(study), y, calc_second_order=second, **options)
    if study.kind == "morris":
        from SALib.analyze import morris

        x = study.table("params")[problem(study)["names"]].to_numpy(dtype=float)
        levels = study.manifest["study"]["levels"]
        return morris.analyze(problem(study), x, y, num_levels=levels, **options)
    raise StudyError(f"a {study.kind} study has no indices")
