"""Simulation-based inference: from a prior and a simulator to a posterior.

Reading order:

    rejection_abc        approximate Bayesian computation by rejection; start here
    kept                 the simulations that it keeps
    npe                  neural posterior estimation
    npe_posterior        its posterior: draws, densities, files
    nle                  neural likelihood estimation
    nle_posterior        its posterior: likelihoods, draws, files
    ratio                likelihood-to-evidence ratio, the classifier of nre
    cross_entropy        its losses
    nre                  neural ratio estimation
    nre_posterior        its posterior: ratios, draws, files
    importance           importance weights of posterior draws
    gaussian_likelihood  posterior under a Gaussian likelihood, the standard method
    covariance           check of its covariance
    target               the density that samplers draw from
    chains               what all Markov chain samplers share
    target_checks        checks of a target and of starts
    metropolis           random-walk Metropolis; the first sampler to read
    slice_sampler        slice sampling
    hmc                  Hamiltonian Monte Carlo
    hmc_tuning           its step size and scales
    emcee_sampler        affine-invariant ensemble sampler (emcee)
    nested_sampler       nested sampling (dynesty)
    starts               starts of chains near the posterior
    run_chains           start, thin and check the chains of any sampler
    deep_ensemble        several trained posteriors as one mixture
    catalogue            posterior summaries of many objects
    catalogue_stream     the objects of a catalogue, one after another
    inputs               checks of simulations and observations
    description          trained posteriors as trees of plain values and arrays
"""
from accel.inference import (
    catalogue, catalogue_stream, chains, covariance, cross_entropy, deep_ensemble, description, emcee_sampler,
    gaussian_likelihood, hmc, hmc_tuning, importance, inputs, kept, metropolis, nested_sampler, nle,
    nle_posterior, npe, npe_posterior, nre, nre_posterior, ratio, rejection_abc, run_chains,
    slice_sampler, starts, target, target_checks,
)

__all__ = [
    "catalogue", "catalogue_stream", "chains", "covariance", "cross_entropy", "deep_ensemble", "description",
    "emcee_sampler", "gaussian_likelihood", "hmc", "hmc_tuning", "importance", "inputs", "kept", "metropolis",
    "nested_sampler", "nle", "nle_posterior", "npe", "npe_posterior", "nre", "nre_posterior", "ratio",
    "rejection_abc", "run_chains", "slice_sampler", "starts", "target", "target_checks",
]
