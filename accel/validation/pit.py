"""Probability integral transform: whether the truths fall where the posteriors say that they do.

The mathematics is in `reference.validation.pit`. Same values; what differs is how often the samples are read and where:

    (1)  one parameter at a time, along the long axis of samples, in blocks that stay in cache, into one reused mask; the
         (M, L, D) arrays of comparisons never exist
    (3)  every value is binned once on the grid, all parameters in one count, and the counts are accumulated: M·D·log K steps
         where the literal form takes M·D·K
    (6)  the three-term recurrence (j+1) Pⱼ₊₁(t) = (2j+1) t Pⱼ(t) − j Pⱼ₋₁(t) walks in two arrays and keeps only the sums

Statistics are accumulated in float64 on the device, and one number for each parameter comes back for its p-value.
"""
import math
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.device import array_module, put, to_host

__all__ = ["Band", "Signature", "values", "curve", "band", "ks_p_values", "neyman_p_values", "signatures"]

LEAST_FOR_CHI_SQUARE = 20
BLOCK = 1 << 16


class Band(NamedTuple):
    """Limits of a curve over a grid, (K,) each."""
    lower: np.ndarray
    upper: np.ndarray


class Signature(NamedTuple):
    """What (8) reads off one parameter: "calibrated", "biased", "over-dispersed" or "under-dispersed", and z₁ and z₂."""
    name: str
    bias: float
    spread: float


def values(rng, samples, truths):
    """The transform of each truth, (M, D), uniform on [0, 1] for an exact posterior."""
    samples, truths = check_samples(samples, truths)
    below, equal = count_below(samples, truths)
    return randomised(rng, below, equal, samples)


def randomised(rng, counts, ties, samples):
    """(counts + u (ties + 1)) / (L + 1), (2), on the device and in the dtype of samples (M, L, …)."""
    xp, dtype = array_module(samples), samples.dtype
    u = put(rng.random(counts.shape), xp, dtype)
    u = u * (ties + 1).astype(dtype)
    u += counts.astype(dtype)
    u /= samples.shape[1] + 1
    return u


