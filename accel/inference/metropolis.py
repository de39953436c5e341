"""Random-walk Metropolis: propose a step, accept it with a probability set by the ratio of two densities.

The mathematics is in `reference.inference.metropolis`. Same draws; u and its log-density are updated in
place, where the target's values live and in their dtype. On a device one number is fetched for each iteration
(whether the target was finite), and in the warm-up the mean acceptance, which the scale follows.

Example

    >>> import numpy as np
    >>> from accel import priors
    >>> from accel.inference import metropolis, target
    >>> standard_normal = target.Target(priors.Normal(0.0, 1.0), lambda u: 0 * u[:, 0])
    >>> rng, start = np.random.default_rng(0), np.zeros((100, 1))
    >>> chains = metropolis.sample(rng, standard_normal, start, n_samples=300)
    >>> np.allclose((chains.u.mean(), chains.u.std()), (0.0, 1.0), atol=0.1)
    True
"""
import itertools
import math
from collections.abc import Iterator

from accel.runtime import checks
from accel.runtime.protocols import Array, Rng, Target
from accel.device import array_module, like
from accel.inference import chains, target_checks
from accel.inference.chains import State

__all__ = ["sample"]


def sample(rng: Rng, target: Target, start: Array, *, n_samples: int, n_warmup: int = 500, scale: float = 1.0,
           target_acceptance: float = 0.234, progress: bool = False) -> chains.Chains:
    """Run the chains.

    Parameters
    ----------
    rng : Generator
    target : Target
        Has `log_prob(u)` → (N,) for u (N, d′), as `target.Target`.
    start : (C, d′) float
        Where the chains start, unconstrained, inside the target's support.
    n_samples, n_warmup : int
        Iterations to keep, and to drop before; the scale is tuned in those that are dropped.
    scale : float
        s at the start.
    target_acceptance : float
        α*, in (0, 1).
    progress : bool
        Show a progress bar (tqdm).

    Returns
    -------
    Chains

    Raises
    ------
    ValueError
        If start is no finite (C, d′) array or lies outside the support, or a setting is out of range.
    NonFiniteTargetError
        If the log-density is NaN or +inf at some point.
    """
    start, scale = target_checks.check_start(start), checks.check_positive("scale", scale)
    if not checks.check_positive("target_acceptance", target_acceptance) < 1:
        raise ValueError(f"target_acceptance: expected a number in (0, 1), got {target_acceptance!r}")
    return chains.collect("metropolis", states(rng, target, start, n_warmup, scale, target_acceptance),
                          n_samples=n_samples, n_warmup=n_warmup, progress=progress)


def states(rng: Rng, target: Target, start: Array, n_warmup: int, scale: float,
           target_acceptance: float) -> Iterator[State]:
    """The states of the chains, iteration by iteration; u and log_prob are updated in place."""
    log_prob = target.log_prob(start).copy()
    target_checks.check_supported(log_prob)
    u = like(log_prob, start).copy()
    for t in itertools.count(1):
        acceptance = step(rng, target, u, log_prob, scale)
        if t <= n_warmup:
            scale *= math.exp((float(acceptance.mean()) - target_acceptance) / math.sqrt(t))           # (4)
        yield State(u, log_prob, acceptance)


def step(rng: Rng, target: Target, u: Array, log_prob: Array, scale: float) -> Array:
    """One iteration, in place: u (C, d′) and its log-density (C,) are moved; α (C,) is returned."""
    xp, proposal = array_module(u), like(u, rng.standard_normal(u.shape))
    proposal *= scale
    proposal += u                                                                                      # (1)
    reached = target.log_prob(proposal)
    target_checks.check_finite_log_prob(reached)
    acceptance = reached - log_prob
    xp.exp(xp.minimum(acceptance, 0, out=acceptance), out=acceptance)                                  # (2)
    accepted = like(u, rng.random(len(u))) < acceptance                                                # (3)
    xp.copyto(u, proposal, where=accepted[:, None])
    xp.copyto(log_prob, reached, where=accepted)
    return acceptance
