"""Gaussian mixture: a density made of K bells, fitted by expectation and maximisation.

    (1)  p(x) = ∑ₖ πₖ N(x; μₖ, Σₖ)
    (2)  log N(x; μ, Σ) = −½ ‖L⁻¹(x − μ)‖² − ∑ᵢ log Lᵢᵢ − ½ D log 2π,   Σ = L Lᵀ
    (3)  rₙₖ = πₖ N(xₙ; μₖ, Σₖ)/p(xₙ)                                 E: responsibilities, by log-sum-exp
    (4)  Nₖ = ∑ₙ rₙₖ,   πₖ = Nₖ/N,   μₖ = (1/Nₖ) ∑ₙ rₙₖ xₙ             M: weights and means
    (5)  Σₖ = (1/Nₖ) ∑ₙ rₙₖ (xₙ − μₖ)(xₙ − μₖ)ᵀ + ε I                  M: covariances; ε is the floor
    (6)  ℓ = ∑ₙ log p(xₙ)                                            never decreases
    (7)  BIC = −2ℓ + m log N,   m = (K − 1) + K D + K · (free numbers of one Σ)

The start is k-means++: each centre is a sample, drawn with probability ∝ its squared distance from the
nearest centre before it, and every sample belongs to its nearest centre.

Shapes   N samples, D features, K components; x (N, D); π (K,); μ (K, D); r (N, K). Σ (K, D, D) where it is
         FULL; where it
              is DIAGONAL or SPHERICAL, its diagonals (K, D).
Conventions   nats; ℓ is a sum over samples. The order of the components is that of the start.
Source   "Maximum likelihood from incomplete data via the EM algorithm", Dempster, Laird and Rubin, 1977;
         "k-means++: the
              advantages of careful seeding", Arthur and Vassilvitskii, 2007; "Estimating the dimension of a
              model", Schwarz, 1978; lecture S4, slides "Gaussian mixture models".
Departures   ε, in the squared units of x, keeps a component from shrinking onto a point, where ℓ is
             unbounded. With ε > 0 (5)
              is not quite the maximum: a step that would lower ℓ is not taken, and ends the fit.
"""
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reference.runtime import checks, persistence

__all__ = ["Covariance", "FULL", "DIAGONAL", "SPHERICAL", "GaussianMixture", "fit", "load"]


class Covariance(NamedTuple):
    """What the covariances may be: how they are estimated from (x, r, Nₖ, μ), and the free numbers of one
    in D dimensions.
    """
    name: str
    estimate: Callable
    n_free: Callable

    def __reduce__(self):
        """Copies and pickles find it by its name."""
        return _named, (self.name,)


def _named(name):
    return {kind.name: kind for kind in (FULL, DIAGONAL, SPHERICAL)}[name]


def _full(x, r, n_k, means):
    return np.stack([(r_k[:, None] * (x - mean)).T @ (x - mean) / n for r_k, n, mean in zip(r.T, n_k, means)])


def _diagonal(x, r, n_k, means):
    return np.stack([r_k @ (x - mean)**2 / n for r_k, n, mean in zip(r.T, n_k, means)])


def _spherical(x, r, n_k, means):
    return np.repeat(_diagonal(x, r, n_k, means).mean(axis=1, keepdims=True), x.shape[1], axis=1)


