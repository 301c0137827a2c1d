"""The folder of a study as pandas frames (docs/reference/simulation-files.md)."""

import hashlib
import json
import os
import shutil
import subprocess
from decimal import Decimal
from functools import cached_property
from pathlib import Path

import pandas as pd


class StudyError(Exception):
    """A folder is no study's, a file is not what was written, or a run failed."""


def program():
    """The simulator: EXCHEQUER names it, else it is on the PATH or in this repository's build."""
    named = os.environ.get("EXCHEQUER") or shutil.which("exchequer")
    built = Path(__file__).resolve().parents[3] / ".build" / "release" / "exchequer"
    path = named or (str(built) if built.exists() else None)
    if path is None:
        raise StudyError("no exchequer: build it, or name it in EXCHEQUER")
    return path


def run(scenario, out, *options):
    """Runs a scenario, a path or the text of one, into the folder `out` and opens the study.

    A study that was cut off goes on; one that is there is not run again. What is wrong with a
    scenario is said with its line in the StudyError.
    """
    if "\n" in str(scenario):
        path = Path(out).with_suffix(".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(scenario)
    else:
        path = Path(scenario)
    command = [program(), "simulate", "run", str(path), "--out", str(out), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise StudyError(done.stderr.strip() or f"exit code {done.returncode}")
    return Study(out)


class Study:
    """What a study wrote. Tables are read when they are asked for, numbers as floats."""

    def __init__(self, folder):
        self.folder = Path(folder)
        try:
            self.manifest = json.loads((self.folder / "manifest.json").read_text())
        except (OSError, ValueError) as error:
            raise StudyError(f"{folder} is no study's folder: {error}") from error

    def __repr__(self):
        kind = self.manifest["study"]["kind"]
        return f"Study({str(self.folder)!r}: {kind} of {self.manifest['model']})"

    @property
    def kind(self):
        return self.manifest["study"]["kind"]

    @property
    def axes(self):
        """The names of what is varied."""
        return [axis["name"] for axis in self.manifest["study"]["axes"]]

    @property
    def metrics(self):
        """The names of what every step tells."""
        return list(self.dictionary.query("kind == 'metric'").index)

    @property
    def metric(self):
        """The metric that answers the question."""
        return self.manifest["metric"] or self.metrics[0]

    def label(self, column):
        """A column's name in words, with its unit."""
        words = column.removeprefix("rules.").replace("_", " ")
        known = column in self.dictionary.index
        unit = self.dictionary.loc[column, "unit"] if known else ""
        return f"{words}, {unit}" if unit else words

    def table(self, name, exact=False):
        """One of the folder's tables by its name without `.csv`.

        With `exact` every number is a Decimal, as the file has it, instead of a float.
        """
        path = self.folder / f"{name}.csv"
        if not path.exists():
            raise StudyError(f"the study has no {name}.csv")
        if not exact:
            return pd.read_csv(path)
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        whole = {"run", "point", "replicate", "step"}
        for column in frame.columns:
            if column in whole:
                frame[column] = frame[column].astype("int64")
            elif column == "seed":
                frame[column] = frame[column].astype("uint64")
            elif column in self.metrics or column in self.axes:
                frame[column] = [_decimal(text) for text in frame[column]]
        return frame

    @cached_property
    def dictionary(self):
        """What each column is: kind, unit, about."""
        frame = pd.read_csv(self.folder / "dictionary.csv", keep_default_na=False)
        return frame.set_index("column")

    @cached_property
    def final(self):
        """A row a run: what was varied and the metrics at the last step."""
        return self.table("final")

    @cached_property
    def results(self):
        """A row a run and step that was recorded, with the run's point, replicate and axes."""
        keys = self.final[["run", "point", "replicate", *self.axes]]
        return self.table("results").merge(keys, on="run", validate="many_to_one")

    @cached_property
    def indices(self):
        """The indices of Morris and Sobol."""
        return self.table("indices")

    def bands(self, metric=None, low=0.05, high=0.95):
        """Median and quantiles of a metric over the replicates, by point and step."""
        metric = metric or self.metric
        grouped = self.results.groupby(["point", "step"])[metric]
        frame = grouped.quantile([low, 0.5, high]).unstack()
        frame.columns = ["low", "median", "high"]
        return frame.reset_index()

    def paired(self, metric=None, base=0):
        """Differences of each point from the point `base` under the same luck, by replicate."""
        metric = metric or self.metric
        wide = self.final.pivot(index="replicate", columns="point", values=metric)
        return wide.sub(wide[base], axis=0).drop(columns=base)

    def check(self):
        """Holds the files against SHA256SUMS; raises StudyError if one was changed."""
        sums = self.folder / "SHA256SUMS"
        if not sums.exists():
            raise StudyError("the study has not ended")
        for line in sums.read_text().splitlines():
            wanted, name = line.split(maxsplit=1)
            name = name.lstrip("*")
            with open(self.folder / name, "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != wanted:
                raise StudyError(f"{name} is not what the study wrote")

    def to_parquet(self, folder=None, exact=False):
        """Writes final.parquet and results.parquet beside the CSV, or into `folder`.

        Units and sentences of the dictionary go into the columns' metadata; with `exact` numbers
        are decimals.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        target = Path(folder or self.folder)
        target.mkdir(parents=True, exist_ok=True)
        paths = []
        for name in ("final", "results"):
            data = pa.Table.from_pandas(self.table(name, exact), preserve_index=False)
            fields = [
                field.with_metadata(self.dictionary.loc[field.name, ["unit", "about"]].to_dict())
                if field.name in self.dictionary.index
                else field
                for field in data.schema
            ]
            schema = pa.schema(fields, metadata={"manifest": json.dumps(self.manifest)})
            paths.append(target / f"{name}.parquet")
            pq.write_table(data.cast(schema), paths[-1])
        return paths


def _decimal(text):
    """An exact number; a word of a choice stays a word."""
    try:
        return Decimal(text)
    except ArithmeticError:
        return text
