"""Simulation-based calibration: the rank of each truth among its posterior samples is uniform if the posterior is exact.

The mathematics is in `reference.validation.sbc`. Same values; the samples are read as in `accel.validation.pit`, and
the bins of all parameters are filled in one count over M·D numbers, where the literal form compares M·D·B. The counts stay on
the device; for the p-values, D numbers come back.
"""
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.device import array_module, put, to_host
from accel.validation.pit import check_level, check_samples, count_below

__all__ = ["Histogram", "ranks", "histogram", "p_values"]

LEAST_EXPECTED = 5


class Histogram(NamedTuple):
    """How many ranks fell into each bin, and where each count lies with probability `level`."""
    counts: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def ranks(rng, samples, truths):
    """The rank of each truth among its samples, (M, D) int from 0 to L."""
    samples, truths = check_samples(samples, truths)
    xp = array_module(samples)
    below, equal = count_below(samples, truths)
    u = put(rng.random(below.shape), xp, samples.dtype)
    below += xp.minimum((u * (equal + 1)).astype(np.int64), equal)
    return below


def histogram(ranks, n_samples, *, n_bins=20, level=0.99):
    """The ranks counted in bins, with the band of (3)."""
    from scipy.stats import binom
    ranks = check_ranks(ranks, n_samples, n_bins)
    check_level("level", level)
    fraction, xp = bin_fractions(n_samples, n_bins), array_module(ranks)
    lower, upper = (xp.asarray(binom.ppf(p, len(ranks), fraction).astype(np.int64)) for p in ((1 - level) / 2, (1 + level) / 2))
    return Histogram(count(ranks, n_samples, n_bins), lower, upper)


def p_values(ranks, n_samples, *, n_bins=20):
    """The p-value of (4) for each parameter, a list of D floats."""
    from scipy.special import chdtrc
    ranks = check_ranks(ranks, n_samples, n_bins)
    expected = len(ranks) * bin_fractions(n_samples, n_bins)
    check_expected(expected)
    expected = array_module(ranks).asarray(expected)[:, None]
    difference = count(ranks, n_samples, n_bins) - expected
    chi_square = (difference * difference / expected).sum(axis=0)
    return [float(chdtrc(n_bins - 1, statistic)) for statistic in to_host(chi_square)]


def count(ranks, n_samples, n_bins):
    """The counts h of (3), (B, D)."""
    xp, dim = array_module(ranks), ranks.shape[1]
    bins = ranks * n_bins
    bins //= n_samples + 1
    bins += xp.arange(dim) * n_bins
    return xp.bincount(bins.ravel(), minlength=dim * n_bins).reshape(dim, n_bins).T


def bin_fractions(n_samples, n_bins):
    """The fraction π of all L + 1 ranks that each bin holds, (B,), on the host."""
    return np.bincount(np.arange(n_samples + 1) * n_bins // (n_samples + 1), minlength=n_bins) / (n_samples + 1)


def check_ranks(ranks, n_samples, n_bins):
    """Ranks (M, D) from 0 to L, with settings that fit them, or ValueError."""
    checks.check_count("n_samples", n_samples)
    checks.check_count("n_bins", n_bins, least=2)
    if n_bins > n_samples + 1:
        raise ValueError(f"n_bins: expected at most n_samples + 1 = {n_samples + 1}, the number of ranks, got {n_bins}")
    ranks = ranks if hasattr(ranks, "dtype") else np.asarray(ranks)
    if ranks.dtype.kind not in "iu":
        raise ValueError(f"ranks: expected whole numbers, got dtype {ranks.dtype}")
    checks.check_shape("ranks", ranks, ("M", "D"))
    checks.check_count("ranks: number of entries", ranks.size)
    low, high = int(ranks.min()), int(ranks.max())
    if low < 0 or high > n_samples:
        raise ValueError(f"ranks: expected numbers from 0 to n_samples = {n_samples}, got some from {low} to {high}")
    return ranks.astype(np.int64, copy=False)


def check_expected(expected):
    if expected.min() < LEAST_EXPECTED:
        raise ValueError(f"ranks: expected at least {LEAST_EXPECTED} to fall into each bin, got {expected.min():g} in the smallest; "
                         "lower n_bins or rank more truths")
