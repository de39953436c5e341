"""Markov chain Monte Carlo: draws of a posterior whose likelihood can be evaluated, by a sampler of choice.

    (1)  u = T(θ)                                          the prior's unconstrained space: no draw can leave the prior
    (2)  log p(u|x) = log p(x|θ(u)) + log p(u) + const     the target; p(u) is the prior's density of u
    (3)  k of N prior draws without replacement, weights ∝ p(x|θ):  the largest log p(x|θⱼ) − log(−log Vⱼ),  Vⱼ ~ U(0, 1)
    (4)  r_hat ≤ R_HAT_LIMIT, or a warning                 (validation.convergence)

The chains start from (3): places that the posterior knows, all different.

Shapes        n draws, C chains, P parameters, d′ of them unconstrained; θ (n, P), u (C, …, d′).
Conventions   nats. A u beyond FARTHEST in any direction counts as outside the support: θ has reached its bound there to the last digit.
              A log-likelihood of −inf is outside the support too; NaN and +inf stop the run (NonFiniteTargetError).
Source        "Equation of state calculations by fast computing machines", Metropolis et al., 1953, the idea; (2) change of variables;
              (3) "Stochastic beams and where to find them: the Gumbel-top-k trick", Kool, van Hoof and Welling, 2019, for the
              resampling of Rubin, 1987; (4) the limit of Vehtari, Gelman, Simpson, Carpenter and Bürkner, 2021.
"""
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reference import priors
from reference.runtime import checks
from reference.inference import slice_sampler
from reference.inference.chains import Chains, NonFiniteTargetError
from reference.validation import convergence

__all__ = ["Target", "Draws", "sample", "R_HAT_LIMIT"]

R_HAT_LIMIT, FARTHEST = 1.01, 1000.0


@dataclass(frozen=True, eq=False)
class Target:
    """The density that is sampled, (2).

    Attributes
    ----------
    prior
        From `priors`.
    log_likelihood : callable
        u (N, d′) → log p(x|θ(u)) (N,), nats, up to a constant.
    log_likelihood_and_grad : callable, optional
        u (N, d′) → the same, and its gradient with respect to u (N, d′): what `hmc` needs.
    """
    prior: object
    log_likelihood: Callable
    log_likelihood_and_grad: Callable | None = None

    def log_prob(self, u):
        """log p(u|x) up to a constant, (N,)."""
        log_likelihood = checks.as_array("log_likelihood(u)", self.log_likelihood(u), (len(u),))
        return np.where(within_reach(u), log_likelihood + self.prior.unconstrained_log_prob(u), -np.inf)  # (2)

    def log_prob_and_grad(self, u):
        """log p(u|x) up to a constant, (N,), and its gradient (N, d′)."""
        if self.log_likelihood_and_grad is None:
            raise ValueError("target: expected a log_likelihood_and_grad, which a sampler with gradients needs, got None")
        log_likelihood, slope = self.log_likelihood_and_grad(u)
        log_likelihood = checks.as_array("log_likelihood(u)", log_likelihood, (len(u),))
        slope = checks.as_array("gradient of log_likelihood(u)", slope, u.shape)
        log_prior, prior_slope = self.prior.unconstrained_log_prob_and_grad(u)
        inside = within_reach(u)
        return np.where(inside, log_likelihood + log_prior, -np.inf), np.where(inside[:, None], slope + prior_slope, 0.0)


def within_reach(u):
    """Whether each row of u stays within FARTHEST, (N,) bool."""
    return np.all(np.abs(u) <= FARTHEST, axis=1)


class Draws(NamedTuple):
    """Posterior draws, and what is known of how they came about.

    Attributes
    ----------
    theta : (n, P) float
        Strictly inside the prior.
    log_prob : (n,) float
        log p(x|θ) + log p(θ), nats: the posterior's, up to the evidence and the likelihood's own constant.
    r_hat : (d′,) float
        Of the unconstrained parameters, over all kept iterations; NaN for a sampler whose draws are independent.
    ess : (d′,) float
        Effective sample size of all kept iterations, of which theta is a selection.
    log_evidence, log_evidence_error : float
        log p(x) and its standard error, nats; NaN for a sampler that does not know it.
    chains : Chains
        Every kept iteration, unconstrained, with divergences and acceptance.
    """
    theta: np.ndarray
    log_prob: np.ndarray
    r_hat: np.ndarray
    ess: np.ndarray
    log_evidence: float
    log_evidence_error: float
    chains: Chains


