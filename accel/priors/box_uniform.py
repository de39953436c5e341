"""The uniform prior in a box, and the probit map that turns it into a standard normal.

The mathematics is in `reference.priors.box_uniform`. Same values; in (2) the nearer bound is chosen before
Φ⁻¹ is taken, not after, so that each number costs one special function, and the arrays are reused in place.

A float32 cannot hold a float64 bound. The bound is brought as a head and a tail, two float32 numbers whose
difference from a number near the bound is exact. A float32 θ is strictly inside the float64 bounds, and its
distance to them is exact to rounding.

Example
-------
>>> from accel.priors import BoxUniform
>>> prior = BoxUniform([0, -1], [2, 1])
>>> prior.log_prob([[0.5, 0.5], [0.5, 1.5]]).round(4)
array([-1.3863,    -inf])
"""
from dataclasses import dataclass

import numpy as np

from accel.device import array_module, like, special
from accel.priors.constants import hold, inside_cube, rebuilt
from accel.priors.standard_normal import Standardised
from accel.runtime import checks
from accel.runtime.protocols import Array, Rng

__all__ = ["BoxUniform"]
SHARED = ["strictly_inside", "extremes"]
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
        return self._stretch(rng.random((checks.check_count("n", n), self.dim)))

    def contains(self, theta: Array) -> Array:
        """Whether each row lies inside the support, (N,) bool.

        Parameters
        ----------
        theta : (N, dim) float
        """
        theta = checks.as_array("theta", theta, ("N", self.dim))
        lowest, highest = extremes(theta, self.low, self.high)
        return array_module(theta).logical_and(theta >= lowest, theta <= highest).all(axis=1)

    def log_prob(self, theta: Array) -> Array:
        """log p(θ) in nats, (N,); −inf outside.

        Parameters
        ----------
        theta : (N, dim) float
        """
        theta = checks.as_array("theta", theta)
        log_density = like(theta, -np.log(self.high - self.low).sum())            # (1)
        return array_module(theta).where(self.contains(theta), log_density, like(theta, -np.inf))

    def to_unconstrained(self, theta: Array) -> tuple[Array, Array]:
        """u (N, dim), and log|det ∂u/∂θ| (N,); not finite outside the support.

        Parameters
        ----------
        theta : (N, dim) float
        """
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
        u *= xp.sign(above, out=above)                                # (2) inverted
        log_det = self._log_det(u)
        return u, xp.negative(log_det, out=log_det)

    def to_constrained(self, u: Array) -> tuple[Array, Array]:
        """θ (N, dim), strictly inside the support, and log|det ∂θ/∂u| (N,).

        Parameters
        ----------
        u : (N, dim) float
        """
        u = checks.as_array("u", u, ("N", self.dim))
        xp, below = array_module(u), u < 0
        theta = xp.abs(u)
        xp.negative(theta, out=theta)
        special(theta).ndtr(theta, out=theta)
        width = like(u, self.high - self.low)
        theta *= xp.where(below, width, -width)                       # from the nearer bound
        bounds = zip(reversed(head_and_tail(u, self.low)), reversed(head_and_tail(u, self.high)))
        for low, high in bounds:
            theta += xp.where(below, low, high)                       # (2)
        return strictly_inside(theta, self.low, self.high, out=theta), self._log_det(u)

    def to_constrained_vjp(self, u: Array, dtheta: Array) -> Array:
        """du (N, dim): the gradient with respect to θ, carried back to u.

        Parameters
        ----------
        u : (N, dim) float
        dtheta : (N, dim) float
            The gradient with respect to θ.
        """
        u = checks.as_array("u", u, ("N", self.dim))
        du = u * u
        du *= -0.5
        array_module(u).exp(du, out=du)
        du *= like(du, (self.high - self.low) / np.sqrt(2 * np.pi))   # (4)
        du *= checks.as_array("dtheta", dtheta, u.shape)
        return du

    def from_uniform(self, v: Array) -> Array:
        """θ (N, dim), strictly inside the support, from points of the unit cube.

        Parameters
        ----------
        v : (N, dim) float
            In [0, 1].
        """
        return self._stretch(checks.as_array("v", v, ("N", self.dim)).copy())

    def to_uniform(self, theta: Array) -> Array:
        """v (N, dim), strictly inside the unit cube: what `from_uniform` takes to θ; NaN outside the support.

        Parameters
        ----------
        theta : (N, dim) float
        """
        theta = checks.as_array("theta", theta, ("N", self.dim))
        v = array_module(theta).where(self.contains(theta)[:, None], theta, like(theta, np.nan))
        for part in head_and_tail(theta, self.low):
            v -= part
        v /= like(theta, self.high - self.low)                        # (5) inverted
        return inside_cube(v)

    def _stretch(self, v):
        """(5) in place, strictly inside the support."""
        v *= like(v, self.high - self.low)
        for part in head_and_tail(v, self.low):
            v += part                                                 # (5)
        return strictly_inside(v, self.low, self.high, out=v)

    def _log_det(self, u):
        log_det = array_module(u).einsum("ij,ij->i", u, u)
        log_det *= -0.5
        log_det += float(np.log(self.high - self.low).sum() - 0.5 * self.dim * np.log(2 * np.pi))     # (3)
        return log_det


def strictly_inside(theta, low, high, out=None):
    """θ, moved off a bound that rounding has put it on; a new array, or `out`, which may be θ itself.

    Parameters
    ----------
    theta : (…, dim) float
    low, high : (dim,) float
    """
    return array_module(theta).clip(theta, *extremes(theta, low, high), out=out)


def extremes(theta, low, high):
    """The lowest and the highest number of θ's dtype strictly between the bounds, (dim,) each, where θ lives.

    Parameters
    ----------
    theta : (…, dim) float
    low, high : (dim,) float
        On the host, in float64.

    Raises
    ------
    ValueError
        If the dtype has no number between them.
    """
    infinity, low_as_given, high_as_given = theta.dtype.type(np.inf), low, high
    low, high = low.astype(theta.dtype), high.astype(theta.dtype)
    low = np.where(low > low_as_given, low, np.nextafter(low, infinity))
    high = np.where(high < high_as_given, high, np.nextafter(high, -infinity))
    if (low > high).any():
        raise ValueError(f"low: expected bounds with a {theta.dtype} between them, "
                         f"got low = {low_as_given} and high = {high_as_given}")
    return like(theta, low), like(theta, high)


def head_and_tail(array, constant):
    """Numbers of the array's dtype that add up to a host constant: two, or one if they need no tail."""
    head = constant.astype(array.dtype)
    return [like(array, head)] + ([like(array, constant - head)] if array.dtype != constant.dtype else [])
