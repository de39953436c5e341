"""Normal and log-normal priors, independent in each dimension; standardising makes either a standard normal.

    (1)  Normal:     p(θ) = ∏ᵢ N(θᵢ; meanᵢ, stdᵢ²)           (2)  θᵢ = meanᵢ + stdᵢ uᵢ
    (3)  LogNormal:  p(θ) = ∏ᵢ N(log θᵢ; μᵢ, σᵢ²)/θᵢ         (4)  θᵢ = exp(μᵢ + σᵢ uᵢ)
    (5)  log|det ∂θ/∂u| = ∑ᵢ log stdᵢ,  and  ∑ᵢ log σᵢ + log θᵢ
    (6)  log p(θ) = log N(u; 0, I) + log|det ∂u/∂θ|          both densities, by change of variables
    (7)  ∂θᵢ/∂uᵢ = stdᵢ,  and  σᵢ θᵢ                         what a gradient is multiplied by on its way from θ to u

Shapes        N samples; θ and u (N, dim); mean, std, μ, σ (dim,); densities and determinants (N,).
Conventions   σ is the standard deviation of log θ, in nats, and exp(μ) the median of θ.
Source        the densities, known to all.
"""
from dataclasses import dataclass

import autograd.numpy as np

from reference.runtime import checks
from reference.priors.constants import hold

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
    """Independent normals.

    Attributes
    ----------
    mean, std : (dim,) float
        std > 0.
    """
    mean: np.ndarray
    std: np.ndarray
    dim = unconstrained_dim = property(lambda self: len(self.mean))

    def __post_init__(self):
        hold(self, positive="std")

    def sample(self, rng, n):
        """n draws, (n, dim)."""
        return self.to_constrained(rng.standard_normal((checks.check_count("n", n), self.dim)))[0]

    def contains(self, theta):
        """Whether each row lies inside the support, (N,) bool."""
        return np.all(np.isfinite(checks.as_array("theta", theta, ("N", self.dim))), axis=1)

    def log_prob(self, theta):
        """log p(θ) in nats, (N,); −inf outside."""
        u, log_det = self.to_unconstrained(theta)
        return np.where(self.contains(theta), log_standard_normal(u) + log_det, -np.inf)                  # (1) by (6)

    def to_unconstrained(self, theta):
        """u, and log|det ∂u/∂θ|; not finite outside the support."""
        u = (checks.as_array("theta", theta, ("N", self.dim)) - self.mean) / self.std
        return u, np.zeros(len(u)) - np.sum(np.log(self.std))

    def to_constrained(self, u):
        """θ, strictly inside the support, and log|det ∂θ/∂u|."""
        u = checks.as_array("u", u, ("N", self.dim))
        return self.mean + self.std * u, np.zeros(len(u)) + np.sum(np.log(self.std))                      # (2), (5)

    def to_constrained_vjp(self, u, dtheta):
        """du (N, dim): the gradient dtheta (N, dim) with respect to θ, carried back to u."""
        u = checks.as_array("u", u, ("N", self.dim))
        return checks.as_array("dtheta", dtheta, u.shape) * self.std                                      # (7)


@dataclass(frozen=True, eq=False)
class LogNormal(Standardised):
    """The logarithm of θ is normal.

    Attributes
    ----------
    mu, sigma : (dim,) float
        Mean and standard deviation of log θ; sigma > 0.
    """
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
        return np.all((theta > 0) & (theta < np.inf), axis=1)

    def log_prob(self, theta):
        """log p(θ) in nats, (N,); −inf outside."""
        u, log_det = self.to_unconstrained(theta)
        return np.where(self.contains(theta), log_standard_normal(u) + log_det, -np.inf)                  # (3) by (6)

    def to_unconstrained(self, theta):
        """u, and log|det ∂u/∂θ|; not finite outside the support."""
        theta = checks.as_array("theta", theta, ("N", self.dim))
        log_theta = np.log(np.where(theta > 0, theta, np.nan))
        return (log_theta - self.mu) / self.sigma, -np.sum(np.log(self.sigma) + log_theta, axis=1)

    def to_constrained(self, u):
        """θ, strictly inside the support, and log|det ∂θ/∂u|."""
        log_theta = self.mu + self.sigma * checks.as_array("u", u, ("N", self.dim))
        log_det = np.sum(np.log(self.sigma) + log_theta, axis=1)                                          # (5)
        with np.errstate(over="ignore"):
            return np.clip(np.exp(log_theta), np.finfo(np.float64).tiny, np.finfo(np.float64).max), log_det   # (4)

    def to_constrained_vjp(self, u, dtheta):
        """du (N, dim): the gradient dtheta (N, dim) with respect to θ, carried back to u."""
        theta, _ = self.to_constrained(u)
        return checks.as_array("dtheta", dtheta, theta.shape) * self.sigma * theta                        # (7)


def log_standard_normal(u):
    """log N(u; 0, I), (N,)."""
    return np.sum(-0.5 * u**2 - 0.5 * np.log(2 * np.pi), axis=1)
