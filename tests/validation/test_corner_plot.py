"""The drawing: contours where the mass is, a legend of what there is, and what is said where matplotlib is
missing."""
import sys

import numpy as np
import pytest
from scipy import stats

import accel
import reference
from tests.validation.test_marginals import COVARIANCE, gaussian


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
def test_plot_draws_contours_where_the_mass_is(package):
    """The outer contour of a Gaussian at 0.865 is the ellipse of two standard deviations."""
    figure = package.validation.corner.plot(gaussian(3, 200_000)[:, :2], masses=(0.865,), n_bins=60)
    contour = figure.axes[1].collections[-1].get_paths()[0].vertices
    radius = np.sqrt(stats.multivariate_normal.logpdf(contour, [0.5, -1], COVARIANCE[:2, :2]) * -2
                     - np.log(np.linalg.det(2 * np.pi * COVARIANCE[:2, :2])))
    assert np.abs(radius - 2).max() < 0.15


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
def test_legend_names_what_is_drawn(package):
    validation = package.validation
    found = [validation.marginals.histograms(gaussian(5, 300)[:, :2], ranges=[[-3, 4], [-5, 3]])] * 2
    figure = validation.corner_plot.draw(found, ["ours", ""], np.zeros(2), ["a", "b"], (0.5,), None)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ours", "truth", "contours: 50 %"]
    assert figure.axes[1].get_xlim() == (-3, 4) and figure.axes[1].get_ylim() == (-5, 3)


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
def test_missing_matplotlib_is_named(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError,
                       match=r"corner.plot needs matplotlib.*pip install 'diptych\[experiments\]'"):
        package.validation.corner.plot(gaussian(5, 50))
