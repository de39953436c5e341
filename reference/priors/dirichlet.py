"""The Dirichlet prior: positive θ that sum to one, made by breaking a stick of length one.

    (1)  p(θ) = Γ(∑ₖ αₖ) ∏ₖ θₖ^(αₖ−1)/Γ(αₖ)                         a density in θ₁ … θ_{K−1}
    (2)  θₖ = zₖ ∏ⱼ₍ⱼ<ₖ₎ (1 − zⱼ),  z_K = 1                          zₖ: the part taken of what is left
    (3)  zₖ = 1/(1 + e^(−yₖ)),  yₖ = uₖ − log(K − k),  k < K         so that u = 0 is the centre, θₖ = 1/K
    (4)  uₖ = log θₖ − log ∑ⱼ₍ⱼ>ₖ₎ θⱼ + log(K − k)                   (2) and (3) solved for u
    (5)  log|det ∂θ/∂u| = ∑ₖ log θₖ                                  over all K
    (6)  zₖ ~ Beta(αₖ, βₖ), independent,  βₖ = ∑ⱼ₍ⱼ>ₖ₎ αⱼ             which gives (1) through (2)
    (7)  p(u) = Γ(∑ₖ αₖ) ∏ₖ θₖ^αₖ/Γ(αₖ)                             (1) times (5): the density of u
    (8)  vₖ = I(zₖ; αₖ, βₖ)                                         (6) in the unit cube: v is uniform

(5): the Jacobian is triangular, and its diagonal θₖ (1 − zₖ) = θₖ (∑ⱼ₍ⱼ>ₖ₎ θⱼ)/(∑ⱼ₍ⱼ≥ₖ₎ θⱼ) telescopes.

Shapes        N samples, K entries; θ (N, K); u, v, y, z (N, K − 1); α (K,); densities and determinants (N,).
Conventions   nats. Densities and determinants are with respect to θ₁ … θ_{K−1}; θ must sum to one within
              SUM_TOLERANCE. I is the regularised incomplete beta function.
Source        (2)–(4) Stan Reference Manual, "Simplex transform: stick breaking"; (6) "Bayesian Data
              Analysis", Gelman et al., third edition, appendix A.
Departures    logarithms in (2), (3) and an inverse of its own for 1 − z keep the digits of small numbers.

Example
-------
>>> from reference.priors import Dirichlet
>>> Dirichlet([1, 1, 1]).to_constrained([[1, -1]])[0].round(3)
array([[0.576, 0.114, 0.31 ]])
"""
import math
from dataclasses import dataclass

import autograd.numpy as np
from autograd import elementwise_grad, make_vjp

from reference.priors.constants import hold, inside_cube, rebuilt
from reference.runtime import checks
from reference.runtime.protocols import Array, Rng

__all__ = ["Dirichlet"]

SUM_TOLERANCE, EDGE = 1e-6, 2.0**-53       # of a simplex in float32; SciPy's inverse of I can be NaN for less


