"""Gaussian mixture: a density made of K bells, fitted by expectation and maximisation.

The mathematics is in `reference.density.gmm`. Same values; rows are taken in blocks that stay in cache, all
components of a block at once: one batched product whitens it (E) and one adds up its scatter matrices (M), in
work arrays that all blocks share. x − μ is formed before the product, so that data far from zero lose no
digits. With dₖₙ = xₙ − μₖ, (K, D, B) for B rows, and r kept as (K, N), so that every loop runs along the
samples,

    E    z = L⁻¹ d;   log πₖ − ½ ‖z‖² − ∑ᵢ log Lᵢᵢ, turned into r in place
    M    ∑ₙ rₖₙ dₖₙ dₖₙᵀ = (r ⊙ d) dᵀ      FULL
         ∑ₙ rₖₙ dₖₙ²     = (d ⊙ d) rᵀ      DIAGONAL, SPHERICAL

A step waits for the device three times: is any component empty, is any singular, has ℓ stopped rising.
"""
import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from accel.runtime import checks, persistence
from accel.device import array_module, check_together

__all__ = ["Covariance", "FULL", "DIAGONAL", "SPHERICAL", "GaussianMixture", "fit", "load"]

CACHE, LAUNCH = 2**15, 2**24  # numbers in one work array: on the CPU, on a device


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
    xp, (n_components, dim) = array_module(x), means.shape
    total = xp.zeros((n_components, dim, dim), dtype=x.dtype)
    for rows, d, weighted in _differences(x, means, n_arrays=2):
        xp.multiply(d, r[:, None, rows], out=weighted)
        total += weighted @ d.transpose(0, 2, 1)
    return total / n_k[:, None, None]


def _diagonal(x, r, n_k, means):
    xp, (n_components, dim) = array_module(x), means.shape
    total = xp.zeros((n_components, dim, 1), dtype=x.dtype)
    for rows, d in _differences(x, means):
        d *= d
        total += d @ r[:, rows, None]
    return total[:, :, 0] / n_k[:, None]


def _spherical(x, r, n_k, means):
    return _diagonal(x, r, n_k, means).mean(axis=1, keepdims=True).repeat(x.shape[1], axis=1)


