"""Rejection ABC: keep the parameters whose simulations come close to the observation; it needs no likelihood.

The mathematics is in `reference.inference.rejection_abc`. Same draws kept; a chunk is on the device of the
generator, distances are one pass without a temporary beyond the difference, and for a quantile only rows
nearer than the worst one kept so far are sorted in: after the first chunks almost none. On a device the
counts are fetched once a chunk, with the rows that are kept.

With a counter-based generator (`device.generator` on a GPU) and a simulator that has device code
(`device.kernel_code`), kernels draw, simulate and select many chunks at once, and only what is kept is
written: the same numbers in the same order. Device code raises nothing: a simulation that fails is NaN there,
and counted.

Example
-------
>>> import numpy as np
>>> from accel.inference import rejection_abc
>>> from accel.simulators import power_law
>>> rng, observation = np.random.default_rng(0), np.array([31.6])
>>> kept = rejection_abc.sample(rng, power_law.prior, power_law.simulate, observation,
...                             n_simulations=20_000, quantile=0.01)
>>> print(len(kept.theta), kept.epsilon < 1, round(float(kept.theta.mean()), 1))
200 True 0.1
"""
import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from accel.device import array_module, put
from accel.kernels.rejection_abc import launch as abc_kernel
from accel.runtime import checks
from accel.runtime.progress import progress_bar
from accel.runtime.protocols import Array, Prior, Rng, Simulator
from accel.runtime.simulation import SimulationError

__all__ = ["Accepted", "euclidean", "sample"]


class Accepted(NamedTuple):
    """What was kept, on the device of the simulations.

    Attributes
    ----------
    theta : (A, P) float
    x : (A, D) float
    distance : (A,) float
    epsilon : float
        The tolerance that was asked for, or the largest distance that the quantile kept.
    n_simulations : int
        How many were simulated: fewer than asked for where the run was interrupted.
    """
    theta: Array
    x: Array
    distance: Array
    epsilon: float
    n_simulations: int


def euclidean(x: Array, observation: Array) -> Array:
    """The distance (5) of each row of x (N, D) from the observation (D,): (N,)."""
    difference, xp = x - observation, array_module(x)
    squared = xp.einsum("ij,ij->i", difference, difference)
    return xp.sqrt(squared, out=squared)                                                      # (5)


def sample(rng: Rng, prior: Prior, simulate: Simulator, observation: Array, *, n_simulations: int,
           epsilon: float | None = None, quantile: float | None = None,
           distance: Callable[[Array, Array], Array] = euclidean, chunk_size: int = 100_000,
           progress: bool = False) -> Accepted:
    """Simulate from the prior and keep what is near the observation.

    If the run is interrupted (Ctrl-C), what was kept by then is returned, with a warning that says of how
    many simulations; KeyboardInterrupt is raised again if nothing was kept.

    Parameters
    ----------
    rng : Generator
    prior
        Has `sample(rng, n)`, see `priors`.
    simulate : callable
        (rng, θ (n, P)) → x (n, D).
    observation : (D,) float
    n_simulations : int
        N.
    epsilon, quantile : float
        One of the two: the tolerance of (2), or the fraction of (4), in (0, 1].
    distance : callable
        (x (n, D), observation (D,)) → (n,).
    chunk_size : int
        Simulations at a time; bounds the memory. The draws depend on it.
    progress : bool
        Show a progress bar (tqdm).

    Raises
    ------
    SimulationError
        A ValueError: if simulate or distance raises or returns another shape (chained to what went wrong), or
        if simulations were NaN or inf, which are never kept. Its `theta` and `x` are what was kept.
    ValueError
        If nothing comes within epsilon, with the smallest distance seen; or if an argument is out of range.
    """
    observation = checks.as_array("observation", observation, ("D",))
    checks.check_finite("observation", observation)
    n_simulations = checks.check_count("n_simulations", n_simulations)
    chunk_size = checks.check_count("chunk_size", chunk_size)
    kept = Kept(n_simulations, *check_choice(epsilon, quantile))
    bar = progress_bar(progress, n_simulations, unit="sim", abbreviate=True)
    try:
        fused = abc_kernel.fused(rng, prior, simulate, observation, distance is euclidean, chunk_size)
        while kept.n_done < n_simulations:
            if fused is not None:
                n = fused.size(n_simulations - kept.n_done, kept.n_done, kept.n_wanted)
                near, n_failed, smallest = fused(n, kept.bound())
            else:
                n = min(chunk_size, n_simulations - kept.n_done)
                near, n_failed, smallest = chunk(rng, prior, simulate, observation, distance, n, kept.bound())
            kept.add(near, n, n_failed, smallest)
            bar.update(n)
    except KeyboardInterrupt:
        if not len(kept):
            raise
        warnings.warn(f"rejection ABC was interrupted; what {kept.n_done} of {n_simulations} simulations "
                      "gave is returned", stacklevel=2)
    except Exception as error:
        message = (f"simulate: failed after {kept.n_done} of {n_simulations} simulations with "
                   f"{type(error).__name__}: {error} (.theta and .x hold what was kept)")
        raise SimulationError(message, *(kept.rows()[:2] if kept.columns else (None, None))) from error
    finally:
        bar.close()
    return kept.accepted()


