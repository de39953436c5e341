"""ROC curve: what part of the anomalies a threshold on a score finds, against the part of the ordinary objects it calls anomalous.

The mathematics is in `reference.validation.roc`. Same values; the scores of each kind are sorted once and searched for those of the
other, (N + M) log (N + M) steps where the literal form makes N·M comparisons and keeps them. Twice the wins of each object is a
whole number, so that sums are exact in any order.
"""
import math
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.device import array_module

__all__ = ["Curve", "Area", "curve", "area"]


class Curve(NamedTuple):
    """The curve, from (0, 0) to (1, 1), on the device and in the dtype of the scores."""
    false_positive: np.ndarray
    true_positive: np.ndarray
    threshold: np.ndarray


class Area(NamedTuple):
    """The area (2) under the curve and its standard error (4), NaN where either kind has a single object."""
    value: float
    standard_error: float


def curve(ordinary, anomalous):
    """The ROC curve of scores ordinary (N,) and anomalous (M,)."""
    ordinary, anomalous = check_scores("ordinary", ordinary), check_scores("anomalous", anomalous)
    xp, dtype = array_module(ordinary), ordinary.dtype
    distinct = xp.unique(xp.concatenate((ordinary, anomalous)))
    threshold, rates = xp.full(len(distinct) + 1, np.inf, dtype), []
    threshold[1:] = distinct[::-1]
    for scores in (ordinary, anomalous):
        rate = xp.zeros(len(threshold), dtype)
        rate[1:] = ((len(scores) - xp.searchsorted(xp.sort(scores), distinct)) / len(scores))[::-1]
        rates.append(rate)
    return Curve(*rates, threshold)


def area(ordinary, anomalous):
    """The area under the ROC curve of scores ordinary (N,) and anomalous (M,), with its standard error."""
    ordinary, anomalous = check_scores("ordinary", ordinary), check_scores("anomalous", anomalous)
    n, m = len(ordinary), len(anomalous)
    above, below = twice_below(ordinary, anomalous), twice_below(anomalous, ordinary)                 # below: ties and wins of ordinary
    value = float(above.sum()) / (2 * n * m)
    if min(n, m) < 2:
        return Area(value, math.nan)
    square = above.var(ddof=1) / (4 * n * n * m) + below.var(ddof=1) / (4 * m * m * n)
    return Area(value, math.sqrt(float(square)))


def twice_below(scores, at):
    """For each of `at`, twice the number of scores below it, and once those that are equal to it."""
    xp = array_module(scores)
    scores = xp.sort(scores)
    return xp.searchsorted(scores, at) + xp.searchsorted(scores, at, side="right")


def check_scores(name, scores):
    """Scores (N,), at least one and none NaN, or ValueError."""
    scores = checks.as_array(name, scores, ("N",))
    checks.check_count(f"{name}: number of scores", len(scores))
    bad = int(array_module(scores).isnan(scores).sum())
    if bad:
        raise ValueError(f"{name}: expected scores, got NaN in {bad} of {len(scores)} entries")
    return scores
