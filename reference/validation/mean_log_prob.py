"""Mean test log-probability: the log-density of the truth, averaged over pairs (θ*, x) not used in training.

    (1)  E = (1/M) ∑ₘ log q(θ*ₘ|xₘ)           higher is better; at most the same mean of the exact log p(θ*|x)
    (2)  SE² = (1/(M (M − 1))) ∑ₘ (log q(θ*ₘ|xₘ) − E)²
    (3)  E[log p − log q] = KL(p‖q), averaged over x

A truth outside the support of q has log q = −∞, and then (1) is −∞: the posterior can exclude what is true.
Such truths are counted and reported beside (1), never dropped. (2), and a second mean for the quality of the
rest, are over the truths inside.

To compare two posteriors on the same pairs, estimate the mean of the difference, log p − log q: its standard
error is that of (3), without the scatter that both share.

Shapes        M observations; log_prob (M,), of the joint density of all parameters of θ*.
Conventions   nats; results are floats; sums in float64 whatever the dtype of log_prob.
Source        lectures S1 and S2, slide "Cumulative Likelihood of the Test Dataset", ∏ᵢ q(θᵢ|xᵢ).
Departures    the logarithm of that product, per observation, so that it neither underflows nor grows with M.

Example

    >>> import numpy as np
    >>> from reference.validation import mean_log_prob
    >>> found = mean_log_prob.estimate(np.array([-1.0, -np.inf, -2.0, -6.0]))
    >>> found.mean, found.mean_inside, found.n_outside
    (-inf, -3.0, 1)
"""
from typing import NamedTuple

import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array

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
    inside = log_prob[log_prob > -np.inf].astype(np.float64)
    n_inside = len(inside)
    mean = float(np.mean(inside)) if n_inside else np.nan                                          # (1)
    square = np.sum((inside - mean)**2) / (n_inside * (n_inside - 1)) if n_inside > 1 else np.nan  # (2)
    return MeanLogProb(mean if n_inside == n else -np.inf, float(np.sqrt(square)), n, n - n_inside, mean)


def check_log_prob(name: str, log_prob: Array) -> Array:
    """Log-probabilities without NaN and +inf, or ValueError; −inf is a value."""
    bad = int(np.sum(~(log_prob < np.inf)))
    if bad:
        raise ValueError(f"{name}: expected numbers or -inf, got NaN or +inf in {bad} of {log_prob.size} "
                         "entries")
    return log_prob
