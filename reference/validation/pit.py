"""Probability integral transform: whether the truths fall where the posteriors say that they do.

For M observations, each with its true parameters θ* and L posterior samples θ₁ … θ_L, parameter by parameter:

    (1)  r = #{l : θₗ < θ*},   e = #{l : θₗ = θ*}
    (2)  v = (r + u (e + 1)) / (L + 1),   u ~ U(0, 1)         uniform on [0, 1] if the posterior is exact, for any L
    (3)  F(p) = (1/M) #{m : vₘ ≤ p}                           the P–P curve
    (4)  D = supₚ |F(p) − p|,   p_KS = P(D_M ≥ D)             Kolmogorov and Smirnov, exact for every M
    (5)  band(p) = p ± d,   P(D_M ≤ d) = level                F leaves it somewhere exactly when p_KS < 1 − level
    (6)  zⱼ = M^(−½) ∑ₘ φⱼ(vₘ),   φⱼ(v) = √(2j+1) Pⱼ(2v − 1)   Legendre, orthonormal on [0, 1]: zⱼ is nearly N(0, 1)
    (7)  p_N = P(χ²ₖ ≥ z₁² + … + zₖ²)                         Neyman's smooth test of order k
    (8)  z₁ tells bias (the mean of v), z₂ tells spread (its variance):
             |z₁| > c             biased               > 0: the truths lie above the posterior
             z₂ > c               under-dispersed      v piles up at both ends: the posterior is too narrow
             z₂ < −c              over-dispersed       v piles up in the middle: the posterior is too wide
             else                 calibrated           an exact posterior is called so with probability `level`, nearly

Shapes        M observations, L samples of each, D parameters, K points of a grid; samples (M, L, D), truths (M, D).
Conventions   "over-" and "under-dispersed" describe the posterior, not the histogram of v; p-values are floats, one for each
              parameter; statistics are computed in float64 whatever the dtype of v.
Power         share of 200 wrong posteriors with p < 0.05 (`tests/validation/test_power.py`):

                                    20 % too narrow        half a sigma of bias
                                   M = 500    M = 200            M = 500
                KS (4)               0.88       0.44               1.00
                Neyman (7), k = 4    1.00       0.92               1.00

              (4) looks at one place of the curve. A posterior that is 20 % too narrow moves it by 0.054 at most, less than the
              half-width 0.060 of the band at M = 500: KS sees it only because noise adds to it, on either side. Do not call a
              posterior calibrated because its curve stays within the band; ask (7).
Source        lectures S1 and S2, slides "P-P plots" and "PIT tests / P-P plots"; (7) "'Smooth' test for goodness of fit", Neyman, 1937.
Departures    the lectures integrate, PIT(θ*; x) = ∫ p(θ|x) dθ up to θ*. (2) is what samples say of it; breaking ties and filling
              the gaps between ranks at random makes it exactly uniform, which r/L is not.
"""
from typing import NamedTuple

import numpy as np

from reference.runtime import checks

__all__ = ["Band", "Signature", "values", "curve", "band", "ks_p_values", "neyman_p_values", "signatures"]

LEAST_FOR_CHI_SQUARE = 20


class Band(NamedTuple):
    """Limits of a curve over a grid, (K,) each."""
    lower: np.ndarray
    upper: np.ndarray


class Signature(NamedTuple):
    """What (8) reads off one parameter: "calibrated", "biased", "over-dispersed" or "under-dispersed", and z₁ and z₂."""
    name: str
    bias: float
    spread: float


def values(rng, samples, truths):
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
    below, equal = count_below(samples, truths)                                 # (1)
    u = rng.random(below.shape)
    return (below + u * (equal + 1)) / (samples.shape[1] + 1)                   # (2)


def count_below(samples, truths):
    """How many samples lie below the truth, and how many are equal to it, (M, D) each."""
    truths = truths[:, None, :]
    return np.sum(samples < truths, axis=1), np.sum(samples == truths, axis=1)


def curve(values, grid):
    """The fraction of values up to each point of the grid, (K, D).

    Parameters
    ----------
    values : (M, D) float
    grid : (K,) float
        Ascending, within [0, 1].
    """
    values, grid = check_values(values), check_grid(grid)
    return np.mean(values[:, None, :] <= grid[:, None], axis=0)                 # (3)


