"""ROC curve: the fraction of anomalies above a threshold on a score, against that of ordinary objects.

For N ordinary objects with scores sᵢ and M anomalous ones with scores tⱼ, higher where a score calls an
object anomalous:

    (1)  false positives(c) = #{i : sᵢ ≥ c}/N,   true positives(c) = #{j : tⱼ ≥ c}/M     the curve, as c falls
    (2)  A = (1/NM) ∑ᵢⱼ ( [tⱼ > sᵢ] + ½ [tⱼ = sᵢ] )            the area under it, straight between points
    (3)  vⱼ = (1/N) ∑ᵢ ( … ),   uᵢ = (1/M) ∑ⱼ ( … )            placements: the means of (2)'s terms
    (4)  SE² = var(v)/M + var(u)/N                              with ddof 1

A is the probability that a random anomaly scores higher than a random ordinary object, where a tie counts
half: 1 for a perfect score, ½ for a score without information, less for an inverted one. It depends on no
threshold, and not on the fraction of anomalies.

Shapes        N ordinary scores (N,), M anomalous ones (M,), K distinct scores among them.
Conventions   A and SE are floats, counted exactly; infinite scores are scores, NaN is refused.
Source        (2) "The meaning and use of the area under a receiver operating characteristic (ROC) curve",
              Hanley and McNeil, 1982; (4) "Comparing the areas under two or more correlated receiver
              operating characteristic curves", DeLong, DeLong and Clarke-Pearson, 1988.

Example

    >>> from reference.validation import roc
    >>> roc.area([1.0, 2.0, 4.0], [2.0, 3.0]).value * 6           # of six pairs three are won, one is tied
    3.5
    >>> roc.curve([1.0, 2.0, 4.0], [2.0, 3.0]).threshold.tolist()
    [inf, 4.0, 3.0, 2.0, 1.0]
"""
from typing import NamedTuple

import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array

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
    distinct = np.unique(np.concatenate((ordinary, anomalous)))[::-1, None]
    rates = (np.append(0.0, np.mean(scores >= distinct, axis=1)) for scores in (ordinary, anomalous))  # (1)
    return Curve(*rates, np.append(np.inf, distinct))


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
    ordinary, anomalous = check_scores("ordinary", ordinary), check_scores("anomalous", anomalous)[:, None]
    wins = (anomalous > ordinary) + 0.5 * (anomalous == ordinary)                                     # (M, N)
    value, placements = float(np.mean(wins)), (np.mean(wins, axis=1), np.mean(wins, axis=0))        # (2), (3)
    if min(wins.shape) < 2:
        return Area(value, np.nan)
    return Area(value, float(np.sqrt(sum(np.var(v, ddof=1) / len(v) for v in placements))))            # (4)


def check_scores(name: str, scores: Array) -> Array:
    """Scores (N,), at least one and none NaN, or ValueError."""
    scores = checks.as_array(name, scores, ("N",))
    checks.check_count(f"{name}: number of scores", len(scores))
    bad = int(np.sum(np.isnan(scores)))
    if bad:
        raise ValueError(f"{name}: expected scores, got NaN in {bad} of {len(scores)} entries")
    return scores
