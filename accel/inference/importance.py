"""Importance resampling: weighted draws of a proposal become draws of the target.

The mathematics is in `reference.inference.importance`. Same values; weights, their running sum and the search stay where the
candidates are, whose rows are gathered once, and only two sums come to the host.
"""
import math
import warnings
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.device import array_module, like

__all__ = ["Weighted", "weigh", "resample"]


class Weighted(NamedTuple):
    """Weighted draws; the two judgements are plain numbers."""
    theta: np.ndarray
    log_weight: np.ndarray
    effective_size: float
    log_mean_weight: float


def weigh(theta, log_weight):
    """The draws theta (N, P) with their log-weights (N,), judged."""
    theta = checks.as_array("theta", theta, ("N", "P"))
    log_weight = checks.as_array("log_weight", log_weight, (len(theta),))
    highest = float(log_weight.max()) if len(theta) else -math.inf
    if not math.isfinite(highest):
        raise ValueError(f"log_weight: expected numbers or −inf, one of them finite, got {highest} as the highest")
    w = weights(log_weight, highest)
    xp, total = array_module(w), float(w.sum())
    return Weighted(theta, log_weight, total**2 / float(xp.vdot(w, w)), highest + math.log(total / len(w)))


def weights(log_weight, highest):
    """w in float64, the largest 1."""
    w = log_weight.astype(np.float64)
    w -= highest
    return array_module(w).exp(w, out=w)


def resample(rng, n, weighted):
    """n draws of the target, (n, P), with a warning where the candidates are worth fewer than n."""
    if weighted.effective_size < checks.check_count("n", n):
        warnings.warn(f"n: expected at most the effective size of the candidates, {weighted.effective_size:.0f} of {len(weighted.theta)}, "
                      f"got {n}: draws are repeated; take more candidates or a sampler", stacklevel=3)
    w = weights(weighted.log_weight, weighted.log_weight.max())
    xp = array_module(w)
    xp.cumsum(w, out=w)
    places = xp.arange(n, dtype=np.float64)
    places += like(places, rng.random(1))
    places *= w[-1] / n
    chosen = xp.minimum(xp.searchsorted(w, places, side="right"), len(w) - 1)
    return xp.take(weighted.theta, chosen[xp.argsort(like(places, rng.random(n)))], axis=0)
