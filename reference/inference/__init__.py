"""Simulation-based inference: from a prior and a simulator to a posterior.

Reading order:

    rejection_abc        approximate Bayesian computation by rejection; start here
    npe                  neural posterior estimation
    nle                  neural likelihood estimation
    ratio                likelihood-to-evidence ratio, the classifier of nre
    nre                  neural ratio estimation
    importance           importance weights of posterior draws
    gaussian_likelihood  posterior under a Gaussian likelihood, the standard method
    chains               what all Markov chain samplers share
    slice_sampler        slice sampling
    hmc                  Hamiltonian Monte Carlo
    emcee_sampler        affine-invariant ensemble sampler (emcee)
    nested_sampler       nested sampling (dynesty)
    run_chains           start, thin and check the chains of any of them
    deep_ensemble        several trained posteriors as one mixture
    catalogue            posterior summaries of many objects
"""
from reference.inference import (
    catalogue, chains, deep_ensemble, emcee_sampler, gaussian_likelihood, hmc, importance,
    nested_sampler, nle, npe, nre, ratio, rejection_abc, run_chains, slice_sampler,
)

__all__ = [
    "catalogue", "chains", "deep_ensemble", "emcee_sampler", "gaussian_likelihood", "hmc",
    "importance", "nested_sampler", "nle", "npe", "nre", "ratio", "rejection_abc", "run_chains",
    "slice_sampler",
]
