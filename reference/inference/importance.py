"""Importance resampling: weighted draws of a proposal become draws of the target.

    (1)  wₙ ∝ p(θₙ)/q(θₙ),  θₙ ~ q
    (2)  effective size = (∑ w)²/∑ w²                         draws of equal weight with the same accuracy
    (3)  mean weight = (1/N) ∑ w → ∫ p dθ                     1 where p is normalised
    (4)  draw i is θₙ with ∑_{k<n} w ≤ (i + U)/n_draws · ∑ w < ∑_{k≤n} w,  one U ~ U(0, 1) for all i

(4) is systematic resampling, which repeats draws least of all schemes without bias: a candidate of weight w̄ₙ
= wₙ/∑ w is taken ⌊n w̄ₙ⌋ or ⌈n w̄ₙ⌉ times. It returns draws in the order of the candidates, so they are
shuffled at the end.

Shapes        N candidates, n draws, P parameters; θ (N, P); log w (N,).
Conventions   nats; sums over weights are in float64.
Source        "Sampling-importance resampling", Rubin, 1988; (2) Kong, Liu and Wong, 1994; (4) Kitagawa, 1996.

Example
-------
>>> import numpy as np
>>> from reference.inference import importance
>>> rng = np.random.default_rng(0)
>>> theta = rng.standard_normal((10_000, 1))                          # N(0, 1), weighted to be N(½, 1)
>>> weighted = importance.weigh(theta, 0.5 * theta[:, 0] - 0.125)
>>> draws = importance.resample(rng, 1000, weighted)
>>> print(draws.shape, round(weighted.log_mean_weight, 1), round(float(draws.mean()), 1))
(1000, 1) 0.0 0.5
"""
import warnings
from typing import NamedTuple

import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array, Rng

__all__ = ["Weighted", "weigh", "resample"]


class Weighted(NamedTuple):
    """Weighted draws.

    Attributes
    ----------
    theta : (N, P) float
    log_weight : (N,) float
        The logarithm of p/q.
    effective_size : float
        (2).
    log_mean_weight : float
        The logarithm of (3).
    """
    theta: Array
    log_weight: Array
    effective_size: float
    log_mean_weight: float


def weigh(theta: Array, log_weight: Array) -> Weighted:
    """Draws with their weights, and what the weights say of them.

    Parameters
    ----------
    theta : (N, P) float
    log_weight : (N,) float
        The logarithm of (1), up to a constant.

    Raises
    ------
    ValueError
        If shapes do not fit, a log-weight is NaN or +inf, or all are −inf.
    """
    theta = checks.as_array("theta", theta, ("N", "P")).copy()
    log_weight = checks.as_array("log_weight", log_weight, (len(theta),)).copy()
    highest = np.max(log_weight, initial=-np.inf)
    if not np.isfinite(highest):                                      # the highest is NaN if any is
        raise ValueError("log_weight: expected numbers or −inf, one of them finite, "
                         f"got {highest} as the highest")
    w = np.exp(log_weight.astype(np.float64) - highest)
    effective_size = np.sum(w)**2 / np.sum(w**2)                      # (2)
    return Weighted(theta, log_weight, float(effective_size), float(highest + np.log(np.mean(w))))       # (3)


def resample(rng: Rng, n: int, weighted: Weighted) -> Array:
    """Draws of the target, (n, P), with a warning where the effective size of the candidates is below n.

    Parameters
    ----------
    rng : Generator
    n : int
    weighted : Weighted
        The candidates.

    Raises
    ------
    ValueError
        If n is less than one.
    """
    if weighted.effective_size < checks.check_count("n", n):
        warnings.warn("n: expected at most the effective size of the candidates, "
                      f"{weighted.effective_size:.0f} of {len(weighted.theta)}, got {n}: draws are repeated; "
                      "take more candidates or a sampler", stacklevel=3)
    w = np.cumsum(np.exp(weighted.log_weight.astype(np.float64) - np.max(weighted.log_weight)))
    places = (np.arange(n) + rng.random(1)) / n * w[-1]
    chosen = np.minimum(np.searchsorted(w, places, side="right"), len(w) - 1)                 # (4)
    return weighted.theta[chosen[np.argsort(rng.random(n))]]
