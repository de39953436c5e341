"""Mean test log-probability: the log-density of the truth, averaged over pairs (θ*, x) not used in training.

The mathematics is in `reference.validation.mean_log_prob`. Same values; a mask of zeros and ones replaces the
selection of the truths inside, whose number a device would have to report first. Everything is summed where
it lies, in float64, and three numbers come back in one transfer.

Example

    >>> import numpy as np
    >>> from accel.validation import mean_log_prob
    >>> found = mean_log_prob.estimate(np.array([-1.0, -np.inf, -2.0, -6.0]))
    >>> found.mean, found.mean_inside, found.n_outside
    (-inf, -3.0, 1)
"""
import math
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.runtime.protocols import Array
from accel.device import array_module, to_host

__all__ = ["MeanLogProb", "estimate"]
SHARED = ["check_log_prob"]
__all__ += SHARED


class MeanLogProb(NamedTuple):
    """The estimate.

    Attributes
    ----------
    mean : float
        (1), −inf if one truth lies outside the support.
    standard_error : float
        (2) over the truths inside, so that it belongs to `mean_inside`; NaN if fewer than two lie inside.
    n : int
        M.
    n_outside : int
        The number of truths with log q = −inf.
    mean_inside : float
        (1) over the other truths, NaN if there are none.
    """
    mean: float
    standard_error: float
    n: int
    n_outside: int
    mean_inside: float


def estimate(log_prob: Array) -> MeanLogProb:
    """The mean of log q(θ*|x) over the test pairs, with its standard error.

    Parameters
    ----------
    log_prob : (M,) float
        At least two; −inf where the truth lies outside the support.

    Raises
    ------
    ValueError
        If there are fewer than two, or one is NaN or +inf.
    """
    log_prob = check_log_prob("log_prob", checks.as_array("log_prob", log_prob, ("M",)))
    n = checks.check_count("log_prob: number of entries", len(log_prob), least=2)
    xp = array_module(log_prob)
    inside = log_prob > -np.inf
    values, n_inside = xp.where(inside, log_prob, 0).astype(np.float64), inside.sum(dtype=np.float64)
    mean = values.sum() / xp.maximum(n_inside, 1)                                                  # (1)
    values -= mean
    values *= inside
    n_inside, mean, squares = to_host(xp.stack((n_inside, mean, xp.vdot(values, values)))).tolist()
    n_inside = int(n_inside)
    mean = mean if n_inside else math.nan
    standard_error = math.sqrt(squares / (n_inside * (n_inside - 1))) if n_inside > 1 else math.nan    # (2)
    return MeanLogProb(mean if n_inside == n else -math.inf, standard_error, n, n - n_inside, mean)


def check_log_prob(name: str, log_prob: Array) -> Array:
    """Log-probabilities without NaN and +inf, or ValueError; −inf is a value."""
    bad = int((~(log_prob < np.inf)).sum())
    if bad:
        raise ValueError(f"{name}: expected numbers or -inf, got NaN or +inf in {bad} of {log_prob.size} "
                         "entries")
    return log_prob
