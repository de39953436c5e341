"""Starts of Markov chains near the posterior: prior draws, chosen by likelihood without replacement.

The mathematics is in `reference.inference.starts`. Same draws; the noise (2) is computed in place, and the
likelihood, the sum and its order stay where the likelihood's values live.

Example

    >>> import numpy as np
    >>> from accel import priors
    >>> from accel.inference import starts, target
    >>> narrow = target.Target(priors.Normal(0.0, 1.0), lambda u: -0.5 * ((u[:, 0] - 1.5) / 0.1)**2)
    >>> u = starts.draw(np.random.default_rng(0), narrow, 50)
    >>> u.shape, bool(abs(u - 1.5).max() < 0.5)
    ((50, 1), True)
"""
import numpy as np

from accel.runtime import checks
from accel.runtime.protocols import Array, Rng
from accel.device import array_module, like
from accel.inference.target import Target

__all__ = ["draw"]


def draw(rng: Rng, target: Target, n_chains: int, *, n_candidates: int = 10_000) -> Array:
    """Starts for n_chains chains, all different, u (C, d′).

    Parameters
    ----------
    rng : Generator
    target : Target
        Its prior and log_likelihood are used.
    n_chains : int
        C.
    n_candidates : int
        N.

    Raises
    ------
    ValueError
        If a log-likelihood is NaN or +inf, or fewer than n_chains of the candidates have one above −inf.
    """
    n_chains = checks.check_count("n_chains", n_chains)
    n_candidates = checks.check_count("n_candidates", n_candidates)
    u, _ = target.prior.to_unconstrained(target.prior.sample(rng, n_candidates))                       # (1)
    log_likelihood = checks.as_array("log_likelihood(u)", target.log_likelihood(u), (n_candidates,))
    xp = array_module(log_likelihood)
    bad, possible = int((~(log_likelihood < np.inf)).sum()), int(xp.isfinite(log_likelihood).sum())
    if bad:
        raise ValueError("target: expected log-likelihoods that are finite or −inf, got NaN or +inf at "
                         f"{bad} of {n_candidates} prior draws")
    if possible < n_chains:
        raise ValueError(f"n_candidates: expected at least {n_chains} prior draws with a likelihood, one for "
                         f"each chain, got {possible} of {n_candidates}")
    keys = like(log_likelihood, rng.random(n_candidates))
    with np.errstate(divide="ignore"):
        for _ in range(2):
            xp.negative(xp.log(keys, out=keys), out=keys)                                              # (2)
    keys += log_likelihood                                                                             # (3)
    return like(keys, u)[xp.argsort(xp.negative(keys, out=keys))[:n_chains]]
