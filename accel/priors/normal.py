"""Normal and log-normal priors, independent in each dimension; standardising makes either a standard normal.

The mathematics is in `reference.priors.normal`. Same values; constants are summed once on the host, the quadratic form is
one pass without a temporary, and the arrays are reused in place.
"""
from dataclasses import dataclass

import numpy as np

from accel.runtime import checks
from accel.priors.constants import hold, like
from accel.device import array_module

__all__ = ["Normal", "LogNormal"]


class Standardised:
    """What holds for every prior whose u is standard normal."""

    def unconstrained_log_prob(self, u):
        """log p(u) = log N(u; 0, I) in nats, (N,)."""
        return log_standard_normal(checks.as_array("u", u, ("N", self.unconstrained_dim)))

    def unconstrained_log_prob_and_grad(self, u):
        """log p(u), (N,), and its gradient −u, (N, unconstrained_dim)."""
        return self.unconstrained_log_prob(u), -checks.as_array("u", u)


@dataclass(frozen=True, eq=False)
class Normal(Standardised):
    """Independent normals."""
    mean: np.ndarray
    std: np.ndarray
    dim = unconstrained_dim = property(lambda self: len(self.mean))

    def __post_init__(self):
        hold(self, positive="std")

    def sample(self, rng, n):
        """n draws, (n, dim)."""
        theta = rng.standard_normal((checks.check_count("n", n), self.dim))
        theta *= like(theta, self.std)
        theta += like(theta, self.mean)
        return theta

    def contains(self, theta):
        """Whether each row lies inside the support, (N,) bool."""
        theta = checks.as_array("theta", theta, ("N", self.dim))
        return array_module(theta).isfinite(theta).all(axis=1)

    def log_prob(self, theta):
        """log p(θ) in nats, (N,); −inf outside."""
        u, log_det = self.to_unconstrained(theta)
        log_det += log_standard_normal(u)
        return array_module(u).where(self.contains(theta), log_det, like(u, -np.inf))

    def to_unconstrained(self, theta):
        """u, and log|det ∂u/∂θ|; not finite outside the support."""
        theta = checks.as_array("theta", theta, ("N", self.dim))
        u = theta - like(theta, self.mean)
        u /= like(theta, self.std)
        return u, array_module(u).full(len(u), -np.log(self.std).sum(), dtype=u.dtype)

    def to_constrained(self, u):
        """θ, strictly inside the support, and log|det ∂θ/∂u|."""
        u = checks.as_array("u", u, ("N", self.dim))
        theta = u * like(u, self.std)
        theta += like(u, self.mean)
        return theta, array_module(u).full(len(u), np.log(self.std).sum(), dtype=u.dtype)

    def to_constrained_vjp(self, u, dtheta):
        """du (N, dim): the gradient dtheta (N, dim) with respect to θ, carried back to u."""
        u = checks.as_array("u", u, ("N", self.dim))
        return checks.as_array("dtheta", dtheta, u.shape) * like(u, self.std)


@dataclass(frozen=True, eq=False)
class LogNormal(Standardised):
    """The logarithm of θ is normal."""
    mu: np.ndarray
    sigma: np.ndarray
    dim = unconstrained_dim = property(lambda self: len(self.mu))

    def __post_init__(self):
        hold(self, positive="sigma")

    def sample(self, rng, n):
        """n draws, (n, dim)."""
        return self.to_constrained(rng.standard_normal((checks.check_count("n", n), self.dim)))[0]

    def contains(self, theta):
        """Whether each row lies inside the support, (N,) bool."""
        theta = checks.as_array("theta", theta, ("N", self.dim))
        return array_module(theta).logical_and(theta > 0, theta < np.inf).all(axis=1)

    def log_prob(self, theta):
        """log p(θ) in nats, (N,); −inf outside."""
        u, log_det = self.to_unconstrained(theta)
        log_det += log_standard_normal(u)
        return array_module(u).where(self.contains(theta), log_det, like(u, -np.inf))

    def to_unconstrained(self, theta):
        """u, and log|det ∂u/∂θ|; not finite outside the support."""
        theta = checks.as_array("theta", theta, ("N", self.dim))
        xp = array_module(theta)
        u = xp.where(theta > 0, theta, like(theta, np.nan))
        xp.log(u, out=u)
        log_det = u.sum(axis=1)
        log_det += float(np.log(self.sigma).sum())
        u -= like(u, self.mu)
        u /= like(u, self.sigma)
        return u, xp.negative(log_det, out=log_det)

    def to_constrained(self, u):
        """θ, strictly inside the support, and log|det ∂θ/∂u|."""
        u = checks.as_array("u", u, ("N", self.dim))
        xp, number = array_module(u), np.finfo(u.dtype)
        theta = u * like(u, self.sigma)
        theta += like(u, self.mu)
        log_det = theta.sum(axis=1)
        log_det += float(np.log(self.sigma).sum())
        with np.errstate(over="ignore"):
            xp.exp(theta, out=theta)
        return xp.clip(theta, float(number.tiny), float(number.max), out=theta), log_det

    def to_constrained_vjp(self, u, dtheta):
        """du (N, dim): the gradient dtheta (N, dim) with respect to θ, carried back to u."""
        du, _ = self.to_constrained(u)
        du *= checks.as_array("dtheta", dtheta, du.shape)
        du *= like(du, self.sigma)
        return du


def log_standard_normal(u):
    """log N(u; 0, I), (N,)."""
    log_prob = array_module(u).einsum("ij,ij->i", u, u)
    log_prob *= -0.5
    log_prob -= 0.5 * u.shape[1] * float(np.log(2 * np.pi))
    return log_prob
