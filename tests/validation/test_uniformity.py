"""Curves, bands and tests of uniformity against SciPy, hand-worked values and their own error rates."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from reference.validation import uniformity
from tests.agreement.comparator import assert_close
from tests.support.gaussian_posterior import false_alarm_band


def test_curve_is_the_empirical_distribution_function():
    v, grid = np.random.default_rng(6).random((57, 3))**1.3, np.linspace(0, 1, 33)
    expected = np.stack([stats.ecdf(column).cdf.evaluate(grid) for column in v.T], axis=1)
    assert_close(uniformity.curve(v, grid), expected)


@pytest.mark.parametrize("n", (1, 4, 37, 500))
def test_ks_p_value_is_scipys_exact_one(n):
    v = np.random.default_rng(7).random((n, 3))**1.2
    expected = [stats.kstest(column, "uniform", method="exact").pvalue for column in v.T]
    assert_close(uniformity.ks_p_values(v), expected, terms=n)


def test_curve_leaves_the_band_exactly_when_kolmogorov_and_smirnov_reject(seed):
    rng, n, level, decisions = np.random.default_rng((seed, 8)), 60, 0.9, []
    for power in np.linspace(0.8, 1.25, 120):
        v = rng.random((n, 1))**power
        # F jumps at each value
        corners = np.sort(np.concatenate(([0.0], v[:, 0], np.nextafter(v[:, 0], 0), [1.0])))
        curve, limits = uniformity.curve(v, corners)[:, 0], uniformity.band(n, corners, level=level)
        leaves = np.any((curve < limits.lower) | (curve > limits.upper))
        assert leaves == (uniformity.ks_p_values(v)[0] < 1 - level)
        decisions.append(leaves)
    assert 12 < sum(decisions) < 108                                                             # both occur


def test_band_holds_uniform_curves_with_its_probability(seed):
    rng, n, grid, n_curves = np.random.default_rng((seed, 9)), 50, np.linspace(0, 1, 2001), 1000
    curves, limits = uniformity.curve(rng.random((n, n_curves)), grid), uniformity.band(n, grid, level=0.8)
    n_outside = np.any((curves < limits.lower[:, None]) | (curves > limits.upper[:, None]), axis=0).sum()
    low, high = false_alarm_band(n_curves, 0.2)
    assert low <= n_outside <= high
    pointwise = stats.norm.ppf(0.9) * np.sqrt(grid * (1 - grid) / n)           # the control: a pointwise band
    assert np.any(np.abs(curves - grid[:, None]) > pointwise[:, None], axis=0).sum() > 2 * high


def test_legendre_components_are_the_standardised_moments():
    v = np.random.default_rng(10).random((83, 2))
    z = uniformity.components(v, 2)
    assert_close(z[0], np.sqrt(83 * 12) * (v.mean(axis=0) - 1 / 2), terms=83)
    assert_close(z[1], np.sqrt(83 * 180) * (((v - 1 / 2)**2).mean(axis=0) - 1 / 12), terms=83)


def test_neyman_p_value_of_a_hand_worked_sample():
    """25 values at 0, 0.5 and 1 alone: P₁(±1) = ±1, P₁(0) = 0, P₂(±1) = 1, P₂(0) = −½."""
    v = np.array([0.0] * 4 + [0.5] * 12 + [1.0] * 9)[:, None]
    z1, z2 = np.sqrt(3 / 25) * 5, np.sqrt(5 / 25) * (13 - 6)
    assert_close(uniformity.neyman_p_values(v, order=1), [stats.norm.sf(z1) * 2], terms=25)
    # the tail of χ²₂
    assert_close(uniformity.neyman_p_values(v, order=2), [np.exp(-(z1**2 + z2**2) / 2)], terms=25)


@pytest.mark.parametrize("m", (20, 500))
@pytest.mark.parametrize("order", (2, 4))
def test_neyman_false_alarms(m, order, seed):
    p = np.array(uniformity.neyman_p_values(np.random.default_rng((seed, 11)).random((m, 2000)), order=order))
    low, high = false_alarm_band(len(p), 0.05)
    assert low <= (p < 0.05).sum() <= high


def test_a_width_that_is_20_per_cent_off_moves_the_curve_by_less_than_the_band():
    """The numbers in the docstring of `pit`: sup |Φ(0.8 z) − Φ(z)| = 0.054 with 500 values in a band of
    half-width 0.060."""
    z = np.linspace(-5, 5, 100_001)
    assert np.abs(stats.norm.cdf(0.8 * z) - stats.norm.cdf(z)).max() == pytest.approx(0.054, abs=5e-4)
    assert uniformity.band(500, np.array([0.5])).upper[0] - 0.5 == pytest.approx(0.060, abs=5e-4)


VALUES, GRID = np.zeros((30, 2)), np.linspace(0, 1, 5)


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
@pytest.mark.parametrize(("call", "message"), (
    (lambda u: u.curve(VALUES + 1.5, GRID),
     r"values: expected numbers within \[0, 1\], got some from 1.5 to 1.5"),
    (lambda u: u.curve(VALUES, GRID[::-1]), "grid: expected ascending"),
    (lambda u: u.curve(VALUES[:0], GRID),
     "values: number of rows: expected a whole number of at least 1, got 0"),
    (lambda u: u.band(0, GRID), "n: expected a whole number"),
    (lambda u: u.band(10, GRID, level=1.0), "level: expected a probability"),
    (lambda u: u.ks_p_values(VALUES[:, 0]), r"values: expected shape \(M, D\), got \(30,\)"),
    (lambda u: u.ks_p_values(VALUES * np.nan), "values: expected finite numbers"),
    (lambda u: u.neyman_p_values(VALUES[:19]),
     "values: number of rows: expected a whole number of at least 20, got 19"),
    (lambda u: u.neyman_p_values(VALUES, order=0), "order: expected a whole number"),
))
def test_bad_input_is_refused(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(package.validation.uniformity)
