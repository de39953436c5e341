"""The Dirichlet prior against SciPy, quadrature, and the digits of small entries."""
import numpy as np
import pytest
from scipy import integrate, stats

from reference import priors
from tests.support.priors import BOTH, DIRICHLET, in_package, refuses


def test_density_is_scipys():
    theta = np.random.default_rng(3).dirichlet([1.0, 2.0, 3.0, 1.5], 20)
    theirs = stats.dirichlet(DIRICHLET.concentration)
    np.testing.assert_allclose(DIRICHLET.log_prob(theta), theirs.logpdf(theta.T), rtol=1e-12)
    outside = [[0.5, 0.5, 0.0, 0.0], [0.5, 0.5, 0.5, -0.5], [0.3, 0.3, 0.3, 0.3]]
    assert (DIRICHLET.log_prob(outside) == -np.inf).all() and np.isnan(DIRICHLET.to_uniform(outside)).all()


@pytest.mark.parametrize("column", range(4))
def test_entries_of_samples_follow_beta_distributions(column):
    alpha = DIRICHLET.concentration
    theirs = stats.beta(alpha[column], alpha.sum() - alpha[column])
    draws = DIRICHLET.sample(np.random.default_rng(11), 20_000)[:, column]
    assert stats.kstest(draws, theirs.cdf).pvalue > 1e-3
    assert stats.kstest(1.05 * draws, theirs.cdf).pvalue < 1e-3, "the check cannot see 5 %"


def test_samples_have_its_covariance():
    draws = DIRICHLET.sample(np.random.default_rng(5), 50_000)
    theirs = stats.dirichlet(DIRICHLET.concentration)
    np.testing.assert_allclose(draws.sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(draws.mean(axis=0), theirs.mean(), atol=5 * 0.2 / np.sqrt(50_000))
    np.testing.assert_allclose(np.cov(draws.T), theirs.cov(), atol=5 * 0.04 / np.sqrt(50_000))


@BOTH
def test_points_of_the_cube_are_scipys_quantiles_of_the_sticks(package):
    """θ₁ has a beta distribution, and so has each next share of what is left."""
    twin, alpha = in_package(package, DIRICHLET), DIRICHLET.concentration
    v = np.random.default_rng(1).random((50, 3))
    theta, left = twin.from_uniform(v), np.ones(50)
    for k in range(3):
        theirs = stats.beta(alpha[k], alpha[k + 1:].sum())
        np.testing.assert_allclose(theta[:, k] / left, theirs.ppf(v[:, k]), rtol=1e-10)
        left = left - theta[:, k]
    np.testing.assert_allclose(theta.sum(axis=1), 1, rtol=1e-14)


def test_v_resolves_sticks_of_which_almost_nothing_is_left():
    theta = np.array([[1 - 1e-12, 6e-13, 4e-13]])
    prior = priors.Dirichlet([3.0, 0.2, 0.3])
    theirs = 1 - stats.beta(0.5, 3.0).cdf(1e-12)                      # of 1 − θ₁
    assert prior.to_uniform(theta)[0, 0] == pytest.approx(theirs, abs=1e-15)
    np.testing.assert_allclose(1 - prior.to_uniform(theta)[0, 0], stats.beta(0.5, 3.0).cdf(1e-12), rtol=1e-9)


def test_small_concentrations_keep_the_digits_of_small_entries():
    draws = priors.Dirichlet([0.02, 0.03, 0.05]).sample(np.random.default_rng(2), 2000)
    log_first = np.log(draws[:, 0])
    assert (draws > 0).all() and 0.1 < np.mean(log_first < -20) < 0.9
    inner = (log_first[(log_first > -300) & (log_first < -20)] + 300) / 280
    exponential = lambda t: np.expm1(0.02 * 280 * t) / np.expm1(0.02 * 280)   # since p(θ₁) ∝ θ₁^(α₁−1)
    assert stats.kstest(inner, exponential).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [[0.7, 2.2, 1.4], [3.0, 0.5, 0.6]])
def test_density_integrates_to_one_in_unconstrained_space(alpha):
    prior, grid = priors.Dirichlet(alpha), np.linspace(-60, 40, 1201)
    u = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1)
    theta, log_det = prior.to_constrained(u.reshape(-1, 2))
    log_prob = stats.dirichlet(alpha).logpdf((theta / theta.sum(1, keepdims=True)).T)
    density = np.exp(log_prob + log_det).reshape(len(grid), -1)
    assert abs(integrate.simpson(integrate.simpson(density, grid), grid) - 1) < 1e-6


def test_u_is_zero_at_the_centre_of_the_simplex():
    for k in (2, 3, 10):
        theta, _ = priors.Dirichlet(np.ones(k)).to_constrained(np.zeros((1, k - 1)))
        np.testing.assert_allclose(theta, np.full((1, k), 1 / k), rtol=1e-14)


@refuses((lambda p: p.Dirichlet([1.0]), "concentration: number of entries: expected a whole number"),
         (lambda p: p.Dirichlet([1.0, 0.0]), "concentration: expected one or more positive"))
def test_bad_input_is_named(package, make, message):
    with pytest.raises(ValueError, match=message):
        make(package.priors)
