"""What an experiment is given, what it returns, and the record that is kept of it.

An experiment is a module of the package `experiments`. Its docstring opens with its title, and it has
`run(settings) -> Outcome`:

    def run(settings):
        pca = settings.package.representation.pca
        x = settings.put(make_data())                      # on the device, in the dtype of the run
        noise = settings.rng().standard_normal(x.shape)    # drawn there; the same numbers for every backend
        figure = figures.new(8, 4)
        return Outcome(figure, {"error": Metric(0.01, target=0.02, at="most")}, "What the figure shows.")

`execute` runs it and writes NAME.png and then NAME.json, so that a record exists only for a finished run.
"""
import ast
import importlib
import importlib.util
import json
import math
import os
import pkgutil
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

import experiments
from experiments.harness import arrays, figures, provenance
from reference.runtime import blas

__all__ = ["Settings", "Metric", "Outcome", "MARKS", "FORMS", "SETTINGS", "titles", "settings", "execute",
           "read", "same_settings", "verdict", "shown", "write"]

MARKS = {"met": "✓", "missed": "✗", "report": "·"}
FORMS = {"most": "≤", "least": "≥"}
SETTINGS = ("backend", "device", "dtype", "seed", "quick", "data")


class Settings(NamedTuple):
    """What one run is given.

    Attributes
    ----------
    package : module
        reference or accel.
    xp : module
        The array module that arrays are made in.
    dtype : str
        "float64" or "float32".
    seed : int
    quick : bool
        Shrink the run to seconds; its metrics then carry no verdict.
    progress : bool
        Show progress bars.
    out : Path
        Where results go.
    data : Path or None
        Where data files lie that are not part of the repository.
    scratch : Path or None
        The folder for checkpoints: kept when the run is interrupted, removed when it is finished.
    """
    package: ModuleType
    xp: ModuleType
    dtype: str
    seed: int
    quick: bool
    progress: bool
    out: Path
    data: Path | None = None
    scratch: Path | None = None

    def put(self, tree):
        """The tree of host arrays, on the device of the run, in its dtype."""
        if self.package.__name__ == "reference":
            return arrays.on_host(tree)
        from accel import device
        return device.put(tree, self.xp, self.dtype)

    def rng(self, offset=0):
        """A generator with this seed and a stream for each offset; every backend gets the same numbers."""
        host = np.random.default_rng([self.seed, offset])
        if self.package.__name__ == "reference":
            return host
        from accel import generators
        return generators.shared_generator(host, self.xp, self.dtype)

    def checkpoint(self, name):
        """Where to keep the state of a long computation, or None. Pass it to `train`; `--resume` continues
        from it."""
        if self.scratch is None:
            return None
        self.scratch.mkdir(parents=True, exist_ok=True)
        return self.scratch / f"{name}.npz"

    @property
    def c2st(self):
        """The settings of `validation.c2st.accuracy`: its defaults, or two folds in this process in a quick
        run."""
        return {"n_folds": 2, "n_jobs": 1} if self.quick else {}

    def described(self):
        """The settings that determine the numbers, as in the record; data is whether a data folder was
        given."""
        where = "cpu" if self.xp is np else "cuda"
        values = (self.package.__name__, where, self.dtype, self.seed, self.quick, self.data is not None)
        return dict(zip(SETTINGS, values, strict=True))


class Metric(NamedTuple):
    """A number and its target: at most, at least, or only reported."""
    value: float
    target: float | None = None
    at: str = "report"
    note: str = ""


class Outcome(NamedTuple):
    """The result of an experiment: a matplotlib figure, its metrics by name, and a few sentences about
    them."""
    figure: Any
    metrics: Mapping[str, Metric]
    text: str = ""


def titles(package=experiments):
    """Every experiment and its title, {name: first line of its docstring}, without importing any.

    Every module of the package is an experiment, except those that a package of benchmarks lists in
    PIECES."""
    found = {}
    for info in pkgutil.iter_modules(package.__path__):
        if not info.ispkg and not info.name.startswith("_") and info.name not in getattr(package, "PIECES",
                                                                                         ()):
            tree = ast.parse(Path(info.module_finder.find_spec(info.name).origin).read_text("utf-8"))
            found[info.name] = (ast.get_docstring(tree) or info.name).partition("\n")[0]
    return found


