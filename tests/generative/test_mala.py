"""Metropolis-adjusted Langevin against exact moments and SciPy's distribution functions, and its errors."""
import numpy as np
import pytest

import accel
import reference
from reference.generative import langevin

VARIANCES = np.array([0.5, 2.0])


def normal_score(x, sigma):
    """Of N((1, −2), diag VARIANCES)."""
    return ([1.0, -2.0] - x) / VARIANCES


def normal_log_prob(x):
    return -0.5 * np.sum((x - [1.0, -2.0])**2 / VARIANCES, axis=1)


def start(n):
    return 3 * np.random.default_rng(0).standard_normal((n, 2))


def spread_off(x, variances):
    """Standard errors between the sample variances of independent Gaussian rows and what they should be."""
    return np.abs(x.var(axis=0, ddof=1) / variances - 1) / np.sqrt(2 / (len(x) - 1))


def test_metropolis_takes_the_bias_away():
    found = langevin.metropolis(np.random.default_rng(2), normal_log_prob, normal_score, start(20_000),
                                step_size=1.0, n_steps=150)
    assert spread_off(found.x, VARIANCES).max() < 4
    assert np.abs((found.x.mean(axis=0) - [1, -2]) / (found.x.std(axis=0) / np.sqrt(len(found.x)))).max() < 4
    assert 0.5 < found.acceptance.mean() < 0.95
    wrong = langevin.metropolis(np.random.default_rng(2), normal_log_prob,
                                lambda x, sigma: -normal_score(x, sigma), start(2000), step_size=1.0,
                                n_steps=50)
    control = "the control: with a score of the wrong sign more proposals are refused"
    assert wrong.acceptance.mean() < found.acceptance.mean() - 0.2, control


def test_metropolis_is_exact_where_the_density_is_cut_off():
    """An exponential law on x > 0: −inf outside, where the score is NaN; against SciPy's distribution."""
    from scipy.stats import expon, kstest

    def log_prob(x):
        return np.where(x[:, 0] > 0, -x[:, 0], -np.inf)

    def score(x, sigma):
        return np.where(x > 0, -1.0, np.nan)
    x = langevin.metropolis(np.random.default_rng(3), log_prob, score, np.full((4000, 1), 0.5), step_size=0.8,
                            n_steps=300).x
    assert kstest(x[:, 0], expon().cdf).pvalue > 1e-3
    assert kstest(x[:, 0], expon(scale=1.1).cdf).pvalue < 1e-3, "the control"


@pytest.mark.parametrize("package", [reference, accel])
class TestBoth:
    def test_accepts_with_the_probability_of_the_formula(self, package):
        """One step from one point, where the ratio is worked out from SciPy's normal densities."""
        from scipy.stats import norm
        x, epsilon, n = 0.8, 1.2, 4000
        found = package.generative.langevin.metropolis(
            np.random.default_rng(4), lambda x: -np.abs(x[:, 0])**3, lambda x, sigma: -3 * x * np.abs(x),
            np.full((n, 1), x), step_size=epsilon, n_steps=1)

        def q(to, at):
            return norm(at - 1.5 * epsilon * at * np.abs(at), np.sqrt(epsilon)).pdf(to)
        grid = np.linspace(-12, 12, 40_001)
        ratio = np.exp(-np.abs(grid)**3 + x**3) * q(x, grid) / q(grid, x)
        expected = np.trapezoid(q(grid, x) * np.minimum(1, ratio), grid)
        assert abs(found.acceptance.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / n)
        assert 0.1 < expected < 0.9
        np.testing.assert_array_equal(found.acceptance == 0, found.x[:, 0] == x)

    def test_a_start_without_density_is_refused(self, package):
        def nowhere(x):
            return np.where(np.arange(len(x)) < 2, -np.inf, normal_log_prob(x))
        module = package.generative.langevin
        with pytest.raises(module.NonFiniteScoreError, match="2 of 4 chains at level 1.*step 0"):
            module.metropolis(np.random.default_rng(0), nowhere, normal_score, start(4), step_size=0.1,
                              n_steps=5)


    @pytest.mark.parametrize(("change", "words"), [
        ({"step_size": 0}, "step_size"), ({"n_steps": 0}, "n_steps"), ({"every": 0}, "every"),
        ({"start": np.zeros(3)}, "start: expected shape"),
        ({"log_prob": lambda x: x}, r"log_prob\(x\): expected shape"),
        ({"score": lambda x, sigma: x[:, :1]}, r"score\(x, sigma\): expected shape")])
    def test_bad_input_is_refused(self, package, change, words):
        arguments = {"log_prob": normal_log_prob, "score": normal_score, "start": start(3)}
        with pytest.raises(ValueError, match=words):
            package.generative.langevin.metropolis(
                np.random.default_rng(0), **arguments | {"step_size": 0.1, "n_steps": 2} | change)
