"""Importance resampling: weighted draws of a proposal become draws of the target.

    (1)  wₙ ∝ p(θₙ)/q(θₙ),  θₙ ~ q
    (2)  effective size = (∑ w)²/∑ w²                         so many equally weighted draws are worth as much
    (3)  mean weight = (1/N) ∑ w → ∫ p dθ                     1 where p is normalised
    (4)  draw i is θₙ with ∑_{k<n} w ≤ (i + U)/n_draws · ∑ w < ∑_{k≤n} w,  one U ~ U(0, 1) for all i: systematic resampling

Of all schemes without bias (4) repeats draws least: one of weight w̄ₙ = wₙ/∑ w is taken ⌊n w̄ₙ⌋ or ⌈n w̄ₙ⌉ times. It returns them in
the order of the candidates, which may mean something, so that they are shuffled at the end.

Shapes        N candidates, n draws, P parameters; θ (N, P); log w (N,).
Conventions   nats; sums over weights are in float64.
Source        "Sampling-importance resampling", Rubin, 1988; (2) Kong, Liu and Wong, 1994; (4) Kitagawa, 1996.
"""
import warnings
from typing import NamedTuple

import numpy as np

from reference.runtime import checks

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
    theta: np.ndarray
    log_weight: np.ndarray
    effective_size: float
    log_mean_weight: float


def weigh(theta, log_weight):
    """The draws theta (N, P) with their log-weights (N,), judged.

    Raises
    ------
    ValueError
        If shapes do not fit, a log-weight is NaN or +inf, or all are −inf.
    """
    theta = checks.as_array("theta", theta, ("N", "P"))
    log_weight = checks.as_array("log_weight", log_weight, (len(theta),))
    highest = np.max(log_weight, initial=-np.inf)
    if not np.isfinite(highest):                                      # the highest is NaN if any is
        raise ValueError(f"log_weight: expected numbers or −inf, one of them finite, got {highest} as the highest")
    w = np.exp(log_weight.astype(np.float64) - highest)
    return Weighted(theta, log_weight, float(np.sum(w)**2 / np.sum(w**2)), float(highest + np.log(np.mean(w))))       # (2) (3)


def resample(rng, n, weighted):
    """n draws of the target, (n, P), with a warning where the candidates are worth fewer than n."""
    if weighted.effective_size < checks.check_count("n", n):
        warnings.warn(f"n: expected at most the effective size of the candidates, {weighted.effective_size:.0f} of {len(weighted.theta)}, "
                      f"got {n}: draws are repeated; take more candidates or a sampler", stacklevel=3)
    w = np.cumsum(np.exp(weighted.log_weight.astype(np.float64) - np.max(weighted.log_weight)))
    places = (np.arange(n) + rng.random(1)) / n * w[-1]
    chosen = np.minimum(np.searchsorted(w, places, side="right"), len(w) - 1)                         # (4)
    return weighted.theta[chosen[np.argsort(rng.random(n))]]
