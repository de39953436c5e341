"""Rejection ABC: keep the parameters whose simulations come close to the observation; it needs no likelihood.

    (1)  θ ~ p(θ),  x ~ p(x|θ)
    (2)  keep θ where ρ(x, x_obs) < ε                                 a sample of p(θ | ρ(x, x_obs) < ε)
    (3)  p(θ | ρ < ε) → p(θ|x_obs) as ε → 0                           while fewer and fewer are kept
    (4)  ε as the q-quantile of the distances: the nearest round(qN) of N simulations are kept
    (5)  ρ(x, x_obs) = ‖x − x_obs‖                                    the default, in the units of x

Simulations run in chunks, and only what is kept stays in memory.

Shapes        N simulations, A of them kept; θ (A, P); x (A, D); distance (A,); x_obs (D,).
Conventions   rows are in the order in which they were simulated; of equal distances the earlier is the nearer
              one.
Source        "Bayesianly justifiable and relevant frequency calculations for the applied statistician",
              Rubin, 1984; lecture S3, slides "Approximate Bayesian Computation".

Example
-------
>>> import numpy as np
>>> from reference.inference import rejection_abc
>>> from reference.simulators import power_law
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

from reference.inference.kept import Kept, check_choice
from reference.runtime import checks
from reference.runtime.progress import progress_bar
from reference.runtime.protocols import Array, Prior, Rng, Simulator
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
    return np.sqrt(np.sum((x - observation)**2, axis=1))                                      # (5)


def accept_literal(theta, x, observation, epsilon, distance):
    """(2) as the lecture writes it, one simulation after the other: θ and x of those kept."""
    posterior, accepted_data = [], []
    for i in range(len(theta)):
        if distance(x[i:i + 1], observation)[0] < epsilon:                                    # (2)
            posterior.append(theta[i])
            accepted_data.append(x[i])
    return np.array(posterior), np.array(accepted_data)


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
        while kept.n_done < n_simulations:
            n = min(chunk_size, n_simulations - kept.n_done)
            kept.add(*simulated(rng, prior, simulate, observation, distance, n))
            bar.update(n)
    except KeyboardInterrupt:
        if not len(kept):
            raise
        warnings.warn(f"rejection ABC was interrupted; what {kept.n_done} of {n_simulations} simulations "
                      "gave is returned", stacklevel=2)
    except Exception as error:
        message = (f"simulate: failed after {kept.n_done} of {n_simulations} simulations with "
                   f"{type(error).__name__}: {error} (.theta and .x hold what was kept)")
        raise SimulationError(message, *(kept.rows()[:2] if kept.chunks else (None, None))) from error
    finally:
        bar.close()
    return accepted(kept)


def simulated(rng, prior, simulate, observation, distance, n):
    """θ (n, P), x (n, D) and their distances (n,)."""
    theta = prior.sample(rng, n)                                                              # (1)
    x = checks.as_array("x", simulate(rng, theta), (n, len(observation)))
    return theta, x, checks.as_array("distance", distance(x, observation), (n,))


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
