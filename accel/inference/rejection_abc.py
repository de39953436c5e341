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
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from accel.device import array_module, put
from accel.inference import _prior_columns
from accel.inference.kept import Kept, check_choice, rows
from accel.kernels import cuda
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
    """The distance (5) of each simulation from the observation, (N,).

    Parameters
    ----------
    x : (N, D) float
    observation : (D,) float
    """
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
        fused = in_kernels(rng, prior, simulate, observation, distance, chunk_size)
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
    return accepted(kept)


def in_kernels(rng, prior, simulate, observation, distance, chunk_size):
    """The run as kernels, None where array code must do it."""
    code = getattr(simulate, "device_code", None)
    if code is None or not abc_kernel.possible(rng):
        return None
    columns = _prior_columns.drawn(prior, rng.dtype)
    if columns is None or distance is not euclidean:
        what = ("a prior with other than box-uniform, normal and log-normal parts" if columns is None else
                "a distance other than euclidean")
        return cuda.fall_back(f"rejection ABC: {what} is beyond the kernel")
    if (prior.dim, len(observation)) != (code.theta_dim, code.x_dim):
        return None                                                   # array code raises the error
    observation = rng.xp.ascontiguousarray(put(observation, rng.xp, rng.dtype))
    return abc_kernel.Fused(rng, columns, code, observation, chunk_size)


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


def accepted(kept):
    """What was kept, or the error that stands in its place."""
    theta, x, rho = kept.finished()
    if kept.n_failed:
        raise SimulationError(f"simulate: {kept.n_failed} of {kept.n_done} simulations or their distances "
                              "are NaN or inf (.theta and .x hold what was kept of the others)", theta, x)
    if not len(theta):
        raise ValueError(f"epsilon: expected a tolerance that keeps something, got {kept.epsilon:g}; the "
                         f"nearest of {kept.n_done} simulations is at {kept.smallest:.6g}")
    epsilon = float(rho.max()) if kept.epsilon is None else kept.epsilon
    return Accepted(theta, x, rho, epsilon, kept.n_done)
