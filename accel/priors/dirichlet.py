"""The Dirichlet prior: positive θ that sum to one, made by breaking a stick of length one.

The mathematics is in `reference.priors.dirichlet`. Same values; one exponential and one logarithm per stick
serve both of its parts, since with s = log(1 + e^(−|y|))

    (3)  log z = min(y, 0) − s,   log(1 − z) = −max(y, 0) − s

Gradients. A cotangent a of log θ reaches y through ∂ log θₖ/∂yₖ = 1 − zₖ and ∂ log θⱼ/∂yₖ = −zₖ, j > k, so
that

    duₖ = aₖ − zₖ ∑ⱼ₍ⱼ≥ₖ₎ aⱼ

with a = α for log p(u), whose sums are constants, and a = θ dθ for a gradient with respect to θ.

In float32 the inverse of the incomplete beta function loses half its digits. (8) and its inverse are computed
in float64, whatever the dtype; all else is computed in the dtype that is given.

Example
-------
>>> from accel.priors import Dirichlet
>>> Dirichlet([1, 1, 1]).to_constrained([[1, -1]])[0].round(3)
array([[0.576, 0.114, 0.31 ]])
"""
import math
from dataclasses import dataclass

import numpy as np

from accel.device import array_module, like, special
from accel.priors.constants import hold, inside_cube, rebuilt
from accel.runtime import checks
from accel.runtime.protocols import Array, Rng

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
        xp, excess = array_module(theta), theta.sum(axis=1)
        excess -= 1
        return xp.logical_and(xp.abs(excess) < SUM_TOLERANCE, (theta > 0).all(axis=1))

    def log_prob(self, theta: Array) -> Array:
        """log p(θ) in nats, (N,); −inf outside.

        Parameters
        ----------
        theta : (N, K) float
        """
        theta = checks.as_array("theta", theta)
        xp, inside = array_module(theta), self.contains(theta)
        log_theta = xp.where(inside[:, None], theta, like(theta, 1.0))
        log_prob = xp.log(log_theta, out=log_theta) @ like(theta, self.concentration - 1)
        log_prob += self._log_norm                                    # (1)
        return xp.where(inside, log_prob, like(theta, -np.inf))

    def to_unconstrained(self, theta: Array) -> tuple[Array, Array]:
        """u (N, K − 1), and log|det ∂u/∂θ| (N,); not finite outside the support.

        Parameters
        ----------
        theta : (N, K) float
        """
        theta = checks.as_array("theta", theta)
        xp = array_module(theta)
        log_theta = xp.where(self.contains(theta)[:, None], theta, like(theta, np.nan))
        rest = xp.cumsum(log_theta[:, :0:-1], axis=1)[:, ::-1]
        xp.log(log_theta, out=log_theta)
        u = log_theta[:, :-1] - xp.log(rest)
        u += self._offset(u)                                          # (4)
        log_det = log_theta.sum(axis=1)                               # (5)
        return u, xp.negative(log_det, out=log_det)

    def to_constrained(self, u: Array) -> tuple[Array, Array]:
        """θ (N, K), strictly inside the support, and log|det ∂θ/∂u| (N,).

        Parameters
        ----------
        u : (N, K − 1) float
        """
        log_theta, _ = self._log_theta(u)
        log_det = log_theta.sum(axis=1)                               # (5)
        return self._inside(array_module(log_theta).exp(log_theta, out=log_theta)), log_det

    def to_constrained_vjp(self, u: Array, dtheta: Array) -> Array:
        """du (N, K − 1): the gradient with respect to θ, carried back to u.

        Parameters
        ----------
        u : (N, K − 1) float
        dtheta : (N, K) float
            The gradient with respect to all entries of θ.
        """
        log_theta, du = self._log_theta(u)
        xp = array_module(log_theta)
        a = self._inside(xp.exp(log_theta, out=log_theta))
        a *= checks.as_array("dtheta", dtheta, a.shape)
        xp.exp(du, out=du)                                            # z
        du *= xp.cumsum(a[:, ::-1], axis=1)[:, :0:-1]
        return xp.subtract(a[:, :-1], du, out=du)

    def from_uniform(self, v: Array) -> Array:
        """θ (N, K), strictly inside the support, from points of the unit cube.

        Parameters
        ----------
        v : (N, K − 1) float
            In [0, 1]; a number within EDGE of an end counts as EDGE away from it.
        """
        v = checks.as_array("v", v, ("N", self.unconstrained_dim))
        xp, betaincinv = array_module(v), special(v).betaincinv
        wide, (alpha, beta) = v.astype(np.float64, copy=False).clip(EDGE, 1 - EDGE), self._beta(xp)
        left = xp.ones((len(v), self.dim), dtype=v.dtype)
        left[:, 1:] = betaincinv(beta, alpha, 1 - wide)               # 1 − z, by (8) inverted
        theta = xp.cumprod(left, axis=1)
        theta[:, :-1] *= betaincinv(alpha, beta, wide).astype(v.dtype, copy=False)            # (2)
        return self._inside(theta)

    def to_uniform(self, theta: Array) -> Array:
        """v (N, K − 1), strictly inside the unit cube: what `from_uniform` takes to θ; NaN outside.

        Parameters
        ----------
        theta : (N, K) float
        """
        theta = checks.as_array("theta", theta, ("N", self.dim))
        xp, betainc = array_module(theta), special(theta).betainc
        wide = xp.where(self.contains(theta)[:, None], theta.astype(np.float64, copy=False), np.nan)
        own, rest, (alpha, beta) = wide[:, :-1], xp.cumsum(wide[:, :0:-1], axis=1)[:, ::-1], self._beta(xp)
        total = own + rest
        near, far = betainc(alpha, beta, own / total), betainc(beta, alpha, rest / total)
        v = xp.where(own < rest, near, xp.subtract(1, far, out=far))  # (8)
        return inside_cube(v.astype(theta.dtype, copy=False))

    def unconstrained_log_prob(self, u: Array) -> Array:
        """log p(u) in nats, (N,): the density of u under the prior.

        Parameters
        ----------
        u : (N, K − 1) float
        """
        return self._log_prob_of(self._log_theta(u)[0])

    def unconstrained_log_prob_and_grad(self, u: Array) -> tuple[Array, Array]:
        """log p(u) in nats, (N,), and its gradient, (N, K − 1).

        Parameters
        ----------
        u : (N, K − 1) float
        """
        log_theta, du = self._log_theta(u)
        xp, alpha = array_module(du), self.concentration
        xp.exp(du, out=du)                                            # z
        du *= like(du, np.cumsum(alpha[::-1])[:0:-1])
        return self._log_prob_of(log_theta), xp.subtract(like(du, alpha[:-1]), du, out=du)

    def _log_prob_of(self, log_theta):
        log_prob = log_theta @ like(log_theta, self.concentration)
        log_prob += self._log_norm                                    # (7)
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
        log_z -= s                                                    # (3)
        log_theta[:, :-1] += log_z                                    # (2)
        return log_theta, log_z

    @property
    def _log_norm(self):
        return math.lgamma(self.concentration.sum()) - sum(map(math.lgamma, self.concentration))

    def _offset(self, u):
        return like(u, np.log(np.arange(self.dim - 1, 0, -1)))

    def _beta(self, xp):
        """α and β of (6), (K − 1,) each, in float64."""
        alpha = self.concentration
        return xp.asarray(alpha[:-1]), xp.asarray(np.cumsum(alpha[:0:-1])[::-1].copy())

    def _inside(self, theta):
        """In place."""
        number = np.finfo(theta.dtype)
        return array_module(theta).clip(theta, float(number.tiny), 1 - float(number.epsneg), out=theta)
