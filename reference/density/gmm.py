"""Fitting a Gaussian mixture by expectation maximisation (EM), from a k-means++ start.

    (1)  p(x) = ∑ₖ πₖ N(x; μₖ, Σₖ)
    (2)  rₙₖ = πₖ N(xₙ; μₖ, Σₖ)/p(xₙ)                                E: responsibilities
    (3)  Nₖ = ∑ₙ rₙₖ,   πₖ = Nₖ/N                                     M: weights
    (4)  μₖ = (1/Nₖ) ∑ₙ rₙₖ xₙ                                        M: means
    (5)  Σₖ = (1/Nₖ) ∑ₙ rₙₖ (xₙ − μₖ)(xₙ − μₖ)ᵀ + ε I                 M: covariances; ε is the floor
    (6)  ℓ = ∑ₙ log p(xₙ)                                             never decreases
    (7)  P(next centre = xₙ) ∝ minₖ ‖xₙ − cₖ‖²                        k-means++, from the centres cₖ so far

Why (6) never decreases where ε = 0: by Jensen's inequality with the weights r, for any π, μ, Σ,

    ℓ = ∑ₙ log ∑ₖ rₙₖ πₖ N(xₙ; μₖ, Σₖ)/rₙₖ  ≥  ∑ₙₖ rₙₖ log (πₖ N(xₙ; μₖ, Σₖ)/rₙₖ)

with equality at the parameters that gave r, by (2); and (3) to (5) are the maximum of the right side.

Shapes        N samples, D features, K components; x (N, D); π (K,); μ (K, D); r (N, K). Σ is (K, D, D) for
              FULL covariances; for DIAGONAL and SPHERICAL ones its diagonals, (K, D).
Conventions   nats. The order of the components is that of the start. At the start each sample belongs to its
              nearest centre.
Source        "Maximum likelihood from incomplete data via the EM algorithm", Dempster, Laird and Rubin, 1977;
              "k-means++: the advantages of careful seeding", Arthur and Vassilvitskii, 2007 (7); lecture S4,
              slides "Gaussian mixture models".
Departures    ε, in the squared units of x, keeps a component from shrinking onto a point, where ℓ is
              unbounded. With ε > 0 (5) is not quite the maximum: a step that would lower ℓ is not taken, and
              ends the fit.

Example
-------
>>> import numpy as np
>>> from reference.density import gmm
>>> rng = np.random.default_rng(0)
>>> x = np.concatenate((rng.standard_normal((300, 2)) - 3, 0.5 * rng.standard_normal((100, 2)) + 3))
>>> mixture = gmm.fit(x, n_components=2, rng=rng)
>>> print(np.sort(mixture.weights).round(3), mixture.converged)
[0.25 0.75] True
"""
import warnings

import numpy as np

from reference.density.gaussian import DIAGONAL, FULL, SPHERICAL, Covariance, check_regular
from reference.density.gaussian_mixture import GaussianMixture, e_step, load
from reference.runtime import checks
from reference.runtime.protocols import Array, Rng

__all__ = ["Covariance", "FULL", "DIAGONAL", "SPHERICAL", "GaussianMixture", "fit", "load",
           "kmeans_plus_plus"]


def em_literal(x, r, *, n_iterations, floor=0.0):
    """π, μ, Σ (FULL) and ℓ after each of T iterations of EM from responsibilities r, sample by sample."""
    (n, dim), history = x.shape, []
    for _ in range(n_iterations):
        n_k, weights = sum(r), sum(r) / n                             # (3)
        means = sum(np.outer(r_n, x_n) for r_n, x_n in zip(r, x)) / n_k[:, None]                      # (4)
        covariances = [sum(r_n[k] * np.outer(x_n - mean, x_n - mean) for r_n, x_n in zip(r, x)) / n_k[k]
                       + floor * np.eye(dim) for k, mean in enumerate(means)]                         # (5)
        joint = np.array([[weight * np.exp(-0.5 * (x_n - mean) @ np.linalg.inv(c) @ (x_n - mean))
                           / np.sqrt(np.linalg.det(2 * np.pi * c))
                           for weight, mean, c in zip(weights, means, covariances)] for x_n in x])
        p = joint.sum(axis=1)                                         # (1)
        r = joint / p[:, None]                                        # (2)
        history.append(np.log(p).sum())                               # (6)
    return weights, means, np.array(covariances), history


