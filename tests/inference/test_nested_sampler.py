"""dynesty behind our call: distributions, evidences that are known, and what is said where it is missing."""
import sys

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

import accel
import reference
from reference.inference import nested_sampler
from reference.inference.target import Target
from tests.support import posteriors

BOTH = pytest.mark.parametrize("package", [reference, accel])


@pytest.mark.slow
def test_moments_and_evidence_of_a_bent_and_skewed_posterior(seed):
    draws = nested_sampler.sample(np.random.default_rng(seed), posteriors.target(reference), 2000)
    moments, log_evidence = posteriors.known()
    assert draws.log_evidence_error < 0.1
    assert abs(draws.log_evidence - log_evidence) < 4 * draws.log_evidence_error
    off = abs(draws.log_evidence - log_evidence - 1.0)
    assert off > 4 * draws.log_evidence_error, "the check cannot see one nat"
    values = posteriors.features(draws.theta)
    gaps = (values.mean(axis=0) - moments) / values.std(axis=0) * np.sqrt(min(draws.ess, 2000))
    assert np.abs(gaps).max() < 4 * np.sqrt(2), gaps               # twice drawn: points, then draws from them


@pytest.mark.slow
def test_evidence_of_counts(seed):
    """A flat prior on the simplex and counts n: ∫ ∏ θₖ^nₖ p(θ) dθ = Γ(4) ∏ Γ(nₖ + 1)/Γ(∑ nₖ + 4)."""
    prior, counts = reference.priors.Dirichlet(np.ones(4)), np.array([1.0, 4.0, 0.0, 12.0])
    target = Target(prior, lambda u: np.log(prior.to_constrained(u)[0]) @ counts)
    found = nested_sampler.sample(np.random.default_rng(seed), target, 500, n_live=100)
    expected = gammaln(4) + gammaln(counts + 1).sum() - gammaln(counts.sum() + 4)
    assert abs(found.log_evidence - expected) < 4 * found.log_evidence_error
    off = abs(found.log_evidence - expected - 2.0)
    assert off > 4 * found.log_evidence_error, "the check cannot see two nats"


@BOTH
def test_a_missing_package_is_named_with_the_extra_that_brings_it(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "dynesty", None)
    with pytest.raises(ImportError,
                       match=r"nested_sampler needs dynesty, which is not installed: pip install "
                       r"'diptych\[samplers\]'"):
        package.inference.nested_sampler.sample(np.random.default_rng(0), posteriors.target(package), 5)


@BOTH
def test_resampling_is_systematic(package):
    """Of normalised weights 0.1, 0.25, 0.05 and 0.6 ten draws take 1, 2 or 3, 0 or 1, and 6."""
    systematic, weights = package.inference.nested_sampler.systematic, np.array([0.2, 0.5, 0.1, 1.2])
    rng = np.random.default_rng(0)
    counts = np.array([np.bincount(systematic(rng, rng.random(1), weights, 10), minlength=4)
                       for _ in range(400)])
    assert (counts[:, [0, 3]] == [1, 6]).all() and set(counts[:, 1]) == {2, 3}
    assert (counts[:, 1] + counts[:, 2] == 3).all()
    assert abs(counts[:, 1].mean() - 2.5) < 4 * 0.5 / 20
    assert len({tuple(systematic(rng, rng.random(1), weights, 10)) for _ in range(50)}) > 40        # shuffled


@BOTH
def test_an_interrupted_nested_run_has_nothing_to_return(package):
    def interrupted(u):
        raise KeyboardInterrupt
    target = package.inference.target.Target(package.priors.Normal(0.0, 1.0), interrupted)
    with pytest.raises(KeyboardInterrupt):
        package.inference.nested_sampler.sample(np.random.default_rng(0), target, 5)


@BOTH
def test_draws_carry_the_posteriors_density(package, seed):
    """θ ~ N(1, 2²), one datum 3 ± 1: the posterior is N(2.6, 0.8), the evidence N(3; 1, 5) times √2π."""
    prior = package.priors.Normal(1.0, 2.0)
    target = package.inference.target.Target(prior,
                                             lambda u: -0.5 * (prior.to_constrained(u)[0][:, 0] - 3.0)**2)
    found = package.inference.nested_sampler.sample(np.random.default_rng(seed), target, 400, n_live=60)
    theta = found.theta[:, 0]
    expected = -0.5 * (theta - 3.0)**2 + stats.norm(1.0, 2.0).logpdf(theta)
    np.testing.assert_allclose(found.log_prob, expected, rtol=1e-9)
    evidence = stats.norm(1.0, np.sqrt(5.0)).logpdf(3.0) + 0.5 * np.log(2 * np.pi)
    assert abs(found.log_evidence - evidence) < 4 * found.log_evidence_error < 1.5
    assert abs(theta.mean() - 2.6) < 4 * np.sqrt(0.8 * (1 / found.ess + 1 / 400))
