"""The corner plot: its panels, names and ranges, and what it refuses."""
import subprocess
import sys

import numpy as np
import pytest

import accel
import reference
from tests.validation.test_marginals import gaussian


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
def test_plot_shows_every_panel_once(package, tmp_path):
    import matplotlib.pyplot as plt
    corner = package.validation.corner
    figure = corner.plot({"NPE": gaussian(1, 3000), "exact": gaussian(2, 2000)}, truths=[0.5, -1.0, 9.0],
                         labels=("a", "b [K]", "c"))
    assert len(figure.axes) == 6 and not plt.get_fignums()                 # nothing is left in pyplot's hands
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["NPE", "exact", "truth", "contours: 68 %, 95 %"]
    assert [axis.get_xlabel() for axis in figure.axes if axis.get_xlabel()] == ["a", "b [K]", "c"]
    assert [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()] == ["b [K]", "c"]
    low, high = figure.axes[-1].get_xlim()
    assert low < 0 and high > 9                             # the axes reach a truth that no sample comes near
    figure.savefig(tmp_path / "corner.png")
    assert (tmp_path / "corner.png").stat().st_size > 10_000


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
def test_plot_of_one_parameter_and_of_two_samples(package):
    assert len(package.validation.corner.plot(gaussian(4, 500)[:, :1]).axes) == 1
    assert len(package.validation.corner.plot(np.array([[0.0, 1.0], [1.0, 3.0]])).axes) == 3


@pytest.mark.parametrize("package", ("reference", "accel"))
def test_importing_validation_brings_no_heavy_library(package):
    heavy = ("matplotlib", "sklearn", "joblib", "scipy.stats", "cupy")
    code = f"import sys, {package}.validation; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SAMPLES = np.random.default_rng(6).standard_normal((20, 2))


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
@pytest.mark.parametrize(("call", "message"), (
    (lambda c: c.plot({}), "samples: expected at least one posterior, got an empty dict"),
    (lambda c: c.plot({"a": SAMPLES, "b": SAMPLES[:, :1]}),
     r"samples\['b'\]: expected shape \(20, 2\), got \(20, 1\)"),
    (lambda c: c.plot({"a": SAMPLES, "b": SAMPLES * np.inf}), r"samples\['b'\]: expected finite numbers"),
    (lambda c: c.plot(SAMPLES, truths=[1.0]), r"truths: expected shape \(2,\), got \(1,\)"),
    (lambda c: c.plot(SAMPLES, truths=[1.0, np.nan]), "truths: expected finite numbers"),
    (lambda c: c.plot(SAMPLES, labels=("a",)), "labels: expected one for each of 2 parameters, got 1"),
))
def test_bad_input_is_refused(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(package.validation.corner)
