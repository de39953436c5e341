"""Markov chain Monte Carlo: draws of a posterior whose likelihood can be evaluated, by a sampler of choice.

The mathematics is in `reference.inference.run_chains`. Same draws; the chains live where the likelihood's values live and in their dtype,
wherever the starts were born: the likelihood of a model on a device moves them there once, and they stay. The target adds the prior's
term in place. R̂ and a handful of counts are fetched at the end.
"""
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from accel import priors
from accel.runtime import checks
from accel.device import array_module, like, to_host
from accel.inference import slice_sampler
from accel.inference.chains import Chains, NonFiniteTargetError
from accel.validation import convergence

__all__ = ["Target", "Draws", "sample", "R_HAT_LIMIT"]

R_HAT_LIMIT, FARTHEST = 1.01, 1000.0


@dataclass(frozen=True, eq=False)
class Target:
    """The density that is sampled: a prior, and log-likelihoods, with or without their gradient, of the unconstrained parameters."""
    prior: object
    log_likelihood: Callable
    log_likelihood_and_grad: Callable | None = None

    def log_prob(self, u):
        """log p(u|x) up to a constant, (N,)."""
        log_likelihood = checks.as_array("log_likelihood(u)", self.log_likelihood(u), (len(u),))
        log_prob = like(log_likelihood, self.prior.unconstrained_log_prob(u))
        log_prob += log_likelihood
        return array_module(log_prob).where(like_mask(log_prob, within_reach(u)), log_prob, -np.inf)

    def log_prob_and_grad(self, u):
        """log p(u|x) up to a constant, (N,), and its gradient (N, d′)."""
        if self.log_likelihood_and_grad is None:
            raise ValueError("target: expected a log_likelihood_and_grad, which a sampler with gradients needs, got None")
        log_likelihood, slope = self.log_likelihood_and_grad(u)
        log_likelihood = checks.as_array("log_likelihood(u)", log_likelihood, (len(u),))
        slope = checks.as_array("gradient of log_likelihood(u)", slope, u.shape)
        log_prob, grad = self.prior.unconstrained_log_prob_and_grad(u)
        log_prob, grad = like(log_likelihood, log_prob), like(log_likelihood, grad)
        log_prob += log_likelihood
        grad += slope
        xp, inside = array_module(log_prob), like_mask(log_prob, within_reach(u))
        return xp.where(inside, log_prob, -np.inf), xp.where(inside[:, None], grad, 0.0)


def within_reach(u):
    """Whether each row of u stays within FARTHEST, (N,) bool."""
    return array_module(u).abs(u).max(axis=1) <= FARTHEST


def like_mask(array, mask):
    """The mask where the array lives."""
    return array_module(array).asarray(mask)


class Draws(NamedTuple):
    """Posterior draws, and what is known of how they came about."""
    theta: np.ndarray
    log_prob: np.ndarray
    r_hat: np.ndarray
    ess: np.ndarray
    log_evidence: float
    log_evidence_error: float
    chains: Chains


def sample(rng, target, n, *, sampler=slice_sampler, n_chains=50, n_warmup=200, thin=10, n_least=200, start=None, n_candidates=10_000,
           progress=False):
    """n draws from the target."""
    n, thin, n_least = checks.check_count("n", n), checks.check_count("thin", thin), checks.check_count("n_least", n_least)
    if start is None:
        u = resampled(rng, target, checks.check_count("n_chains", n_chains), checks.check_count("n_candidates", n_candidates))
    else:
        start = checks.as_array("start", start, ("C", target.prior.dim))
        priors.check_inside("start", target.prior, start)
        u, _ = target.prior.to_unconstrained(start)
    each = -(-n // len(u))
    try:
        chains = sampler.sample(rng, target, u, n_samples=max(thin * each, n_least), n_warmup=n_warmup, progress=progress)
    except NonFiniteTargetError as error:
        kept = error.chains
        error.theta = None if kept is None else target.prior.to_constrained(kept.u.reshape(-1, kept.u.shape[-1]))[0]
        raise
    u, log_prob = selected(chains, each)
    theta, log_det = target.prior.to_constrained(u[:n])
    r_hat, ess = diagnosed(chains, sampler.__name__.rpartition(".")[2])
    log_prob = log_prob[:n] - log_det
    return Draws(theta, log_prob, r_hat, ess, chains.log_evidence, chains.log_evidence_error, chains)


def resampled(rng, target, n_chains, n_candidates):
    """(3): n_chains prior draws, likelier ones preferred, as u (C, d′)."""
    u, _ = target.prior.to_unconstrained(target.prior.sample(rng, n_candidates))
    log_likelihood = checks.as_array("log_likelihood(u)", target.log_likelihood(u), (n_candidates,))
    xp = array_module(log_likelihood)
    n_good, possible = int((log_likelihood < np.inf).sum()), int(xp.isfinite(log_likelihood).sum())
    if n_good < n_candidates:
        raise ValueError(f"target: expected log-likelihoods that are finite or −inf, got NaN or +inf at {n_candidates - n_good} of "
                         f"{n_candidates} prior draws")
    if possible < n_chains:
        raise ValueError(f"n_candidates: expected at least {n_chains} prior draws with a likelihood, one for each chain, got {possible} "
                         f"of {n_candidates}")
    keys = like(log_likelihood, rng.random(n_candidates))
    with np.errstate(divide="ignore"):
        for _ in range(2):
            xp.negative(xp.log(keys, out=keys), out=keys)             # −log(−log V)
    keys += log_likelihood
    return like(keys, u)[xp.argsort(xp.negative(keys, out=keys))[:n_chains]]


def selected(chains, each):
    """`each` draws of every chain, as far apart as its length allows, iteration by iteration: u (C · each, d′), log_prob."""
    each, length = min(each, chains.u.shape[1]), chains.u.shape[1]
    step, dim = length // each, chains.u.shape[2]
    rows = slice(step - 1, step * each, step)
    return chains.u[:, rows].transpose(1, 0, 2).reshape(-1, dim), chains.log_prob[:, rows].T.reshape(-1)


def diagnosed(chains, name):
    """R̂ and the effective sample size, (d′,) each, with the warnings that they call for."""
    xp, dim = array_module(chains.u), chains.u.shape[2]
    unknown = xp.full(dim, np.nan, dtype=chains.u.dtype)
    if not np.isnan(chains.ess):
        return unknown, xp.full(dim, chains.ess, dtype=chains.u.dtype)
    if chains.n_divergent:
        warnings.warn(f"{name}: {chains.n_divergent} of {chains.log_prob.size} trajectories diverged; part of the posterior may be "
                      "missing; parametrise it anew, or use slice_sampler", stacklevel=3)
    if chains.u.shape[1] < 4:
        warnings.warn(f"{name}: {chains.u.shape[1]} iterations are too few to tell whether the chains have mixed", stacklevel=3)
        return unknown, unknown.copy()
    r_hat, ess = convergence.r_hat(chains.u), convergence.effective_sample_size(chains.u)
    known = to_host(r_hat)
    if not np.all(known <= R_HAT_LIMIT):                              # NaN too
        worst = int(np.argmax(np.where(np.isnan(known), np.inf, known)))
        warnings.warn(f"{name}: the chains have not mixed: R-hat = {known[worst]:.5g} in unconstrained parameter {worst}, expected at most "
                      f"{R_HAT_LIMIT}; raise thin or n_warmup, or use another sampler", stacklevel=3)
    return r_hat, ess
