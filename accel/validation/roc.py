"""ROC curve: the fraction of anomalies above a threshold on a score, against that of ordinary objects.

The mathematics is in `reference.validation.roc`. Same values; the scores of each kind are sorted once and
searched for those of the other, (N + M) log (N + M) steps where the literal form makes N·M comparisons and
keeps them. Twice the wins of each object is a whole number, so that sums are exact in any order.

Example

    >>> from accel.validation import roc
    >>> roc.area([1.0, 2.0, 4.0], [2.0, 3.0]).value * 6           # of six pairs three are won, one is tied
    3.5
    >>> roc.curve([1.0, 2.0, 4.0], [2.0, 3.0]).threshold.tolist()
    [inf, 4.0, 3.0, 2.0, 1.0]
"""
import math
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.runtime.protocols import Array
from accel.device import array_module

__all__ = ["Curve", "Area", "curve", "area"]


class Curve(NamedTuple):
    """The curve, from (0, 0) to (1, 1).

    Attributes
    ----------
    false_positive, true_positive : (K + 1,) float
        (1) at each threshold.
    threshold : (K + 1,) float
        Every distinct score in falling order, after an infinite one above them all.
    """
    false_positive: Array
    true_positive: Array
    threshold: Array


class Area(NamedTuple):
    """The area (2) under the curve and its standard error (4), NaN where either kind has a single object."""
    value: float
    standard_error: float


def curve(ordinary: Array, anomalous: Array) -> Curve:
    """The ROC curve.

    Parameters
    ----------
    ordinary : (N,) float
        Scores of ordinary objects.
    anomalous : (M,) float
        Scores of anomalous ones.

    Raises
    ------
    ValueError
        If a score is NaN, or one of the kinds has none.
    """
    ordinary, anomalous = check_scores("ordinary", ordinary), check_scores("anomalous", anomalous)
    xp, dtype = array_module(ordinary), ordinary.dtype
    distinct = xp.unique(xp.concatenate((ordinary, anomalous)))
    threshold, rates = xp.full(len(distinct) + 1, np.inf, dtype), []
    threshold[1:] = distinct[::-1]
    for scores in (ordinary, anomalous):
        rate, below = xp.zeros(len(threshold), dtype), xp.searchsorted(xp.sort(scores), distinct)
        rate[1:] = ((len(scores) - below) / len(scores))[::-1]                                         # (1)
        rates.append(rate)
    return Curve(*rates, threshold)


def area(ordinary: Array, anomalous: Array) -> Area:
    """The area under the ROC curve, with its standard error.

    Parameters
    ----------
    ordinary : (N,) float
        Scores of ordinary objects.
    anomalous : (M,) float
        Scores of anomalous ones.

    Raises
    ------
    ValueError
        If a score is NaN, or one of the kinds has none.
    """
    ordinary, anomalous = check_scores("ordinary", ordinary), check_scores("anomalous", anomalous)
    n, m = len(ordinary), len(anomalous)
    above, below = twice_below(ordinary, anomalous), twice_below(anomalous, ordinary)                  # (3)
    value = float(above.sum()) / (2 * n * m)                                                           # (2)
    if min(n, m) < 2:
        return Area(value, math.nan)
    square = above.var(ddof=1) / (4 * n * n * m) + below.var(ddof=1) / (4 * m * m * n)
    return Area(value, math.sqrt(float(square)))                                                       # (4)


def twice_below(scores: Array, at: Array) -> Array:
    """For each entry of `at`, twice the number of scores below it plus the number equal to it."""
    xp = array_module(scores)
    scores = xp.sort(scores)
    return xp.searchsorted(scores, at) + xp.searchsorted(scores, at, side="right")


def check_scores(name: str, scores: Array) -> Array:
    """Scores (N,), at least one and none NaN, or ValueError."""
    scores = checks.as_array(name, scores, ("N",))
    checks.check_count(f"{name}: number of scores", len(scores))
    bad = int(array_module(scores).isnan(scores).sum())
    if bad:
        raise ValueError(f"{name}: expected scores, got NaN in {bad} of {len(scores)} entries")
    return scores