def sample(rng, target, n, *, sampler=slice_sampler, n_chains=50, n_warmup=200, thin=10, n_least=200, start=None, n_candidates=10_000,
           progress=False):
    """n draws from the target.

    Parameters
    ----------
    rng : Generator
    target : Target
    n : int
    sampler : module
        `slice_sampler`, `hmc`, `emcee_sampler` or `nested_sampler`.
    n_chains, n_warmup : int
        Chains side by side, and iterations of each that are dropped.
    thin : int
        Draws of one chain are at least so many iterations apart.
    n_least : int
        Each chain runs at least so many iterations after its warm-up, and its draws are spread over them: of fewer R̂ can say little.
    start : (C, P) float, optional
        Where the chains start, θ inside the prior; it decides their number. By default (3).
    n_candidates : int
        N of (3).
    progress : bool
        Show a progress bar (tqdm).

    Raises
    ------
    ValueError
        If start lies outside the prior or the support, fewer than n_chains of the candidates have a likelihood, or a setting is out
        of range.
    NonFiniteTargetError
        If the target is NaN or +inf somewhere; its `theta` holds the draws kept before, (k, P), None if there are none.

    Warns
    -----
    UserWarning
        If the chains have not mixed, with the largest R̂; if trajectories diverged; if the run was interrupted (Ctrl-C), which returns
        what was drawn until then, fewer than n draws perhaps.
    """
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
    return Draws(theta, log_prob[:n] - log_det, r_hat, ess, chains.log_evidence, chains.log_evidence_error, chains)


def resampled(rng, target, n_chains, n_candidates):
    """(3): n_chains prior draws, likelier ones preferred, as u (C, d′)."""
    u, _ = target.prior.to_unconstrained(target.prior.sample(rng, n_candidates))
    log_likelihood = checks.as_array("log_likelihood(u)", target.log_likelihood(u), (n_candidates,))
    bad = ~(log_likelihood < np.inf)
    if bad.any():
        raise ValueError(f"target: expected log-likelihoods that are finite or −inf, got NaN or +inf at {int(bad.sum())} of "
                         f"{n_candidates} prior draws")
    possible = int(np.isfinite(log_likelihood).sum())
    if possible < n_chains:
        raise ValueError(f"n_candidates: expected at least {n_chains} prior draws with a likelihood, one for each chain, got {possible} "
                         f"of {n_candidates}")
    with np.errstate(divide="ignore"):
        keys = log_likelihood - np.log(-np.log(rng.random(n_candidates)))                             # (3)
    return u[np.argsort(-keys)[:n_chains]]


def selected(chains, each):
    """`each` draws of every chain, as far apart as its length allows, iteration by iteration: u (C · each, d′), log_prob."""
    each, length = min(each, chains.u.shape[1]), chains.u.shape[1]
    step = length // each
    rows = slice(step - 1, step * each, step)
    return chains.u[:, rows].swapaxes(0, 1).reshape(-1, chains.u.shape[2]), chains.log_prob[:, rows].T.reshape(-1)


def diagnosed(chains, name):
    """R̂ and the effective sample size, (d′,) each, with the warnings that they call for."""
    dim = chains.u.shape[2]
    if not np.isnan(chains.ess):
        return np.full(dim, np.nan), np.full(dim, chains.ess)
    if chains.n_divergent:
        warnings.warn(f"{name}: {chains.n_divergent} of {chains.log_prob.size} trajectories diverged; part of the posterior may be "
                      "missing; parametrise it anew, or use slice_sampler", stacklevel=3)
    if chains.u.shape[1] < 4:
        warnings.warn(f"{name}: {chains.u.shape[1]} iterations are too few to tell whether the chains have mixed", stacklevel=3)
        return np.full(dim, np.nan), np.full(dim, np.nan)
    r_hat, ess = convergence.r_hat(chains.u), convergence.effective_sample_size(chains.u)
    if not np.all(r_hat <= R_HAT_LIMIT):                                                              # (4); NaN too
        worst = int(np.argmax(np.where(np.isnan(r_hat), np.inf, r_hat)))
        warnings.warn(f"{name}: the chains have not mixed: R-hat = {r_hat[worst]:.5g} in unconstrained parameter {worst}, expected at most "
                      f"{R_HAT_LIMIT}; raise thin or n_warmup, or use another sampler", stacklevel=3)
    return r_hat, ess
