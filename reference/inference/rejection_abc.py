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
    """The distance (5) of each row of x (N, D) from the observation (D,): (N,)."""
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
    return kept.accepted()


def simulated(rng, prior, simulate, observation, distance, n):
    """θ (n, P), x (n, D) and their distances (n,)."""
    theta = prior.sample(rng, n)                                                              # (1)
    x = checks.as_array("x", simulate(rng, theta), (n, len(observation)))
    return theta, x, checks.as_array("distance", distance(x, observation), (n,))


class Kept:
    """What was kept so far, as chunks of (θ, x, ρ), of how many simulations, and how many of these failed."""

    def __init__(self, n_simulations, epsilon, quantile):
        self.n_simulations, self.epsilon, self.quantile = n_simulations, epsilon, quantile
        self.chunks, self.n_done, self.n_failed, self.smallest = [], 0, 0, np.inf

    def __len__(self):
        return sum(len(theta) for theta, _, _ in self.chunks)

    def rows(self):
        return tuple(np.concatenate(column) for column in zip(*self.chunks))

    def add(self, theta, x, rho):
        finite = np.isfinite(x).all(axis=1) & np.isfinite(rho)
        keep = finite if self.quantile is not None else finite & (rho < self.epsilon)         # (2)
        self.chunks.append(tuple(a[keep] for a in (theta, x, rho)))
        if self.quantile is not None:
            self.chunks = [nearest(self.rows(), fraction(self.quantile, self.n_simulations))]         # (4)
        self.n_done, self.n_failed = self.n_done + len(rho), self.n_failed + int(np.sum(~finite))
        self.smallest = np.min(rho[finite], initial=self.smallest)

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




def nearest(arrays, n):
    """The n rows of smallest distance, the last of the arrays, in their order; of equal ones the earlier."""
    chosen = np.sort(np.argsort(arrays[-1], kind="stable")[:n])
    return tuple(a[chosen] for a in arrays)
