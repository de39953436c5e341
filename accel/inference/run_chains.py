"""Run Markov chains and check them: posterior draws for a likelihood that can be evaluated, by any sampler.

The rules are in `reference.inference.run_chains`. Same draws; the chains live where the likelihood's values
live, in their dtype, wherever the starts were drawn. R̂ and a few counts are fetched at the end.

Example

    >>> import numpy as np
    >>> from accel import priors
    >>> from accel.inference import run_chains
    >>> target = run_chains.Target(priors.Normal(0.0, 1.0), lambda u: -0.5 * (u[:, 0] - 1.0)**2)
    >>> draws = run_chains.sample(np.random.default_rng(0), target, 1000)
    >>> np.allclose((draws.theta.mean(), draws.theta.var(), draws.r_hat[0]), (0.5, 0.5, 1.0), atol=0.1)
    True
"""
import warnings
from typing import NamedTuple

import numpy as np

from accel import priors
from accel.runtime import checks
from accel.runtime.protocols import Array, Rng
from accel.device import array_module, to_host
from accel.inference import nested_sampler, slice_sampler, starts
from accel.inference.chains import Chains, NonFiniteTargetError, Sampler
from accel.inference.target import Target
from accel.validation import convergence

__all__ = ["Target", "Draws", "sample", "R_HAT_LIMIT"]

R_HAT_LIMIT = 1.01


class Draws(NamedTuple):
    """Posterior draws and their diagnostics.

    Attributes
    ----------
    theta : (n, P) float
        Strictly inside the prior.
    log_prob : (n,) float
        log p(x|θ) + log p(θ), nats: the log-posterior up to the evidence and the likelihood's own constant.
    r_hat : (d′,) float
        Of the unconstrained parameters, over all kept iterations; NaN where the draws are independent.
    ess : (d′,) float
        Effective sample size of all kept iterations, of which theta is a selection.
    log_evidence, log_evidence_error : float
        log p(x) and its standard error, nats; NaN unless the sampler estimates it.
    chains : Chains or None
        Every kept iteration, unconstrained, with divergences and acceptance; None where no chain was run.
    """
    theta: Array
    log_prob: Array
    r_hat: Array
    ess: Array
    log_evidence: float
    log_evidence_error: float
    chains: Chains | None


def sample(rng: Rng, target: Target, n: int, *, sampler: Sampler = slice_sampler, n_chains: int = 50,
           n_warmup: int = 200, thin: int = 10, n_least: int = 200, start: Array | None = None,
           n_candidates: int = 10_000, progress: bool = False) -> Draws:
    """n draws from the target.

    Parameters
    ----------
    rng : Generator
    target : Target
    n : int
    sampler : module
        `slice_sampler`, `hmc`, `metropolis` or `emcee_sampler`, see `chains.Sampler`. `nested_sampler` runs
        no chains: no setting below but progress applies, and a start is refused.
    n_chains, n_warmup : int
        Chains side by side, and iterations of each that are dropped.
    thin : int
        Minimum distance between kept draws of one chain, in iterations.
    n_least : int
        Minimum number of iterations of each chain after its warm-up. The draws are spread over them; R̂ of a
        shorter chain says little.
    start : (C, P) float, optional
        Where the chains start, θ inside the prior; C replaces n_chains. By default `starts.draw` chooses.
    n_candidates : int
        See `starts.draw`.
    progress : bool
        Show a progress bar (tqdm).

    Returns
    -------
    Draws

    Raises
    ------
    ValueError
        If start lies outside the prior or the support, fewer than n_chains of the candidates have a
        likelihood, or a setting is out of range.
    NonFiniteTargetError
        If the target is NaN or +inf at some point; its `theta` holds the draws kept before, (k, P), None if
        there are none.

    Warns
    -----
    UserWarning
        If the chains have not mixed, with the largest R̂; if trajectories diverged; if the run was
        interrupted (Ctrl-C), which returns the draws made until then, possibly fewer than n.
    """
    n, thin = checks.check_count("n", n), checks.check_count("thin", thin)
    n_least = checks.check_count("n_least", n_least)
    if sampler is nested_sampler:
        return without_chains(rng, target, n, start, progress)
    if start is None:
        u = starts.draw(rng, target, n_chains, n_candidates=n_candidates)
    else:
        start = checks.as_array("start", start, ("C", target.prior.dim))
        priors.check_inside("start", target.prior, start)
        u, _ = target.prior.to_unconstrained(start)
    each = -(-n // len(u))
    try:
        chains = sampler.sample(rng, target, u, n_samples=max(thin * each, n_least), n_warmup=n_warmup,
                                progress=progress)
    except NonFiniteTargetError as error:
        if error.chains is not None:
            kept = error.chains.u
            error.theta, _ = target.prior.to_constrained(kept.reshape(-1, kept.shape[-1]))
        raise
    u, log_prob = selected(chains, each)
    theta, log_det = target.prior.to_constrained(u[:n])
    r_hat, ess = diagnosed(chains, sampler.__name__.rpartition(".")[2])
    return Draws(theta, log_prob[:n] - log_det, r_hat, ess, np.nan, np.nan, chains)


def without_chains(rng: Rng, target: Target, n: int, start: Array | None, progress: bool) -> Draws:
    """n independent draws by nested sampling."""
    if start is not None:
        raise ValueError("start: expected none, since nested_sampler starts from the whole prior, got one")
    found, dim = nested_sampler.sample(rng, target, n, progress=progress), target.prior.unconstrained_dim
    xp, dtype = array_module(found.theta), found.theta.dtype
    return Draws(found.theta, found.log_prob, xp.full(dim, np.nan, dtype), xp.full(dim, found.ess, dtype),
                 found.log_evidence, found.log_evidence_error, None)


def selected(chains: Chains, each: int) -> tuple[Array, Array]:
    """`each` draws of every chain, spread over its length, in their order: u (C · each, d′), log_prob."""
    each, length = min(each, chains.u.shape[1]), chains.u.shape[1]
    step, dim = length // each, chains.u.shape[2]
    rows = slice(step - 1, step * each, step)
    return chains.u[:, rows].transpose(1, 0, 2).reshape(-1, dim), chains.log_prob[:, rows].T.reshape(-1)


def diagnosed(chains: Chains, name: str) -> tuple[Array, Array]:
    """R̂ and the effective sample size, (d′,) each, with the warnings that they call for."""
    n, dim = chains.u.shape[1:]
    if chains.n_divergent:
        warnings.warn(f"{name}: {chains.n_divergent} of {chains.log_prob.size} trajectories diverged; part "
                      "of the posterior may be missing; reparametrise it, or use slice_sampler", stacklevel=3)
    if n < 4:
        warnings.warn(f"{name}: {n} iterations are too few to tell whether the chains have mixed",
                      stacklevel=3)
        xp, dtype = array_module(chains.u), chains.u.dtype
        return xp.full(dim, np.nan, dtype), xp.full(dim, np.nan, dtype)
    r_hat, ess = convergence.r_hat(chains.u), convergence.effective_sample_size(chains.u)
    known = to_host(r_hat)
    if not np.all(known <= R_HAT_LIMIT):                                                       # (1); NaN too
        worst = int(np.argmax(np.where(np.isnan(known), np.inf, known)))
        warnings.warn(f"{name}: the chains have not mixed: R-hat = {known[worst]:.5g} in unconstrained "
                      f"parameter {worst}, expected at most {R_HAT_LIMIT}; raise thin or n_warmup, or use "
                      "another sampler", stacklevel=3)
    return r_hat, ess
