"""Uniformity on [0, 1]: a curve with its band, the Kolmogorov–Smirnov test and Neyman's smooth test.

The mathematics is in `reference.validation.uniformity`. Same values; what differs:

    (1)  every value is binned once on the grid, all parameters in one count, and the counts are accumulated:
         M·D·log K steps where the literal form takes M·D·K
    (4)  the recurrence (j+1) Pⱼ₊₁(t) = (2j+1) t Pⱼ(t) − j Pⱼ₋₁(t) runs in two arrays and keeps only the sums

Statistics are accumulated in float64 on the device, and one number for each parameter comes back for its
p-value.

Example

    >>> import numpy as np
    >>> from accel.validation import uniformity
    >>> v = np.random.default_rng(0).random((200, 1))
    >>> [uniformity.neyman_p_values(values)[0] > 0.05 for values in (v, v**1.5)]
    [True, False]
"""
import math
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.runtime.protocols import Array
from accel.device import array_module, put, to_host
from accel.numerics.ranks import check_level

__all__ = ["Band", "curve", "band", "ks_p_values", "neyman_p_values"]
SHARED = ["LEAST_FOR_CHI_SQUARE", "components", "check_values"]
__all__ += SHARED

LEAST_FOR_CHI_SQUARE = 20


class Band(NamedTuple):
    """Limits of a curve over a grid, (K,) each."""
    lower: Array
    upper: Array


def curve(values: Array, grid: Array) -> Array:
    """The fraction of values up to each point of the grid, (K, D).

    Parameters
    ----------
    values : (M, D) float
    grid : (K,) float
        Ascending, within [0, 1].

    Raises
    ------
    ValueError
        If a shape does not fit, a number lies outside [0, 1], or there is none.
    """
    values, grid = check_values(values), check_grid(grid)
    xp, (n, dim), k = array_module(values), values.shape, len(grid)
    first = xp.searchsorted(put(grid, xp, values.dtype), values)         # the first point not below the value
    first += xp.arange(dim) * (k + 1)
    counts = xp.bincount(first.ravel(), minlength=dim * (k + 1)).reshape(dim, k + 1)[:, :k]
    return (counts.cumsum(axis=1) / n).astype(values.dtype).T                                      # (1)


def band(n: int, grid: Array, *, level: float = 0.95) -> Band:
    """Where the whole curve of n uniform values stays with probability `level`.

    The probability is exact for all p of [0, 1] at once; a curve seen on a grid alone leaves the band a
    little less often.

    Parameters
    ----------
    n : int
        Number of values.
    grid : (K,) float
        Ascending, within [0, 1].
    level : float

    Raises
    ------
    ValueError
        If the grid does not fit, or level is no probability.
    """
    from scipy.stats import kstwo
    checks.check_count("n", n)
    check_level("level", level)
    host, d = check_grid(grid), kstwo.ppf(level, n)                                                # (3)
    limits = np.maximum(host - d, 0), np.minimum(host + d, 1)
    return Band(*(put(limit, array_module(grid), host.dtype) for limit in limits))


def ks_p_values(values: Array) -> list[float]:
    """The two-sided Kolmogorov–Smirnov p-value of each parameter, D floats.

    Parameters
    ----------
    values : (M, D) float

    Raises
    ------
    ValueError
        If the shape does not fit, a number lies outside [0, 1], or there is none.
    """
    from scipy.stats import kstwo
    values = check_values(values)
    xp, n = array_module(values), len(values)
    v = xp.sort(xp.ascontiguousarray(values.T, dtype=np.float64), axis=1)
    steps = xp.arange(n + 1, dtype=np.float64) / n
    above = (steps[1:] - v).max(axis=1)
    v -= steps[:-1]
    return [float(kstwo.sf(d, n)) for d in to_host(xp.maximum(above, v.max(axis=1)))]              # (2)


def neyman_p_values(values: Array, *, order: int = 4) -> list[float]:
    """The p-value of Neyman's smooth test for each parameter, D floats.

    Parameters
    ----------
    values : (M, D) float
        At least twenty, for the χ² distribution to hold.
    order : int
        k: 1 sees a shift, 2 also a wrong width, 3 a skew, 4 wrong tails. A higher order sees more, each less
        well.

    Raises
    ------
    ValueError
        If there are fewer than twenty, the shape does not fit, or a number lies outside [0, 1].
    """
    from scipy.special import chdtrc
    checks.check_count("order", order)
    z = components(check_values(values, least=LEAST_FOR_CHI_SQUARE), order)
    return [float(chdtrc(order, statistic)) for statistic in to_host((z * z).sum(axis=0))]         # (5)


def components(values: Array, order: int) -> Array:
    """z₁ … zₖ of each parameter, (k, D)."""
    xp, n = array_module(values), len(values)
    t = 2 * values.astype(np.float64) - 1
    previous, current, sums = xp.ones_like(t), t.copy(), []
    for j in range(1, order + 1):
        sums.append(current.sum(axis=0) * math.sqrt((2 * j + 1) / n))                              # (4)
        previous *= -j
        previous += (2 * j + 1) * t * current
        previous /= j + 1
        previous, current = current, previous
    return xp.stack(sums)


def check_values(values: Array, *, name: str = "values", least: int = 1) -> Array:
    """Values (M, D) within [0, 1], at least `least` rows, or ValueError."""
    values = checks.as_array(name, values, ("M", "D"))
    checks.check_count(f"{name}: number of rows", len(values), least=least)
    checks.check_count(f"{name}: number of columns", values.shape[1])
    checks.check_finite(name, values)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise ValueError(f"{name}: expected numbers within [0, 1], got some from {low:g} to {high:g}")
    return values


def check_grid(grid: Array) -> Array:
    """An ascending grid (K,) within [0, 1], on the host, or ValueError."""
    grid = to_host(checks.as_array("grid", grid, ("K",)))
    if not len(grid):
        raise ValueError("grid: expected ascending numbers within [0, 1], got none")
    if not (grid[0] >= 0 and grid[-1] <= 1 and np.all(np.diff(grid) >= 0)):
        raise ValueError(f"grid: expected ascending numbers within [0, 1], got {len(grid)} of them from "
                         f"{grid[0]:g} to {grid[-1]:g}")
    return grid
