"""Rejection ABC: keep the parameters whose simulations come close to the observation; no likelihood is ever called.

The mathematics is in `reference.inference.rejection_abc`. Same draws kept; a chunk lives where rng's numbers are born, distances
are one pass without a temporary beyond the difference, and for a quantile only what beats the worst row kept so far is sorted in,
so that after the first chunks almost nothing is. On a device the counts are fetched once a chunk, with the rows that are kept.

Where rng counts (`device.generator` on a GPU) and simulate carries device code (`device.kernel_code`), kernels draw, simulate and
select many chunks at once, and only what is kept is ever written: the same numbers in the same order. Device code raises nothing:
a simulation that fails is NaN there, and counted.
"""
import math
import warnings
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.runtime.progress import progress_bar
from accel.runtime.simulation import SimulationError
from accel.device import array_module, put
from accel.kernels.rejection_abc import launch as abc_kernel

__all__ = ["Accepted", "euclidean", "sample"]


class Accepted(NamedTuple):
    """What was kept, on the device of the simulations."""
    theta: np.ndarray
    x: np.ndarray
    distance: np.ndarray
    epsilon: float
    n_simulations: int


def euclidean(x, observation):
    """(5) for every row of x, (N,)."""
    difference, xp = x - observation, array_module(x)
    squared = xp.einsum("ij,ij->i", difference, difference)
    return xp.sqrt(squared, out=squared)


def sample(rng, prior, simulate, observation, *, n_simulations, epsilon=None, quantile=None, distance=euclidean, chunk_size=100_000,
           progress=False):
    """Simulate from the prior and keep what is near."""
    observation = checks.as_array("observation", observation, ("D",))
    checks.check_finite("observation", observation)
    n_simulations, chunk_size = checks.check_count("n_simulations", n_simulations), checks.check_count("chunk_size", chunk_size)
    epsilon, quantile = check_choice(epsilon, quantile)
    kept, n_done, n_failed, smallest = Kept(n_simulations), 0, 0, np.inf
    bar = progress_bar(progress, n_simulations, unit="sim", abbreviate=True)
    n_kept = None if quantile is None else fraction(quantile, n_simulations)
    try:
        fused = abc_kernel.fused(rng, prior, simulate, observation, distance is euclidean, chunk_size)
        while n_done < n_simulations:
            bound = epsilon if quantile is None else kept.columns[2].max() if kept.n >= n_kept else np.inf
            if fused is not None:
                n = fused.size(n_simulations - n_done, n_done, n_kept)
                near, n_bad, least = fused(n, bound)
            else:
                n = min(chunk_size, n_simulations - n_done)
                near, n_bad, least = chunk(rng, prior, simulate, observation, distance, n, bound)
            if quantile is None:
                kept.add(near, n_done + n)
            else:
                kept.replace(nearest(stack([*kept.chunks(), near]), n_kept))
            n_done, n_failed, smallest = n_done + n, n_failed + n_bad, min(smallest, least)
            bar.update(n)
    except KeyboardInterrupt:
        if not kept.n:
            raise
        warnings.warn(f"rejection ABC was interrupted; what {n_done} of {n_simulations} simulations gave is returned", stacklevel=2)
    except Exception as error:
        raise SimulationError(f"simulate: failed after {n_done} of {n_simulations} simulations with {type(error).__name__}: {error} "
                              "(.theta and .x hold what was kept)", *(kept.chunks()[0][:2] if kept.columns else (None, None))) from error
    finally:
        bar.close()
    theta, x, rho = kept.chunks()[0] if quantile is None else nearest(kept.chunks()[0], fraction(quantile, n_done))
    if n_failed:
        raise SimulationError(f"simulate: {n_failed} of {n_done} simulations or their distances are NaN or inf (.theta and .x hold what "
                              "was kept of the others)", theta, x)
    if not len(theta):
        raise ValueError(f"epsilon: expected a tolerance that keeps something, got {epsilon:g}; the nearest of {n_done} simulations is "
                         f"at {smallest:.6g}")
    return Accepted(theta, x, rho, float(rho.max()) if epsilon is None else epsilon, n_done)


def chunk(rng, prior, simulate, observation, distance, n, bound):
    """n simulations: the rows that are nearer than the bound, how many failed, and the least distance."""
    theta = prior.sample(rng, n)
    x = checks.as_array("x", simulate(rng, theta), (n, len(observation)))
    xp = array_module(x)
    rho = checks.as_array("distance", distance(x, put(observation, xp, x.dtype)), (n,))
    finite = xp.logical_and(xp.isfinite(rho), xp.isfinite(x).all(axis=1))
    n_bad = n - int(xp.count_nonzero(finite))
    if n_bad:
        rho = xp.where(finite, rho, xp.asarray(np.inf, dtype=rho.dtype))
    return rows((theta, x, rho), rho < bound), n_bad, float(rho.min())


def check_choice(epsilon, quantile):
    """The tolerance and the fraction, of which exactly one is a number."""
    if (epsilon is None) == (quantile is None):
        raise ValueError(f"epsilon, quantile: expected one of the two, got {'both' if quantile is not None else 'neither'}")
    if quantile is None:
        return checks.check_positive("epsilon", epsilon), None
    if not checks.check_positive("quantile", quantile) <= 1:
        raise ValueError(f"quantile: expected a fraction in (0, 1], got {quantile!r}")
    return None, float(quantile)


def fraction(quantile, n):
    """How many of n a quantile keeps: at least one."""
    return max(1, round(quantile * n))


def rows(arrays, mask):
    """The rows that the mask marks: their numbers are counted once, where a mask would be walked through for each array."""
    xp = array_module(mask)
    index = xp.flatnonzero(mask)
    return tuple(xp.take(a, index, axis=0) for a in arrays)


def stack(chunks):
    """Chunks as one, column by column; a single one as it is."""
    return tuple(array_module(*column).concatenate(column) for column in zip(*chunks)) if len(chunks) > 1 else chunks[0]


class Kept:
    """What was kept so far, (θ, x, ρ), in arrays as long as its share of the simulations leads one to expect at their end: memory
    holds it once, and not once more while chunks are joined."""

    def __init__(self, n_simulations):
        self.n_simulations, self.columns, self.n = n_simulations, None, 0

    def chunks(self):
        """All of it as a list of one chunk, or an empty list."""
        return [] if self.columns is None else [tuple(column[:self.n] for column in self.columns)]

    def add(self, chunk, n_done):
        """Append the rows of a chunk after which n_done simulations are done."""
        end = self.n + len(chunk[0])
        if self.columns is None or end > len(self.columns[0]):
            size = min(math.ceil((end + 4 * math.sqrt(end)) / n_done * self.n_simulations), end + self.n_simulations - n_done)
            longer = [array_module(column).empty((size, *column.shape[1:]), column.dtype) for column in chunk]
            for column, old in zip(longer, self.columns or ()):
                column[:self.n] = old[:self.n]
            self.columns = longer
        for column, new in zip(self.columns, chunk):
            column[self.n:end] = new
        self.n = end

    def replace(self, columns):
        self.columns, self.n = columns, len(columns[0])


def nearest(arrays, n):
    """The n rows of smallest distance, the last of the arrays, in their order; of equal distances the earlier."""
    rho = arrays[-1]
    if len(rho) <= n:
        return arrays
    xp = array_module(rho)
    threshold = xp.partition(rho, n - 1)[n - 1]
    inside, tied = rho < threshold, rho == threshold
    earlier = xp.cumsum(tied) <= n - inside.sum()
    return rows(arrays, xp.logical_or(inside, xp.logical_and(tied, earlier)))
