"""Histograms by hand and of a Gaussian, levels in closed form, and smoothing against SciPy."""
import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter1d

import accel
import reference
from reference.validation import marginals
from tests.agreement.comparator import assert_close

COVARIANCE = np.array([[1.0, 0.6, 0.0], [0.6, 2.0, -0.5], [0.0, -0.5, 0.5]])
PAIRS = ((1, 0), (2, 0), (2, 1))


def gaussian(seed, n):
    return np.random.default_rng((seed, n)).multivariate_normal([0.5, -1.0, 2.0], COVARIANCE, n)


def test_six_samples_counted_by_hand():
    """Bins of width 1 and 2; two samples on inner edges go up, one on the outer edge stays in, one lies
    outside."""
    samples = np.array([[0.5, 1.0], [1.0, 1.0], [1.5, 3.0], [2.0, 4.0], [0.5, 2.0], [2.5, 1.0]])
    found = marginals.histograms(samples, ranges=[[0, 2], [0, 4]], n_bins=2, masses=(0.3, 0.5, 0.8, 0.9))
    assert found.edges.tolist() == [[0, 1, 2], [0, 2, 4]]
    assert_close(found.density, np.array([[2 / 6, 3 / 6], [3 / 12, 3 / 12]]))
    # rows: the second parameter, columns: the first
    assert_close(found.joint[0], np.array([[1, 1], [1, 2]]) / 12)
    # 2, 3, 4 and 5 of 6 samples: the bins hold 2, 1, 1, 1
    assert_close(found.levels[0], np.array([2, 1, 1, 0]) / 12)


def test_densities_of_a_gaussian(seed):
    n = 400_000
    found = marginals.histograms(gaussian(seed, n), ranges=[[-3, 4], [-5, 3], [0, 4]], n_bins=30)
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
    found = marginals.histograms(gaussian(seed, 400_000), ranges=[[-3, 4], [-5.5, 3.5], [-0.5, 4.5]],
                                 n_bins=35, masses=(0.393, 0.68, 0.865))
    for (i, j), levels in zip(PAIRS, found.levels):
        peak = 1 / (2 * np.pi * np.sqrt(np.linalg.det(COVARIANCE[np.ix_([i, j], [i, j])])))
        assert np.abs(levels / peak - (1 - np.array([0.393, 0.68, 0.865]))).max() < 0.03


@pytest.mark.parametrize("smoothing", (0.0, 1.5))
def test_bins_above_a_level_hold_the_mass_and_no_bin_too_many(smoothing, seed):
    found, masses = marginals.histograms(gaussian(seed, 3000), n_bins=15, smoothing=smoothing), (0.68, 0.95)
    for (i, j), joint, levels in zip(PAIRS, found.joint, found.levels):
        area = (found.edges[i, 1] - found.edges[i, 0]) * (found.edges[j, 1] - found.edges[j, 0])
        for mass, level in zip(masses, levels):
            assert joint[joint >= level].sum() * area >= mass - 1e-12
            assert joint[joint > level].sum() * area < mass


def test_smoothing_loses_no_mass_and_widens_by_s_bins(seed):
    samples = gaussian(seed, 5000)
    sharp, smooth = (marginals.histograms(samples, ranges=[[-8, 9], [-12, 10], [-4, 8]], n_bins=60,
                                          smoothing=s) for s in (0.0, 2.0))
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
        assert np.abs(marginals.kernel(20, s) @ counts - expected).max() < 1e-10
    assert_close(marginals.kernel(20, 2.0) @ np.ones(20), np.ones(20), terms=20)


def test_samples_outside_the_ranges_count_as_outside(seed):
    samples = gaussian(seed, 10_000)
    found = marginals.histograms(samples, ranges=[[0.5, 9], [-9, 9], [-9, 9]], n_bins=10, masses=(0.3, 0.9))
    assert found.density[0].sum() * 0.85 == pytest.approx(np.mean(samples[:, 0] >= 0.5))
    assert found.levels[0, 0] > 0 == found.levels[0, 1]          # half of the samples: 0.9 cannot be enclosed
    assert found.levels[2, 1] > 0


SAMPLES = np.random.default_rng(6).standard_normal((20, 2))


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
@pytest.mark.parametrize(("call", "message"), (
    (lambda c: c.histograms(SAMPLES[:, 0]), r"samples: expected shape \(N, D\), got \(20,\)"),
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
))
def test_bad_input_is_refused(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(package.validation.marginals)