FULL = Covariance("full", _full, lambda dim: dim * (dim + 1) // 2)
DIAGONAL = Covariance("diagonal", _diagonal, lambda dim: dim)
SPHERICAL = Covariance("spherical", _spherical, lambda dim: 1)


class GaussianMixture(NamedTuple):
    """A fitted mixture.

    Attributes
    ----------
    weights : (K,) float
    means : (K, D) float
    covariances : (K, D, D) or (K, D) float
        Diagonals alone unless the covariances are FULL.
    covariance : Covariance
    log_likelihood : (T + 1,) float
        ℓ in nats, of the start and after each of T steps.
    converged : bool
    """
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    covariance: Covariance
    log_likelihood: np.ndarray
    converged: bool

    def log_prob(self, x):
        """log p(x) in nats, (N,)."""
        return _e_step(self._checked(x), self.weights, self.means, self.covariances)[0]

    def responsibilities(self, x):
        """The probability of each component given each sample, (N, K)."""
        return _e_step(self._checked(x), self.weights, self.means, self.covariances)[1]

    def sample(self, rng, n):
        """n draws, (n, D)."""
        n = checks.check_count("n", n, least=0)
        k = np.searchsorted(np.cumsum(self.weights)[:-1], rng.random(n), side="right")
        noise, factors = rng.standard_normal((n, self.means.shape[1])), _factors(self.covariances)
        if factors.ndim == 2:
            return self.means[k] + factors[k] * noise
        return self.means[k] + np.einsum("nij,nj->ni", factors[k], noise)

    def bic(self, x):
        """The Bayesian information criterion on x (N, D), a plain number; the lower the better."""
        n_components, dim = self.means.shape
        m = n_components - 1 + n_components * (dim + self.covariance.n_free(dim))
        return float(-2 * np.sum(self.log_prob(x)) + m * np.log(len(x)))              # (7)

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "gmm", self._asdict() | {"covariance": self.covariance.name})

    def _checked(self, x):
        return checks.as_array("x", x, ("N", self.means.shape[1]))


def load(path):
    """The mixture that `GaussianMixture.save` wrote."""
    tree = persistence.load(path, "gmm")
    return GaussianMixture(**tree | {"covariance": _named(tree["covariance"])})


def fit(x, *, n_components, covariance=FULL, rng=None, means=None, responsibilities=None,
        floor=1e-6, tolerance=1e-6,
        max_iterations=1000):
    """The mixture that EM finds from one start: rng (k-means++), means (each sample to the nearest), or
    responsibilities.

    Parameters
    ----------
    x : (N, D) float
    n_components : int
        K, at most N.
    covariance : Covariance
        FULL, DIAGONAL or SPHERICAL.
    rng : Generator, optional
    means : (K, D) float, optional
    responsibilities : (N, K) float, optional
        Rows that sum to one. Exactly one of these three is given.
    floor : float
        ε, added to every variance, in the squared units of x; zero for none.
    tolerance : float
        EM has converged when a step gains at most this fraction of |ℓ|.
    max_iterations : int
        When they are used up before that, a warning says so.

    Raises
    ------
    ValueError
        If an argument is not as above, x has NaN or fewer distinct rows than K, or a component collapses: no
        sample belongs to it, or its covariance is singular to rounding. The message says which.
    """
    x = checks.as_array("x", x, ("N", "D"))
    checks.check_finite("x", x)
    checks.check_count("n_components", n_components)
    if n_components > len(x):
        raise ValueError(f"n_components: expected at most N = {len(x)}, got {n_components}")
    if not isinstance(covariance, Covariance):
        raise ValueError(f"covariance: expected FULL, DIAGONAL or SPHERICAL, got {covariance!r}")
    for name, value in (("floor", floor), ("tolerance", tolerance)):
        if isinstance(value, bool) or not isinstance(value,
                                                     (int, float, np.integer,
                                                      np.floating)) or not 0 <= value < np.inf:
            raise ValueError(f"{name}: expected a finite number, zero or above, got {value!r}")
    checks.check_count("max_iterations", max_iterations)
    r = _start(x, n_components, rng, means, responsibilities)

    found = _m_step(x, r, covariance, floor)
    log_prob, r = _e_step(x, *found)
    history, converged = [np.sum(log_prob)], False                    # (6)
    while not converged and len(history) <= max_iterations:
        proposed = _m_step(x, r, covariance, floor)
        log_prob, r = _e_step(x, *proposed)
        gain = np.sum(log_prob) - history[-1]
        converged = bool(gain <= tolerance * abs(history[-1]))
        if gain >= 0:
            found, history = proposed, [*history, np.sum(log_prob)]
    if not converged:
        warnings.warn(f"the mixture has not converged after {max_iterations} iterations, the last of which "
                      f"gained {gain:.3g} nats",
                      stacklevel=2)
    return GaussianMixture(*found, covariance, np.array(history), converged)


