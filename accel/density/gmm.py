"""Fitting a Gaussian mixture by expectation maximisation (EM), from a k-means++ start.

The mathematics is in `reference.density.gmm`. Same values; both steps take rows in blocks, all components at
once: E in `density.gaussian_mixture`, (5) in `density.gaussian`. The responsibilities are kept as (K, N), so
that every loop runs along the samples, and each E step overwrites those of the step before. A step waits for
the device three times, to ask whether a component is empty, whether one is singular, and whether ℓ still
rises.

Example
-------
>>> import numpy as np
>>> from accel.density import gmm
>>> rng = np.random.default_rng(0)
>>> x = np.concatenate((rng.standard_normal((300, 2)) - 3, 0.5 * rng.standard_normal((100, 2)) + 3))
>>> mixture = gmm.fit(x, n_components=2, rng=rng)
>>> print(np.sort(mixture.weights).round(3), mixture.converged)
[0.25 0.75] True
"""
import warnings

import numpy as np

from accel.density.gaussian import DIAGONAL, FULL, SPHERICAL, Covariance, check_regular, differences
from accel.density.gaussian_mixture import GaussianMixture, e_step, load
from accel.device import array_module
from accel.runtime import checks
from accel.runtime.protocols import Array, Rng

__all__ = ["Covariance", "FULL", "DIAGONAL", "SPHERICAL", "GaussianMixture", "fit", "load",
           "kmeans_plus_plus"]


def m_step(x, r, covariance, floor):
    """π, μ and Σ, from responsibilities (K, N)."""
    n_k, dim = r.sum(axis=1), x.shape[1]
    if not bool(n_k.all()):
        raise ValueError(f"component {int(n_k.argmin())}: collapsed, no sample belongs to it; "
                         "lower n_components or start elsewhere")
    means = r @ x / n_k[:, None]                                      # (4)
    covariances = covariance.estimate(x, r, n_k, means)
    covariances.reshape(len(n_k), -1)[:, ::dim + 1 if covariances.ndim == 3 else 1] += floor          # (5)
    return n_k / len(x), means, covariances                           # (3)


def em_step(x, r, covariance, floor, least):
    """M, then E: (π, μ, Σ), log p(x) and the new responsibilities, which overwrite r."""
    parameters = m_step(x, r, covariance, floor)
    check_regular(parameters[2], least, floor)
    return parameters, *e_step(x, *parameters, r)                     # (1), (2)


def fit(x: Array, *, n_components: int, covariance: Covariance = FULL, rng: Rng | None = None,
        means: Array | None = None, responsibilities: Array | None = None, floor: float = 1e-6,
        tolerance: float = 1e-6, max_iterations: int = 1000) -> GaussianMixture:
    """The mixture that EM finds from one start.

    Parameters
    ----------
    x : (N, D) float
    n_components : int
        K, at most N.
    covariance : Covariance
        FULL, DIAGONAL or SPHERICAL.
    rng : Generator, optional
        Start by k-means++. Exactly one of rng, means and responsibilities is given.
    means : (K, D) float, optional
        Start with each sample in the component of the nearest mean.
    responsibilities : (N, K) float, optional
        Start with these; rows that sum to one.
    floor : float
        ε, added to every variance, in the squared units of x; zero for none.
    tolerance : float
        EM has converged when a step gains at most this fraction of |ℓ|.
    max_iterations : int
        A warning says if EM has not converged after as many steps.

    Raises
    ------
    ValueError
        If an argument is not as above, x has NaN or fewer distinct rows than K, or a component collapses: no
        sample belongs to it, or its covariance is singular to rounding. The message says which.
    """
    x = checks.as_array("x", x, ("N", "D"))
    checks.check_finite("x", x)
    check_settings(len(x), n_components, covariance, floor, tolerance, max_iterations)
    xp, r = array_module(x), start(x, n_components, rng, means, responsibilities)
    least = (32 * float(np.finfo(x.dtype).eps) * xp.abs(x).max(axis=0))**2        # what rounding x − μ leaves
    found, log_prob, r = em_step(x, r, covariance, floor, least)
    history, converged = [float(log_prob.sum())], False               # (6)
    while not converged and len(history) <= max_iterations:
        proposed, log_prob, r = em_step(x, r, covariance, floor, least)
        value = float(log_prob.sum())
        gain = value - history[-1]
        converged = gain <= tolerance * abs(history[-1])
        if gain >= 0:
            found, history = proposed, [*history, value]
    if not converged:
        warnings.warn(f"the mixture has not converged after {max_iterations} iterations, "
                      f"the last of which gained {gain:.3g} nats", stacklevel=2)
    return GaussianMixture(*found, covariance, xp.asarray(history, dtype=x.dtype), converged)


