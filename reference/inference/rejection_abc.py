"""Rejection ABC: keep the parameters whose simulations come close to the observation; no likelihood is ever called.

    (1)  θ ~ p(θ),  x ~ p(x|θ)
    (2)  keep θ where ρ(x, x_obs) < ε                                 a sample of p(θ | ρ(x, x_obs) < ε)
    (3)  p(θ | ρ < ε) → p(θ|x_obs) as ε → 0                           and fewer and fewer are kept
    (4)  ε as the q-quantile of the distances: the nearest round(qN) of N simulations are kept
    (5)  ρ(x, x_obs) = ‖x − x_obs‖                                    the default; it takes x in the units that it is in

Simulations run in chunks, and only what is kept stays in memory.

Shapes        N simulations, A of them kept; θ (A, P); x (A, D); distance (A,); x_obs (D,).
Conventions   rows in the order in which they were simulated; of equal distances the earlier is the nearer one.
Source        "Bayesianly justifiable and relevant frequency calculations for the applied statistician", Rubin, 1984; lecture S3,
              slides "Approximate Bayesian Computation".
"""
import warnings
from typing import NamedTuple

import numpy as np

from reference.runtime import checks
from reference.runtime.progress import progress_bar
from reference.runtime.simulation import SimulationError

__all__ = ["Accepted", "euclidean", "sample"]


class Accepted(NamedTuple):
    """What was kept.

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
    theta: np.ndarray
    x: np.ndarray
    distance: np.ndarray
    epsilon: float
    n_simulations: int


def euclidean(x, observation):
    """(5) for every row of x, (N,)."""
    return np.sqrt(np.sum((x - observation)**2, axis=1))


def accept_literal(theta, x, observation, epsilon, distance):
    """(2) as the lecture writes it, one simulation after the other: θ and x of those kept."""
    posterior, accepted_data = [], []
    for i in range(len(theta)):
        if distance(x[i:i + 1], observation)[0] < epsilon:
            posterior.append(theta[i])
            accepted_data.append(x[i])
    return np.array(posterior), np.array(accepted_data)


def sample(rng, prior, simulate, observation, *, n_simulations, epsilon=None, quantile=None, distance=euclidean, chunk_size=100_000,
           progress=False):
    """Simulate from the prior and keep what is near.

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

    Returns
    -------
    Accepted
        If the run is interrupted (Ctrl-C), what was kept by then, with a warning that says of how many; an interruption before
        anything was kept goes on to the caller.

    Raises
    ------
    SimulationError
        A ValueError: if simulate or distance raises or returns another shape (chained to what went wrong), or if simulations
        were NaN or inf, which are never kept. Its `theta` and `x` are what was kept.
    ValueError
        If nothing comes within epsilon, with the smallest distance seen; or if an argument is out of range.
    """
    observation = checks.as_array("observation", observation, ("D",))
    checks.check_finite("observation", observation)
    n_simulations, chunk_size = checks.check_count("n_simulations", n_simulations), checks.check_count("chunk_size", chunk_size)
    epsilon, quantile = check_choice(epsilon, quantile)
    kept, n_done, n_failed, smallest, bar = [], 0, 0, np.inf, progress_bar(progress, n_simulations, unit="sim", abbreviate=True)
    try:
        while n_done < n_simulations:
            theta = prior.sample(rng, min(chunk_size, n_simulations - n_done))                        # (1)
            x = checks.as_array("x", simulate(rng, theta), (len(theta), len(observation)))
            rho = checks.as_array("distance", distance(x, observation), (len(theta),))
            finite = np.isfinite(x).all(axis=1) & np.isfinite(rho)
            if quantile is None:
                kept.append(rows((theta, x, rho), finite & (rho < epsilon)))                          # (2)
            else:
                kept = [nearest(stack([*kept, rows((theta, x, rho), finite)]), fraction(quantile, n_simulations))]   # (4)
            n_done, n_failed, smallest = n_done + len(theta), n_failed + np.sum(~finite), np.min(rho[finite], initial=smallest)
            bar.update(len(theta))
    except KeyboardInterrupt:
        if not sum(len(theta) for theta, _, _ in kept):
            raise
        warnings.warn(f"rejection ABC was interrupted; what {n_done} of {n_simulations} simulations gave is returned", stacklevel=2)
    except Exception as error:
        raise SimulationError(f"simulate: failed after {n_done} of {n_simulations} simulations with {type(error).__name__}: {error} "
                              "(.theta and .x hold what was kept)", *(stack(kept)[:2] if kept else (None, None))) from error
    finally:
        bar.close()
    theta, x, rho = stack(kept) if quantile is None else nearest(stack(kept), fraction(quantile, n_done))
    if n_failed:
        raise SimulationError(f"simulate: {n_failed} of {n_done} simulations or their distances are NaN or inf (.theta and .x hold what "
                              "was kept of the others)", theta, x)
    if not len(theta):
        raise ValueError(f"epsilon: expected a tolerance that keeps something, got {epsilon:g}; the nearest of {n_done} simulations is "
                         f"at {smallest:.6g}")
    return Accepted(theta, x, rho, float(rho.max()) if epsilon is None else epsilon, n_done)


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


def rows(arrays, index):
    return tuple(a[index] for a in arrays)


def stack(chunks):
    return tuple(np.concatenate(column) for column in zip(*chunks))


def nearest(arrays, n):
    """The n rows of smallest distance, the last of the arrays, in their order; of equal distances the earlier."""
    order = np.argsort(arrays[-1], kind="stable")[:n]
    return rows(arrays, np.sort(order))
