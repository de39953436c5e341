"""The Dirichlet prior: positive θ that sum to one, broken off a stick of length one.

The mathematics is in `reference.priors.dirichlet`. Same values; one exponential and one logarithm per stick serve both of
its parts, since with s = log(1 + e^(−|y|))

    log z = min(y, 0) − s,   log(1 − z) = −max(y, 0) − s

Gradients. A cotangent a of log θ reaches y through ∂ log θₖ/∂yₖ = 1 − zₖ and ∂ log θⱼ/∂yₖ = −zₖ, j > k, so that

    duₖ = aₖ − zₖ ∑ⱼ₍ⱼ≥ₖ₎ aⱼ

with a = α for log p(u), whose sums are constants, and a = θ dθ for a gradient with respect to θ.

Sticks are drawn in float64, whatever the dtype of rng, because the inverse of the incomplete beta function loses half its digits
in float32; all else computes in the dtype that it is given.
"""
import math
from dataclasses import dataclass

import numpy as np

from accel.runtime import checks
from accel.priors.constants import hold, like, special
from accel.device import array_module

__all__ = ["Dirichlet"]

SUM_TOLERANCE = 1e-6                                                  # what a simplex stored in float32 can promise


@dataclass(frozen=True, eq=False)
class Dirichlet:
    """Dirichlet with concentration α; all ones is flat on the simplex."""
    concentration: np.ndarray
    dim = property(lambda self: len(self.concentration))
    unconstrained_dim = property(lambda self: self.dim - 1)

    def __post_init__(self):
        hold(self, positive="concentration")
        checks.check_count("concentration: number of entries", self.dim, least=2)

    def sample(self, rng, n):
        """n draws. z and 1 − z come each from their own inverse, so that neither is one minus a rounded other."""
        drawn, alpha = rng.random((checks.check_count("n", n), self.dim - 1)), self.concentration
        xp, uniform = array_module(drawn), drawn.astype(np.float64, copy=False)
        own, rest = xp.asarray(alpha[:-1]), xp.asarray(np.cumsum(alpha[:0:-1])[::-1].copy())
        left = xp.ones((n, self.dim), dtype=drawn.dtype)
        left[:, 1:] = special(drawn).betaincinv(rest, own, 1 - uniform)
        theta = xp.cumprod(left, axis=1)
        theta[:, :-1] *= special(drawn).betaincinv(own, rest, uniform).astype(drawn.dtype, copy=False)
        return self._inside(theta)

    def contains(self, theta):
        """Whether each row lies inside the support, (N,) bool."""
        theta = checks.as_array("theta", theta, ("N", self.dim))
        xp, excess = array_module(theta), theta.sum(axis=1)
        excess -= 1
        return xp.logical_and(xp.abs(excess) < SUM_TOLERANCE, (theta > 0).all(axis=1))

    def log_prob(self, theta):
        """log p(θ) in nats, (N,); −inf outside."""
        theta = checks.as_array("theta", theta)
        xp, inside = array_module(theta), self.contains(theta)
        log_theta = xp.where(inside[:, None], theta, like(theta, 1.0))
        log_prob = xp.log(log_theta, out=log_theta) @ like(theta, self.concentration - 1)
        log_prob += self._log_norm()
        return xp.where(inside, log_prob, like(theta, -np.inf))

    def to_unconstrained(self, theta):
        """u, and log|det ∂u/∂θ|; not finite outside the support."""
        theta = checks.as_array("theta", theta)
        xp = array_module(theta)
        log_theta = xp.where(self.contains(theta)[:, None], theta, like(theta, np.nan))
        rest = xp.cumsum(log_theta[:, :0:-1], axis=1)[:, ::-1]
        xp.log(log_theta, out=log_theta)
        u = log_theta[:, :-1] - xp.log(rest)
        u += self._offset(u)
        log_det = log_theta.sum(axis=1)
        return u, xp.negative(log_det, out=log_det)

    def to_constrained(self, u):
        """θ, strictly inside the support, and log|det ∂θ/∂u|."""
        log_theta, _ = self._log_theta(u)
        log_det = log_theta.sum(axis=1)
        return self._inside(array_module(log_theta).exp(log_theta, out=log_theta)), log_det

    def to_constrained_vjp(self, u, dtheta):
        """du (N, K − 1): the gradient dtheta (N, K) with respect to all entries of θ, carried back to u."""
        log_theta, du = self._log_theta(u)
        xp = array_module(log_theta)
        a = self._inside(xp.exp(log_theta, out=log_theta))
        a *= checks.as_array("dtheta", dtheta, a.shape)
        xp.exp(du, out=du)                                            # z
        du *= xp.cumsum(a[:, ::-1], axis=1)[:, :0:-1]
        return xp.subtract(a[:, :-1], du, out=du)

    def unconstrained_log_prob(self, u):
        """log p(u) in nats, (N,)."""
        return self._log_prob_of(self._log_theta(u)[0])

    def unconstrained_log_prob_and_grad(self, u):
        """log p(u), (N,), and its gradient, (N, K − 1)."""
        log_theta, du = self._log_theta(u)
        xp, alpha = array_module(du), self.concentration
        xp.exp(du, out=du)                                            # z
        du *= like(du, np.cumsum(alpha[::-1])[:0:-1])
        return self._log_prob_of(log_theta), xp.subtract(like(du, alpha[:-1]), du, out=du)

    def _log_prob_of(self, log_theta):
        log_prob = log_theta @ like(log_theta, self.concentration)
        log_prob += self._log_norm()
        return log_prob

    def _log_theta(self, u):
        """log θ (N, K), and log z (N, K − 1)."""
        u = checks.as_array("u", u, ("N", self.unconstrained_dim))
        xp, y = array_module(u), u - self._offset(u)
        s = xp.abs(y)
        xp.negative(s, out=s)
        xp.log1p(xp.exp(s, out=s), out=s)
        spent = xp.zeros((len(u), self.dim), dtype=u.dtype)
        spent[:, 1:] = s
        spent[:, 1:] += xp.maximum(y, 0)
        log_theta = xp.cumsum(spent, axis=1)                          # −log of what is left of the stick
        xp.negative(log_theta, out=log_theta)
        log_z = xp.minimum(y, 0, out=y)
        log_z -= s
        log_theta[:, :-1] += log_z
        return log_theta, log_z

    def _log_norm(self):
        return math.lgamma(self.concentration.sum()) - sum(map(math.lgamma, self.concentration))

    def _offset(self, u):
        return like(u, np.log(np.arange(self.dim - 1, 0, -1)))

    def _inside(self, theta):
        """In place."""
        number = np.finfo(theta.dtype)
        return array_module(theta).clip(theta, float(number.tiny), 1 - float(number.epsneg), out=theta)