def m_step(x, r, covariance, floor):
    """π, μ and Σ, from the responsibilities."""
    n_k = np.sum(r, axis=0)
    if not n_k.all():
        raise ValueError(f"component {np.argmin(n_k)}: collapsed, no sample belongs to it; "
                         "lower n_components or start elsewhere")
    means = r.T @ x / n_k[:, None]                                    # (4)
    covariances = covariance.estimate(x, r, n_k, means)
    identity = np.eye(x.shape[1], dtype=x.dtype) if covariances.ndim == 3 else 1
    covariances = covariances + floor * identity                      # (5)
    return n_k / len(x), means, covariances                           # (3)


def em_step(x, r, covariance, floor, least):
    """M, then E: (π, μ, Σ), log p(x) and the new responsibilities."""
    parameters = m_step(x, r, covariance, floor)
    check_regular(parameters[2], least, floor)
    return parameters, *e_step(x, *parameters)                        # (1), (2)


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
    r = start(x, n_components, rng, means, responsibilities)
    least = (32 * np.finfo(x.dtype).eps * np.abs(x).max(axis=0))**2   # what rounding x − μ leaves
    found, log_prob, r = em_step(x, r, covariance, floor, least)
    history, converged = [np.sum(log_prob)], False                    # (6)
    while not converged and len(history) <= max_iterations:
        proposed, log_prob, r = em_step(x, r, covariance, floor, least)
        gain = np.sum(log_prob) - history[-1]
        converged = bool(gain <= tolerance * abs(history[-1]))
        if gain >= 0:
            found, history = proposed, [*history, np.sum(log_prob)]
    if not converged:
        warnings.warn(f"the mixture has not converged after {max_iterations} iterations, "
                      f"the last of which gained {gain:.3g} nats", stacklevel=2)
    return GaussianMixture(*found, covariance, np.array(history), converged)


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
    centres, distance = [], np.ones(len(x), x.dtype)
    for k, u in enumerate(rng.random(n_components)):
        total = np.cumsum(distance)
        if total[-1] == 0:
            raise ValueError(f"n_components: expected at most {k}, the number of distinct rows of x, "
                             f"got {n_components}")
        centres.append(x[np.searchsorted(total[:-1], u * total[-1], side="right")])                   # (7)
        away = np.sum((x - centres[-1])**2, axis=1)
        distance = np.minimum(distance, away) if k else away
    return np.stack(centres)


def start(x, n_components, rng, means, responsibilities):
    """The responsibilities to start from, (N, K)."""
    given = [name for name, value in (("rng", rng), ("means", means), ("responsibilities", responsibilities))
             if value is not None]
    if len(given) != 1:
        raise ValueError("rng, means, responsibilities: expected exactly one of them, "
                         f"got {' and '.join(given) or 'none'}")
    if responsibilities is not None:
        r = checks.as_array("responsibilities", responsibilities, (len(x), n_components)).astype(x.dtype)
        if not (np.all(r >= 0) and np.all(np.abs(np.sum(r, axis=1) - 1) < 1e-5)):
            raise ValueError("responsibilities: expected rows of non-negative numbers that sum to one, "
                             "got others")
        return r
    if means is not None:
        means = checks.as_array("means", means, (n_components, x.shape[1])).astype(x.dtype)
        checks.check_finite("means", means)
    else:
        means = kmeans_plus_plus(rng, x, n_components)
    nearest = np.argmin([np.sum((x - mean)**2, axis=1) for mean in means], axis=0)
    return np.eye(n_components, dtype=x.dtype)[nearest]


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
