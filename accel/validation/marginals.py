"""Marginals of samples: all one- and two-dimensional densities, and the levels that enclose given masses.

The mathematics is in `reference.validation.marginals`. Same values; each sample is put into its bin once for
each parameter, where the literal form does so 2 (D − 1) times more, once for each pair and side. With one
more bin below and one above the range, no sample has to be selected, and one count over blocks of samples
fills all pairs. All levels come from one sort. Everything stays on the device; counts and (2) to (4) are in
float64, and the results in the dtype of samples.

Example

    >>> import numpy as np
    >>> from accel.validation import marginals
    >>> samples = np.random.default_rng(0).standard_normal((100_000, 2))
    >>> found = marginals.histograms(samples, ranges=[[-3, 3], [-3, 3]], n_bins=20, masses=(0.393, 0.865))
    >>> (found.levels[0] * 2 * np.pi).round(1).tolist()                # of the peak: exp(−r²/2), r = 1 and 2
    [0.6, 0.1]
"""
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.runtime.protocols import Array
from accel.device import array_module, to_host
from accel.numerics.ranks import check_level

__all__ = ["Histograms", "histograms"]
SHARED = ["check_draws"]
__all__ += SHARED

BLOCK, DEVICE_BLOCK = 1 << 18, 1 << 25


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
    xp, (n, dim), dtype = array_module(samples), samples.shape, samples.dtype
    ranges = xp.stack((samples.min(axis=0), samples.max(axis=0)), axis=1) if ranges is None else ranges
    ranges = check_ranges(ranges, dim)
    edges = xp.asarray(np.linspace(ranges[:, 0], ranges[:, 1], n_bins + 1, axis=1))
    width, g = (ranges[:, 1] - ranges[:, 0]) / n_bins, xp.asarray(kernel(n_bins, smoothing))
    density, joint = count(xp, samples, edges)                                                         # (1)
    density = (density @ g.T if smoothing else density) / xp.asarray(n * width)[:, None]
    levels = xp.zeros((len(joint), len(masses)))
    if dim > 1:
        area = xp.asarray([n * width[i] * width[j] for i, j in pairs(dim)])[:, None]
        joint = g @ joint @ g.T if smoothing else joint                                                # (2)
        levels = enclosing(xp, joint, [mass * n for mass in masses]) / area                            # (4)
        joint = joint / area[:, :, None]                                                               # (3)
    return Histograms(*(array.astype(dtype, copy=False) for array in (edges, density, joint, levels)))


def count(xp: ModuleType, samples: Array, edges: Array) -> tuple[Array, Array]:
    """The counts h of (1) in float64, (D, B) and (P, B, B)."""
    dim, side = len(edges), edges.shape[1] + 1
    panels = pairs(dim)
    rows, columns = (xp.asarray([pair[k] for pair in panels], dtype=np.int64) for k in (0, 1))
    single, joint = xp.zeros(dim * side), xp.zeros(len(panels) * side * side)
    block = max(1, (BLOCK if xp is np else DEVICE_BLOCK) // max(1, len(panels)))
    for start in range(0, len(samples), block):
        theta = samples[start:start + block].T.astype(np.float64)
        bins = xp.stack([xp.searchsorted(edges[d], theta[d], side="right") for d in range(dim)])
        bins -= theta == edges[:, -1:]                                # bin 0: below the range, B + 1: above
        single += xp.bincount((bins + side * xp.arange(dim)[:, None]).ravel(), minlength=len(single))
        if panels:
            cells = bins[rows] * side
            cells += bins[columns]
            cells += side * side * xp.arange(len(panels))[:, None]
            joint += xp.bincount(cells.ravel(), minlength=len(joint))
    return single.reshape(dim, side)[:, 1:-1], joint.reshape(len(panels), side, side)[:, 1:-1, 1:-1]


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


def enclosing(xp: ModuleType, joint: Array, totals: Sequence[float]) -> Array:
    """For each pair and total, the count of the last bin needed, from the fullest down, (P, K)."""
    ordered = xp.sort(joint.reshape(len(joint), -1), axis=1)[:, ::-1]
    held, last, found = ordered.cumsum(axis=1), ordered.shape[1] - 1, []
    for total in totals:
        place = (held < total).sum(axis=1)
        at_place = xp.take_along_axis(ordered, xp.minimum(place, last)[:, None], axis=1)[:, 0]
        found.append(xp.where(place <= last, at_place, 0.0))          # 0 if all bins hold less
    return xp.stack(found, axis=1)


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
    ranges = to_host(ranges)
    for d, (low, high) in enumerate(ranges):
        if not low < high:
            raise ValueError(f"ranges: expected low < high, got {low:g} and {high:g} for parameter {d}")
    return ranges.astype(np.float64)
