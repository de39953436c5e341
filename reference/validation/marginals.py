"""Marginals of samples: all one- and two-dimensional densities, and the levels that enclose given masses.

    (1)  h_b = #{n : e_b ≤ θₙ < e_{b+1}}          the last bin holds its upper edge; h_{bc} for two
    (2)  h ← G h  and  h ← G h Gᵀ               G: a Gaussian of s bins, reflected at the ends, ∑_b G_{bc} = 1
    (3)  p(θ) = h / (N w),  p(θᵢ, θⱼ) = h / (N wᵢ wⱼ)      w: width of a bin
    (4)  t_m: the highest level for which the bins with p ≥ t_m hold at least the mass m

By (2) no mass is lost, a flat density stays flat, and a hard edge keeps its height.

Shapes        N samples, D parameters, B bins, K masses, P = D (D − 1)/2 pairs i > j, in the order (1, 0), (2,
              0), (2, 1), …: row by row as a corner plot shows them; samples (N, D).
Conventions   masses are probabilities. In two dimensions the ellipses of one and two standard deviations of a
              Gaussian enclose 0.393 and 0.865. N counts the samples outside the ranges too, so p integrates
              to the fraction inside, and a level of 0 says that the ranges hold less than the mass. Counts
              are whole numbers; (2) to (4) are computed in float64, whatever the dtype of samples.
Source        (4) "corner.py: Scatterplot matrices in Python", Foreman-Mackey, 2016.

Example

    >>> import numpy as np
    >>> from reference.validation import marginals
    >>> samples = np.random.default_rng(0).standard_normal((100_000, 2))
    >>> found = marginals.histograms(samples, ranges=[[-3, 3], [-3, 3]], n_bins=20, masses=(0.393, 0.865))
    >>> (found.levels[0] * 2 * np.pi).round(1).tolist()                # of the peak: exp(−r²/2), r = 1 and 2
    [0.6, 0.1]
"""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array
from reference.numerics.ranks import check_level

__all__ = ["Histograms", "histograms"]
SHARED = ["check_draws"]
__all__ += SHARED


class Histograms(NamedTuple):
    """The densities of all marginals.

    Attributes
    ----------
    edges : (D, B + 1) float
        Of the bins.
    density : (D, B) float
        p(θ_d).
    joint : (P, B, B) float
        p(θᵢ, θⱼ), with the bins of θᵢ along the first axis.
    levels : (P, K) float
        t_m, in the units of joint.
    """
    edges: Array
    density: Array
    joint: Array
    levels: Array


def histograms(samples: Array, *, ranges: Array | None = None, n_bins: int = 40, smoothing: float = 0.0,
               masses: Sequence[float] = (0.68, 0.95)) -> Histograms:
    """All one- and two-dimensional densities of the samples, and the levels that enclose the masses.

    Parameters
    ----------
    samples : (N, D) float
    ranges : (D, 2) float, optional
        Lowest and highest edge for each parameter; by default its smallest and largest sample.
    n_bins : int
        B.
    smoothing : float
        s of (2), in bins; 0 leaves the counts as they are. It widens every density by as much.
    masses : sequence of K float

    Raises
    ------
    ValueError
        If samples are not finite or not (N, D), a range is empty, or a mass is not a probability.
    """
    samples = check_draws("samples", samples)
    check_settings(n_bins, smoothing, masses)
    n, dim = samples.shape
    ranges = np.stack((samples.min(axis=0), samples.max(axis=0)), axis=1) if ranges is None else ranges
    ranges = check_ranges(ranges, dim)
    edges, g = np.linspace(ranges[:, 0], ranges[:, 1], n_bins + 1, axis=1), kernel(n_bins, smoothing)
    width = (ranges[:, 1] - ranges[:, 0]) / n_bins
    density = np.stack([g @ np.histogram(samples[:, d], edges[d])[0] / (n * width[d]) for d in range(dim)])
    n_pairs = dim * (dim - 1) // 2
    joint, levels = np.zeros((n_pairs, n_bins, n_bins)), np.zeros((n_pairs, len(masses)))
    for p, (i, j) in enumerate(pairs(dim)):
        counts, _, _ = np.histogram2d(samples[:, i], samples[:, j], bins=(edges[i], edges[j]))         # (1)
        counts, area = g @ counts @ g.T, n * width[i] * width[j]                                       # (2)
        joint[p] = counts / area                                                                       # (3)
        levels[p] = [enclosing(counts, mass * n) / area for mass in masses]                            # (4)
    return Histograms(edges, density, joint, levels)


def pairs(dim: int) -> list[tuple[int, int]]:
    """(i, j) of the P panels below the diagonal, row by row."""
    return [(i, j) for i in range(dim) for j in range(i)]


def kernel(n_bins: int, smoothing: float) -> Array:
    """G of (2), (B, B); the identity if nothing is smoothed."""
    if smoothing == 0:
        return np.eye(n_bins)
    b, c = np.ogrid[:n_bins, :n_bins]
    distances = b - c, b + c + 1, b + c + 1 - 2 * n_bins              # the bin and its images at the ends
    g = sum(np.exp(-0.5 * (distance / smoothing)**2) for distance in distances)
    return g / g.sum(axis=0)


def enclosing(counts: Array, total: float) -> float:
    """The count of the last bin needed, from the fullest down, to hold `total` samples; else 0."""
    ordered = np.sort(counts, axis=None)[::-1]
    held = np.cumsum(ordered)
    return ordered[np.argmax(held >= total)] if held[-1] >= total else 0.0


def check_settings(n_bins: int, smoothing: float, masses: Sequence[float]) -> None:
    """Raise ValueError unless the settings of `histograms` are in range."""
    checks.check_count("n_bins", n_bins, least=2)
    if smoothing != 0:
        checks.check_positive("smoothing", smoothing)
    for mass in masses:
        check_level("masses", mass)


def check_draws(name: str, samples: Array) -> Array:
    """Samples (N, D), finite and at least two, or ValueError."""
    samples = checks.as_array(name, samples, ("N", "D"))
    checks.check_count(f"{name}: number of rows", len(samples), least=2)
    checks.check_count(f"{name}: number of columns", samples.shape[1])
    checks.check_finite(name, samples)
    return samples


def check_ranges(ranges: Array, dim: int) -> Array:
    """Ranges (D, 2) in float64, each low < high, a copy; or ValueError."""
    ranges = checks.as_array("ranges", ranges, (dim, 2))
    checks.check_finite("ranges", ranges)
    for d, (low, high) in enumerate(ranges):
        if not low < high:
            raise ValueError(f"ranges: expected low < high, got {low:g} and {high:g} for parameter {d}")
    return ranges.astype(np.float64)
