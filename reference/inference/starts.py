"""Starts of Markov chains near the posterior: prior draws, chosen by likelihood without replacement.

    (1)  θⱼ ~ p(θ),  j = 1 … N                             candidates
    (2)  Gⱼ = −log(−log Vⱼ),   Vⱼ ~ U(0, 1)                Gumbel noise
    (3)  the C candidates with the largest  log p(x|θⱼ) + Gⱼ

(3) draws without replacement: the first candidate with probability ∝ p(x|θⱼ), the next with the same weights
among the rest, and so on (the Gumbel-top-k trick). For N ≫ C the starts follow the posterior roughly, and all
differ.

Shapes        N candidates, C chains, d′ unconstrained parameters; u (C, d′).
Conventions   nats.
Source        "Stochastic beams and where to find them: the Gumbel-top-k trick", Kool, van Hoof and Welling,
              2019, for the resampling of "The calculation of posterior distributions by data augmentation:
              comment", Rubin, 1987.

Example

    >>> import numpy as np
    >>> from reference import priors
    >>> from reference.inference import starts, target
    >>> narrow = target.Target(priors.Normal(0.0, 1.0), lambda u: -0.5 * ((u[:, 0] - 1.5) / 0.1)**2)
    >>> u = starts.draw(np.random.default_rng(0), narrow, 50)
    >>> u.shape, bool(abs(u - 1.5).max() < 0.5)
    ((50, 1), True)
"""
import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array, Rng
from reference.inference.target import Target

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
    bad, possible = int((~(log_likelihood < np.inf)).sum()), int(np.isfinite(log_likelihood).sum())
    if bad:
        raise ValueError("target: expected log-likelihoods that are finite or −inf, got NaN or +inf at "
                         f"{bad} of {n_candidates} prior draws")
    if possible < n_chains:
        raise ValueError(f"n_candidates: expected at least {n_chains} prior draws with a likelihood, one for "
                         f"each chain, got {possible} of {n_candidates}")
    with np.errstate(divide="ignore"):
        keys = log_likelihood - np.log(-np.log(rng.random(n_candidates)))                          # (2), (3)
    return u[np.argsort(-keys)[:n_chains]]
