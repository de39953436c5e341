"""The normal prior, independent in each dimension; standardising makes it a standard normal.

The mathematics is in `reference.priors.normal`. Same values; constants are summed once on the host, and the
arrays are reused in place.

Example
-------
>>> from accel.priors import Normal
>>> prior = Normal([0, 10], [1, 2])
>>> u, log_det = prior.to_unconstrained([[0.5, 13]])
>>> print(u, log_det.round(4))
[[0.5 1.5]] [-0.6931]
"""
from dataclasses import dataclass

import numpy as np

from accel.device import array_module, like
from accel.priors.constants import hold, rebuilt
from accel.priors.standard_normal import Standardised, log_standard_normal
from accel.runtime import checks
from accel.runtime.protocols import Array, Rng

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
        theta = rng.standard_normal((checks.check_count("n", n), self.dim))
        theta *= like(theta, self.std)
        theta += like(theta, self.mean)
        return theta

    def contains(self, theta: Array) -> Array:
        """Whether each row lies inside the support, (N,) bool.

        Parameters
        ----------
        theta : (N, dim) float
        """
        theta = checks.as_array("theta", theta, ("N", self.dim))
        return array_module(theta).isfinite(theta).all(axis=1)

    def log_prob(self, theta: Array) -> Array:
        """log p(θ) in nats, (N,); −inf outside.

        Parameters
        ----------
        theta : (N, dim) float
        """
        u, log_det = self.to_unconstrained(theta)
        log_det += log_standard_normal(u)                             # (1) by (4)
        return array_module(u).where(self.contains(theta), log_det, like(u, -np.inf))

    def to_unconstrained(self, theta: Array) -> tuple[Array, Array]:
        """u (N, dim), and log|det ∂u/∂θ| (N,); not finite outside the support.

        Parameters
        ----------
        theta : (N, dim) float
        """
        theta = checks.as_array("theta", theta, ("N", self.dim))
        u = theta - like(theta, self.mean)
        u /= like(theta, self.std)                                    # (2) inverted
        return u, array_module(u).full(len(u), -np.log(self.std).sum(), dtype=u.dtype)

    def to_constrained(self, u: Array) -> tuple[Array, Array]:
        """θ (N, dim), strictly inside the support, and log|det ∂θ/∂u| (N,).

        Parameters
        ----------
        u : (N, dim) float
        """
        u = checks.as_array("u", u, ("N", self.dim))
        theta = u * like(u, self.std)
        theta += like(u, self.mean)                                   # (2)
        return theta, array_module(u).full(len(u), np.log(self.std).sum(), dtype=u.dtype)     # (3)

    def to_constrained_vjp(self, u: Array, dtheta: Array) -> Array:
        """du (N, dim): the gradient with respect to θ, carried back to u.

        Parameters
        ----------
        u : (N, dim) float
        dtheta : (N, dim) float
            The gradient with respect to θ.
        """
        u = checks.as_array("u", u, ("N", self.dim))
        return checks.as_array("dtheta", dtheta, u.shape) * like(u, self.std)     # (5)
