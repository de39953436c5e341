"""A small experiment of the tests' own, beside the real ones."""
import sys

import pytest

import experiments

TOY = '''"""A toy: the slope of a line through noise

Not an experiment of the library.
"""
import numpy as np

from experiments.harness import figures
from experiments.harness.framework import Metric, Outcome


def run(settings):
    x = settings.put(np.linspace(0.0, 1.0, 40))
    y = 2 * x + 0.1 * settings.rng().standard_normal(40)
    if (settings.data and (settings.data / "refuse").exists()):
        raise ValueError("x: expected <numbers>, got <words>")
    figure = figures.new(4, 3)
    figure.subplots().plot(x, y)
    np.savez(settings.checkpoint("state"), x=x)
    metrics = {"slope": Metric((x @ y) / (x @ x), 3.0, "most"),
               "impossible": Metric(0.5, 0.9, "least", "a <note>"),
               "undefined": Metric(float("nan"), 1.0, "most"), "count": Metric(40),
               "infinite": Metric(float("inf"))}
    return Outcome(figure, metrics, "The line goes up & right.\\n\\nA second paragraph.")
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The name of an experiment that takes no time, importable as experiments.toy."""
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "toy.py").write_text(TOY, "utf-8")
    monkeypatch.setattr(experiments, "__path__", [*experiments.__path__, str(folder)])
    yield "toy"
    sys.modules.pop("experiments.toy", None)
    vars(experiments).pop("toy", None)