def band(n, grid, *, level=0.95):
    """Where the whole curve of n values stays with probability `level`, if they are uniform.

    The promise is for all p of [0, 1] at once, and exact: a curve seen on a grid alone leaves the band a little less often.
    """
    from scipy.stats import kstwo
    checks.check_count("n", n)
    check_level("level", level)
    grid = check_grid(grid)
    d = kstwo.ppf(level, n)                                                     # (5)
    return Band(np.maximum(grid - d, 0), np.minimum(grid + d, 1))


def ks_p_values(values):
    """The two-sided Kolmogorov–Smirnov p-value of each parameter, a list of D floats."""
    from scipy.stats import kstwo
    values = np.sort(check_values(values).astype(np.float64), axis=0)
    n = len(values)
    steps = np.arange(n + 1)[:, None] / n
    distance = np.maximum(np.max(steps[1:] - values, axis=0), np.max(values - steps[:-1], axis=0))   # (4)
    return [float(kstwo.sf(d, n)) for d in distance]


def neyman_p_values(values, *, order=4):
    """The p-value of Neyman's smooth test for each parameter, a list of D floats.

    Parameters
    ----------
    values : (M, D) float
        At least twenty, for the χ² distribution to hold.
    order : int
        k: 1 sees a shift, 2 also a wrong width, 3 a skew, 4 wrong tails. More orders see more and each of them less well.
    """
    from scipy.special import chdtrc
    checks.check_count("order", order)
    z = components(check_values(values, least=LEAST_FOR_CHI_SQUARE), order)
    return [float(chdtrc(order, statistic)) for statistic in np.sum(z**2, axis=0)]                   # (7)


def components(values, order):
    """z₁ … zₖ of each parameter, (k, D)."""
    legendre = np.polynomial.legendre.legvander(2 * values.astype(np.float64) - 1, order)            # (M, D, k + 1)
    phi = legendre[..., 1:] * np.sqrt(2 * np.arange(1, order + 1) + 1)
    return np.sum(phi, axis=0).T / np.sqrt(len(values))                         # (6)


def signatures(values, *, level=0.95):
    """Which of the four signatures each parameter shows, a list of D `Signature`.

    A biased posterior is called biased whatever its width: v moves to one end, and its variance no longer tells the width.
    """
    from scipy.special import ndtri
    check_level("level", level)
    z = components(check_values(values, least=LEAST_FOR_CHI_SQUARE), 2)
    c = ndtri(1 - (1 - level) / 4)                                              # two components, two sides each
    return [Signature(_name(bias, spread, c), float(bias), float(spread)) for bias, spread in z.T]


def _name(bias, spread, c):
    if abs(bias) > c:
        return "biased"
    if abs(spread) > c:
        return "under-dispersed" if spread > 0 else "over-dispersed"
    return "calibrated"                                                         # (8)


def check_samples(samples, truths):
    """Samples (M, L, D) and truths (M, D) that fit each other, or ValueError."""
    samples, truths = checks.as_array("samples", samples, ("M", "L", "D")), checks.as_array("truths", truths)
    m, n_samples, dim = samples.shape
    checks.check_shape("truths", truths, (m, dim))
    for name, count in (("observations", m), ("samples of each observation", n_samples), ("parameters", dim)):
        checks.check_count(f"samples: number of {name}", count)
    checks.check_finite("samples", samples)
    checks.check_finite("truths", truths)
    return samples, truths


def check_values(values, *, name="values", least=1):
    """Values (M, D) within [0, 1], at least so many, or ValueError."""
    values = checks.as_array(name, values, ("M", "D"))
    checks.check_count(f"{name}: number of rows", len(values), least=least)
    checks.check_count(f"{name}: number of columns", values.shape[1])
    checks.check_finite(name, values)
    low, high = float(np.min(values)), float(np.max(values))
    if low < 0 or high > 1:
        raise ValueError(f"{name}: expected numbers within [0, 1], got some from {low:g} to {high:g}")
    return values


def check_grid(grid):
    """An ascending grid (K,) within [0, 1], or ValueError."""
    grid = checks.as_array("grid", grid, ("K",))
    if not len(grid):
        raise ValueError("grid: expected ascending numbers within [0, 1], got none")
    if not (grid[0] >= 0 and grid[-1] <= 1 and np.all(np.diff(grid) >= 0)):
        raise ValueError(f"grid: expected ascending numbers within [0, 1], got {len(grid)} of them from {grid[0]:g} to {grid[-1]:g}")
    return grid


def check_level(name, value):
    """Raise ValueError unless value is a probability strictly between 0 and 1."""
    if checks.check_positive(name, value) >= 1:
        raise ValueError(f"{name}: expected a probability between 0 and 1, got {value!r}")
