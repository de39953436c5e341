"""Running a simulator over many parameters, in chunks, with nothing lost and no failure hidden.

A simulator is a callable (rng, theta) → x that takes (N, P) and returns (N, D), row by row. Simulations are expensive, so that
whatever ends a run early hands back what was finished: a simulator that raises, a wrong shape, an interruption.

Failures (a row of x with NaN or inf) are counted and refused. Dropping them is the caller's choice: what is learned from the
rest is then conditional on success, which biases a likelihood or a ratio wherever failing depends on θ.
"""
import warnings
from typing import NamedTuple

import numpy as np

from reference.runtime import checks
from reference.runtime.progress import progress_bar

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
    """Simulate every row of theta.

    Parameters
    ----------
    rng : Generator
        Handed to the simulator, chunk after chunk.
    simulator : callable
        (rng, theta (n, P)) → x (n, D).
    theta : (N, P) float
    chunk_size : int
        How many rows the simulator is given at once, which bounds its memory and what a failure costs.
    on_failure : "refuse" or "drop"
        What to do with rows of x that are not finite.
    progress : bool
        Show a progress bar (tqdm).

    Returns
    -------
    Simulations
        If the run is interrupted (Ctrl-C), those of the finished chunks, with a warning that says how many; an interruption
        before any chunk is finished goes on to the caller.

    Raises
    ------
    SimulationError
        A ValueError: if the simulator raises (chained to what it raised) or returns another shape or dtype, if rows failed and
        on_failure is "refuse", or if all of them did. It holds what was finished, failed rows included.
    ValueError
        If theta is not a finite (N, P) array of at least one row, or a setting is out of range.
    """
    theta = checks.as_array("theta", theta, ("N", "P"))
    checks.check_count("theta: number of rows", len(theta))
    checks.check_finite("theta", theta)
    checks.check_count("chunk_size", chunk_size)
    if on_failure not in ("refuse", "drop"):
        raise ValueError(f"on_failure: expected 'refuse' or 'drop', got {on_failure!r}")
    chunks, bar = [], progress_bar(progress, len(theta), unit="sim", abbreviate=True)
    try:
        for start in range(0, len(theta), chunk_size):
            part = theta[start:start + chunk_size]
            x = checks.as_array("x", simulator(rng, part), (len(part), chunks[0].shape[1] if chunks else "D"))
            chunks.append(x)
            bar.update(len(part))
    except KeyboardInterrupt:
        if not chunks:
            raise
        warnings.warn(f"simulation was interrupted; the {start} of {len(theta)} that were finished are returned", stacklevel=2)
    except Exception as error:
        message = f"simulator: failed on rows {start} to {start + len(part) - 1} of theta with {type(error).__name__}: {error}"
        x = np.concatenate(chunks) if chunks else None
        raise SimulationError(f"{message} (.theta and .x hold what was finished)", theta[:start], x) from error
    finally:
        bar.close()
    x = np.concatenate(chunks)
    theta, good = theta[:len(x)], np.isfinite(x).all(axis=1)
    n_failed = int(np.sum(~good))
    if n_failed and (on_failure == "refuse" or n_failed == len(x)):
        choice = 'on_failure="drop" drops them, which can bias what is learned from the rest' if n_failed < len(x) else "none is left"
        raise SimulationError(f"simulator: {n_failed} of {len(x)} simulations are NaN or inf; {choice} (.theta and .x hold all)", theta, x)
    return Simulations(theta[good], x[good], n_failed)
