"""The uniform prior in a box, and the probit map that turns it into a standard normal.

    (1)  p(θ) = ∏ᵢ 1/(highᵢ − lowᵢ)                                inside, 0 elsewhere
    (2)  θᵢ = lowᵢ + (highᵢ − lowᵢ) Φ(uᵢ)                          u ~ N(0, I) under the prior
    (3)  log|det ∂θ/∂u| = ∑ᵢ log(highᵢ − lowᵢ) + log N(uᵢ; 0, 1)
    (4)  ∂θᵢ/∂uᵢ = (highᵢ − lowᵢ) N(uᵢ; 0, 1)

Shapes        N samples; θ and u (N, dim); low and high (dim,); densities and determinants (N,).
Conventions   Φ and its inverse are counted from the nearer bound, where nothing cancels: Φ(u) = 1 − Φ(−u).
Source        the probit transform, known to all; Φ(u) = ½ erfc(−u/√2).
"""
from dataclasses import dataclass

import autograd.numpy as np

from reference.runtime import checks
from reference.priors.constants import hold
from reference.priors.normal import Standardised

__all__ = ["BoxUniform"]


@dataclass(frozen=True, eq=False)
class BoxUniform(Standardised):
    """Uniform between low and high.

    Attributes
    ----------
    low, high : (dim,) float
        low < high in every dimension, a finite width apart.
    """
    low: np.ndarray
    high: np.ndarray
    dim = unconstrained_dim = property(lambda self: len(self.low))

    def __post_init__(self):
        hold(self)
        with np.errstate(over="ignore"):
            resolved = (np.nextafter(self.low, np.inf) < self.high) & np.isfinite(self.high - self.low)
        if not resolved.all():
            raise ValueError(f"low: expected low < high, a finite width apart, got low = {self.low} and high = {self.high}")

    def sample(self, rng, n):
        """n draws, (n, dim)."""
        theta = self.low + (self.high - self.low) * rng.random((checks.check_count("n", n), self.dim))
        return strictly_inside(theta, self.low, self.high)

    def contains(self, theta):
        """Whether each row lies inside the support, (N,) bool."""
        theta = checks.as_array("theta", theta, ("N", self.dim))
        return np.all((theta > self.low) & (theta < self.high), axis=1)

    def log_prob(self, theta):
        """log p(θ) in nats, (N,); −inf outside."""
        return np.where(self.contains(theta), -np.sum(np.log(self.high - self.low)), -np.inf)             # (1)

    def to_unconstrained(self, theta):
        """u, and log|det ∂u/∂θ|; not finite outside the support."""
        from autograd.scipy.special import erfcinv
        theta, width = checks.as_array("theta", theta, ("N", self.dim)), self.high - self.low
        below, above = (theta - self.low) / width, (self.high - theta) / width
        u = np.sqrt(2) * np.where(below < above, -erfcinv(2 * below), erfcinv(2 * above))                 # (2) solved for u
        return u, -self._log_det(u)

    def to_constrained(self, u):
        """θ, strictly inside the support, and log|det ∂θ/∂u|."""
        from autograd.scipy.special import erfc
        u = checks.as_array("u", u, ("N", self.dim))
        tail = (self.high - self.low) * 0.5 * erfc(np.abs(u) / np.sqrt(2))                                # width · Φ(−|u|)
        theta = np.where(u < 0, self.low + tail, self.high - tail)                                        # (2)
        return strictly_inside(theta, self.low, self.high), self._log_det(u)

    def to_constrained_vjp(self, u, dtheta):
        """du (N, dim): the gradient dtheta (N, dim) with respect to θ, carried back to u."""
        u = checks.as_array("u", u, ("N", self.dim))
        slope = (self.high - self.low) * np.exp(-0.5 * u**2) / np.sqrt(2 * np.pi)                         # (4)
        return checks.as_array("dtheta", dtheta, u.shape) * slope

    def _log_det(self, u):
        return np.sum(np.log(self.high - self.low) - 0.5 * u**2 - 0.5 * np.log(2 * np.pi), axis=1)        # (3)


def strictly_inside(theta, low, high):
    """θ, moved off a bound that rounding has put it on."""
    return np.clip(theta, np.nextafter(low, np.inf), np.nextafter(high, -np.inf))
