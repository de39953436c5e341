"""The log-normal prior, independent in each dimension; standardising log θ makes it a standard normal.

    (1)  p(θ) = ∏ᵢ N(log θᵢ; μᵢ, σᵢ²)/θᵢ
    (2)  θᵢ = exp(μᵢ + σᵢ uᵢ)                               u ~ N(0, I) under the prior
    (3)  log|det ∂θ/∂u| = ∑ᵢ log σᵢ + log θᵢ
    (4)  log p(θ) = log N(u; 0, I) + log|det ∂u/∂θ|         (1) by change of variables
    (5)  ∂θᵢ/∂uᵢ = σᵢ θᵢ

Shapes        N samples; θ and u (N, dim); μ and σ (dim,); densities and determinants (N,).
Conventions   nats; σ is the standard deviation of log θ, and exp(μ) the median of θ.

Example
-------
>>> import numpy as np
>>> from reference.priors import LogNormal
>>> prior = LogNormal(np.log([100]), [0.5])
>>> prior.to_constrained([[-1], [0], [1]])[0].round(2).ravel()
array([ 60.65, 100.  , 164.87])
"""
from dataclasses import dataclass

import autograd.numpy as np

from reference.priors.constants import hold, rebuilt
from reference.priors.standard_normal import Standardised, log_standard_normal
from reference.runtime import checks
from reference.runtime.protocols import Array, Rng

__all__ = ["LogNormal"]


@dataclass(frozen=True, eq=False)
class LogNormal(Standardised):
    """The logarithm of θ is normal.

    Parameters
    ----------
    mu, sigma : (dim,) float
        Mean and standard deviation of log θ; sigma > 0.

    Raises
    ------
    ValueError
        If mu and sigma are not such vectors.
    """
    mu: np.ndarray
    sigma: np.ndarray
    dim = unconstrained_dim = property(lambda self: len(self.mu))
    __reduce__ = rebuilt

    def __post_init__(self):
        hold(self, positive="sigma")

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
        theta = checks.as_array("theta", theta, ("N", self.dim))
        return np.all((theta > 0) & (theta < np.inf), axis=1)

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
        theta = checks.as_array("theta", theta, ("N", self.dim))
        log_theta = np.log(np.where(theta > 0, theta, np.nan))
        u = (log_theta - self.mu) / self.sigma                                    # (2) inverted
        return u, -np.sum(np.log(self.sigma) + log_theta, axis=1)

    def to_constrained(self, u: Array) -> tuple[Array, Array]:
        """θ (N, dim), strictly inside the support, and log|det ∂θ/∂u| (N,).

        Parameters
        ----------
        u : (N, dim) float
        """
        log_theta = self.mu + self.sigma * checks.as_array("u", u, ("N", self.dim))
        log_det, number = np.sum(np.log(self.sigma) + log_theta, axis=1), np.finfo(np.float64)        # (3)
        with np.errstate(over="ignore"):
            return np.clip(np.exp(log_theta), number.tiny, number.max), log_det   # (2)

    def to_constrained_vjp(self, u: Array, dtheta: Array) -> Array:
        """du (N, dim): the gradient with respect to θ, carried back to u.

        Parameters
        ----------
        u : (N, dim) float
        dtheta : (N, dim) float
            The gradient with respect to θ.
        """
        theta, _ = self.to_constrained(u)
        return checks.as_array("dtheta", dtheta, theta.shape) * self.sigma * theta            # (5)