def _start(x, n_components, rng, means, responsibilities):
    """The responsibilities to start from, (N, K)."""
    given = [name for name,
             value in (("rng", rng), ("means", means), ("responsibilities", responsibilities))
             if value is not None]
    if len(given) != 1:
        raise ValueError(f"rng, means, responsibilities: expected exactly one of them, got "
                         f"{' and '.join(given) or 'none'}")
    if responsibilities is not None:
        r = checks.as_array("responsibilities", responsibilities, (len(x), n_components)).astype(x.dtype)
        if not (np.all(r >= 0) and np.all(np.abs(np.sum(r, axis=1) - 1) < 1e-5)):
            raise ValueError("responsibilities: expected rows of non-negative numbers that sum to one, got "
                             "others")
        return r
    if means is not None:
        means = checks.as_array("means", means, (n_components, x.shape[1])).astype(x.dtype)
        checks.check_finite("means", means)
    else:
        means = _careful_seeds(rng, x, n_components)
    nearest = np.argmin([np.sum((x - mean)**2, axis=1) for mean in means], axis=0)
    return np.eye(n_components, dtype=x.dtype)[nearest]


def _careful_seeds(rng, x, n_components):
    """K rows of x by k-means++."""
    chosen, distance = [], np.ones(len(x), x.dtype)
    for k, u in enumerate(rng.random(n_components)):
        total = np.cumsum(distance)
        if total[-1] == 0:
            raise ValueError(f"n_components: expected at most {k}, the number of distinct rows of x, got "
                             f"{n_components}")
        chosen.append(x[np.searchsorted(total[:-1], u * total[-1], side="right")])
        away = np.sum((x - chosen[-1])**2, axis=1)
        distance = np.minimum(distance, away) if k else away
    return np.stack(chosen)


def _m_step(x, r, covariance, floor):
    """π, μ and Σ."""
    n_k, eps, (n, dim) = np.sum(r, axis=0), np.finfo(x.dtype).eps, x.shape
    if not n_k.all():
        raise ValueError(f"component {np.argmin(n_k)}: collapsed, no sample belongs to it; lower "
                         "n_components or start elsewhere")
    means = r.T @ x / n_k[:, None]                                    # (4)
    covariances = covariance.estimate(x, r, n_k, means)
    covariances = covariances + floor * (np.eye(dim, dtype=x.dtype) if covariances.ndim == 3 else 1)  # (5)
    variances = covariances if covariances.ndim == 2 else np.diagonal(covariances, axis1=1, axis2=2)
    # more than what rounding x − μ leaves
    regular = np.all(variances > (32 * eps * np.abs(x).max(axis=0))**2, axis=1)
    if covariances.ndim == 3:
        scale = np.sqrt(np.where(variances > 0, variances, 1))
        correlations = covariances / (scale[:, :, None] * scale[:, None, :])
        regular = regular & (np.linalg.eigvalsh(correlations)[:, 0] > 8 * dim * eps)
    if not regular.all():
        raise ValueError(f"component {np.argmin(regular)}: collapsed, its covariance is singular to rounding "
                         f"with floor {floor}; "
                         "raise the floor or lower n_components")
    return n_k / n, means, covariances


def _e_step(x, weights, means, covariances):
    """log p(x) (N,) and the responsibilities (N, K)."""
    log_normal = [_log_normal(x, mean, factor) for mean, factor in zip(means, _factors(covariances))]
    joint = np.log(weights) + np.stack(log_normal, axis=1)
    top = joint.max(axis=1, keepdims=True)
    log_prob = top + np.log(np.sum(np.exp(joint - top), axis=1, keepdims=True))       # (1)
    return log_prob[:, 0], np.exp(joint - log_prob)                   # (3)


def _factors(covariances):
    """L of (2) for each component: (K, D, D), or the standard deviations (K, D)."""
    return np.sqrt(covariances) if covariances.ndim == 2 else np.linalg.cholesky(covariances)


def _log_normal(x, mean, factor):
    if factor.ndim == 1:
        z, diagonal = (x - mean) / factor, factor
    else:
        z, diagonal = np.linalg.solve(factor, (x - mean).T).T, np.diag(factor)
    return -0.5 * np.sum(z**2, axis=1) - np.sum(np.log(diagonal)) - 0.5 * len(mean) * np.log(2 * np.pi)  # (2)
