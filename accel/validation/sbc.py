"""Simulation-based calibration: ranks of truths among posterior samples are uniform if it is exact.

The mathematics is in `reference.validation.sbc`. Same values; the samples are read as in
`accel.numerics.ranks`, and the bins of all parameters are filled in one count over M·D numbers, where the
literal form compares M·D·B. The counts stay on the device; for the p-values, D numbers come back.

Example

    >>> import numpy as np
    >>> from accel.validation import sbc
    >>> rng = np.random.default_rng(0)
    >>> truths, samples = rng.standard_normal((500, 1)), rng.standard_normal((500, 99, 1))    # exact: N(0, 1)
    >>> sbc.p_values(sbc.ranks(rng, samples, truths), 99)[0] > 0.05
    True
    >>> sbc.p_values(sbc.ranks(rng, 0.7 * samples, truths), 99)[0] > 0.05
    False
"""
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.runtime.protocols import Array, Rng
from accel.device import array_module, put, to_host
from accel.numerics.ranks import check_level, check_samples, count_below

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
    xp = array_module(samples)
    below, equal = count_below(samples, truths)
    u = put(rng.random(below.shape), xp, samples.dtype)
    below += xp.minimum((u * (equal + 1)).astype(np.int64), equal)    # (1); u (e + 1) can round up to e + 1
    return below


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
    fraction, xp = bin_fractions(n_samples, n_bins), array_module(ranks)
    lower, upper = (xp.asarray(binom.ppf(p, len(ranks), fraction).astype(np.int64))                # (3)
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
    expected = array_module(ranks).asarray(expected)[:, None]
    difference = count(ranks, n_samples, n_bins) - expected
    chi_square = (difference * difference / expected).sum(axis=0)
    return [float(chdtrc(n_bins - 1, statistic)) for statistic in to_host(chi_square)]             # (4)


def count(ranks: Array, n_samples: int, n_bins: int) -> Array:
    """The counts h of (3), (B, D)."""
    xp, dim = array_module(ranks), ranks.shape[1]
    bins = ranks * n_bins
    bins //= n_samples + 1                                                                         # (2)
    bins += xp.arange(dim) * n_bins
    return xp.bincount(bins.ravel(), minlength=dim * n_bins).reshape(dim, n_bins).T


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
    ranks = ranks if hasattr(ranks, "dtype") else np.asarray(ranks)
    if ranks.dtype.kind not in "iu":
        raise ValueError(f"ranks: expected whole numbers, got dtype {ranks.dtype}")
    checks.check_shape("ranks", ranks, ("M", "D"))
    checks.check_count("ranks: number of entries", ranks.size)
    low, high = int(ranks.min()), int(ranks.max())
    if low < 0 or high > n_samples:
        raise ValueError(f"ranks: expected numbers from 0 to n_samples = {n_samples}, got some from {low} to "
                         f"{high}")
    return ranks.astype(np.int64, copy=False)


def check_expected(expected: Array) -> None:
    """Raise ValueError if a bin expects fewer ranks than the χ² distribution needs."""
    if expected.min() < LEAST_EXPECTED:
        raise ValueError(f"ranks: expected at least {LEAST_EXPECTED} to fall into each bin, got "
                         f"{expected.min():g} in the smallest; lower n_bins or rank more truths")
