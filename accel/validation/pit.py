"""Probability integral transform: whether the truths fall where the posteriors say that they do.

The mathematics is in `reference.validation.pit`. Same values; samples are ranked as in
`accel.numerics.ranks`, and two numbers for each parameter come back to be named.

Example

    >>> import numpy as np
    >>> from accel.validation import pit
    >>> rng = np.random.default_rng(0)
    >>> truths = rng.standard_normal((500, 1))
    >>> samples = 0.7 * rng.standard_normal((500, 99, 1))             # the posterior N(0, 1), 30 % too narrow
    >>> pit.signatures(pit.values(rng, samples, truths))[0].name
    'under-dispersed'
"""
from typing import NamedTuple

from accel.runtime.protocols import Array, Rng
from accel.device import to_host
from accel.numerics.ranks import check_level, check_samples, count_below, randomised
from accel.validation.uniformity import (
    LEAST_FOR_CHI_SQUARE, Band, band, check_values, components, curve, ks_p_values, neyman_p_values,
)

__all__ = ["Band", "Signature", "values", "curve", "band", "ks_p_values", "neyman_p_values", "signatures"]


class Signature(NamedTuple):
    """(3) for one parameter: "calibrated", "biased", "over-dispersed" or "under-dispersed", z₁ and z₂."""
    name: str
    bias: float
    spread: float


def values(rng: Rng, samples: Array, truths: Array) -> Array:
    """The transform of each truth, (M, D), uniform on [0, 1] for an exact posterior.

    Parameters
    ----------
    rng : Generator
        Draws one uniform number for each observation and parameter.
    samples : (M, L, D) float
        Posterior samples. Correlated ones (a Markov chain) must be thinned first.
    truths : (M, D) float
        The parameters that each observation was simulated with, drawn from the prior.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite, or there is no observation or no sample.
    """
    samples, truths = check_samples(samples, truths)
    below, equal = count_below(samples, truths)                                                    # (1)
    return randomised(rng, below, equal, samples)                                                  # (2)


def signatures(values: Array, *, level: float = 0.95) -> list[Signature]:
    """Which of the four signatures each parameter shows, D of them.

    A biased posterior is called biased whatever its width: v moves to one end, and its variance no longer
    tells the width.

    Parameters
    ----------
    values : (M, D) float
        At least twenty.
    level : float

    Raises
    ------
    ValueError
        If there are fewer than twenty, the shape does not fit, a number lies outside [0, 1], or level is no
        probability.
    """
    from scipy.special import ndtri
    check_level("level", level)
    z = to_host(components(check_values(values, least=LEAST_FOR_CHI_SQUARE), 2))
    c = ndtri(1 - (1 - level) / 4)                                    # two components, two sides each
    return [Signature(signature_name(bias, spread, c), float(bias), float(spread)) for bias, spread in z.T]


def signature_name(bias: float, spread: float, c: float) -> str:
    """The name in (3)."""
    if abs(bias) > c:
        return "biased"
    if abs(spread) > c:
        return "under-dispersed" if spread > 0 else "over-dispersed"
    return "calibrated"                                                                            # (3)
