"""Slice sampling against quadrature and closed forms; the interval, step by step."""
import numpy as np
import pytest
from scipy import stats

import accel
import reference
from reference.inference import slice_sampler
from tests.support import posteriors

BOTH = pytest.mark.parametrize("package", [reference, accel])


def test_moments_of_a_bent_and_skewed_posterior(seed):
    draws = reference.inference.run_chains.sample(np.random.default_rng(seed), posteriors.target(reference),
                                                  500, n_chains=20, n_warmup=100, thin=30)
    assert (draws.r_hat < 1.01).all()
    gaps = posteriors.gaps(draws, reference)
    assert np.abs(gaps).max() < 4, gaps
    wider = posteriors.gaps(draws, reference, power=1 / 1.5)
    assert np.abs(wider).max() > 6, "the check cannot see a likelihood a fifth wider"


def test_dirichlet_posterior_of_counts(seed):
    """A flat prior on the simplex and counts (1, 4, 0, 12): the posterior is Dirichlet(2, 5, 1, 13)."""
    prior, counts = accel.priors.Dirichlet(np.ones(4)), np.array([1.0, 4.0, 0.0, 12.0])
    target = accel.inference.target.Target(prior, lambda u: np.log(prior.to_constrained(u)[0]) @ counts)
    draws = accel.inference.run_chains.sample(np.random.default_rng(seed), target, 2000, n_chains=50,
                                              n_warmup=100, thin=10)
    exact = stats.dirichlet(counts + 1)
    assert (draws.r_hat < 1.01).all() and draws.ess.min() > 2000
    assert np.abs((draws.theta.mean(axis=0) - exact.mean()) / np.sqrt(exact.var() / 2000)).max() < 4
    for k, column in enumerate(draws.theta.T):
        assert stats.kstest(column, stats.beta(counts[k] + 1, 20 - counts[k]).cdf).pvalue > 1e-3
        one_more = stats.beta(counts[k] + 2, 20 - counts[k])
        assert stats.kstest(column, one_more.cdf).pvalue < 1e-3, "the check cannot see a count"


def test_steps_out_to_the_ends_of_a_slice_by_hand():
    """A box from −2 to 3 around 0.25: with width 1 and place 0.5, ends −0.25 and 0.75 move to −2.25 and 3.75,
    both outside."""
    class Box:
        def log_prob(self, u):
            return np.where((u[:, 0] > -2) & (u[:, 0] < 3), 0.0, -np.inf)
    u, level = np.array([[0.25]]), np.array([-1.0])
    low, high = slice_sampler.step_out(Box(), u, 0, level, 1.0, np.array([0.5]), np.array([0.45]))
    assert (low[0], high[0]) == (-2.25, 3.75)
    # one step to the left at most
    low, high = slice_sampler.step_out(Box(), u, 0, level, 1.0, np.array([0.5]), np.array([0.15]))
    assert (low[0], high[0]) == (-1.25, 3.75)
    # nine left, none right
    low, high = slice_sampler.step_out(Box(), u, 0, level, 0.01, np.array([0.5]), np.array([0.95]))
    assert (low[0], high[0]) == pytest.approx((0.245 - 0.09, 0.255))


@BOTH
def test_widths_forget_where_they_started(package):
    """A target a thousand times narrower than the first interval is drawn as well as any, after the
    warm-up."""
    target = package.inference.target.Target(package.priors.Normal(0.0, 1.0),
                                             lambda u: -0.5 * ((u[:, 0] - 0.3) / 1e-3)**2)
    chains = package.inference.slice_sampler.sample(np.random.default_rng(0), target, np.full((20, 1), 0.3),
                                                    n_samples=400, n_warmup=30)
    scaled = (chains.u - 0.3) / 1e-3
    ess = package.validation.convergence.effective_sample_size(scaled)[0]
    assert ess > 2000 and abs(scaled.mean()) < 4 / np.sqrt(ess)
    assert abs(scaled.std() - 1) < 4 / np.sqrt(2 * ess) + 1e-3


def test_accel_evaluates_only_what_is_undecided():
    rows = {reference: 0, accel: 0}
    for package in rows:
        def log_likelihood(u, package=package):
            rows[package] += len(u)
            return -0.5 * ((u[:, 0] - 0.3) / 0.2)**2
        target = package.inference.target.Target(package.priors.Normal(0.0, 1.0), log_likelihood)
        package.inference.slice_sampler.sample(np.random.default_rng(0), target, np.zeros((100, 1)),
                                               n_samples=50, n_warmup=20)
    assert rows[accel] < 0.4 * rows[reference]
