"""A Gaussian mixture as an object: its density, responsibilities, samples and BIC. `density.gmm` fits it.

    (1)  p(x) = ∑ₖ πₖ N(x; μₖ, Σₖ)
    (2)  rₙₖ = πₖ N(xₙ; μₖ, Σₖ)/p(xₙ)                    responsibilities
    (3)  k ~ π,   x = μₖ + Lₖ z,   z ~ N(0, I)           a sample; Σₖ = Lₖ Lₖᵀ
    (4)  BIC = −2 ∑ₙ log p(xₙ) + m log N,   m = (K − 1) + K D + K · (free numbers of one Σ)

Shapes        N samples, D features, K components; x (N, D); π (K,); μ (K, D); r (N, K). Σ is (K, D, D) for
              FULL covariances; for DIAGONAL and SPHERICAL ones its diagonals, (K, D).
Conventions   nats. (1) is summed by log-sum-exp.
Source        "Estimating the dimension of a model", Schwarz, 1978 (4).

Example
-------
>>> import numpy as np
>>> from reference.density import gmm
>>> mixture = gmm.GaussianMixture(weights=np.array([0.5, 0.5]), means=np.array([[-1.0], [1.0]]),
...                               covariances=np.array([[0.5], [0.5]]), covariance=gmm.DIAGONAL,
...                               log_likelihood=np.zeros(1), converged=True)
>>> print(mixture.log_prob(np.array([[0.0], [1.0]])).round(4))
[-1.5724 -1.2474]
>>> print(mixture.responsibilities(np.array([[0.0], [1.0]])).round(3))
[[0.5   0.5  ]
 [0.018 0.982]]
"""
from typing import NamedTuple

import numpy as np

from reference.density.gaussian import Covariance, covariance_named, factors, log_normal
from reference.numerics.log_sum_exp import log_sum_exp
from reference.runtime import checks, persistence
from reference.runtime.protocols import Array, Rng

__all__ = []
SHARED = ["GaussianMixture", "load", "e_step"]
__all__ += SHARED


class GaussianMixture(NamedTuple):
    """A mixture, fitted by `density.gmm.fit` or written down.

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
        return e_step(self._checked(x), self.weights, self.means, self.covariances)[1]

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
        k = np.searchsorted(np.cumsum(self.weights)[:-1], rng.random(n), side="right")
        z, roots = rng.standard_normal((n, self.means.shape[1])), factors(self.covariances)
        if roots.ndim == 2:
            return self.means[k] + roots[k] * z                       # (3)
        return self.means[k] + np.einsum("nij,nj->ni", roots[k], z)                                   # (3)

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
        return float(-2 * np.sum(self.log_prob(x)) + m * np.log(len(x)))                              # (4)

    def save(self, path: str) -> None:
        """Write to a .npz file that either package loads.

        Parameters
        ----------
        path : str or path-like
        """
        persistence.save(path, "gmm", self._asdict() | {"covariance": self.covariance.name})

    def _checked(self, x):
        return checks.as_array("x", x, ("N", self.means.shape[1]))


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


def e_step(x, weights, means, covariances):
    """log p(x), (N,), and the responsibilities, (N, K)."""
    log_normals = [log_normal(x, mean, factor) for mean, factor in zip(means, factors(covariances))]
    log_joint = np.log(weights) + np.stack(log_normals, axis=1)
    log_prob = log_sum_exp(log_joint, axis=1)                         # (1)
    return log_prob, np.exp(log_joint - log_prob[:, None])            # (2)
