import subprocess
import sys

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter1d

import accel
import reference
from reference.validation import corner
from tests.agreement.comparator import assert_close

COVARIANCE = np.array([[1.0, 0.6, 0.0], [0.6, 2.0, -0.5], [0.0, -0.5, 0.5]])
PAIRS = ((1, 0), (2, 0), (2, 1))


def gaussian(seed, n):
    return np.random.default_rng((seed, n)).multivariate_normal([0.5, -1.0, 2.0], COVARIANCE, n)


def test_six_samples_counted_by_hand():
    """Bins of width 1 and 2; two samples on inner edges go up, one on the outer edge stays in, one lies
    outside."""
    samples = np.array([[0.5, 1.0], [1.0, 1.0], [1.5, 3.0], [2.0, 4.0], [0.5, 2.0], [2.5, 1.0]])
    found = corner.histograms(samples, ranges=[[0, 2], [0, 4]], n_bins=2, masses=(0.3, 0.5, 0.8, 0.9))
    assert found.edges.tolist() == [[0, 1, 2], [0, 2, 4]]
    assert_close(found.density, np.array([[2 / 6, 3 / 6], [3 / 12, 3 / 12]]))
    # rows: the second parameter, columns: the first
    assert_close(found.joint[0], np.array([[1, 1], [1, 2]]) / 12)
    # 2, 3, 4 and 5 of 6 samples: the bins hold 2, 1, 1, 1
    assert_close(found.levels[0], np.array([2, 1, 1, 0]) / 12)


def test_densities_of_a_gaussian(seed):
    n = 400_000
    found = corner.histograms(gaussian(seed, n), ranges=[[-3, 4], [-5, 3], [0, 4]], n_bins=30)
    exact = stats.multivariate_normal([0.5, -1.0, 2.0], COVARIANCE)
    centres, width = (found.edges[:, 1:] + found.edges[:, :-1]) / 2, found.edges[:, 1] - found.edges[:, 0]
    for d in range(3):
        mass = np.diff(stats.norm.cdf(found.edges[d], exact.mean[d], np.sqrt(COVARIANCE[d, d])))
        assert np.abs(found.density[d] * width[d] - mass).max() < 5 * np.sqrt(mass.max() / n)
    for p, (i, j) in enumerate(PAIRS):
        mesh = np.stack(np.meshgrid(centres[i], centres[j], indexing="ij"), axis=-1)
        density = stats.multivariate_normal.pdf(mesh, exact.mean[[i, j]], COVARIANCE[np.ix_([i, j], [i, j])])
        noise = np.sqrt(density.max() / (n * width[i] * width[j]))
        # the second term: bins are not points
        assert np.abs(found.joint[p] - density).max() < 6 * noise + 0.015 * density.max()


def test_levels_of_a_gaussian_are_known_in_closed_form(seed):
    """p ≥ t on the ellipse that holds the mass m = 1 − exp(−r²/2), so that t = (1 − m) times the peak."""
    found = corner.histograms(gaussian(seed, 400_000), ranges=[[-3, 4], [-5.5, 3.5], [-0.5, 4.5]], n_bins=35,
                              masses=(0.393, 0.68, 0.865))
    for (i, j), levels in zip(PAIRS, found.levels):
        peak = 1 / (2 * np.pi * np.sqrt(np.linalg.det(COVARIANCE[np.ix_([i, j], [i, j])])))
        assert np.abs(levels / peak - (1 - np.array([0.393, 0.68, 0.865]))).max() < 0.03


@pytest.mark.parametrize("smoothing", (0.0, 1.5))
def test_bins_above_a_level_hold_the_mass_and_no_bin_too_many(smoothing, seed):
    found, masses = corner.histograms(gaussian(seed, 3000), n_bins=15, smoothing=smoothing), (0.68, 0.95)
    for (i, j), joint, levels in zip(PAIRS, found.joint, found.levels):
        area = (found.edges[i, 1] - found.edges[i, 0]) * (found.edges[j, 1] - found.edges[j, 0])
        for mass, level in zip(masses, levels):
            assert joint[joint >= level].sum() * area >= mass - 1e-12
            assert joint[joint > level].sum() * area < mass


def test_smoothing_loses_no_mass_and_widens_by_s_bins(seed):
    samples = gaussian(seed, 5000)
    sharp, smooth = (corner.histograms(samples, ranges=[[-8, 9], [-12, 10], [-4, 8]], n_bins=60, smoothing=s)
                     for s in (0.0, 2.0))
    for d in range(3):
        centres, width = (sharp.edges[d, 1:] + sharp.edges[d, :-1]) / 2, sharp.edges[d, 1] - sharp.edges[d, 0]
        assert smooth.density[d].sum() * width == pytest.approx(1, abs=1e-12)
        before, after = (np.cov(centres, aweights=h.density[d], ddof=0) for h in (sharp, smooth))
        assert after - before == pytest.approx((2 * width)**2, rel=1e-3)
    assert_close(smooth.joint.sum(axis=(1, 2)), sharp.joint.sum(axis=(1, 2)), terms=60)


def test_smoothing_is_scipys_reflecting_filter_so_that_a_flat_density_stays_flat(seed):
    counts = np.random.default_rng((seed, 7)).integers(0, 50, (20, 30)).astype(float)
    for s in (0.7, 2.0):
        expected = gaussian_filter1d(counts, s, axis=0, mode="reflect", truncate=9.0)
        assert np.abs(corner.kernel(20, s) @ counts - expected).max() < 1e-10
    assert_close(corner.kernel(20, 2.0) @ np.ones(20), np.ones(20), terms=20)