def count_below(samples, truths):
    """How many samples lie below the truth, and how many are equal to it, (M, D) each."""
    xp, (m, n_samples, dim) = array_module(samples), samples.shape
    rows = min(m, max(1, BLOCK // n_samples)) if xp is np else m
    below, equal, mask = xp.empty((m, dim), np.int64), xp.empty((m, dim), np.int64), xp.empty((rows, n_samples), bool)
    for start in range(0, m, rows):
        block = slice(start, start + rows)
        for d in range(dim):
            theta, truth = samples[block, :, d], truths[block, d, None]
            hits = mask[:len(theta)]
            below[block, d] = xp.count_nonzero(xp.less(theta, truth, out=hits), axis=1)
            equal[block, d] = xp.count_nonzero(xp.equal(theta, truth, out=hits), axis=1)
    return below, equal


def curve(values, grid):
    """The fraction of values up to each point of the grid, (K, D)."""
    values, grid = check_values(values), check_grid(grid)
    xp, (n, dim), k = array_module(values), values.shape, len(grid)
    first = xp.searchsorted(put(grid, xp, values.dtype), values)       # of the grid's points, the first one not below the value
    first += xp.arange(dim) * (k + 1)
    counts = xp.bincount(first.ravel(), minlength=dim * (k + 1)).reshape(dim, k + 1)[:, :k]
    return (counts.cumsum(axis=1) / n).astype(values.dtype).T


def band(n, grid, *, level=0.95):
    """Where the whole curve of n values stays with probability `level`, if they are uniform."""
    from scipy.stats import kstwo
    checks.check_count("n", n)
    check_level("level", level)
    host, d = check_grid(grid), kstwo.ppf(level, n)
    return Band(*(put(limit, array_module(grid), host.dtype) for limit in (np.maximum(host - d, 0), np.minimum(host + d, 1))))


def ks_p_values(values):
    """The two-sided Kolmogorov–Smirnov p-value of each parameter, a list of D floats."""
    from scipy.stats import kstwo
    values = check_values(values)
    xp, n = array_module(values), len(values)
    v = xp.sort(xp.ascontiguousarray(values.T, dtype=np.float64), axis=1)
    steps = xp.arange(n + 1, dtype=np.float64) / n
    above = (steps[1:] - v).max(axis=1)
    v -= steps[:-1]
    return [float(kstwo.sf(d, n)) for d in to_host(xp.maximum(above, v.max(axis=1)))]


def neyman_p_values(values, *, order=4):
    """The p-value of Neyman's smooth test for each parameter, a list of D floats."""
    from scipy.special import chdtrc
    checks.check_count("order", order)
    z = components(check_values(values, least=LEAST_FOR_CHI_SQUARE), order)
    return [float(chdtrc(order, statistic)) for statistic in to_host((z * z).sum(axis=0))]


def components(values, order):
    """z₁ … zₖ of each parameter, (k, D)."""
    xp, n = array_module(values), len(values)
    t = 2 * values.astype(np.float64) - 1
    previous, current, sums = xp.ones_like(t), t.copy(), []
    for j in range(1, order + 1):
        sums.append(current.sum(axis=0) * math.sqrt((2 * j + 1) / n))
        previous *= -j
        previous += (2 * j + 1) * t * current
        previous /= j + 1
        previous, current = current, previous
    return xp.stack(sums)


def signatures(values, *, level=0.95):
    """Which of the four signatures each parameter shows, a list of D `Signature`."""
    from scipy.special import ndtri
    check_level("level", level)
    z = to_host(components(check_values(values, least=LEAST_FOR_CHI_SQUARE), 2))
    c = ndtri(1 - (1 - level) / 4)
    return [Signature(_name(bias, spread, c), float(bias), float(spread)) for bias, spread in z.T]


def _name(bias, spread, c):
    if abs(bias) > c:
        return "biased"
    if abs(spread) > c:
        return "under-dispersed" if spread > 0 else "over-dispersed"
    return "calibrated"


def check_samples(samples, truths):
    """Samples (M, L, D) and truths (M, D) that fit each other, or ValueError."""
    samples, truths = checks.as_array("samples", samples, ("M", "L", "D")), checks.as_array("truths", truths)
    m, n_samples, dim = samples.shape
    checks.check_shape("truths", truths, (m, dim))
    for name, count in (("observations", m), ("samples of each observation", n_samples), ("parameters", dim)):
        checks.check_count(f"samples: number of {name}", count)
    checks.check_finite("samples", samples)
    checks.check_finite("truths", truths)
    return samples, truths


def check_values(values, *, name="values", least=1):
    """Values (M, D) within [0, 1], at least so many, or ValueError."""
    values = checks.as_array(name, values, ("M", "D"))
    checks.check_count(f"{name}: number of rows", len(values), least=least)
    checks.check_count(f"{name}: number of columns", values.shape[1])
    checks.check_finite(name, values)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise ValueError(f"{name}: expected numbers within [0, 1], got some from {low:g} to {high:g}")
    return values


def check_grid(grid):
    """An ascending grid (K,) within [0, 1], on the host, or ValueError."""
    grid = to_host(checks.as_array("grid", grid, ("K",)))
    if not len(grid):
        raise ValueError("grid: expected ascending numbers within [0, 1], got none")
    if not (grid[0] >= 0 and grid[-1] <= 1 and np.all(np.diff(grid) >= 0)):
        raise ValueError(f"grid: expected ascending numbers within [0, 1], got {len(grid)} of them from {grid[0]:g} to {grid[-1]:g}")
    return grid


def check_level(name, value):
    """Raise ValueError unless value is a probability strictly between 0 and 1."""
    if checks.check_positive(name, value) >= 1:
        raise ValueError(f"{name}: expected a probability between 0 and 1, got {value!r}")
