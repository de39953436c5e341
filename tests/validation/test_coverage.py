"""Credibility against ellipses of known probability, the curve against theory, and posteriors that are wrong
as controls."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from reference.validation import coverage
from tests.support.gaussian_posterior import observe


def test_credibility_tends_to_the_probability_of_the_gaussian_ellipse(seed):
    """The highest-density region of a Gaussian that reaches θ* is the ellipse through it, of probability
    P(χ²_D < r²)."""
    seen = observe(np.random.default_rng((seed, 1)), 40, 20_000, 3, width=0.8, bias=0.3)
    found = coverage.credibility(np.random.default_rng((seed, 2)), seen.log_prob_samples,
                                 seen.log_prob_truths)
    exact = stats.chi2.cdf((((seen.truths - seen.mean) / seen.std)**2).sum(axis=1), 3)
    assert np.abs(found - exact).max() < 5 * 0.5 / np.sqrt(20_000)


@pytest.mark.parametrize("n_samples", (1, 4, 60))
def test_credibility_is_uniform_for_an_exact_posterior_however_few_the_samples(n_samples, seed):
    seen = observe(np.random.default_rng((seed, 3)), 20_000, n_samples, 2)
    found = coverage.credibility(np.random.default_rng((seed, 4)), seen.log_prob_samples,
                                 seen.log_prob_truths)
    assert stats.kstest(found, "uniform").pvalue > 0.001
    wrong = observe(np.random.default_rng((seed, 3)), 20_000, n_samples, 2, width=0.8)
    found = coverage.credibility(np.random.default_rng((seed, 4)), wrong.log_prob_samples,
                                 wrong.log_prob_truths)
    assert stats.kstest(found, "uniform").pvalue < 1e-6


def test_credibility_is_uniform_where_the_density_is_flat(seed):
    """A box has one density everywhere: every sample ties with the truth, and only the random breaking makes
    it uniform."""
    found = coverage.credibility(np.random.default_rng((seed, 5)), np.zeros((20_000, 30)), np.zeros(20_000))
    assert stats.kstest(found, "uniform").pvalue > 0.001


def test_a_truth_outside_the_support_has_the_highest_credibility():
    found = coverage.credibility(np.random.default_rng(6), np.zeros((50, 99)), np.full(50, -np.inf))
    assert np.all(found >= 0.99)


def test_curve_of_a_known_posterior_lies_where_theory_says(seed):
    """A one-dimensional Gaussian posterior of width s covers at c: P(|z| < s t), where P(|z| < t) = c."""
    grid, m = np.linspace(0.05, 0.95, 19), 10_000
    for width in (0.8, 1.3):
        seen = observe(np.random.default_rng((seed, 7)), m, 400, 1, width=width)
        found = coverage.credibility(np.random.default_rng((seed, 8)), seen.log_prob_samples,
                                     seen.log_prob_truths)
        exact = 2 * stats.norm.cdf(width * stats.norm.ppf((1 + grid) / 2)) - 1
        assert np.abs(coverage.curve(found, grid) - exact).max() < 4.5 * 0.5 / np.sqrt(m) + 1 / 400
        assert np.all((coverage.curve(found, grid) > grid) == (width > 1))


def test_p_value_is_scipys_kolmogorov_smirnov_test():
    found = np.random.default_rng(9).beta(1.1, 0.9, 200)
    exact = stats.kstest(found, "uniform", method="exact")
    assert coverage.p_value(found) == pytest.approx(exact.pvalue, rel=1e-10)


SAMPLES, TRUTHS, GRID = np.zeros((6, 4)), np.zeros(6), np.linspace(0, 1, 5)
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("package", (reference, accel), ids=("reference", "accel"))
@pytest.mark.parametrize(("call", "message"), (
    (lambda c: c.credibility(RNG, SAMPLES, TRUTHS[:5]),
     r"log_prob_truths: expected shape \(6,\), got \(5,\)"),
    (lambda c: c.credibility(RNG, SAMPLES[:, :, None], TRUTHS),
     r"log_prob_samples: expected shape \(M, L\), got \(6, 4, 1\)"),
    (lambda c: c.credibility(RNG, SAMPLES[:, :0], TRUTHS),
     "log_prob_samples: number of entries: expected a whole number"),
    (lambda c: c.credibility(RNG, SAMPLES * np.nan, TRUTHS),
     r"log_prob_samples: expected numbers or -inf, got NaN or \+inf in 24 of 24"),
    (lambda c: c.credibility(RNG, SAMPLES, TRUTHS + np.inf),
     r"log_prob_truths: expected numbers or -inf, got NaN or \+inf in 6 of 6"),
    (lambda c: c.curve(TRUTHS - 1, GRID),
     r"credibility: expected numbers within \[0, 1\], got some from -1 to -1"),
    (lambda c: c.curve(TRUTHS, GRID - 1),
     r"grid: expected ascending numbers within \[0, 1\], got 5 of them from -1 to 0"),
    (lambda c: c.p_value(TRUTHS[:, None]), r"credibility: expected shape \(M,\), got \(6, 1\)"),
    (lambda c: c.p_value(TRUTHS[:0]),
     "credibility: number of rows: expected a whole number of at least 1, got 0"),
    (lambda c: c.p_value(TRUTHS * np.nan), "credibility: expected finite numbers"),
))
def test_bad_input_is_refused(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(package.validation.coverage)
