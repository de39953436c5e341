"""The log-normal prior, independent in each dimension; standardising log θ makes it a standard normal.

The mathematics is in `reference.priors.log_normal`. Same values; one logarithm or exponential a number, in
the array that is returned.

Example
-------
>>> import numpy as np
>>> from accel.priors import LogNormal
>>> prior = LogNormal(np.log([100]), [0.5])
>>> prior.to_constrained([[-1], [0], [1]])[0].round(2).ravel()
array([ 60.65, 100.  , 164.87])
"""
from dataclasses import dataclass

import numpy as np

from accel.device import array_module, like
from accel.priors.constants import hold, rebuilt
from accel.priors.standard_normal import Standardised, log_standard_normal
from accel.runtime import checks
from accel.runtime.protocols import Array, Rng

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
        return array_module(theta).logical_and(theta > 0, theta < np.inf).all(axis=1)

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
        xp = array_module(theta)
        u = xp.where(theta > 0, theta, like(theta, np.nan))
        xp.log(u, out=u)
        log_det = u.sum(axis=1)
        log_det += float(np.log(self.sigma).sum())                    # (3)
        u -= like(u, self.mu)
        u /= like(u, self.sigma)                                      # (2) inverted
        return u, xp.negative(log_det, out=log_det)

    def to_constrained(self, u: Array) -> tuple[Array, Array]:
        """θ (N, dim), strictly inside the support, and log|det ∂θ/∂u| (N,).

        Parameters
        ----------
        u : (N, dim) float
        """
        u = checks.as_array("u", u, ("N", self.dim))
        xp, number = array_module(u), np.finfo(u.dtype)
        theta = u * like(u, self.sigma)
        theta += like(u, self.mu)
        log_det = theta.sum(axis=1)
        log_det += float(np.log(self.sigma).sum())                    # (3)
        with np.errstate(over="ignore"):
            xp.exp(theta, out=theta)                                  # (2)
        return xp.clip(theta, float(number.tiny), float(number.max), out=theta), log_det

    def to_constrained_vjp(self, u: Array, dtheta: Array) -> Array:
        """du (N, dim): the gradient with respect to θ, carried back to u.

        Parameters
        ----------
        u : (N, dim) float
        dtheta : (N, dim) float
            The gradient with respect to θ.
        """
        du, _ = self.to_constrained(u)
        du *= checks.as_array("dtheta", dtheta, du.shape)
        du *= like(du, self.sigma)                                    # (5)
        return du
