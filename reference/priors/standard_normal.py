"""What holds for every prior that a map turns into a standard normal.

    (1)  p(u) = ∏ᵢ N(uᵢ; 0, 1)                                        the density of u under the prior
    (2)  ∂ log p(u)/∂u = −u
    (3)  θ = θ(Φ⁻¹(v)),   v = Φ(u(θ))                                 v uniform in the unit cube

Shapes        N samples; θ, u and v (N, dim); densities (N,).
Conventions   nats; Φ is the distribution function of N(0, 1).

Example
-------
>>> import numpy as np
>>> from reference.priors import Normal
>>> prior = Normal([0, 10], [1, 2])
>>> prior.from_uniform(np.array([[0.5, 0.5], [0.5, 0.975]])).round(3)
array([[ 0.  , 10.  ],
       [ 0.  , 13.92]])
"""
import autograd.numpy as np

from reference.priors.constants import inside_cube
from reference.runtime import checks
from reference.runtime.protocols import Array

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
        from scipy.special import ndtri
        v = checks.as_array("v", v, ("N", self.unconstrained_dim))
        return self.to_constrained(ndtri(inside_cube(v)))[0]                      # (3)

    def to_uniform(self, theta: Array) -> Array:
        """v (N, dim), strictly inside the unit cube: what `from_uniform` takes to θ; NaN outside the support.

        Parameters
        ----------
        theta : (N, dim) float
        """
        from scipy.special import ndtr
        u, _ = self.to_unconstrained(theta)
        return inside_cube(ndtr(np.where(self.contains(theta)[:, None], u, np.nan)))          # (3)


def log_standard_normal(u: Array) -> Array:
    """log N(u; 0, I) in nats, (N,).

    Parameters
    ----------
    u : (N, D) float
    """
    return np.sum(-0.5 * u**2 - 0.5 * np.log(2 * np.pi), axis=1)                  # (1)
