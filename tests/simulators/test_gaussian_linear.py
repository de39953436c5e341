"""The exact posterior against Bayes' theorem done by importance sampling, and against SciPy's densities."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from reference.simulators import gaussian_linear

BOTH = pytest.mark.parametrize("package", [reference, accel])
X = np.linspace(-0.5, 0.7, 10)


def test_simulations_have_the_stated_variance_around_theta():
    theta = np.tile(np.linspace(-1, 1, 10), (50_000, 1))
    deviation = gaussian_linear.simulate(np.random.default_rng(0), theta) - theta
    assert stats.kstest(deviation.ravel(), stats.norm(0, np.sqrt(0.1)).cdf).pvalue > 1e-3
    assert stats.kstest(deviation.ravel(), stats.norm(0, 0.1).cdf).pvalue < 1e-3
    assert abs(np.corrcoef(deviation.T) - np.eye(10)).max() < 6 / np.sqrt(50_000)


def test_posterior_is_what_bayes_theorem_says():
    theta = gaussian_linear.prior.sample(np.random.default_rng(1), 200)
    joint = stats.norm(0, np.sqrt(0.1)).logpdf(theta).sum(1)
    joint += stats.norm(theta, np.sqrt(0.1)).logpdf(X).sum(1)
    evidence = stats.norm(0, np.sqrt(0.2)).logpdf(X).sum()
    np.testing.assert_allclose(gaussian_linear.exact_posterior_log_prob(theta, X), joint - evidence,
                               rtol=1e-11)
    np.testing.assert_allclose(gaussian_linear.log_likelihood(theta, X),
                               stats.norm(theta, np.sqrt(0.1)).logpdf(X).sum(1), rtol=1e-12)


def test_posterior_samples_agree_with_weighted_prior_samples():
    rng, n = np.random.default_rng(2), 100_000
    proposal = X / 2 + 0.3 * rng.standard_normal((n, 10))
    log_weight = (stats.norm(0, np.sqrt(0.1)).logpdf(proposal) + stats.norm(proposal, np.sqrt(0.1)).logpdf(X)
                  - stats.norm(X / 2, 0.3).logpdf(proposal)).sum(axis=1)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean, effective = weight @ proposal, 1 / np.sum(weight**2)
    std = np.sqrt(weight @ (proposal - mean)**2)
    draws = gaussian_linear.exact_posterior_sample(rng, 20_000, X)
    error = std * np.sqrt(1 / effective + 1 / 20_000)
    assert (np.abs(draws.mean(axis=0) - mean) < 5 * error).all()
    assert (np.abs(draws.std(axis=0) / std - 1) < 5 * error / std).all()


@BOTH
@pytest.mark.parametrize(("call", "message"), [
    (lambda m, rng: m.simulate(rng, np.zeros((3, 9))), r"theta: expected shape \(N, 10\)"),
    (lambda m, rng: m.exact_posterior_sample(rng, 5, np.zeros(9)), r"x: expected shape \(10,\)"),
    (lambda m, rng: m.exact_posterior_sample(rng, 5, np.full(10, np.nan)), "x: expected finite"),
    (lambda m, rng: m.exact_posterior_sample(rng, 0, np.zeros(10)), "n: expected a whole number"),
    (lambda m, rng: m.log_likelihood(np.zeros((3, 10)), np.zeros((2, 10))), r"x: expected shape \(3, 10\)"),
])
def test_bad_input_is_named(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(package.simulators.gaussian_linear, np.random.default_rng(0))
