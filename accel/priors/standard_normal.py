"""What holds for every prior that a map turns into a standard normal.

The mathematics is in `reference.priors.standard_normal`. Same values; the quadratic form of (1) is one pass
without a temporary, its constant is added once, and (3) reuses its arrays in place.

Example
-------
>>> import numpy as np
>>> from accel.priors import Normal
>>> prior = Normal([0, 10], [1, 2])
>>> prior.from_uniform(np.array([[0.5, 0.5], [0.5, 0.975]])).round(3)
array([[ 0.  , 10.  ],
       [ 0.  , 13.92]])
"""
import numpy as np

from accel.device import array_module, like, special
from accel.priors.constants import inside_cube
from accel.runtime import checks
from accel.runtime.protocols import Array

__all__ = ["Standardised", "log_standard_normal"]


class Standardised:
    """A prior whose u is standard normal, given its maps `to_constrained` and `to_unconstrained`."""

    def unconstrained_log_prob(self, u: Array) -> Array:
        """log p(u) in nats, (N,): the density of u under the prior.

        Parameters
        ----------
        u : (N, dim) float
        """
        return log_standard_normal(checks.as_array("u", u, ("N", self.unconstrained_dim)))

    def unconstrained_log_prob_and_grad(self, u: Array) -> tuple[Array, Array]:
        """log p(u) in nats, (N,), and its gradient, (N, dim).

        Parameters
        ----------
        u : (N, dim) float
        """
        return self.unconstrained_log_prob(u), -checks.as_array("u", u)           # (2)

    def from_uniform(self, v: Array) -> Array:
        """θ (N, dim), strictly inside the support, from points of the unit cube.

        Parameters
        ----------
        v : (N, dim) float
            In [0, 1].
        """
        u = inside_cube(checks.as_array("v", v, ("N", self.unconstrained_dim)))
        return self.to_constrained(special(u).ndtri(u, out=u))[0]                 # (3)

    def to_uniform(self, theta: Array) -> Array:
        """v (N, dim), strictly inside the unit cube: what `from_uniform` takes to θ; NaN outside the support.

        Parameters
        ----------
        theta : (N, dim) float
        """
        u, _ = self.to_unconstrained(theta)
        v = array_module(u).where(self.contains(theta)[:, None], u, like(u, np.nan))
        return inside_cube(special(v).ndtr(v, out=v))                             # (3)


def log_standard_normal(u: Array) -> Array:
    """log N(u; 0, I) in nats, (N,).

    Parameters
    ----------
    u : (N, D) float
    """
    log_prob = array_module(u).einsum("ij,ij->i", u, u)
    log_prob *= -0.5
    log_prob -= 0.5 * u.shape[1] * float(np.log(2 * np.pi))                       # (1)
    return log_prob
