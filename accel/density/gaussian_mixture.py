"""A Gaussian mixture as an object: its density, responsibilities, samples and BIC. `density.gmm` fits it.

The mathematics is in `reference.density.gaussian_mixture`. Same values; rows are taken in blocks that stay in
cache, all components of a block at once: one batched product whitens it, and one exponential serves both the
density and the responsibilities. With dₖₙ = xₙ − μₖ, (K, D, B) for B rows, and r kept as (K, N),

    z = L⁻¹ d,    log πₖ − ½ ‖z‖² − ∑ᵢ log Lᵢᵢ − ½ D log 2π, turned into r in place

Example
-------
>>> import numpy as np
>>> from accel.density import gmm
>>> mixture = gmm.GaussianMixture(weights=np.array([0.5, 0.5]), means=np.array([[-1.0], [1.0]]),
...                               covariances=np.array([[0.5], [0.5]]), covariance=gmm.DIAGONAL,
...                               log_likelihood=np.zeros(1), converged=True)
>>> print(mixture.log_prob(np.array([[0.0], [1.0]])).round(4))
[-1.5724 -1.2474]
>>> print(mixture.responsibilities(np.array([[0.0], [1.0]])).round(3))
[[0.5   0.5  ]
 [0.018 0.982]]
"""
import math
from typing import NamedTuple

from accel.density.gaussian import Covariance, covariance_named, differences, factors
from accel.device import array_module, check_together
from accel.numerics.log_sum_exp import normalise
from accel.runtime import checks, persistence
from accel.runtime.protocols import Array, Rng

__all__ = []
SHARED = ["GaussianMixture", "load", "e_step"]
__all__ += SHARED


class GaussianMixture(NamedTuple):
    """A mixture, fitted by `density.gmm.fit` or written down, on the device and in the dtype of its arrays.

    Attributes
    ----------
    weights : (K,) float
        π.
    means : (K, D) float
        μ.
    covariances : (K, D, D) or (K, D) float
        Σ, or its diagonals unless the covariances are FULL.
    covariance : Covariance
        FULL, DIAGONAL or SPHERICAL.
    log_likelihood : (T + 1,) float
        The log-likelihood of the data in nats, at the start and after each of T steps of EM.
    converged : bool
        Whether EM has converged.
    """
    weights: Array
    means: Array
    covariances: Array
    covariance: Covariance
    log_likelihood: Array
    converged: bool

    def log_prob(self, x: Array) -> Array:
        """log p(x) in nats, (N,).

        Parameters
        ----------
        x : (N, D) float

        Raises
        ------
        ValueError
            If x has another shape.
        """
        return e_step(self._checked(x), self.weights, self.means, self.covariances)[0]

    def responsibilities(self, x: Array) -> Array:
        """The probability of each component given each sample, (N, K).

        Parameters
        ----------
        x : (N, D) float

        Raises
        ------
        ValueError
            If x has another shape.
        """
        return e_step(self._checked(x), self.weights, self.means, self.covariances)[1].T

    def sample(self, rng: Rng, n: int) -> Array:
        """n draws, (n, D).

        Parameters
        ----------
        rng : Generator
        n : int

        Raises
        ------
        ValueError
            If n is not a whole number, zero or above.
        """
        n = checks.check_count("n", n, least=0)
        xp, dtype, roots = array_module(self.means), self.means.dtype, factors(self.covariances)
        u = xp.asarray(rng.random(n), dtype=dtype)
        x = xp.asarray(rng.standard_normal((n, self.means.shape[1])), dtype=dtype)
        k = xp.searchsorted(xp.cumsum(self.weights)[:-1], u, side="right")
        if roots.ndim == 2:
            x *= roots[k]
        else:
            for which, root in enumerate(roots):
                rows = xp.flatnonzero(k == which)
                x[rows] = x[rows] @ root.T
        x += self.means[k]                                            # (3)
        return x

    def bic(self, x: Array) -> float:
        """The Bayesian information criterion on x; a lower value is a better model.

        Parameters
        ----------
        x : (N, D) float

        Raises
        ------
        ValueError
            If x has another shape.
        """
        n_components, dim = self.means.shape
        m = n_components - 1 + n_components * (dim + self.covariance.n_free(dim))
        return float(-2 * self.log_prob(x).sum() + m * math.log(len(x)))                              # (4)

    def save(self, path: str) -> None:
        """Write to a .npz file that either package loads.

        Parameters
        ----------
        path : str or path-like
        """
        persistence.save(path, "gmm", self._asdict() | {"covariance": self.covariance.name})

    def _checked(self, x):
        x = checks.as_array("x", x, ("N", self.means.shape[1]))
        check_together(means=self.means, x=x)
        return x


def load(path: str) -> GaussianMixture:
    """The mixture that `GaussianMixture.save` wrote.

    Parameters
    ----------
    path : str or path-like

    Raises
    ------
    FileNotFoundError, PermissionError, IsADirectoryError
        If there is no such file, or it cannot be opened.
    ValueError
        If the file is no saved mixture.
    """
    tree = persistence.load(path, "gmm")
    return GaussianMixture(**tree | {"covariance": covariance_named(tree["covariance"])})


def e_step(x, weights, means, covariances, r=None):
    """log p(x), (N,), and the responsibilities, (K, N), written into r where it is given."""
    xp, roots, (n_components, dim) = array_module(x), factors(covariances), means.shape
    r = xp.empty((n_components, len(x)), dtype=x.dtype) if r is None else r
    log_prob, full = xp.empty(len(x), dtype=x.dtype), roots.ndim == 3
    diagonals = xp.diagonal(roots, axis1=1, axis2=2) if full else roots
    log_det = xp.log(diagonals).sum(axis=1)
    constant = (xp.log(weights) - log_det - 0.5 * dim * math.log(2 * math.pi))[:, None]
    whiten = xp.linalg.inv(roots) if full else None
    scale = xp.ones((1, dim), dtype=x.dtype) if full else (1 / xp.square(roots))[:, None]
    for rows, d, *z in differences(x, means, n_arrays=1 + full):
        z = xp.matmul(whiten, d, out=z[0]) if full else d
        z *= z
        joint = r[:, rows]
        xp.multiply((scale @ z)[:, 0], -0.5, out=joint)
        joint += constant
        normalise(joint, out=log_prob[rows])                          # (1), (2)
    return log_prob, r
