"""Where chains start: draws without replacement, in the order that the weights say, near the posterior."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference

BOTH = pytest.mark.parametrize("package", [reference, accel])


class Three:
    """A prior whose sample is always the same three candidates."""
    dim = unconstrained_dim = 1

    def sample(self, rng, n):
        return np.arange(3.0)[:, None]

    def to_unconstrained(self, theta):
        return theta, np.zeros(len(theta))


@BOTH
def test_candidates_are_drawn_without_replacement(package):
    """Of weights 1, 2 and 5 the ordered pair (i, j) comes with probability wᵢ/8 · wⱼ/(8 − wᵢ)."""
    weights, rng, n = np.array([1.0, 2.0, 5.0]), np.random.default_rng(0), 4000
    target = package.inference.target.Target(Three(), lambda u: np.log(weights) - 3.0)
    drawn = [tuple(package.inference.starts.draw(rng, target, 2, n_candidates=3)[:, 0].astype(int))
             for _ in range(n)]
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    expected = np.array([weights[i] / 8 * weights[j] / (8 - weights[i]) for i, j in pairs])
    counts = np.array([drawn.count(pair) for pair in pairs])
    assert counts.sum() == n and stats.chisquare(counts, n * expected).pvalue > 1e-3
    with_replacement = np.array([weights[i] * weights[j] for i, j in pairs])
    control = n * with_replacement / with_replacement.sum()
    assert stats.chisquare(counts, control).pvalue < 1e-3, "the check cannot see replacement"


@BOTH
def test_starts_follow_the_posterior(package):
    """With many candidates and few chains, starting points are nearly draws from the posterior: here N(0.8,
    0.2) in u."""
    target = package.inference.target.Target(package.priors.Normal(0.0, 1.0),
                                             lambda u: -0.5 * ((1.0 - u[:, 0]) / 0.5)**2)
    rng = np.random.default_rng(0)
    u = np.concatenate([package.inference.starts.draw(rng, target, 4, n_candidates=2000)[:, 0]
                        for _ in range(250)])
    assert stats.kstest(u, stats.norm(0.8, np.sqrt(0.2)).cdf).pvalue > 1e-3
    prior = stats.norm(0.0, 1.0)
    assert stats.kstest(u, prior.cdf).pvalue < 1e-3, "the check cannot tell the prior from the posterior"


@BOTH
def test_starts_are_all_different(package):
    target = package.inference.target.Target(package.priors.Normal(0.0, 1.0),
                                             lambda u: -1e6 * (u[:, 0] - 1.0)**2)
    u = package.inference.starts.draw(np.random.default_rng(1), target, 50, n_candidates=1000)
    assert len(np.unique(u)) == 50


@BOTH
def test_candidates_without_a_likelihood_are_named(package):
    starts, prior = package.inference.starts, package.priors.Normal(0.0, 1.0)

    def draw(log_likelihood):
        return starts.draw(np.random.default_rng(8), package.inference.target.Target(prior, log_likelihood),
                           50, n_candidates=100)
    with pytest.raises(ValueError,
                       match="target: expected log-likelihoods that are finite or −inf, got NaN or .inf "
                       "at 100 of 100"):
        draw(lambda u: u[:, 0] * np.nan)
    with pytest.raises(ValueError,
                       match="n_candidates: expected at least 50 prior draws with a likelihood, one for "
                       "each chain, got 0"):
        draw(lambda u: u[:, 0] - np.inf)