FULL = Covariance("full", _full, lambda dim: dim * (dim + 1) // 2)
DIAGONAL = Covariance("diagonal", _diagonal, lambda dim: dim)
SPHERICAL = Covariance("spherical", _spherical, lambda dim: 1)


class GaussianMixture(NamedTuple):
    """A fitted mixture, on the device and in the dtype of the data.

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
        return _e_step(self._checked(x), self.weights, self.means, self.covariances)[1].T

    def sample(self, rng, n):
        """n draws, (n, D)."""
        n = checks.check_count("n", n, least=0)
        xp, dtype, factors = array_module(self.means), self.means.dtype, _factors(self.covariances)
        u = xp.asarray(rng.random(n), dtype=dtype)
        x = xp.asarray(rng.standard_normal((n, self.means.shape[1])), dtype=dtype)
        k = xp.searchsorted(xp.cumsum(self.weights)[:-1], u, side="right")
        if factors.ndim == 2:
            x *= factors[k]
        else:
            for which, factor in enumerate(factors):
                rows = xp.flatnonzero(k == which)
                x[rows] = x[rows] @ factor.T
        x += self.means[k]
        return x

    def bic(self, x):
        """The Bayesian information criterion on x (N, D), a plain number; the lower the better."""
        n_components, dim = self.means.shape
        m = n_components - 1 + n_components * (dim + self.covariance.n_free(dim))
        return float(-2 * self.log_prob(x).sum() + m * math.log(len(x)))

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "gmm", self._asdict() | {"covariance": self.covariance.name})

    def _checked(self, x):
        x = checks.as_array("x", x, ("N", self.means.shape[1]))
        check_together(means=self.means, x=x)
        return x


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
    xp, r = array_module(x), _start(x, n_components, rng, means, responsibilities)
    least = (32 * float(np.finfo(x.dtype).eps) * xp.abs(x).max(axis=0))**2

    found = _m_step(x, r, covariance, floor, least)
    log_prob, r = _e_step(x, *found, r)
    history, converged = [float(log_prob.sum())], False
    while not converged and len(history) <= max_iterations:
        proposed = _m_step(x, r, covariance, floor, least)
        log_prob, r = _e_step(x, *proposed, r)
        value = float(log_prob.sum())
        gain = value - history[-1]
        converged = gain <= tolerance * abs(history[-1])
        if gain >= 0:
            found, history = proposed, [*history, value]
    if not converged:
        warnings.warn(f"the mixture has not converged after {max_iterations} iterations, the last of which "
                      f"gained {gain:.3g} nats",
                      stacklevel=2)
    return GaussianMixture(*found, covariance, xp.asarray(history, dtype=x.dtype), converged)


def _start(x, n_components, rng, means, responsibilities):
    """The responsibilities to start from, (K, N)."""
    given = [name for name,
             value in (("rng", rng), ("means", means), ("responsibilities", responsibilities))
             if value is not None]
    if len(given) != 1:
        raise ValueError(f"rng, means, responsibilities: expected exactly one of them, got "
                         f"{' and '.join(given) or 'none'}")
    if responsibilities is not None:
        r = checks.as_array("responsibilities", responsibilities,
                            (len(x), n_components)).astype(x.dtype, copy=False)
        if not bool((r >= 0).all() & (abs(r.sum(axis=1) - 1) < 1e-5).all()):
            raise ValueError("responsibilities: expected rows of non-negative numbers that sum to one, got "
                             "others")
        return r.T.copy()
    if means is not None:
        means = checks.as_array("means", means, (n_components, x.shape[1])).astype(x.dtype, copy=False)
        checks.check_finite("means", means)
    else:
        means = _careful_seeds(rng, x, n_components)
    xp = array_module(x)
    squared = xp.empty((n_components, len(x)), dtype=x.dtype)
    for rows, d in _differences(x, means):
        d *= d
        xp.sum(d, axis=1, out=squared[:, rows])
    return (squared.argmin(axis=0) == xp.arange(n_components)[:, None]).astype(x.dtype)


def _careful_seeds(rng, x, n_components):
    """K rows of x by k-means++; whether enough rows differ is asked once, at the end."""
    xp = array_module(x)
    u, chosen, totals = xp.asarray(rng.random(n_components),
                                   dtype=x.dtype), xp.empty((n_components, x.shape[1]), x.dtype), []
    distance = xp.ones(len(x), x.dtype)
    for k in range(n_components):
        total = xp.cumsum(distance)
        totals.append(total[-1])
        chosen[k] = xp.take(x, xp.searchsorted(total[:-1], u[k:k + 1] * total[-1], side="right"), axis=0)[0]
        distance = xp.minimum(xp.square(x - chosen[k]).sum(axis=1), distance if k else xp.inf)
    distinct = int((xp.stack(totals) > 0).sum())
    if distinct < n_components:
        raise ValueError(f"n_components: expected at most {distinct}, the number of distinct rows of x, got "
                         f"{n_components}")
    return chosen


def _differences(x, means, *, n_arrays=1):
    """For every block of rows: which they are, x − μ for all components, (K, D, B), and work arrays of
    that shape.
    """
    xp, (n, dim), n_components = array_module(x), x.shape, len(means)
    n_rows = min(max(n, 1), max(64, (CACHE if xp is np else LAUNCH) // (n_components * dim)))
    work = [xp.empty((n_components, dim, n_rows), dtype=x.dtype) for _ in range(n_arrays)]
    for start in range(0, n, n_rows):
        rows = slice(start, min(start + n_rows, n))
        d, *others = (array[:, :, :rows.stop - start] for array in work)
        xp.subtract(xp.ascontiguousarray(x[rows].T), means[:, :, None], out=d)
        yield rows, d, *others


def _m_step(x, r, covariance, floor, least):
    """π, μ and Σ, from responsibilities (K, N)."""
    xp, n_k, (n, dim) = array_module(x), r.sum(axis=1), x.shape
    if not bool(n_k.all()):
        raise ValueError(f"component {int(n_k.argmin())}: collapsed, no sample belongs to it; lower "
                         "n_components or start elsewhere")
    means = r @ x / n_k[:, None]
    covariances = covariance.estimate(x, r, n_k, means)
    full = covariances.ndim == 3
    variances = covariances.reshape(len(n_k), -1)[:, ::dim + 1] if full else covariances
    variances += floor
    regular = (variances > least).all(axis=1)
    if full:
        scale = xp.sqrt(xp.where(variances > 0, variances, 1))
        correlations = covariances / (scale[:, :, None] * scale[:, None, :])
        regular &= xp.linalg.eigvalsh(correlations)[:, 0] > 8 * dim * float(np.finfo(x.dtype).eps)
    if not bool(regular.all()):
        raise ValueError(f"component {int(regular.argmin())}: collapsed, its covariance is singular to "
                         f"rounding with floor {floor}; "
                         "raise the floor or lower n_components")
    return n_k / n, means, covariances


def _factors(covariances):
    """L of (2) for each component: (K, D, D), or the standard deviations (K, D)."""
    xp = array_module(covariances)
    return xp.sqrt(covariances) if covariances.ndim == 2 else xp.linalg.cholesky(covariances)


def _e_step(x, weights, means, covariances, r=None):
    """log p(x) (N,) and the responsibilities (K, N), written into r where it is given."""
    xp, factors, (n_components, dim) = array_module(x), _factors(covariances), means.shape
    r, log_prob = xp.empty((n_components, len(x)),
                           dtype=x.dtype) if r is None else r, xp.empty(len(x), dtype=x.dtype)
    full = factors.ndim == 3
    diagonals = xp.diagonal(factors, axis1=1, axis2=2) if full else factors
    constant = (xp.log(weights) - xp.log(diagonals).sum(axis=1) - 0.5 * dim * math.log(2 * math.pi))[:, None]
    whiten = xp.linalg.inv(factors) if full else None
    scale = xp.ones((1, dim), dtype=x.dtype) if full else (1 / xp.square(factors))[:, None]
    for rows, d, *z in _differences(x, means, n_arrays=1 + full):
        z = xp.matmul(whiten, d, out=z[0]) if full else d
        z *= z
        joint = r[:, rows]
        xp.multiply((scale @ z)[:, 0], -0.5, out=joint)
        joint += constant
        top = joint.max(axis=0)
        joint -= top
        xp.exp(joint, out=joint)
        total = joint.sum(axis=0)
        joint /= total
        xp.add(top, xp.log(total), out=log_prob[rows])
    return log_prob, r
