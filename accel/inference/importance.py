"""Importance resampling: weighted draws of a proposal become draws of the target.

The mathematics is in `reference.inference.importance`. Same values; weights, their running sum and the search
stay where the candidates are, and only two sums come to the host.

Example
-------
>>> import numpy as np
>>> from accel.inference import importance
>>> rng = np.random.default_rng(0)
>>> theta = rng.standard_normal((10_000, 1))                          # N(0, 1), weighted to be N(½, 1)
>>> weighted = importance.weigh(theta, 0.5 * theta[:, 0] - 0.125)
>>> draws = importance.resample(rng, 1000, weighted)
>>> print(draws.shape, round(weighted.log_mean_weight, 1), round(float(draws.mean()), 1))
(1000, 1) 0.0 0.5
"""
import math
import warnings
from typing import NamedTuple

import numpy as np

from accel.device import array_module, like
from accel.runtime import checks
from accel.runtime.protocols import Array, Rng

__all__ = ["Weighted", "weigh", "resample"]


class Weighted(NamedTuple):
    """Weighted draws, where the candidates are; the last two are plain numbers.

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
    highest = float(log_weight.max()) if len(theta) else -math.inf
    if not math.isfinite(highest):                                    # the highest is NaN if any is
        raise ValueError("log_weight: expected numbers or −inf, one of them finite, "
                         f"got {highest} as the highest")
    w = weights(log_weight, highest)
    xp, total = array_module(w), float(w.sum())
    effective_size = total**2 / float(xp.vdot(w, w))                  # (2)
    return Weighted(theta, log_weight, effective_size, highest + math.log(total / len(w)))        # (3)


def weights(log_weight, highest):
    """w in float64, the largest 1."""
    w = log_weight.astype(np.float64)
    w -= highest
    return array_module(w).exp(w, out=w)


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
    w = weights(weighted.log_weight, weighted.log_weight.max())
    xp = array_module(w)
    xp.cumsum(w, out=w)
    places = xp.arange(n, dtype=np.float64)
    places += like(places, rng.random(1))
    places *= w[-1] / n
    chosen = xp.minimum(xp.searchsorted(w, places, side="right"), len(w) - 1)                 # (4)
    return xp.take(weighted.theta, chosen[xp.argsort(like(places, rng.random(n)))], axis=0)