def chunk(rng, prior, simulate, observation, distance, n, bound):
    """n simulations: the rows that are nearer than the bound, how many failed, and the least distance."""
    theta = prior.sample(rng, n)                                                              # (1)
    x = checks.as_array("x", simulate(rng, theta), (n, len(observation)))
    xp = array_module(x)
    rho = checks.as_array("distance", distance(x, put(observation, xp, x.dtype)), (n,))
    finite = xp.logical_and(xp.isfinite(rho), xp.isfinite(x).all(axis=1))
    n_failed = n - int(xp.count_nonzero(finite))
    if n_failed:
        rho = xp.where(finite, rho, xp.asarray(np.inf, dtype=rho.dtype))
    return rows((theta, x, rho), rho < bound), n_failed, float(rho.min())                     # (2)


class Kept:
    """What was kept so far, as columns (θ, x, ρ), of how many simulations, and how many of these failed.

    The columns have the length that is expected at the end: memory holds them once, and not once more while
    chunks are joined.
    """

    def __init__(self, n_simulations, epsilon, quantile):
        self.n_simulations, self.epsilon, self.quantile = n_simulations, epsilon, quantile
        self.n_wanted = None if quantile is None else fraction(quantile, n_simulations)
        self.columns, self.n, self.n_done, self.n_failed, self.smallest = None, 0, 0, 0, np.inf

    def __len__(self):
        return self.n

    def rows(self):
        return tuple(column[:self.n] for column in self.columns)

    def bound(self):
        """The distance below which a simulation may be kept."""
        if self.quantile is None:
            return self.epsilon
        return self.columns[2].max() if self.n >= self.n_wanted else np.inf

    def add(self, near, n, n_failed, smallest):
        """Take in the rows near of n more simulations."""
        self.n_done, self.n_failed = self.n_done + n, self.n_failed + n_failed
        self.smallest = min(self.smallest, smallest)
        if self.quantile is None:
            self.append(near)
        else:
            together = joined(self.rows(), near) if self.columns else near
            self.columns = nearest(together, self.n_wanted)                                   # (4)
            self.n = len(self.columns[0])

    def append(self, near):
        end = self.n + len(near[0])
        if self.columns is None or end > len(self.columns[0]):
            expected = math.ceil((end + 4 * math.sqrt(end)) / self.n_done * self.n_simulations)
            size = min(expected, end + self.n_simulations - self.n_done)
            longer = [array_module(column).empty((size, *column.shape[1:]), column.dtype) for column in near]
            for column, old in zip(longer, self.columns or ()):
                column[:self.n] = old[:self.n]
            self.columns = longer
        for column, new in zip(self.columns, near):
            column[self.n:end] = new
        self.n = end

    def accepted(self):
        """The result, or the error that stands in its place."""
        theta, x, rho = self.rows()
        if self.quantile is not None:                                 # of a run that was interrupted, fewer
            theta, x, rho = nearest((theta, x, rho), fraction(self.quantile, self.n_done))
        if self.n_failed:
            share = f"{self.n_failed} of {self.n_done}"
            raise SimulationError(f"simulate: {share} simulations or their distances are NaN or inf (.theta "
                                  "and .x hold what was kept of the others)", theta, x)
        if not len(theta):
            raise ValueError(f"epsilon: expected a tolerance that keeps something, got {self.epsilon:g}; the "
                             f"nearest of {self.n_done} simulations is at {self.smallest:.6g}")
        epsilon = float(rho.max()) if self.epsilon is None else self.epsilon
        return Accepted(theta, x, rho, epsilon, self.n_done)


def check_choice(epsilon, quantile):
    """The tolerance and the fraction, of which exactly one is a number."""
    if (epsilon is None) == (quantile is None):
        came = "neither" if quantile is None else "both"
        raise ValueError(f"epsilon, quantile: expected one of the two, got {came}")
    if quantile is None:
        return checks.check_positive("epsilon", epsilon), None
    if not checks.check_positive("quantile", quantile) <= 1:
        raise ValueError(f"quantile: expected a fraction in (0, 1], got {quantile!r}")
    return None, float(quantile)


def fraction(quantile, n):
    """How many of n a quantile keeps: at least one."""
    return max(1, round(quantile * n))


def rows(arrays, mask):
    """The rows that the mask marks: their numbers are counted once, not once for each array."""
    xp = array_module(mask)
    index = xp.flatnonzero(mask)
    return tuple(xp.take(a, index, axis=0) for a in arrays)


def joined(*chunks):
    return tuple(array_module(*column).concatenate(column) for column in zip(*chunks))


def nearest(arrays, n):
    """The n rows of smallest distance, the last of the arrays, in their order; of equal ones the earlier."""
    rho = arrays[-1]
    if len(rho) <= n:
        return arrays
    xp = array_module(rho)
    threshold = xp.partition(rho, n - 1)[n - 1]
    inside, tied = rho < threshold, rho == threshold
    earlier = xp.cumsum(tied) <= n - inside.sum()
    return rows(arrays, xp.logical_or(inside, xp.logical_and(tied, earlier)))
