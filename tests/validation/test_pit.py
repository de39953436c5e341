import numpy as np
import pytest
from scipy import stats

import accel
import reference
from reference.validation import pit
from tests.agreement.comparator import assert_close
from tests.support.gaussian_posterior import DEFECTS, false_alarm_band, observe


def test_a_truth_among_known_samples_falls_into_its_gap():
    samples = np.array([[[1.0], [2.0], [3.0]]] * 3)
    v = pit.values(np.random.default_rng(0), samples, np.array([[0.5], [2.5], [9.0]]))[:, 0]
    for value, gap in zip(v, (0, 2, 3)):
        assert gap / 4 <= value <= (gap + 1) / 4


def test_values_tend_to_the_posterior_distribution_function(seed):
    seen = observe(np.random.default_rng((seed, 1)), 40, 20_000, 2, width=0.7, bias=0.4)
    v = pit.values(np.random.default_rng((seed, 2)), seen.samples, seen.truths)
    exact = stats.norm.cdf(seen.truths, seen.mean, seen.std)
    assert np.abs(v - exact).max() < 5 * 0.5 / np.sqrt(20_000)


@pytest.mark.parametrize("n_samples", (1, 3, 50))
def test_values_are_uniform_for_an_exact_posterior_however_few_the_samples(n_samples, seed):
    seen = observe(np.random.default_rng((seed, 3)), 20_000, n_samples, 1)
    v = pit.values(np.random.default_rng((seed, 4)), seen.samples, seen.truths)[:, 0]
    assert stats.kstest(v, "uniform").pvalue > 0.001
    fixed = np.mean(seen.samples < seen.truths[:, None, :], axis=1)[:, 0]  # the control: r/L, not randomised
    assert stats.kstest(fixed, "uniform").pvalue < 1e-6


def test_values_are_uniform_where_a_discrete_parameter_ties(seed):
    rng = np.random.default_rng((seed, 5))
    draws = rng.binomial(3, 0.4, (20_000, 21, 1)).astype(float)
    v = pit.values(rng, draws[:, 1:], draws[:, 0])[:, 0]
    assert stats.kstest(v, "uniform").pvalue > 0.001
    assert stats.kstest(np.mean(draws[:, 1:, 0] < draws[:, :1, 0], axis=1), "uniform").pvalue < 1e-6


def test_curve_is_the_empirical_distribution_function():
    v, grid = np.random.default_rng(6).random((57, 3))**1.3, np.linspace(0, 1, 33)
    expected = np.stack([stats.ecdf(column).cdf.evaluate(grid) for column in v.T], axis=1)
    assert_close(pit.curve(v, grid), expected)


@pytest.mark.parametrize("n", (1, 4, 37, 500))
def test_ks_p_value_is_scipys_exact_one(n):
    v = np.random.default_rng(7).random((n, 3))**1.2
    expected = [stats.kstest(column, "uniform", method="exact").pvalue for column in v.T]
    assert_close(pit.ks_p_values(v), expected, terms=n)


def test_curve_leaves_the_band_exactly_when_kolmogorov_and_smirnov_reject(seed):
    rng, n, level, decisions = np.random.default_rng((seed, 8)), 60, 0.9, []
    for power in np.linspace(0.8, 1.25, 120):
        v = rng.random((n, 1))**power
        # F jumps at each value
        corners = np.sort(np.concatenate(([0.0], v[:, 0], np.nextafter(v[:, 0], 0), [1.0])))
        curve, limits = pit.curve(v, corners)[:, 0], pit.band(n, corners, level=level)
        leaves = np.any((curve < limits.lower) | (curve > limits.upper))
        assert leaves == (pit.ks_p_values(v)[0] < 1 - level)
        decisions.append(leaves)
    assert 12 < sum(decisions) < 108                                                             # both occur


def test_band_holds_uniform_curves_with_its_probability(seed):
    rng, n, grid, n_curves = np.random.default_rng((seed, 9)), 50, np.linspace(0, 1, 2001), 1000
    curves, limits = pit.curve(rng.random((n, n_curves)), grid), pit.band(n, grid, level=0.8)
    n_outside = np.any((curves < limits.lower[:, None]) | (curves > limits.upper[:, None]), axis=0).sum()
    low, high = false_alarm_band(n_curves, 0.2)
    assert low <= n_outside <= high
    pointwise = stats.norm.ppf(0.9) * np.sqrt(grid * (1 - grid) / n)  # the control: a pointwise band
    assert np.any(np.abs(curves - grid[:, None]) > pointwise[:, None], axis=0).sum() > 2 * high


def test_legendre_components_are_the_standardised_moments():
    v = np.random.default_rng(10).random((83, 2))
    z = pit.components(v, 2)
    assert_close(z[0], np.sqrt(83 * 12) * (v.mean(axis=0) - 1 / 2), terms=83)
    assert_close(z[1], np.sqrt(83 * 180) * (((v - 1 / 2)**2).mean(axis=0) - 1 / 12), terms=83)


