"""The box-uniform prior against its volume and SciPy, with all digits beside its bounds."""
import numpy as np
import pytest
from scipy import stats

import accel
from reference import priors
from tests.support.priors import BOTH, BOX, in_package, refuses


def test_density_is_one_over_the_volume():
    theta = [[0.0, 0.4], [2.0999, 0.1001], [0.0, 0.7], [-1.3, 0.4], [0.0, 0.8], [np.nan, 0.4]]
    np.testing.assert_allclose(BOX.log_prob(theta), [-np.log(3.4 * 0.6)] * 2 + [-np.inf] * 4, rtol=1e-14)


@pytest.mark.parametrize("column", range(2))
def test_samples_are_uniform(column):
    draws = BOX.sample(np.random.default_rng(11), 20_000)[:, column]
    theirs = stats.uniform(BOX.low[column], BOX.high[column] - BOX.low[column])
    assert stats.kstest(draws, theirs.cdf).pvalue > 1e-3
    assert stats.kstest(1.05 * draws, theirs.cdf).pvalue < 1e-3, "the check cannot see 5 %"


@BOTH
def test_points_of_the_cube_are_scipys_quantiles(package):
    v, twin = np.random.default_rng(1).random((50, 2)), in_package(package, BOX)
    theirs = stats.uniform(BOX.low, BOX.high - BOX.low)
    np.testing.assert_allclose(twin.from_uniform(v), theirs.ppf(v), rtol=1e-13)
    np.testing.assert_allclose(twin.to_uniform(theirs.ppf(v)), v, atol=1e-14)
    assert np.isnan(twin.to_uniform([[0.0, 0.8], [-1.3, 0.4]])).all(axis=1).all()


def test_it_is_standard_normal_in_unconstrained_space():
    u = np.random.default_rng(4).standard_normal((100, 2))
    theta, log_det = BOX.to_constrained(u)
    expected = stats.norm.logpdf(u).sum(axis=1)
    np.testing.assert_allclose(BOX.log_prob(theta) + log_det, expected, atol=1e-9)


def test_the_map_keeps_its_digits_beside_either_bound():
    box = priors.BoxUniform([0.0, -1.0], [1.0, 0.0])
    u, log_det = box.to_unconstrained(np.array([[1e-200, -1e-200]]))
    np.testing.assert_allclose(u, [[stats.norm.ppf(1e-200), -stats.norm.ppf(1e-200)]], rtol=1e-13)
    np.testing.assert_allclose(log_det, -stats.norm.logpdf(u).sum(axis=1), rtol=1e-13)
    last = np.nextafter(BOX.high, -np.inf)[None]
    assert np.isfinite(BOX.to_unconstrained(last)[0]).all()


def test_accel_refuses_a_box_that_float32_cannot_resolve():
    with pytest.raises(ValueError, match="low: expected bounds with a float32 between them"):
        accel.priors.BoxUniform(1.0, 1.0 + 1e-9).to_constrained(np.zeros((1, 1), np.float32))


@refuses((lambda p: p.BoxUniform([0.0, 1.0], [1.0, 1.0]), "low: expected low < high"),
         (lambda p: p.BoxUniform([0.0], [-1.0]), "low: expected low < high"),
         (lambda p: p.BoxUniform(0.0, np.nextafter(0, 1)), "low: expected low < high"),
         (lambda p: p.BoxUniform(-1e308, 1e308), "low: expected low < high"))
def test_bad_input_is_named(package, make, message):
    with pytest.raises(ValueError, match=message):
        make(package.priors)
