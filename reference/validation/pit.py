"""Probability integral transform: whether the truths fall where the posteriors say that they do.

For M observations, each with its true parameters θ* and L posterior samples θ₁ … θ_L, parameter by parameter:

    (1)  r = #{l : θₗ < θ*},   e = #{l : θₗ = θ*}              (`numerics.ranks`)
    (2)  v = (r + u (e + 1)) / (L + 1),   u ~ U(0, 1)          uniform on [0, 1] for an exact posterior, any L
    (3)  z₁ tells bias (the mean of v), z₂ tells spread (its variance):
             |z₁| > c             biased               > 0: the truths lie above the posterior
             z₂ > c               under-dispersed      v piles up at both ends: the posterior is too narrow
             z₂ < −c              over-dispersed       v piles up in the middle: the posterior is too wide
             else                 calibrated           an exact posterior, with probability ≈ `level`

z₁ and z₂ are the first components of Neyman's smooth test, which `uniformity` has with the other tests;
`curve`, `band`, `ks_p_values` and `neyman_p_values` are its functions.

Shapes        M observations, L samples of each, D parameters; samples (M, L, D), truths (M, D).
Conventions   "over-" and "under-dispersed" describe the posterior, not the histogram of v; p-values are
              floats, one for each parameter; statistics are computed in float64 whatever the dtype of v.
Power         share of 200 wrong posteriors with p < 0.05 (`python -m tests.validation.test_power`):

                                    20 % too narrow        half a sigma of bias
                                   M = 500    M = 200            M = 500
                KS                   0.88       0.44               1.00
                Neyman, k = 4        1.00       0.92               1.00

              KS looks at one place of the curve. A posterior that is 20 % too narrow moves it by 0.054 at
              most, less than the half-width 0.060 of the band at M = 500: KS sees it only because noise adds
              to it. A curve within the band does not show that a posterior is calibrated; use Neyman's test.
Source        lectures S1 and S2, slides "P-P plots" and "PIT tests / P-P plots".
Departures    the lectures integrate, PIT(θ*; x) = ∫ p(θ|x) dθ up to θ*. (2) estimates it from samples, and
              breaking ties and filling the gaps between ranks at random makes it exactly uniform, which r/L
              is not.

Example

    >>> import numpy as np
    >>> from reference.validation import pit
    >>> rng = np.random.default_rng(0)
    >>> truths = rng.standard_normal((500, 1))
    >>> samples = 0.7 * rng.standard_normal((500, 99, 1))             # the posterior N(0, 1), 30 % too narrow
    >>> pit.signatures(pit.values(rng, samples, truths))[0].name
    'under-dispersed'
"""
from typing import NamedTuple

from reference.runtime.protocols import Array, Rng
from reference.numerics.ranks import check_level, check_samples, count_below, randomised
from reference.validation.uniformity import (
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
    z = components(check_values(values, least=LEAST_FOR_CHI_SQUARE), 2)
    c = ndtri(1 - (1 - level) / 4)                                    # two components, two sides each
    return [Signature(signature_name(bias, spread, c), float(bias), float(spread)) for bias, spread in z.T]


def signature_name(bias: float, spread: float, c: float) -> str:
    """The name in (3)."""
    if abs(bias) > c:
        return "biased"
    if abs(spread) > c:
        return "under-dispersed" if spread > 0 else "over-dispersed"
    return "calibrated"                                                                            # (3)