def test_neyman_p_value_of_a_hand_worked_sample():
    """25 values at 0, 0.5 and 1 alone: P₁(±1) = ±1, P₁(0) = 0, P₂(±1) = 1, P₂(0) = −½."""
    v = np.array([0.0] * 4 + [0.5] * 12 + [1.0] * 9)[:, None]
    z1, z2 = np.sqrt(3 / 25) * 5, np.sqrt(5 / 25) * (13 - 6)
    assert_close(pit.neyman_p_values(v, order=1), [stats.norm.sf(z1) * 2], terms=25)
    assert_close(pit.neyman_p_values(v, order=2), [np.exp(-(z1**2 + z2**2) / 2)], terms=25)  # the tail of χ²₂


@pytest.mark.parametrize("m", (20, 500))
@pytest.mark.parametrize("order", (2, 4))
def test_neyman_false_alarms(m, order, seed):
    p = np.array(pit.neyman_p_values(np.random.default_rng((seed, 11)).random((m, 2000)), order=order))
    low, high = false_alarm_band(len(p), 0.05)
    assert low <= (p < 0.05).sum() <= high


@pytest.mark.parametrize(("defect", "name"),
                         (("exact", "calibrated"), ("20 % too narrow", "under-dispersed"),
                          ("25 % too wide", "over-dispersed"), ("half a sigma of bias", "biased")))
def test_signature_names_the_defect(defect, name, seed):
    rng = np.random.default_rng((seed, 12))
    seen = observe(rng, 500, 99, 100, **DEFECTS[defect])
    found = pit.signatures(pit.values(rng, seen.samples, seen.truths), level=0.95)
    n_right = sum(signature.name == name for signature in found)
    assert n_right >= (100 - false_alarm_band(100, 0.05)[1] if name == "calibrated" else 80)
    if name == "biased":
        assert all(signature.bias < 0 for signature in found)  # the truths lie below the posterior


def test_signature_of_a_posterior_that_misses_altogether_is_biased():
    assert pit.signatures(np.ones((50, 1)))[0].name == "biased"


SAMPLES, TRUTHS, GRID = np.zeros((30, 5, 2)), np.zeros((30, 2)), np.linspace(0, 1, 5)


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
@pytest.mark.parametrize(("call", "message"), (
    (lambda pit: pit.values(np.random.default_rng(0), SAMPLES, TRUTHS[:, :1]), r"truths: expected shape \(30, 2\), got \(30, 1\)"),
    (lambda pit: pit.values(np.random.default_rng(0), SAMPLES[0], TRUTHS), r"samples: expected shape \(M, L, D\), got \(5, 2\)"),
    (lambda pit: pit.values(np.random.default_rng(0), SAMPLES * np.nan, TRUTHS), "samples: expected finite numbers"),
    (lambda pit: pit.values(np.random.default_rng(0), SAMPLES, TRUTHS + np.inf), "truths: expected finite numbers"),
    (lambda pit: pit.values(np.random.default_rng(0), SAMPLES[:, :0], TRUTHS), "samples of each observation: expected a whole number"),
    (lambda pit: pit.values(np.random.default_rng(0), SAMPLES[:0], TRUTHS[:0]), "observations: expected a whole number"),
    (lambda pit: pit.values(np.random.default_rng(0), SAMPLES.astype(str), TRUTHS), "samples: expected real numbers"),
    (lambda pit: pit.curve(TRUTHS + 1.5, GRID), r"values: expected numbers within \[0, 1\], got some from 1.5 to 1.5"),
    (lambda pit: pit.curve(TRUTHS, GRID[::-1]), "grid: expected ascending"),
    (lambda pit: pit.curve(TRUTHS[:0], GRID), "values: number of rows: expected a whole number of at least 1, got 0"),
    (lambda pit: pit.band(0, GRID), "n: expected a whole number"),
    (lambda pit: pit.band(10, GRID, level=1.0), "level: expected a probability"),
    (lambda pit: pit.ks_p_values(TRUTHS[:, 0]), r"values: expected shape \(M, D\), got \(30,\)"),
    (lambda pit: pit.ks_p_values(TRUTHS * np.nan), "values: expected finite numbers"),
    (lambda pit: pit.neyman_p_values(TRUTHS[:19]), "values: number of rows: expected a whole number of at least 20, got 19"),
    (lambda pit: pit.neyman_p_values(TRUTHS, order=0), "order: expected a whole number"),
    (lambda pit: pit.signatures(TRUTHS[:19]), "values: number of rows: expected a whole number of at least 20, got 19"),
    (lambda pit: pit.signatures(TRUTHS, level=-1), "level: expected a positive finite number"),
))
def test_bad_input_is_refused(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(package.validation.pit)
