"""The forward model by hand, and the exact posterior against quadrature by SciPy."""
import numpy as np
import pytest
from scipy import integrate, stats

import accel
import reference
from reference.simulators import power_law

BOTH = pytest.mark.parametrize("package", [reference, accel])


def unnormalised(theta, x):
    return np.exp(-0.5 * ((x - theta**-1.5) / 5)**2)


def test_simulations_scatter_by_five_around_the_curve():
    x = power_law.simulate(np.random.default_rng(0), np.full((20_000, 1), 0.1))
    assert stats.kstest(x[:, 0], stats.norm(31.6227766, 5).cdf).pvalue > 1e-3          # 0.1^(−3/2) = 10^(3/2)
    assert stats.kstest(x[:, 0], stats.norm(31.6227766, 5.3).cdf).pvalue < 1e-3


@pytest.mark.parametrize("x", [31.6, 5.0, 180.0, 12.0])
def test_posterior_density_is_quadratures(x):
    points = np.clip([max(x, 1.0)**(-2 / 3) * f for f in (0.8, 1.0, 1.25)], 0.0301, 0.2999)
    evidence, _ = integrate.quad(unnormalised, 0.03, 0.3, args=(x,), points=points, limit=500, epsabs=0,
                                 epsrel=1e-11)
    theta = np.linspace(0.031, 0.299, 50)[:, None]
    ours = power_law.exact_posterior_log_prob(theta, [x])
    np.testing.assert_allclose(ours, np.log(unnormalised(theta[:, 0], x) / evidence), atol=1e-5, rtol=1e-9)
    assert (power_law.exact_posterior_log_prob([[0.02], [0.3], [-1.0]], [x]) == -np.inf).all()


@pytest.mark.parametrize("x", [31.6, 5.0, 180.0])
def test_posterior_samples_follow_quadratures_distribution(x):
    theta = np.linspace(0.03, 0.3, 200_001)
    cumulative = integrate.cumulative_simpson(unnormalised(theta, x), x=theta, initial=0)
    cdf = lambda t: np.interp(t, theta, cumulative / cumulative[-1])
    draws = power_law.exact_posterior_sample(np.random.default_rng(1), 20_000, [x])
    assert power_law.prior.contains(draws).all()
    assert stats.kstest(draws[:, 0], cdf).pvalue > 1e-3
    assert stats.kstest(1.02 * draws[:, 0], cdf).pvalue < 1e-3


def test_likelihood_is_scipys():
    theta = np.linspace(0.03, 0.3, 20)[:, None]
    np.testing.assert_allclose(power_law.log_likelihood(theta, [20.0], noise=3.0),
                               stats.norm(theta[:, 0]**-1.5, 3).logpdf(20), rtol=1e-12)


@BOTH
@pytest.mark.parametrize(("call", "message"), [
    (lambda m, rng: m.simulate(rng, [[-0.1]]), "theta: expected positive numbers, got -0.1"),
    (lambda m, rng: m.simulate(rng, [0.1]), r"theta: expected shape \(N, 1\)"),
    (lambda m, rng: m.simulate(rng, [[0.1]], noise=0.0), "noise: expected a positive"),
    (lambda m, rng: m.exact_posterior_sample(rng, 5, [np.inf]), "x: expected finite"),
    (lambda m, rng: m.exact_posterior_sample(rng, 0, [30.0]), "n: expected a whole number"),
    (lambda m, rng: m.exact_posterior_log_prob([[0.1]], [[30.0]]), r"x: expected shape \(1,\)"),
])
def test_bad_input_is_named(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(package.simulators.power_law, np.random.default_rng(0))