def test_samples_outside_the_ranges_count_as_outside(seed):
    samples = gaussian(seed, 10_000)
    found = corner.histograms(samples, ranges=[[0.5, 9], [-9, 9], [-9, 9]], n_bins=10, masses=(0.3, 0.9))
    assert found.density[0].sum() * 0.85 == pytest.approx(np.mean(samples[:, 0] >= 0.5))
    assert found.levels[0, 0] > 0 == found.levels[0, 1]  # half of the samples: 0.9 cannot be enclosed
    assert found.levels[2, 1] > 0


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
def test_plot_shows_every_panel_once(package, tmp_path):
    import matplotlib.pyplot as plt
    corner = package.validation.corner
    figure = corner.plot({"NPE": gaussian(1, 3000), "exact": gaussian(2, 2000)}, truths=[0.5, -1.0, 9.0],
                         labels=("a", "b [K]", "c"))
    assert len(figure.axes) == 6 and not plt.get_fignums()  # nothing is left in pyplot's hands
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["NPE", "exact", "truth",
                                                                           "contours: 68 %, 95 %"]
    assert [axis.get_xlabel() for axis in figure.axes if axis.get_xlabel()] == ["a", "b [K]", "c"]
    assert [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()] == ["b [K]", "c"]
    low, high = figure.axes[-1].get_xlim()
    assert low < 0 and high > 9  # the axes reach a truth that no sample comes near
    figure.savefig(tmp_path / "corner.png")
    assert (tmp_path / "corner.png").stat().st_size > 10_000


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
def test_plot_draws_contours_where_the_mass_is(package):
    """The outer contour of a Gaussian at 0.865 is the ellipse of two standard deviations."""
    figure = package.validation.corner.plot(gaussian(3, 200_000)[:, :2], masses=(0.865,), n_bins=60)
    contour = figure.axes[1].collections[-1].get_paths()[0].vertices
    radius = np.sqrt(stats.multivariate_normal.logpdf(contour, [0.5, -1], COVARIANCE[:2, :2]) * -2
                     - np.log(np.linalg.det(2 * np.pi * COVARIANCE[:2, :2])))
    assert np.abs(radius - 2).max() < 0.15


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
def test_plot_of_one_parameter_and_of_two_samples(package):
    assert len(package.validation.corner.plot(gaussian(4, 500)[:, :1]).axes) == 1
    assert len(package.validation.corner.plot(np.array([[0.0, 1.0], [1.0, 3.0]])).axes) == 3


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
def test_missing_matplotlib_is_named(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError,
                       match=r"corner.plot needs matplotlib.*pip install 'diptych\[experiments\]'"):
        package.validation.corner.plot(gaussian(5, 50))


@pytest.mark.parametrize("package", ("reference", "accel"))
def test_importing_validation_brings_no_heavy_library(package):
    heavy = ("matplotlib", "sklearn", "joblib", "scipy.stats", "cupy")
    code = f"import sys, {package}.validation; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          check=True).stdout.strip() == "[]"


SAMPLES = np.random.default_rng(6).standard_normal((20, 2))


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
@pytest.mark.parametrize(
    ("call", "message"),
    ((lambda c: c.histograms(SAMPLES[:, 0]), r"samples: expected shape \(N, D\), got \(20,\)"),
     (lambda c: c.histograms(SAMPLES * np.nan), "samples: expected finite numbers"),
     (lambda c: c.histograms(SAMPLES[:1]),
      "samples: number of rows: expected a whole number of at least 2, got 1"),
     (lambda c: c.histograms(SAMPLES * [1, 0]), "ranges: expected low < high, got 0 and 0 for parameter 1"),
     (lambda c: c.histograms(SAMPLES, ranges=[[0, 1]]), r"ranges: expected shape \(2, 2\), got \(1, 2\)"),
     (lambda c: c.histograms(SAMPLES, ranges=[[0, 1], [2, 1]]),
      "ranges: expected low < high, got 2 and 1 for parameter 1"),
     (lambda c: c.histograms(SAMPLES, n_bins=1), "n_bins: expected a whole number of at least 2, got 1"),
     (lambda c: c.histograms(SAMPLES, smoothing=-1), "smoothing: expected a positive finite number, got -1"),
     (lambda c: c.histograms(SAMPLES, masses=(0.5, 1.0)),
      "masses: expected a probability between 0 and 1, got 1.0"),
     (lambda c: c.plot({}), "samples: expected at least one posterior, got an empty dict"),
     (lambda c: c.plot({"a": SAMPLES, "b": SAMPLES[:, :1]}),
      r"samples\['b'\]: expected shape \(20, 2\), got \(20, 1\)"),
     (lambda c: c.plot({"a": SAMPLES, "b": SAMPLES * np.inf}), r"samples\['b'\]: expected finite numbers"),
     (lambda c: c.plot(SAMPLES, truths=[1.0]), r"truths: expected shape \(2,\), got \(1,\)"),
     (lambda c: c.plot(SAMPLES, truths=[1.0, np.nan]), "truths: expected finite numbers"),
     (lambda c: c.plot(SAMPLES, labels=("a",)), "labels: expected one for each of 2 parameters, got 1")))
def test_bad_input_is_refused(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(package.validation.corner)