def settings(*, backend="accel", where=None, dtype=None, seed=0, quick=False, progress=False, out="results",
             data=None):
    """Settings from the words of a command line; where is "cpu", "cuda" or None for the default.

    Raises
    ------
    ValueError
        If a word is unknown, or the reference is asked for another device or dtype than its own.
    RuntimeError
        If there is no such device.
    """
    package = experiments.backend(backend)
    if backend == "reference" and (where == "cuda" or dtype == "float32"):
        raise ValueError(
            "backend: reference computes on the cpu in float64, by definition; choose accel for anything "
            "else")
    dtype = dtype or ("float64" if backend == "reference" else "float32")
    if dtype not in ("float64", "float32"):
        raise ValueError(f"dtype: expected float64 or float32, got {dtype!r}")
    xp = np if backend == "reference" else importlib.import_module("accel.device").module(where)
    return Settings(package, xp, dtype, seed, quick, progress, Path(out),
                    None if data is None else Path(data))


def execute(name, settings, *, resume=False):
    """Run one experiment, write its figure and its record, and return the record.

    One BLAS thread, so that the numbers do not depend on the number of cores. If the experiment raises an
    error, the record contains it, and it is raised again.
    """
    chosen = settings.described()
    scratch = settings.out / ".unfinished" / "-".join([name, *map(str, chosen.values())])
    if not resume:
        shutil.rmtree(scratch, ignore_errors=True)
    settings.out.mkdir(parents=True, exist_ok=True)
    record, start = {"name": name, "title": titles()[name], **chosen}, time.perf_counter()
    try:
        with blas.single_thread(), figures.style():
            outcome = importlib.import_module(f"experiments.{name}").run(settings._replace(scratch=scratch))
            record |= {"seconds": round(time.perf_counter() - start, 2), **provenance.describe(settings.xp),
                       "text": outcome.text,
                       "metrics": {key: _plain(metric) for key, metric in outcome.metrics.items()}}
            beside = settings.out / f"{name}.png.part"
            outcome.figure.savefig(beside, format="png", metadata={"Software": None})
            os.replace(beside, settings.out / f"{name}.png")
    except Exception as error:
        record |= {"seconds": round(time.perf_counter() - start, 2), **provenance.describe(settings.xp),
                   "text": "", "metrics": {}, "error": f"{type(error).__name__}: {error}"}
        write(settings.out / f"{name}.json", record)
        raise
    write(settings.out / f"{name}.json", record)
    shutil.rmtree(scratch, ignore_errors=True)
    return record


def read(path):
    """The record in a file, its metrics as `Metric`; None if there is no such file or it is not a record."""
    try:
        record = json.loads(Path(path).read_text("utf-8"))
        metrics = {key: Metric(float(m["value"]), m["target"], m["at"], m.get("note", ""))
                   for key, m in record["metrics"].items()}
        return (record | {"metrics": metrics} if all(key in record for key in ("name", "title", *SETTINGS))
                else None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def same_settings(record, settings):
    """Whether the record is of a finished run with these settings."""
    return (record is not None and "error" not in record
            and {key: record[key] for key in SETTINGS} == settings.described())


def verdict(metric, quick=False):
    """Whether a metric is "met", "missed", or "report" for one without a target; NaN misses every target."""
    if quick or metric.at == "report" or metric.target is None:
        return "report"
    return ("met" if (metric.value <= metric.target if metric.at == "most" else metric.value >= metric.target)
            else "missed")


def shown(value):
    """A number as text: four digits, or all digits of a whole number."""
    return f"{value:,.0f}" if value == round(value, 0) and abs(value) < 1e12 else f"{value:.4g}"


def write(path, record):
    """Write a record as JSON, completely or not at all."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    os.replace(beside, path)


def _plain(metric):
    """A metric for JSON; NaN and infinities as strings, since JSON has none."""
    if metric.at not in ("most", "least", "report") or (metric.at != "report") != (metric.target is not None):
        raise ValueError(
            f"metric: expected a target with at='most' or 'least', or none with 'report', got {metric}")
    value = float(metric.value)
    entry = {"value": value if math.isfinite(value) else str(value), "target": metric.target, "at": metric.at}
    return entry | ({"note": metric.note} if metric.note else {})
