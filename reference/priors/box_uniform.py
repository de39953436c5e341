"""The uniform prior in a box, and the probit map that turns it into a standard normal.

    (1)  p(θ) = ∏ᵢ 1/(highᵢ − lowᵢ)                                inside, 0 elsewhere
    (2)  θᵢ = lowᵢ + (highᵢ − lowᵢ) Φ(uᵢ)                          u ~ N(0, I) under the prior
    (3)  log|det ∂θ/∂u| = ∑ᵢ log(highᵢ − lowᵢ) + log N(uᵢ; 0, 1)
    (4)  ∂θᵢ/∂uᵢ = (highᵢ − lowᵢ) N(uᵢ; 0, 1)
    (5)  θᵢ = lowᵢ + (highᵢ − lowᵢ) vᵢ                             v uniform in the unit cube under the prior

Shapes        N samples; θ, u and v (N, dim); low and high (dim,); densities and determinants (N,).
Conventions   nats. Φ and its inverse are measured from the nearer bound, where nothing cancels: Φ(u) = 1 −
              Φ(−u) = ½ erfc(−u/√2).
Source        "Non-Uniform Random Variate Generation", Devroye, 1986, section II.2 (inversion).

Example
-------
>>> from reference.priors import BoxUniform
>>> prior = BoxUniform([0, -1], [2, 1])
>>> prior.log_prob([[0.5, 0.5], [0.5, 1.5]]).round(4)
array([-1.3863,    -inf])
"""
from dataclasses import dataclass

import autograd.numpy as np

from reference.priors.constants import hold, inside_cube, rebuilt
from reference.priors.standard_normal import Standardised
from reference.runtime import checks
from reference.runtime.protocols import Array, Rng

__all__ = ["BoxUniform"]
SHARED = ["strictly_inside"]
__all__ += SHARED


@dataclass(frozen=True, eq=False)
class BoxUniform(Standardised):
    """Uniform between low and high.

    Parameters
    ----------
    low, high : (dim,) float
        low < high in every dimension, a finite width apart.

    Raises
    ------
    ValueError
        If low and high are not such vectors.
    """
    low: np.ndarray
    high: np.ndarray
    dim = unconstrained_dim = property(lambda self: len(self.low))
    __reduce__ = rebuilt

    def __post_init__(self):
        hold(self)
        with np.errstate(over="ignore"):
            resolved = (np.nextafter(self.low, np.inf) < self.high) & np.isfinite(self.high - self.low)
        if not resolved.all():
            raise ValueError("low: expected low < high, a finite width apart, "
                             f"got low = {self.low} and high = {self.high}")

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
        return self.from_uniform(rng.random((checks.check_count("n", n), self.dim)))

    def contains(self, theta: Array) -> Array:
        """Whether each row lies inside the support, (N,) bool.

        Parameters
        ----------
        theta : (N, dim) float
        """
        theta = checks.as_array("theta", theta, ("N", self.dim))
        return np.all((theta > self.low) & (theta < self.high), axis=1)

    def log_prob(self, theta: Array) -> Array:
        """log p(θ) in nats, (N,); −inf outside.

        Parameters
        ----------
        theta : (N, dim) float
        """
        return np.where(self.contains(theta), -np.sum(np.log(self.high - self.low)), -np.inf)         # (1)

    def to_unconstrained(self, theta: Array) -> tuple[Array, Array]:
        """u (N, dim), and log|det ∂u/∂θ| (N,); not finite outside the support.

        Parameters
        ----------
        theta : (N, dim) float
        """
        from autograd.scipy.special import erfcinv
        theta, width = checks.as_array("theta", theta, ("N", self.dim)), self.high - self.low
        below, above = (theta - self.low) / width, (self.high - theta) / width
        u = np.sqrt(2) * np.where(below < above, -erfcinv(2 * below), erfcinv(2 * above))     # (2) inverted
        return u, -self._log_det(u)

    def to_constrained(self, u: Array) -> tuple[Array, Array]:
        """θ (N, dim), strictly inside the support, and log|det ∂θ/∂u| (N,).

        Parameters
        ----------
        u : (N, dim) float
        """
        from autograd.scipy.special import erfc
        u = checks.as_array("u", u, ("N", self.dim))
        tail = (self.high - self.low) * 0.5 * erfc(np.abs(u) / np.sqrt(2))        # width · Φ(−|u|)
        theta = np.where(u < 0, self.low + tail, self.high - tail)                # (2)
        return strictly_inside(theta, self.low, self.high), self._log_det(u)

    def to_constrained_vjp(self, u: Array, dtheta: Array) -> Array:
        """du (N, dim): the gradient with respect to θ, carried back to u.

        Parameters
        ----------
        u : (N, dim) float
        dtheta : (N, dim) float
            The gradient with respect to θ.
        """
        u = checks.as_array("u", u, ("N", self.dim))
        slope = (self.high - self.low) * np.exp(-0.5 * u**2) / np.sqrt(2 * np.pi)             # (4)
        return checks.as_array("dtheta", dtheta, u.shape) * slope

    def from_uniform(self, v: Array) -> Array:
        """θ (N, dim), strictly inside the support, from points of the unit cube.

        Parameters
        ----------
        v : (N, dim) float
            In [0, 1].
        """
        theta = self.low + (self.high - self.low) * checks.as_array("v", v, ("N", self.dim))  # (5)
        return strictly_inside(theta, self.low, self.high)

    def to_uniform(self, theta: Array) -> Array:
        """v (N, dim), strictly inside the unit cube: what `from_uniform` takes to θ; NaN outside the support.

        Parameters
        ----------
        theta : (N, dim) float
        """
        inside = self.contains(theta)[:, None]
        v = (checks.as_array("theta", theta) - self.low) / (self.high - self.low)             # (5) inverted
        return inside_cube(np.where(inside, v, np.nan))

    def _log_det(self, u):
        return np.sum(np.log(self.high - self.low) - 0.5 * u**2 - 0.5 * np.log(2 * np.pi), axis=1)    # (3)


def strictly_inside(theta: Array, low: Array, high: Array) -> Array:
    """θ, moved off a bound that rounding has put it on.

    Parameters
    ----------
    theta : (…, dim) float
    low, high : (dim,) float
    """
    return np.clip(theta, np.nextafter(low, np.inf), np.nextafter(high, -np.inf))
