"""emcee behind our call: the same distribution, the states that it returns, and what is said where it is
missing."""
import sys

import numpy as np
import pytest

import accel
import reference
from reference.inference import emcee_sampler, run_chains
from tests.support import posteriors

BOTH = pytest.mark.parametrize("package", [reference, accel])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:emcee_sampler. the chains have not mixed")
def test_moments_of_a_bent_and_skewed_posterior(seed):
    draws = run_chains.sample(np.random.default_rng(seed), posteriors.target(reference), 400,
                              sampler=emcee_sampler, n_chains=40, thin=120)
    gaps = posteriors.gaps(draws, reference)
    assert draws.r_hat.max() < 1.05 and np.abs(gaps).max() < 4, gaps
    wider = posteriors.gaps(draws, reference, power=1 / 1.5)
    assert np.abs(wider).max() > 6, "the check cannot see a likelihood a fifth wider"


@BOTH
def test_a_missing_package_is_named_with_the_extra_that_brings_it(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "emcee", None)
    with pytest.raises(ImportError,
                       match=r"emcee_sampler needs emcee, which is not installed: pip install "
                       r"'diptych\[samplers\]'"):
        package.inference.emcee_sampler.sample(np.random.default_rng(0), posteriors.target(package),
                                               np.ones((4, 2)) * 0.3, n_samples=5)


@BOTH
def test_log_probs_are_those_of_the_positions(package):
    """Half of the walkers move at a time: both halves must be kept as they are at the end of an iteration."""
    target, start = posteriors.target(package), np.random.default_rng(0).normal(0, 0.2, (8, 2))
    before = start.copy()
    chains = package.inference.emcee_sampler.sample(np.random.default_rng(1), target, start, n_samples=20,
                                                    n_warmup=5)
    assert np.array_equal(start, before) and (np.diff(chains.u, axis=1) != 0).any(axis=(1, 2)).all()
    np.testing.assert_allclose(target.log_prob(chains.u.reshape(-1, 2)), chains.log_prob.ravel(), rtol=1e-12)
