"""Running a simulator in chunks.

A simulator is a callable (rng, theta) → x that takes (N, P) and returns (N, D), row by row. Simulations are
expensive: whatever ends a run early returns what was finished, be it a simulator that raises, a wrong shape,
or an interruption.

Failures (a row of x with NaN or inf) are counted and refused. Dropping them is the caller's choice: what is
learned from the rest is then conditional on success, which biases a likelihood or a ratio wherever failing
depends on θ.

Example
-------
>>> import numpy as np
>>> from reference.runtime import simulation
>>> def simulate(rng, theta):
...     return theta + 0.1 * rng.standard_normal(theta.shape)
>>> theta = np.array([[1.0], [2.0], [3.0]])
>>> found = simulation.simulate(np.random.default_rng(0), simulate, theta, chunk_size=2)
>>> print(found.x.shape, found.n_failed)
(3, 1) 0
"""
import warnings
from typing import NamedTuple

import numpy as np

from reference.runtime import checks
from reference.runtime.progress import progress_bar
from reference.runtime.protocols import Array, Rng, Simulator

__all__ = ["Simulations", "SimulationError", "simulate"]


class Simulations(NamedTuple):
    """Parameters and their simulations, row by row.

    Attributes
    ----------
    theta : (N, P) float
    x : (N, D) float
        Finite.
    n_failed : int
        The number of other simulations, which failed and were dropped.
    """
    theta: Array
    x: Array
    n_failed: int


class SimulationError(ValueError):
    """A simulator failed. Has `theta` (n, P) and `x` (n, D), what was finished; x is None if nothing was."""

    def __init__(self, message: str, theta: Array, x: Array | None):
        super().__init__(message)
        self.theta, self.x = theta, x


def simulate(rng: Rng, simulator: Simulator, theta: Array, *, chunk_size: int = 10_000,
             on_failure: str = "refuse", progress: bool = False) -> Simulations:
    """Simulate every row of theta.

    If the run is interrupted (Ctrl-C), the finished chunks are returned, with a warning that says how many
    simulations they hold; KeyboardInterrupt is raised again if no chunk is finished.

    Parameters
    ----------
    rng : Generator
        Given to the simulator, chunk after chunk.
    simulator : callable
        (rng, theta (n, P)) → x (n, D).
    theta : (N, P) float
    chunk_size : int
        The number of rows that the simulator is given at once. It bounds the memory, and what a failure
        costs.
    on_failure : "refuse" or "drop"
        What to do with rows of x that are not finite.
    progress : bool
        Show a progress bar (tqdm).

    Raises
    ------
    SimulationError
        A ValueError: if the simulator raises (chained to what it raised) or returns another shape or dtype,
        if rows failed and on_failure is "refuse", or if all of them did. It holds what was finished, failed
        rows included.
    ValueError
        If theta is not a finite (N, P) array of at least one row, or a setting is out of range.
    """
    theta = checks.as_array("theta", theta, ("N", "P"))
    checks.check_count("theta: number of rows", len(theta))
    checks.check_finite("theta", theta)
    checks.check_count("chunk_size", chunk_size)
    if on_failure not in ("refuse", "drop"):
        raise ValueError(f"on_failure: expected 'refuse' or 'drop', got {on_failure!r}")
    theta, chunks = theta.copy(), []
    bar = progress_bar(progress, len(theta), unit="sim", abbreviate=True)
    try:
        for start in range(0, len(theta), chunk_size):
            part = theta[start:start + chunk_size]
            shape = (len(part), chunks[0].shape[1] if chunks else "D")
            chunks.append(checks.as_array("x", simulator(rng, part), shape))
            bar.update(len(part))
    except KeyboardInterrupt:
        if not chunks:
            raise
        warnings.warn(f"simulation was interrupted; the {start} of {len(theta)} that were finished are "
                      "returned", stacklevel=2)
    except Exception as error:
        message = (f"simulator: failed on rows {start} to {start + len(part) - 1} of theta with "
                   f"{type(error).__name__}: {error} (.theta and .x hold what was finished)")
        raise SimulationError(message, theta[:start], np.concatenate(chunks) if chunks else None) from error
    finally:
        bar.close()
    x = np.concatenate(chunks)
    return finished(theta[:len(x)], x, np.isfinite(x).all(axis=1), on_failure)


def finished(theta, x, good, on_failure):
    """The simulations that are good, (N,) bool, or a SimulationError."""
    n, n_failed = len(x), len(x) - int(good.sum())
    if n_failed and (on_failure == "refuse" or n_failed == n):
        choice = "none is left"
        if n_failed < n:
            choice = 'on_failure="drop" drops them, which can bias what is learned from the rest'
        raise SimulationError(f"simulator: {n_failed} of {n} simulations are NaN or inf; {choice} (.theta "
                              "and .x hold all)", theta, x)
    return Simulations(theta[good], x[good], n_failed)
