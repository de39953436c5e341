"""The uniform prior in a box, and the probit map that turns it into a standard normal.

The mathematics is in `reference.priors.box_uniform`. Same values; the nearer bound is chosen before Φ⁻¹ is taken, not after,
so that each number costs one special function, and the arrays are reused in place. A float32 θ is strictly inside the float64
bounds too, and its distance to them is exact to rounding.
"""
from dataclasses import dataclass

import numpy as np

from accel.runtime import checks
from accel.priors.constants import head_and_tail, hold, like, special
from accel.priors.normal import Standardised
from accel.device import array_module

__all__ = ["BoxUniform"]


@dataclass(frozen=True, eq=False)
class BoxUniform(Standardised):
    """Uniform between low and high."""
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
        theta = rng.random((checks.check_count("n", n), self.dim))
        theta *= like(theta, self.high - self.low)
        for part in head_and_tail(theta, self.low):
            theta += part
        return strictly_inside(theta, self.low, self.high)

    def contains(self, theta):
        """Whether each row lies inside the support, (N,) bool."""
        theta = checks.as_array("theta", theta, ("N", self.dim))
        lowest, highest = extremes(theta, self.low, self.high)
        return array_module(theta).logical_and(theta >= lowest, theta <= highest).all(axis=1)

    def log_prob(self, theta):
        """log p(θ) in nats, (N,); −inf outside."""
        theta = checks.as_array("theta", theta)
        log_density = like(theta, -np.log(self.high - self.low).sum())
        return array_module(theta).where(self.contains(theta), log_density, like(theta, -np.inf))

    def to_unconstrained(self, theta):
        """u, and log|det ∂u/∂θ|; not finite outside the support."""
        theta = checks.as_array("theta", theta, ("N", self.dim))
        xp, below, above = array_module(theta), theta.copy(), theta.copy()
        for distance, bound in ((below, self.low), (above, self.high)):
            for part in head_and_tail(theta, bound):
                distance -= part
        xp.negative(above, out=above)
        u = xp.minimum(below, above)
        u /= like(theta, self.high - self.low)
        special(u).ndtri(u, out=u)                                    # of the nearer distance: at most 0
        above -= below
        u *= xp.sign(above, out=above)
        log_det = self._log_det(u)
        return u, xp.negative(log_det, out=log_det)

    def to_constrained(self, u):
        """θ, strictly inside the support, and log|det ∂θ/∂u|."""
        u = checks.as_array("u", u, ("N", self.dim))
        xp, below = array_module(u), u < 0
        theta = xp.abs(u)
        xp.negative(theta, out=theta)
        special(theta).ndtr(theta, out=theta)
        width = like(u, self.high - self.low)
        theta *= xp.where(below, width, -width)                       # from the nearer bound
        for low, high in zip(reversed(head_and_tail(u, self.low)), reversed(head_and_tail(u, self.high))):
            theta += xp.where(below, low, high)
        return strictly_inside(theta, self.low, self.high), self._log_det(u)

    def to_constrained_vjp(self, u, dtheta):
        """du (N, dim): the gradient dtheta (N, dim) with respect to θ, carried back to u."""
        u = checks.as_array("u", u, ("N", self.dim))
        du = u * u
        du *= -0.5
        array_module(u).exp(du, out=du)
        du *= like(u, (self.high - self.low) / np.sqrt(2 * np.pi))
        du *= checks.as_array("dtheta", dtheta, u.shape)
        return du

    def _log_det(self, u):
        log_det = array_module(u).einsum("ij,ij->i", u, u)
        log_det *= -0.5
        log_det += float(np.log(self.high - self.low).sum() - 0.5 * self.dim * np.log(2 * np.pi))
        return log_det


def strictly_inside(theta, low, high):
    """θ, moved off a bound that rounding has put it on; in place."""
    return array_module(theta).clip(theta, *extremes(theta, low, high), out=theta)


def extremes(theta, low, high):
    """The lowest and the highest number of theta's dtype strictly between the bounds."""
    infinity, low_as_given, high_as_given = theta.dtype.type(np.inf), low, high
    low, high = low.astype(theta.dtype), high.astype(theta.dtype)
    low = np.where(low > low_as_given, low, np.nextafter(low, infinity))
    high = np.where(high < high_as_given, high, np.nextafter(high, -infinity))
    if (low > high).any():
        raise ValueError(f"low: expected bounds with a {theta.dtype} between them, got low = {low_as_given} and high = {high_as_given}")
    return like(theta, low), like(theta, high)
