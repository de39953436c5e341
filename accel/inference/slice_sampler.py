"""Slice sampling: one parameter after the other, all chains side by side, no step size to choose, no gradient needed.

The mathematics is in `reference.inference.slice_sampler`. Same draws; the chains and both ends of their intervals are kept in work
arrays of which each update touches one column, and a batch holds only the ends that still grow or the chains that have not accepted: in all
about two rows for each end and chain, where the reference evaluates every row until the last is done. On a device everything stays there;
a batch fetches how many rows go on, and whether its densities are finite.
"""
import itertools

from accel.runtime import checks
from accel.device import array_module, like
from accel.inference import chains
from accel.inference.chains import State

__all__ = ["sample"]

MAX_STEPS, MAX_SHRINKS = 10, 200


def sample(rng, target, start, *, n_samples, n_warmup=200, width=1.0, progress=False):
    """Run the chains, where the target's values live and in their dtype."""
    start, width = chains.check_start(start), checks.check_positive("width", width)
    return chains.collect("slice_sampler", walk(rng, target, start, n_warmup, width), n_samples=n_samples, n_warmup=n_warmup,
                          progress=progress)


def walk(rng, target, start, n_warmup, width):
    """The states of the chains, sweep by sweep; u and log_prob are updated in place."""
    log_prob = target.log_prob(start).copy()
    chains.check_supported(log_prob)
    xp, u = array_module(log_prob), like(log_prob, start).copy()
    ends, widths = xp.concatenate((u, u)), xp.full(u.shape[1], width, dtype=u.dtype)
    for sweep in itertools.count(1):
        draws = like(u, rng.random((u.shape[1], 3, len(u))))
        for i in range(u.shape[1]):
            width = widths[i:i + 1]
            level = xp.log1p(-draws[i, 0])
            level += log_prob
            low, high = step_out(target, ends, i, level, width, draws[i, 1], draws[i, 2])
            shrink(rng, target, u, i, level, log_prob, low, high)
            if sweep <= n_warmup:
                high -= low
                width += (high.mean() - width) / sweep
            low[...], high[...] = u[:, i], u[:, i]
        yield State(u, log_prob)


def step_out(target, ends, i, level, width, place, share):
    """L and R of (3), (C,) each: views of the ends, whose column i holds uᵢ twice at first."""
    xp, n = array_module(level), len(level)
    ends[:n, i] -= place * width
    ends[n:, i] = ends[:n, i] + width
    steps, levels, budget = xp.repeat(width, 2 * n), xp.concatenate((level, level)), xp.empty(2 * n, dtype=level.dtype)
    xp.negative(steps[:n], out=steps[:n])
    budget[:n] = xp.floor(share * MAX_STEPS)
    budget[n:] = MAX_STEPS - 1 - budget[:n]
    rows = xp.arange(2 * n)
    while rows.size:
        log_prob = target.log_prob(ends[rows])
        chains.check_finite_log_prob(log_prob, rows, n)
        rows = rows[xp.logical_and(log_prob > levels[rows], budget[rows] > 0)]
        ends[rows, i] = ends[rows, i] + steps[rows]
        budget[rows] = budget[rows] - 1
    return ends[:n, i], ends[n:, i]


def shrink(rng, target, u, i, level, log_prob, low, high):
    """(4), in place: u and log_prob move to what was accepted, low and high to what was left of the interval."""
    xp, place, rows = array_module(u), u[:, i].copy(), array_module(u).arange(len(u))
    for _ in range(MAX_SHRINKS):
        draw, left, right = like(u, rng.random(len(u)))[rows], low[rows], high[rows]
        candidate = right - left
        candidate *= draw
        candidate += left
        u[rows, i] = candidate
        reached = target.log_prob(u[rows])
        chains.check_finite_log_prob(reached, rows, len(u))
        accepted = reached > level[rows]
        log_prob[rows] = xp.where(accepted, reached, log_prob[rows])
        rejected = xp.logical_not(accepted)
        rows, candidate = rows[rejected], candidate[rejected]
        if not rows.size:
            return
        below = candidate < place[rows]
        low[rows], high[rows] = xp.where(below, candidate, low[rows]), xp.where(below, high[rows], candidate)
    u[rows, i] = place[rows]