@dataclass(frozen=True, eq=False)
class Dirichlet:
    """Dirichlet with concentration α; all ones is flat on the simplex.

    Parameters
    ----------
    concentration : (K,) float
        K ≥ 2 positive numbers.

    Raises
    ------
    ValueError
        If concentration is not such a vector.
    """
    concentration: np.ndarray
    dim = property(lambda self: len(self.concentration))
    unconstrained_dim = property(lambda self: self.dim - 1)
    __reduce__ = rebuilt
    _offset = property(lambda self: np.log(np.arange(self.dim - 1, 0, -1)))
    _beta = property(lambda self: (self.concentration[:-1], _rest(self.concentration[None])[0]))  # (6)

    def __post_init__(self):
        hold(self, positive="concentration")
        checks.check_count("concentration: number of entries", self.dim, least=2)

    def sample(self, rng: Rng, n: int) -> Array:
        """n draws, (n, K).

        Parameters
        ----------
        rng : Generator
        n : int

        Raises
        ------
        ValueError
            If n is not a whole number above zero.
        """
        return self.from_uniform(rng.random((checks.check_count("n", n), self.unconstrained_dim)))    # (6)

    def contains(self, theta: Array) -> Array:
        """Whether each row lies inside the support, (N,) bool.

        Parameters
        ----------
        theta : (N, K) float
        """
        theta = checks.as_array("theta", theta, ("N", self.dim))
        return np.all(theta > 0, axis=1) & (np.abs(np.sum(theta, axis=1) - 1) < SUM_TOLERANCE)

    def log_prob(self, theta: Array) -> Array:
        """log p(θ) in nats, (N,); −inf outside.

        Parameters
        ----------
        theta : (N, K) float
        """
        inside = self.contains(theta)
        log_theta = np.log(np.where(inside[:, None], theta, 1.0))
        log_prob = self._log_norm + np.sum((self.concentration - 1) * log_theta, axis=1)            # (1)
        return np.where(inside, log_prob, -np.inf)

    def to_unconstrained(self, theta: Array) -> tuple[Array, Array]:
        """u (N, K − 1), and log|det ∂u/∂θ| (N,); not finite outside the support.

        Parameters
        ----------
        theta : (N, K) float
        """
        theta = np.where(self.contains(theta)[:, None], theta, np.nan)
        u = np.log(theta[:, :-1]) - np.log(_rest(theta)) + self._offset                             # (4)
        return u, -np.sum(np.log(theta), axis=1)

    def to_constrained(self, u: Array) -> tuple[Array, Array]:
        """θ (N, K), strictly inside the support, and log|det ∂θ/∂u| (N,).

        Parameters
        ----------
        u : (N, K − 1) float
        """
        log_theta = self._log_theta(u)
        return _inside(np.exp(log_theta)), np.sum(log_theta, axis=1)                                  # (5)

    def to_constrained_vjp(self, u: Array, dtheta: Array) -> Array:
        """du (N, K − 1): the gradient with respect to θ, carried back to u.

        Parameters
        ----------
        u : (N, K − 1) float
        dtheta : (N, K) float
            The gradient with respect to all entries of θ.
        """
        pull, theta = make_vjp(lambda u: self.to_constrained(u)[0])(checks.as_array("u", u))
        return pull(checks.as_array("dtheta", dtheta, theta.shape))

    def from_uniform(self, v: Array) -> Array:
        """θ (N, K), strictly inside the support, from points of the unit cube.

        Parameters
        ----------
        v : (N, K − 1) float
            In [0, 1]; a number within EDGE of an end counts as EDGE away from it.
        """
        from scipy.special import betaincinv
        v = np.clip(checks.as_array("v", v, ("N", self.unconstrained_dim)), EDGE, 1 - EDGE)
        (alpha, beta), ones = self._beta, np.ones((len(v), 1))
        z, one_minus_z = betaincinv(alpha, beta, v), betaincinv(beta, alpha, 1 - v)           # (8) inverted
        return _inside(np.hstack((z, ones)) * np.cumprod(np.hstack((ones, one_minus_z)), axis=1))     # (2)

    def to_uniform(self, theta: Array) -> Array:
        """v (N, K − 1), strictly inside the unit cube: what `from_uniform` takes to θ; NaN outside.

        Parameters
        ----------
        theta : (N, K) float
        """
        from scipy.special import betainc
        theta = np.where(self.contains(theta)[:, None], theta, np.nan)
        own, rest, (alpha, beta) = theta[:, :-1], _rest(theta), self._beta
        z, one_minus_z = own / (own + rest), rest / (own + rest)
        near, far = betainc(alpha, beta, z), 1 - betainc(beta, alpha, one_minus_z)            # (8)
        return inside_cube(np.where(z < one_minus_z, near, far))

    def unconstrained_log_prob(self, u: Array) -> Array:
        """log p(u) in nats, (N,): the density of u under the prior.

        Parameters
        ----------
        u : (N, K − 1) float
        """
        return self._log_norm + np.sum(self.concentration * self._log_theta(u), axis=1)             # (7)

    def unconstrained_log_prob_and_grad(self, u: Array) -> tuple[Array, Array]:
        """log p(u) in nats, (N,), and its gradient, (N, K − 1).

        Parameters
        ----------
        u : (N, K − 1) float
        """
        log_prob, u = self.unconstrained_log_prob, checks.as_array("u", u)
        return log_prob(u), elementwise_grad(log_prob)(u)

    @property
    def _log_norm(self):
        return math.lgamma(np.sum(self.concentration)) - sum(map(math.lgamma, self.concentration))

    def _log_theta(self, u):
        y = checks.as_array("u", u, ("N", self.unconstrained_dim)) - self._offset
        log_z, log_one_minus_z, zeros = -np.logaddexp(0.0, -y), -np.logaddexp(0.0, y), np.zeros((len(y), 1))
        return np.hstack((log_z, zeros)) + np.cumsum(np.hstack((zeros, log_one_minus_z)), axis=1)  # (2), (3)


def _rest(values):
    return np.cumsum(values[:, :0:-1], axis=1)[:, ::-1]               # ∑ⱼ₍ⱼ>ₖ₎ of the columns, k < K


def _inside(theta):
    return np.clip(theta, np.finfo(np.float64).tiny, np.nextafter(1, 0))
