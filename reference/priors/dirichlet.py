"""The Dirichlet prior: positive θ that sum to one, broken off a stick of length one.

    (1)  p(θ) = Γ(∑ₖ αₖ) ∏ₖ θₖ^(αₖ−1)/Γ(αₖ)                         a density in θ₁ … θ_{K−1}
    (2)  θₖ = zₖ ∏ⱼ₍ⱼ<ₖ₎ (1 − zⱼ),  z_K = 1                          zₖ: the share of what is left of the stick
    (3)  zₖ = 1/(1 + e^(−yₖ)),  yₖ = uₖ − log(K − k),  k < K         the offset puts u = 0 at the centre, θₖ = 1/K
    (4)  uₖ = log θₖ − log ∑ⱼ₍ⱼ>ₖ₎ θⱼ + log(K − k)                   (2) and (3) solved for u
    (5)  log|det ∂θ/∂u| = ∑ₖ log θₖ                                  over all K
    (6)  zₖ ~ Beta(αₖ, ∑ⱼ₍ⱼ>ₖ₎ αⱼ), independent                      samples of (1) through (2)
    (7)  p(u) = Γ(∑ₖ αₖ) ∏ₖ θₖ^αₖ/Γ(αₖ)                             (1) times (5): the density of u under the prior

(5): the Jacobian is triangular, and its diagonal zₖ(1 − zₖ) ∏ⱼ₍ⱼ<ₖ₎ (1 − zⱼ) = θₖ (∑ⱼ₍ⱼ>ₖ₎ θⱼ)/(∑ⱼ₍ⱼ≥ₖ₎ θⱼ) telescopes.

Shapes        N samples, K entries; θ (N, K); u, y, z (N, K − 1); α (K,); densities and determinants (N,).
Conventions   densities and determinants are with respect to θ₁ … θ_{K−1}; θ must sum to one within SUM_TOLERANCE.
Source        (2)–(4) Stan Reference Manual, "Simplex transform: stick breaking"; (6) "Bayesian Data Analysis", Gelman et al.,
              third edition, appendix A.
Departures    (2) and (3) are computed as logarithms, so that a small θₖ keeps its digits.
"""
import math
from dataclasses import dataclass

import autograd.numpy as np
from autograd import elementwise_grad, make_vjp

from reference.runtime import checks
from reference.priors.constants import hold

__all__ = ["Dirichlet"]

SUM_TOLERANCE = 1e-6                                                  # what a simplex stored in float32 can promise


@dataclass(frozen=True, eq=False)
class Dirichlet:
    """Dirichlet with concentration α; all ones is flat on the simplex.

    Attributes
    ----------
    concentration : (K,) float
        K ≥ 2 positive numbers.
    """
    concentration: np.ndarray
    dim = property(lambda self: len(self.concentration))
    unconstrained_dim = property(lambda self: self.dim - 1)

    def __post_init__(self):
        hold(self, positive="concentration")
        checks.check_count("concentration: number of entries", self.dim, least=2)

    def sample(self, rng, n):
        """n draws. z and 1 − z come each from their own inverse, so that neither is one minus a rounded other."""
        from scipy.special import betaincinv
        uniform, alpha = rng.random((checks.check_count("n", n), self.dim - 1)), self.concentration
        rest, ones = np.cumsum(alpha[:0:-1])[::-1], np.ones((n, 1))
        z, one_minus_z = betaincinv(alpha[:-1], rest, uniform), betaincinv(rest, alpha[:-1], 1 - uniform)     # (6)
        return self._inside(np.hstack((z, ones)) * np.cumprod(np.hstack((ones, one_minus_z)), axis=1))    # (2)

    def contains(self, theta):
        """Whether each row lies inside the support, (N,) bool."""
        theta = checks.as_array("theta", theta, ("N", self.dim))
        return np.all(theta > 0, axis=1) & (np.abs(np.sum(theta, axis=1) - 1) < SUM_TOLERANCE)

    def log_prob(self, theta):
        """log p(θ) in nats, (N,); −inf outside."""
        inside = self.contains(theta)
        log_theta = np.log(np.where(inside[:, None], theta, 1.0))
        return np.where(inside, self._log_norm() + np.sum((self.concentration - 1) * log_theta, axis=1), -np.inf)   # (1)

    def to_unconstrained(self, theta):
        """u, and log|det ∂u/∂θ|; not finite outside the support."""
        theta = np.where(self.contains(theta)[:, None], theta, np.nan)
        rest = np.cumsum(theta[:, :0:-1], axis=1)[:, ::-1]
        u = np.log(theta[:, :-1]) - np.log(rest) + self._offset()                                         # (4)
        return u, -np.sum(np.log(theta), axis=1)

    def to_constrained(self, u):
        """θ, strictly inside the support, and log|det ∂θ/∂u|."""
        log_theta = self._log_theta(u)
        return self._inside(np.exp(log_theta)), np.sum(log_theta, axis=1)                                 # (5)

    def to_constrained_vjp(self, u, dtheta):
        """du (N, K − 1): the gradient dtheta (N, K) with respect to all entries of θ, carried back to u."""
        pull, theta = make_vjp(lambda u: self.to_constrained(u)[0])(checks.as_array("u", u))
        return pull(checks.as_array("dtheta", dtheta, theta.shape))

    def unconstrained_log_prob(self, u):
        """log p(u) in nats, (N,)."""
        return self._log_norm() + np.sum(self.concentration * self._log_theta(u), axis=1)                 # (7)

    def unconstrained_log_prob_and_grad(self, u):
        """log p(u), (N,), and its gradient, (N, K − 1)."""
        return self.unconstrained_log_prob(u), elementwise_grad(self.unconstrained_log_prob)(checks.as_array("u", u))

    def _log_theta(self, u):
        y = checks.as_array("u", u, ("N", self.unconstrained_dim)) - self._offset()
        log_z, log_one_minus_z, zeros = -np.logaddexp(0.0, -y), -np.logaddexp(0.0, y), np.zeros((len(y), 1))  # (3)
        return np.hstack((log_z, zeros)) + np.cumsum(np.hstack((zeros, log_one_minus_z)), axis=1)         # (2)

    def _log_norm(self):
        return math.lgamma(np.sum(self.concentration)) - sum(map(math.lgamma, self.concentration))

    def _offset(self):
        return np.log(np.arange(self.dim - 1, 0, -1))

    def _inside(self, theta):
        return np.clip(theta, np.finfo(np.float64).tiny, np.nextafter(1, 0))
