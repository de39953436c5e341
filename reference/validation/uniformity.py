"""Uniformity on [0, 1]: a curve with its band, the Kolmogorov–Smirnov test and Neyman's smooth test.

`pit`, `coverage` and `tarp` turn a posterior into values v₁ … v_M that are uniform if it is exact. For each
parameter:

    (1)  F(p) = (1/M) #{m : vₘ ≤ p}                           the P–P curve
    (2)  D = supₚ |F(p) − p|,   p_KS = P(D_M ≥ D)             Kolmogorov and Smirnov, exact for every M
    (3)  band(p) = p ± d,   P(D_M ≤ d) = level                F leaves it exactly when p_KS < 1 − level
    (4)  zⱼ = M^(−½) ∑ₘ φⱼ(vₘ),   φⱼ(v) = √(2j+1) Pⱼ(2v − 1)   Legendre, orthonormal on [0, 1]: zⱼ ≈ N(0, 1)
    (5)  p_N = P(χ²ₖ ≥ z₁² + … + zₖ²)                         Neyman's smooth test of order k

(2) looks at one place of the curve, (5) at the mean, the variance and higher moments of v. `pit` compares the
power of both.

Shapes        M values of D parameters, K points of a grid; values (M, D).
Conventions   p-values are floats, one for each parameter; statistics are computed in float64 whatever the
              dtype of v.
Source        (2), (3) "Computing the two-sided Kolmogorov–Smirnov distribution", Simard and L'Ecuyer, 2011,
              by SciPy's `kstwo`; (5) "'Smooth' test for goodness of fit", Neyman, 1937.

Example

    >>> import numpy as np
    >>> from reference.validation import uniformity
    >>> v = np.random.default_rng(0).random((200, 1))
    >>> [uniformity.neyman_p_values(values)[0] > 0.05 for values in (v, v**1.5)]
    [True, False]
"""
from typing import NamedTuple

import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array
from reference.numerics.ranks import check_level

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
    return np.mean(values[:, None, :] <= grid[:, None], axis=0)                                    # (1)


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
    grid = check_grid(grid)
    d = kstwo.ppf(level, n)                                                                        # (3)
    return Band(np.maximum(grid - d, 0), np.minimum(grid + d, 1))


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
    values = np.sort(check_values(values).astype(np.float64), axis=0)
    n = len(values)
    steps = np.arange(n + 1)[:, None] / n
    distance = np.maximum(np.max(steps[1:] - values, axis=0), np.max(values - steps[:-1], axis=0))
    return [float(kstwo.sf(d, n)) for d in distance]                                               # (2)


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
    return [float(chdtrc(order, statistic)) for statistic in np.sum(z**2, axis=0)]                 # (5)


def components(values: Array, order: int) -> Array:
    """z₁ … zₖ of each parameter, (k, D)."""
    legendre = np.polynomial.legendre.legvander(2 * values.astype(np.float64) - 1, order)      # (M, D, k + 1)
    phi = legendre[..., 1:] * np.sqrt(2 * np.arange(1, order + 1) + 1)
    return np.sum(phi, axis=0).T / np.sqrt(len(values))                                            # (4)


def check_values(values: Array, *, name: str = "values", least: int = 1) -> Array:
    """Values (M, D) within [0, 1], at least `least` rows, or ValueError."""
    values = checks.as_array(name, values, ("M", "D"))
    checks.check_count(f"{name}: number of rows", len(values), least=least)
    checks.check_count(f"{name}: number of columns", values.shape[1])
    checks.check_finite(name, values)
    low, high = float(np.min(values)), float(np.max(values))
    if low < 0 or high > 1:
        raise ValueError(f"{name}: expected numbers within [0, 1], got some from {low:g} to {high:g}")
    return values


def check_grid(grid: Array) -> Array:
    """An ascending grid (K,) within [0, 1], or ValueError."""
    grid = checks.as_array("grid", grid, ("K",))
    if not len(grid):
        raise ValueError("grid: expected ascending numbers within [0, 1], got none")
    if not (grid[0] >= 0 and grid[-1] <= 1 and np.all(np.diff(grid) >= 0)):
        raise ValueError(f"grid: expected ascending numbers within [0, 1], got {len(grid)} of them from "
                         f"{grid[0]:g} to {grid[-1]:g}")
    return grid
