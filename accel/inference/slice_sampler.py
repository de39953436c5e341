"""Slice sampling: one parameter after the other, all chains side by side, without step size and gradient.

The mathematics is in `reference.inference.slice_sampler`. Same draws; the chains and both ends of their
intervals are kept in work arrays of which each update touches one column. A batch holds only the ends that
still grow, or the chains that have not accepted: in all about two rows for each end and chain, where the
reference evaluates every row until the last is done. On a device everything stays there; for each batch the
host fetches how many rows go on, and whether their densities are finite.

Example

    >>> import numpy as np
    >>> from accel import priors
    >>> from accel.inference import slice_sampler, target
    >>> standard_normal = target.Target(priors.Normal(0.0, 1.0), lambda u: 0 * u[:, 0])
    >>> rng, start = np.random.default_rng(0), np.zeros((50, 1))
    >>> chains = slice_sampler.sample(rng, standard_normal, start, n_samples=100, n_warmup=50)
    >>> np.allclose((chains.u.mean(), chains.u.std()), (0.0, 1.0), atol=0.1)
    True
"""
import itertools
from collections.abc import Iterator

from accel.runtime import checks
from accel.runtime.protocols import Array, Rng, Target
from accel.device import array_module, like
from accel.inference import chains, target_checks
from accel.inference.chains import State

__all__ = ["sample"]

MAX_STEPS, MAX_SHRINKS = 10, 200


def sample(rng: Rng, target: Target, start: Array, *, n_samples: int, n_warmup: int = 200, width: float = 1.0,
           progress: bool = False) -> chains.Chains:
    """Run the chains.

    Parameters
    ----------
    rng : Generator
    target : Target
        Has `log_prob(u)` → (N,) for u (N, d′), as `target.Target`.
    start : (C, d′) float
        Where the chains start, unconstrained, inside the target's support.
    n_samples, n_warmup : int
        Iterations to keep, and to drop before; an iteration updates every parameter once. The widths are
        tuned in those that are dropped.
    width : float
        w at the start, for every parameter.
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
    start, width = target_checks.check_start(start), checks.check_positive("width", width)
    return chains.collect("slice_sampler", states(rng, target, start, n_warmup, width), n_samples=n_samples,
                          n_warmup=n_warmup, progress=progress)


def states(rng: Rng, target: Target, start: Array, n_warmup: int, width: float) -> Iterator[State]:
    """The states of the chains, sweep by sweep; u and log_prob are updated in place."""
    log_prob = target.log_prob(start).copy()
    target_checks.check_supported(log_prob)
    xp, u = array_module(log_prob), like(log_prob, start).copy()
    ends, widths = xp.concatenate((u, u)), xp.full(u.shape[1], width, dtype=u.dtype)
    for sweep in itertools.count(1):
        draws = like(u, rng.random((u.shape[1], 3, len(u))))
        for i in range(u.shape[1]):
            width = widths[i:i + 1]
            level = xp.log1p(-draws[i, 0])
            level += log_prob                                                                          # (1)
            low, high = step_out(target, ends, i, level, width, draws[i, 1], draws[i, 2])
            shrink(rng, target, u, i, level, log_prob, low, high)
            if sweep <= n_warmup:
                high -= low
                width += (high.mean() - width) / sweep                                                 # (5)
            low[...], high[...] = u[:, i], u[:, i]
        yield State(u, log_prob)


def step_out(target: Target, ends: Array, i: int, level: Array, width: Array, place: Array,
             share: Array) -> tuple[Array, Array]:
    """L and R of (3), (C,) each: views of the ends, whose column i holds uᵢ twice at first."""
    xp, n = array_module(level), len(level)
    ends[:n, i] -= place * width
    ends[n:, i] = ends[:n, i] + width                                                                  # (2)
    steps, levels = xp.repeat(width, 2 * n), xp.concatenate((level, level))
    budget = xp.empty(2 * n, dtype=level.dtype)
    xp.negative(steps[:n], out=steps[:n])
    budget[:n] = xp.floor(share * MAX_STEPS)
    budget[n:] = MAX_STEPS - 1 - budget[:n]
    rows = xp.arange(2 * n)
    while rows.size:
        log_prob = target.log_prob(ends[rows])
        target_checks.check_finite_log_prob(log_prob, rows, n)
        rows = rows[xp.logical_and(log_prob > levels[rows], budget[rows] > 0)]                      # (3)
        ends[rows, i] = ends[rows, i] + steps[rows]
        budget[rows] = budget[rows] - 1
    return ends[:n, i], ends[n:, i]


def shrink(rng: Rng, target: Target, u: Array, i: int, level: Array, log_prob: Array, low: Array,
           high: Array) -> None:
    """(4), in place: u and log_prob move to what was accepted, low and high to the interval at acceptance."""
    xp, place, rows = array_module(u), u[:, i].copy(), array_module(u).arange(len(u))
    for _ in range(MAX_SHRINKS):
        draw, left, right = like(u, rng.random(len(u)))[rows], low[rows], high[rows]
        candidate = right - left
        candidate *= draw
        candidate += left                                                                              # (4)
        u[rows, i] = candidate
        reached = target.log_prob(u[rows])
        target_checks.check_finite_log_prob(reached, rows, len(u))
        accepted = reached > level[rows]
        log_prob[rows] = xp.where(accepted, reached, log_prob[rows])
        rejected = xp.logical_not(accepted)
        rows, candidate = rows[rejected], candidate[rejected]
        if not rows.size:
            return
        below = candidate < place[rows]
        low[rows] = xp.where(below, candidate, low[rows])
        high[rows] = xp.where(below, high[rows], candidate)
    u[rows, i] = place[rows]
