"""The grid against closed forms: integrals, moments and distributions of densities that are known."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from reference.numerics.grid import fit_grid

MEAN, COVARIANCE = np.array([0.3, -1.2]), np.array([[0.04, 0.045], [0.045, 0.09]])


def correlated(theta):
    return stats.multivariate_normal(MEAN, COVARIANCE).logpdf(theta) + 5.0


def test_integral_of_a_normal_density():
    grid = fit_grid(correlated, [-10.0, -10.0], [10.0, 10.0], n_nodes=101)
    assert grid.log_integral == pytest.approx(5.0, abs=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-6])
def test_a_peak_far_narrower_than_the_first_grid_is_found(scale):
    log_density = lambda theta: -0.5 * np.sum(((theta - [0.123, -0.77]) / scale)**2, axis=1)
    grid = fit_grid(log_density, [-1.0, -1.0], [1.0, 1.0], n_nodes=81)
    inside = np.prod([stats.norm(c, scale).cdf(1) - stats.norm(c, scale).cdf(-1) for c in (0.123, -0.77)])
    assert grid.log_integral == pytest.approx(np.log(inside * 2 * np.pi * scale**2), abs=2e-4)


def test_integral_of_a_density_that_is_cut_off():
    grid = fit_grid(lambda theta: -4.0 * theta[:, 0], [0.5], [6.0], n_nodes=2001)
    assert grid.log_integral == pytest.approx(np.log((np.exp(-2.0) - np.exp(-24.0)) / 4), abs=1e-4)


def test_samples_of_a_normal():
    grid = fit_grid(correlated, [-10.0, -10.0], [10.0, 10.0], n_nodes=101)
    draws = grid.sample(np.random.default_rng(1), 20_000)
    for direction in ([1, 0], [0, 1], [2, -1], [1, 1]):
        theirs = stats.norm(MEAN @ direction, np.sqrt(direction @ COVARIANCE @ direction))
        assert stats.kstest(draws @ direction, theirs.cdf).pvalue > 1e-3, direction
        wide = 1.07 * (draws - MEAN) @ direction + MEAN @ direction
        assert stats.kstest(wide, theirs.cdf).pvalue < 1e-3, "the check cannot see 7 %"


def test_variance_is_too_large_by_a_sixth_of_the_squared_spacing():
    grid = fit_grid(lambda theta: -0.5 * theta[:, 0]**2, [-40.0], [40.0], n_nodes=12)
    h = grid.nodes[0][1] - grid.nodes[0][0]
    draws = grid.sample(np.random.default_rng(2), 400_000)
    assert draws.var() == pytest.approx(1 + h**2 / 6, abs=5 * np.sqrt(2 / 400_000) * (1 + h**2 / 6))
    assert h > 1


def test_samples_of_an_exponential_that_is_cut_off_pile_up_at_the_edge_and_stay_inside():
    grid = fit_grid(lambda theta: -4.0 * theta[:, 0], [0.5], [6.0], n_nodes=2001)
    draws = grid.sample(np.random.default_rng(3), 20_000)[:, 0]
    assert stats.kstest(draws - 0.5, stats.expon(scale=0.25).cdf).pvalue > 1e-3
    assert draws.min() > 0.5


@pytest.mark.parametrize("package", [reference, accel])
def test_the_array_that_a_density_returns_is_not_changed(package):
    returned = []

    def log_density(theta):
        returned.append((array := -0.5 * theta[:, 0]**2, array.copy()))
        return array
    package.numerics.grid.fit_grid(log_density, [-9.0], [9.0], n_nodes=41)
    assert all(np.array_equal(array, kept) for array, kept in returned)


@pytest.mark.parametrize("package", [reference, accel])
def test_bad_input_is_named(package):
    with pytest.raises(ValueError, match="n_nodes: expected a whole number of at least 11"):
        package.numerics.grid.fit_grid(correlated, [0.0, 0.0], [1.0, 1.0], n_nodes=3)
    with pytest.raises(ValueError, match="n: expected a whole number"):
        grid = package.numerics.grid.fit_grid(correlated, [0.0, 0.0], [1.0, 1.0], n_nodes=19)
        grid.sample(np.random.default_rng(0), 0)
