"""The normal prior, independent in each dimension; standardising makes it a standard normal.

    (1)  p(θ) = ∏ᵢ N(θᵢ; meanᵢ, stdᵢ²)
    (2)  θᵢ = meanᵢ + stdᵢ uᵢ                               u ~ N(0, I) under the prior
    (3)  log|det ∂θ/∂u| = ∑ᵢ log stdᵢ
    (4)  log p(θ) = log N(u; 0, I) + log|det ∂u/∂θ|         (1) by change of variables
    (5)  ∂θᵢ/∂uᵢ = stdᵢ

Shapes        N samples; θ and u (N, dim); mean and std (dim,); densities and determinants (N,).
Conventions   nats; std is a standard deviation, in the units of θ.

Example
-------
>>> from reference.priors import Normal
>>> prior = Normal([0, 10], [1, 2])
>>> u, log_det = prior.to_unconstrained([[0.5, 13]])
>>> print(u, log_det.round(4))
[[0.5 1.5]] [-0.6931]
"""
from dataclasses import dataclass

import autograd.numpy as np

from reference.priors.constants import hold, rebuilt
from reference.priors.standard_normal import Standardised, log_standard_normal
from reference.runtime import checks
from reference.runtime.protocols import Array, Rng

__all__ = ["Normal"]


@dataclass(frozen=True, eq=False)
class Normal(Standardised):
    """Independent normals.

    Parameters
    ----------
    mean, std : (dim,) float
        std > 0.

    Raises
    ------
    ValueError
        If mean and std are not such vectors.
    """
    mean: np.ndarray
    std: np.ndarray
    dim = unconstrained_dim = property(lambda self: len(self.mean))
    __reduce__ = rebuilt

    def __post_init__(self):
        hold(self, positive="std")

    def sample(self, rng: Rng, n: int) -> Array:
        """n draws, (n, dim).

        Parameters
        ----------
        rng : Generator
        n : int

        Raises
        ------
        ValueError
            If n is not a whole number above zero.
        """
        return self.to_constrained(rng.standard_normal((checks.check_count("n", n), self.dim)))[0]

    def contains(self, theta: Array) -> Array:
        """Whether each row lies inside the support, (N,) bool.

        Parameters
        ----------
        theta : (N, dim) float
        """
        return np.all(np.isfinite(checks.as_array("theta", theta, ("N", self.dim))), axis=1)

    def log_prob(self, theta: Array) -> Array:
        """log p(θ) in nats, (N,); −inf outside.

        Parameters
        ----------
        theta : (N, dim) float
        """
        u, log_det = self.to_unconstrained(theta)
        return np.where(self.contains(theta), log_standard_normal(u) + log_det, -np.inf)      # (1) by (4)

    def to_unconstrained(self, theta: Array) -> tuple[Array, Array]:
        """u (N, dim), and log|det ∂u/∂θ| (N,); not finite outside the support.

        Parameters
        ----------
        theta : (N, dim) float
        """
        u = (checks.as_array("theta", theta, ("N", self.dim)) - self.mean) / self.std         # (2) inverted
        return u, np.zeros(len(u)) - np.sum(np.log(self.std))

    def to_constrained(self, u: Array) -> tuple[Array, Array]:
        """θ (N, dim), strictly inside the support, and log|det ∂θ/∂u| (N,).

        Parameters
        ----------
        u : (N, dim) float
        """
        u = checks.as_array("u", u, ("N", self.dim))
        return self.mean + self.std * u, np.zeros(len(u)) + np.sum(np.log(self.std))          # (2), (3)

    def to_constrained_vjp(self, u: Array, dtheta: Array) -> Array:
        """du (N, dim): the gradient with respect to θ, carried back to u.

        Parameters
        ----------
        u : (N, dim) float
        dtheta : (N, dim) float
            The gradient with respect to θ.
        """
        u = checks.as_array("u", u, ("N", self.dim))
        return checks.as_array("dtheta", dtheta, u.shape) * self.std              # (5)
