"""Running a simulator over many parameters, in chunks, with nothing lost and no failure hidden.

The rules are in `reference.runtime.simulation`. Same results; chunks are written straight into one array, so that memory holds the
simulations once and not twice, and rows are checked on the device as they come, with one number fetched at the end.
"""
import warnings
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.runtime.progress import progress_bar
from accel.device import array_module

__all__ = ["Simulations", "SimulationError", "simulate"]


class Simulations(NamedTuple):
    """Parameters and their simulations, row by row.

    Attributes
    ----------
    theta : (N, P) float
    x : (N, D) float
        Finite.
    n_failed : int
        How many more were simulated, failed, and were dropped.
    """
    theta: np.ndarray
    x: np.ndarray
    n_failed: int


class SimulationError(ValueError):
    """A simulator failed. Has `theta` (n, P) and `x` (n, D), all that was finished; x is None if nothing was."""

    def __init__(self, message, theta, x):
        super().__init__(message)
        self.theta, self.x = theta, x


def simulate(rng, simulator, theta, *, chunk_size=10_000, on_failure="refuse", progress=False):
    """Simulate every row of theta."""
    theta = checks.as_array("theta", theta, ("N", "P"))
    checks.check_count("theta: number of rows", len(theta))
    checks.check_finite("theta", theta)
    checks.check_count("chunk_size", chunk_size)
    if on_failure not in ("refuse", "drop"):
        raise ValueError(f"on_failure: expected 'refuse' or 'drop', got {on_failure!r}")
    x, n_done, bar = None, 0, progress_bar(progress, len(theta), unit="sim", abbreviate=True)
    try:
        while n_done < len(theta):
            part = theta[n_done:n_done + chunk_size]
            simulated = checks.as_array("x", simulator(rng, part), (len(part), "D" if x is None else x.shape[1]))
            if x is None:
                xp = array_module(simulated)
                x, good = xp.empty((len(theta), simulated.shape[1]), dtype=simulated.dtype), xp.empty(len(theta), dtype=bool)
            x[n_done:n_done + len(part)] = simulated
            good[n_done:n_done + len(part)] = xp.isfinite(simulated).all(axis=1)
            n_done += len(part)
            bar.update(len(part))
    except KeyboardInterrupt:
        if not n_done:
            raise
        warnings.warn(f"simulation was interrupted; the {n_done} of {len(theta)} that were finished are returned", stacklevel=2)
    except Exception as error:
        message = f"simulator: failed on rows {n_done} to {n_done + len(part) - 1} of theta with {type(error).__name__}: {error}"
        finished = None if x is None else x[:n_done]
        raise SimulationError(f"{message} (.theta and .x hold what was finished)", theta[:n_done], finished) from error
    finally:
        bar.close()
    theta, x, good = theta[:n_done], x[:n_done], good[:n_done]
    n_failed = n_done - int(good.sum())
    if n_failed and (on_failure == "refuse" or n_failed == n_done):
        choice = 'on_failure="drop" drops them, which can bias what is learned from the rest' if n_failed < n_done else "none is left"
        raise SimulationError(f"simulator: {n_failed} of {n_done} simulations are NaN or inf; {choice} (.theta and .x hold all)", theta, x)
    return Simulations(theta[good], x[good], n_failed) if n_failed else Simulations(theta, x, n_failed)
