"""emcee and dynesty behind our call: the same distributions, the evidence, and what is said where they are
missing."""
import sys

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

import accel
import reference
from reference.inference import emcee_sampler, run_chains, nested_sampler
from tests.support import posteriors

BOTH = pytest.mark.parametrize("package", [reference, accel])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:emcee_sampler. the chains have not mixed")
def test_ensemble_moments_of_a_bent_and_skewed_posterior(seed):
    draws = run_chains.sample(np.random.default_rng(seed), posteriors.target(reference), 400,
                              sampler=emcee_sampler, n_chains=40, thin=120)
    gaps = posteriors.gaps(draws, reference)
    assert draws.r_hat.max() < 1.05 and np.abs(gaps).max() < 4, gaps


@pytest.mark.slow
def test_nested_moments_and_evidence_of_a_bent_and_skewed_posterior(seed):
    draws = run_chains.sample(np.random.default_rng(seed), posteriors.target(reference), 2000,
                              sampler=nested_sampler, n_chains=1, thin=2)
    moments, log_evidence = posteriors.known()
    assert draws.log_evidence_error < 0.1
    assert abs(draws.log_evidence - log_evidence) < 4 * draws.log_evidence_error
    assert abs(draws.log_evidence - log_evidence - 0.6) > 4 * draws.log_evidence_error, (
        "the check cannot see 0.6 nats")
    values = posteriors.features(draws.theta)
    gaps = (values.mean(axis=0) - moments) / values.std(axis=0) * np.sqrt(min(draws.ess[0], 2000))
    assert np.abs(gaps).max() < 4 * np.sqrt(2), gaps  # twice drawn: points, then draws from them
    assert np.isnan(draws.r_hat).all()


@pytest.mark.slow
def test_evidence_of_counts(seed):
    """A flat prior on the simplex and counts n: ∫ ∏ θₖ^nₖ p(θ) dθ = Γ(4) ∏ Γ(nₖ + 1)/Γ(∑ nₖ + 4)."""
    prior, counts = reference.priors.Dirichlet(np.ones(4)), np.array([1.0, 4.0, 0.0, 12.0])
    target = run_chains.Target(prior, lambda u: np.log(prior.to_constrained(u)[0]) @ counts)
    chains = nested_sampler.sample(np.random.default_rng(seed), target, np.zeros((1, 3)), n_samples=500,
                                   n_live=100)
    expected = gammaln(4) + gammaln(counts + 1).sum() - gammaln(counts.sum() + 4)
    assert abs(chains.log_evidence - expected) < 4 * chains.log_evidence_error
    assert abs(chains.log_evidence - expected - 1.0) > 4 * chains.log_evidence_error, (
        "the check cannot see one nat")


@BOTH
def test_the_unit_cube_becomes_the_prior(package):
    p = package.priors
    prior = p.Independent([p.Dirichlet([0.4, 2.0, 1.3]), p.BoxUniform([-1.0], [2.0]),
                           p.LogNormal([0.3], [0.5]), p.Normal([1.0], [2.0])])
    cube = stats.qmc.Sobol(5, seed=1).random(4096)
    theta = np.asarray(prior.to_constrained(package.inference.nested_sampler.from_cube(prior, cube))[0])
    exact = [stats.beta(0.4, 3.3), stats.beta(2.0, 1.7), stats.beta(1.3, 2.4), stats.uniform(-1, 3),
             stats.lognorm(0.5, scale=np.exp(0.3)), stats.norm(1, 2)]
    for column, law in zip(theta.T, exact):
        assert stats.kstest(column, law.cdf).statistic < 0.01
    assert stats.kstest(theta[:, 0], stats.beta(0.5, 3.3).cdf).statistic > 0.03, (
        "the check cannot see a concentration off by 0.1")
    edge = package.inference.nested_sampler.from_cube(prior, np.array([[0.0] * 5, [1.0] * 5]))
    assert np.isfinite(edge).all()


@BOTH
@pytest.mark.parametrize(("module", "needs"), [("emcee_sampler", "emcee"), ("nested_sampler", "dynesty")])
def test_a_missing_package_is_named_with_the_extra_that_brings_it(package, module, needs, monkeypatch):
    monkeypatch.setitem(sys.modules, needs, None)
    with pytest.raises(
            ImportError,
            match=rf"{module} needs {needs}, which is not installed: pip install 'diptych\[samplers\]'"):
        getattr(package.inference, module).sample(np.random.default_rng(0), posteriors.target(package),
                                                  np.ones((4, 2)) * 0.3, n_samples=5)


@BOTH
def test_an_interrupted_nested_run_has_nothing_to_return(package):
    def interrupted(u):
        raise KeyboardInterrupt
    target = package.inference.run_chains.Target(package.priors.Normal(0.0, 1.0), interrupted)
    with pytest.raises(KeyboardInterrupt):
        package.inference.nested_sampler.sample(np.random.default_rng(0), target, np.zeros((1, 1)),
                                                n_samples=5)
