"""What the ABC experiment measures with: its distance against SciPy's, its theory against brute force."""
import numpy as np
import pytest
from scipy import stats

from experiments import abc_power_law

THETA = np.linspace(0.03, 0.3, 4001)


def test_distance_is_kolmogorov_and_smirnovs():
    density = stats.norm.pdf(THETA, 0.15, 0.02)
    draws = np.sort(0.15 + 0.021 * np.random.default_rng(0).standard_normal(500))
    expected = stats.kstest(draws, stats.norm(0.15, 0.02).cdf).statistic
    assert abc_power_law.distance(draws, THETA, density) == pytest.approx(expected, abs=1e-5)


def test_theory_of_abc_is_that_of_a_histogram_of_many_simulations():
    rng = np.random.default_rng(1)
    theta = rng.uniform(0.03, 0.3, 400_000)
    kept = theta[np.abs(theta**-1.5 + 5 * rng.standard_normal(len(theta)) - 30) < 10]
    counts, edges = np.histogram(kept, bins=np.linspace(0.07, 0.2, 27))
    expected = len(kept) * np.interp((edges[1:] + edges[:-1]) / 2, THETA,
                                     abc_power_law.abc_density(THETA, 30.0, 10)) * np.diff(edges)
    assert np.sum((counts - expected)**2 / expected) < stats.chi2(26).ppf(0.999)


def test_spread_is_the_standard_deviation():
    assert abc_power_law.spread(THETA, stats.norm.pdf(THETA, 0.15, 0.02)) == pytest.approx(0.02, rel=1e-6)
