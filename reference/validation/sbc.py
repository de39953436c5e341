"""Simulation-based calibration: ranks of truths among posterior samples are uniform if it is exact.

For M observations, each with its true parameters θ* and L posterior samples θ₁ … θ_L, parameter by parameter:

    (1)  r = #{l : θₗ < θ*},  ties broken at random           uniform on 0 … L if the posterior is exact
    (2)  b(r) = ⌊r B / (L + 1)⌋                              one of B bins, which holds n_b of the L + 1 ranks
    (3)  h_b = #{m : b(rₘ) = b} ~ Binomial(M, π_b),   π_b = n_b / (L + 1)
    (4)  χ² = ∑_b (h_b − M π_b)² / (M π_b),   p = P(χ²_{B−1} ≥ χ²)

The shape tells the defect: a slope is a bias, a ∪ a posterior that is too narrow, a ∩ one that is too wide,
and piles at both ends of correlated samples are autocorrelation, which must be thinned away before ranking.

Shapes        M observations, L samples of each, D parameters, B bins; samples (M, L, D), truths and
              ranks (M, D).
Conventions   ranks run from 0 to L, both included; the band of the histogram holds for each bin alone, so
              that of B bins about B (1 − level) lie outside; p-values are floats, one for each parameter.
Power         share of 200 wrong posteriors with p < 0.05, B = 20 (`python -m tests.validation.test_power`):
              20 % too narrow, 1.00 at M = 500 and 0.71 at M = 200; half a sigma of bias, 1.00 at M = 500.
Source        "Validating Bayesian inference algorithms with simulation-based calibration", Talts, Betancourt,
              Simpson, Vehtari and Gelman, 2018, theorem 1 and section 4.
Departures    Talts et al. choose L + 1 as a multiple of B; (3) and (4) know how many ranks each bin holds, so
              any L will do.

Example

    >>> import numpy as np
    >>> from reference.validation import sbc
    >>> rng = np.random.default_rng(0)
    >>> truths, samples = rng.standard_normal((500, 1)), rng.standard_normal((500, 99, 1))    # exact: N(0, 1)
    >>> sbc.p_values(sbc.ranks(rng, samples, truths), 99)[0] > 0.05
    True
    >>> sbc.p_values(sbc.ranks(rng, 0.7 * samples, truths), 99)[0] > 0.05
    False
"""
from typing import NamedTuple

import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array, Rng
from reference.numerics.ranks import check_level, check_samples, count_below

__all__ = ["Histogram", "ranks", "histogram", "p_values"]

LEAST_EXPECTED = 5


class Histogram(NamedTuple):
    """How many ranks fell into each bin, and where each count lies with probability `level`.

    Attributes
    ----------
    counts : (B, D) int
    lower, upper : (B,) int
        Quantiles of (3), the same for every parameter.
    """
    counts: Array
    lower: Array
    upper: Array


def ranks(rng: Rng, samples: Array, truths: Array) -> Array:
    """The rank of each truth among its samples, (M, D) int from 0 to L.

    Parameters
    ----------
    rng : Generator
        Draws one uniform number for each observation and parameter, which breaks ties.
    samples : (M, L, D) float
        Posterior samples, independent of each other.
    truths : (M, D) float
        The parameters that each observation was simulated with, drawn from the prior.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite, or there is no observation or no sample.
    """
    samples, truths = check_samples(samples, truths)
    below, equal = count_below(samples, truths)
    above_ties = np.floor(rng.random(below.shape) * (equal + 1)).astype(np.int64)
    return below + np.minimum(above_ties, equal)          # (1); u (e + 1) can round up to e + 1


def histogram(ranks: Array, n_samples: int, *, n_bins: int = 20, level: float = 0.99) -> Histogram:
    """The ranks counted in bins, with the band of (3).

    Parameters
    ----------
    ranks : (M, D) int
    n_samples : int
        L, the number of samples that each truth was ranked among.
    n_bins : int
        B, at most L + 1.
    level : float
        The probability with which a bin's count lies within the band, bin by bin.

    Raises
    ------
    ValueError
        If a rank is not from 0 to L, there is none, or a setting is out of range.
    """
    from scipy.stats import binom
    ranks = check_ranks(ranks, n_samples, n_bins)
    check_level("level", level)
    fraction = bin_fractions(n_samples, n_bins)
    lower, upper = (binom.ppf(p, len(ranks), fraction).astype(np.int64)                            # (3)
                    for p in ((1 - level) / 2, (1 + level) / 2))
    return Histogram(count(ranks, n_samples, n_bins), lower, upper)


def p_values(ranks: Array, n_samples: int, *, n_bins: int = 20) -> list[float]:
    """The p-value (4) for each parameter, D floats.

    Parameters
    ----------
    ranks : (M, D) int
    n_samples : int
        L, the number of samples that each truth was ranked among.
    n_bins : int
        B, at most L + 1.

    Raises
    ------
    ValueError
        If a bin expects fewer than five ranks, where the χ² distribution fails, or a rank is not from 0 to L.
    """
    from scipy.special import chdtrc
    ranks = check_ranks(ranks, n_samples, n_bins)
    expected = len(ranks) * bin_fractions(n_samples, n_bins)
    check_expected(expected)
    difference = count(ranks, n_samples, n_bins) - expected[:, None]
    chi_square = np.sum(difference**2 / expected[:, None], axis=0)
    return [float(chdtrc(n_bins - 1, statistic)) for statistic in chi_square]            # (4)


def count(ranks: Array, n_samples: int, n_bins: int) -> Array:
    """The counts h of (3), (B, D)."""
    bins = ranks * n_bins // (n_samples + 1)                          # (2)
    return np.sum(bins == np.arange(n_bins)[:, None, None], axis=1)


def bin_fractions(n_samples: int, n_bins: int) -> Array:
    """The fraction π of all L + 1 ranks that each bin holds, (B,)."""
    bins = np.arange(n_samples + 1) * n_bins // (n_samples + 1)
    return np.bincount(bins, minlength=n_bins) / (n_samples + 1)


def check_ranks(ranks: Array, n_samples: int, n_bins: int) -> Array:
    """Ranks (M, D) from 0 to L, with settings that fit them, or ValueError."""
    checks.check_count("n_samples", n_samples)
    checks.check_count("n_bins", n_bins, least=2)
    if n_bins > n_samples + 1:
        raise ValueError(f"n_bins: expected at most n_samples + 1 = {n_samples + 1}, the number of ranks, "
                         f"got {n_bins}")
    ranks = np.asarray(ranks)
    if ranks.dtype.kind not in "iu":
        raise ValueError(f"ranks: expected whole numbers, got dtype {ranks.dtype}")
    checks.check_shape("ranks", ranks, ("M", "D"))
    checks.check_count("ranks: number of entries", ranks.size)
    low, high = int(np.min(ranks)), int(np.max(ranks))
    if low < 0 or high > n_samples:
        raise ValueError(f"ranks: expected numbers from 0 to n_samples = {n_samples}, got some from {low} to "
                         f"{high}")
    return ranks.astype(np.int64, copy=False)


def check_expected(expected: Array) -> None:
    """Raise ValueError if a bin expects fewer ranks than the χ² distribution needs."""
    if expected.min() < LEAST_EXPECTED:
        raise ValueError(f"ranks: expected at least {LEAST_EXPECTED} to fall into each bin, got "
                         f"{expected.min():g} in the smallest; lower n_bins or rank more truths")
