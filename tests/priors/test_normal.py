"""The normal prior against SciPy."""
import numpy as np
import pytest
from scipy import stats

from tests.support.priors import BOTH, NORMAL, in_package, refuses

THEIRS = stats.norm([0.1, -2.3], [0.3, 4.1])


def test_density_is_scipys():
    theta = np.array([[0.3, 0.2], [1.5, 7.0], [0.01, 0.5]])
    np.testing.assert_allclose(NORMAL.log_prob(theta), THEIRS.logpdf(theta).sum(1), rtol=1e-13)
    assert (NORMAL.log_prob([[np.inf, 1.0], [np.nan, 1.0]]) == -np.inf).all()


@pytest.mark.parametrize("column", range(2))
def test_samples_follow_it(column):
    draws = NORMAL.sample(np.random.default_rng(11), 20_000)
    v = THEIRS.cdf(draws)[:, column]
    assert stats.kstest(v, stats.uniform.cdf).pvalue > 1e-3
    wide = THEIRS.cdf(1.05 * draws)[:, column]
    assert stats.kstest(wide, stats.uniform.cdf).pvalue < 1e-3, "the check cannot see 5 %"


@BOTH
def test_points_of_the_cube_are_scipys_quantiles(package):
    v, twin = np.random.default_rng(1).random((50, 2)), in_package(package, NORMAL)
    np.testing.assert_allclose(twin.from_uniform(v), THEIRS.ppf(v), rtol=1e-12)
    np.testing.assert_allclose(twin.to_uniform(THEIRS.ppf(v)), v, atol=1e-13)


def test_it_is_standard_normal_in_unconstrained_space():
    u = np.random.default_rng(4).standard_normal((100, 2))
    theta, log_det = NORMAL.to_constrained(u)
    expected = stats.norm.logpdf(u).sum(axis=1)
    np.testing.assert_allclose(NORMAL.log_prob(theta) + log_det, expected, atol=1e-9)


@refuses((lambda p: p.Normal([0.0, np.nan], [1.0, 1.0]), "mean: expected finite"),
         (lambda p: p.Normal([0.0], [0.0]), "std: expected one or more positive"))
def test_bad_input_is_named(package, make, message):
    with pytest.raises(ValueError, match=message):
        make(package.priors)