def kmeans_plus_plus(rng: Rng, x: Array, n_components: int) -> Array:
    """K rows of x, far from each other, (K, D).

    Parameters
    ----------
    rng : Generator
    x : (N, D) float
    n_components : int
        K.

    Raises
    ------
    ValueError
        If x is not a finite (N, D) array of at least K distinct rows.
    """
    x = checks.as_array("x", x, ("N", "D"))
    checks.check_finite("x", x)
    checks.check_count("n_components", n_components)
    xp, totals = array_module(x), []
    u, distance = xp.asarray(rng.random(n_components), dtype=x.dtype), xp.ones(len(x), x.dtype)
    centres = xp.empty((n_components, x.shape[1]), x.dtype)
    for k in range(n_components):
        total = xp.cumsum(distance)
        totals.append(total[-1])
        place = xp.searchsorted(total[:-1], u[k:k + 1] * total[-1], side="right")
        centres[k] = xp.take(x, place, axis=0)[0]                     # (7)
        distance = xp.minimum(xp.square(x - centres[k]).sum(axis=1), distance if k else xp.inf)
    distinct = int((xp.stack(totals) > 0).sum())                      # one wait for the device
    if distinct < n_components:
        raise ValueError(f"n_components: expected at most {distinct}, the number of distinct rows of x, "
                         f"got {n_components}")
    return centres


def start(x, n_components, rng, means, responsibilities):
    """The responsibilities to start from, (K, N)."""
    given = [name for name, value in (("rng", rng), ("means", means), ("responsibilities", responsibilities))
             if value is not None]
    if len(given) != 1:
        raise ValueError("rng, means, responsibilities: expected exactly one of them, "
                         f"got {' and '.join(given) or 'none'}")
    if responsibilities is not None:
        r = checks.as_array("responsibilities", responsibilities, (len(x), n_components))
        r = r.astype(x.dtype, copy=False)
        if not bool((r >= 0).all() & (abs(r.sum(axis=1) - 1) < 1e-5).all()):
            raise ValueError("responsibilities: expected rows of non-negative numbers that sum to one, "
                             "got others")
        return r.T.copy()
    if means is not None:
        means = checks.as_array("means", means, (n_components, x.shape[1])).astype(x.dtype, copy=False)
        checks.check_finite("means", means)
    else:
        means = kmeans_plus_plus(rng, x, n_components)
    xp = array_module(x)
    squared = xp.empty((n_components, len(x)), dtype=x.dtype)
    for rows, d in differences(x, means):
        d *= d
        xp.sum(d, axis=1, out=squared[:, rows])
    return (squared.argmin(axis=0) == xp.arange(n_components)[:, None]).astype(x.dtype)


def check_settings(n, n_components, covariance, floor, tolerance, max_iterations):
    checks.check_count("n_components", n_components)
    if n_components > n:
        raise ValueError(f"n_components: expected at most N = {n}, got {n_components}")
    if not isinstance(covariance, Covariance):
        raise ValueError(f"covariance: expected FULL, DIAGONAL or SPHERICAL, got {covariance!r}")
    for name, value in (("floor", floor), ("tolerance", tolerance)):
        number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
        if not (number and 0 <= value < np.inf):
            raise ValueError(f"{name}: expected a finite number, zero or above, got {value!r}")
    checks.check_count("max_iterations", max_iterations)
