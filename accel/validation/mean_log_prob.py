"""Mean test log-probability: how much density the posteriors put on the truths, on pairs (θ*, x) that no training saw.

The mathematics is in `reference.validation.mean_log_prob`. Same values; a mask of zeros and ones takes the place of picking the
truths inside, whose number a device would have to report first, so that everything is summed where it lies, in float64, and
three numbers come back in one transfer.
"""
import math
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.device import array_module, to_host

__all__ = ["MeanLogProb", "estimate"]


class MeanLogProb(NamedTuple):
    """The estimate."""
    mean: float
    standard_error: float
    n: int
    n_outside: int
    mean_inside: float


def estimate(log_prob):
    """The mean of log q(θ*|x) over the test pairs, with its standard error."""
    log_prob = check_log_prob("log_prob", checks.as_array("log_prob", log_prob, ("M",)))
    n = checks.check_count("log_prob: number of entries", len(log_prob), least=2)
    xp = array_module(log_prob)
    inside = log_prob > -np.inf
    values, n_inside = xp.where(inside, log_prob, 0).astype(np.float64), inside.sum(dtype=np.float64)
    mean = values.sum() / xp.maximum(n_inside, 1)
    values -= mean
    values *= inside
    n_inside, mean, squares = to_host(xp.stack((n_inside, mean, xp.vdot(values, values)))).tolist()
    n_inside = int(n_inside)
    mean = mean if n_inside else math.nan
    standard_error = math.sqrt(squares / (n_inside * (n_inside - 1))) if n_inside > 1 else math.nan
    return MeanLogProb(mean if n_inside == n else -math.inf, standard_error, n, n - n_inside, mean)


def check_log_prob(name, log_prob):
    """Log-probabilities without NaN and +inf, or ValueError; −inf is a value."""
    bad = int((~(log_prob < np.inf)).sum())
    if bad:
        raise ValueError(f"{name}: expected numbers or -inf, got NaN or +inf in {bad} of {log_prob.size} entries")
    return log_prob
