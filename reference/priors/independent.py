"""Several priors side by side, independent of each other.

    (1)  p(θ) = ∏ₘ pₘ(θ⁽ᵐ⁾),  θ = (θ⁽¹⁾, θ⁽²⁾, …)                    so log-densities and log-determinants add

Shapes        N samples; θ (N, ∑ₘ dimₘ), u and v (N, ∑ₘ unconstrained_dimₘ), the columns of the parts in their
              order.
Conventions   nats.

Example
-------
>>> from reference.priors import BoxUniform, Independent, Normal
>>> prior = Independent([BoxUniform(0, 4), Normal([0, 0], [1, 1])])
>>> print(prior.dim, prior.log_prob([[1, 0, 0]]).round(4))
3 [-3.2242]
"""
from dataclasses import dataclass

import autograd.numpy as np

from reference.priors.box_uniform import BoxUniform
from reference.priors.constants import rebuilt
from reference.priors.dirichlet import Dirichlet
from reference.priors.log_normal import LogNormal
from reference.priors.normal import Normal
from reference.runtime import checks
from reference.runtime.protocols import Array, Rng

__all__ = ["Independent"]
SHARED = ["PARTS"]
__all__ += SHARED

PARTS = (BoxUniform, Normal, LogNormal, Dirichlet)


@dataclass(frozen=True, eq=False)
class Independent:
    """Several priors, independent of each other.

    Parameters
    ----------
    parts : list of priors
        At least one, in the order of their columns.

    Raises
    ------
    ValueError
        If parts are not priors of this package.
    """
    parts: tuple
    dim = property(lambda self: sum(part.dim for part in self.parts))
    unconstrained_dim = property(lambda self: sum(part.unconstrained_dim for part in self.parts))
    __reduce__ = rebuilt

    def __post_init__(self):
        parts = tuple(self.parts) if isinstance(self.parts, (list, tuple)) else ()
        if not parts or not all(isinstance(part, (*PARTS, Independent)) for part in parts):
            raise ValueError("parts: expected a list of one or more priors of this package, "
                             f"got {self.parts!r}")
        object.__setattr__(self, "parts", parts)

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
        return np.concatenate([part.sample(rng, n) for part in self.parts], axis=1)

    def contains(self, theta: Array) -> Array:
        """Whether each row lies inside the support, (N,) bool.

        Parameters
        ----------
        theta : (N, dim) float
        """
        return np.all(np.array([part.contains(columns) for part, columns in self._of_theta(theta)]), axis=0)

    def log_prob(self, theta: Array) -> Array:
        """log p(θ) in nats, (N,); −inf outside.

        Parameters
        ----------
        theta : (N, dim) float
        """
        return sum(part.log_prob(columns) for part, columns in self._of_theta(theta))             # (1)

    def to_unconstrained(self, theta: Array) -> tuple[Array, Array]:
        """u (N, unconstrained_dim), and log|det ∂u/∂θ| (N,); not finite outside the support.

        Parameters
        ----------
        theta : (N, dim) float
        """
        us, log_dets = zip(*(part.to_unconstrained(columns) for part, columns in self._of_theta(theta)))
        return np.concatenate(us, axis=1), sum(log_dets)

    def to_constrained(self, u: Array) -> tuple[Array, Array]:
        """θ (N, dim), strictly inside the support, and log|det ∂θ/∂u| (N,).

        Parameters
        ----------
        u : (N, unconstrained_dim) float
        """
        thetas, log_dets = zip(*(part.to_constrained(columns) for part, columns in self._of_u("u", u)))
        return np.concatenate(thetas, axis=1), sum(log_dets)

    def to_constrained_vjp(self, u: Array, dtheta: Array) -> Array:
        """du (N, unconstrained_dim): the gradient with respect to θ, carried back to u.

        Parameters
        ----------
        u : (N, unconstrained_dim) float
        dtheta : (N, dim) float
            The gradient with respect to θ.
        """
        pairs = zip(self._of_u("u", u), self._columns("dtheta", dtheta, "dim"))
        dus = [part.to_constrained_vjp(columns, d) for (part, columns), (_, d) in pairs]
        return np.concatenate(dus, axis=1)

    def from_uniform(self, v: Array) -> Array:
        """θ (N, dim), strictly inside the support, from points of the unit cube.

        Parameters
        ----------
        v : (N, unconstrained_dim) float
            In [0, 1].
        """
        return np.concatenate([part.from_uniform(columns) for part, columns in self._of_u("v", v)], axis=1)

    def to_uniform(self, theta: Array) -> Array:
        """v (N, unconstrained_dim), strictly inside the unit cube: what `from_uniform` takes to θ.

        The columns of a part whose θ is outside its support are NaN.

        Parameters
        ----------
        theta : (N, dim) float
        """
        return np.concatenate([part.to_uniform(columns) for part, columns in self._of_theta(theta)], axis=1)

    def unconstrained_log_prob(self, u: Array) -> Array:
        """log p(u) in nats, (N,): the density of u under the prior.

        Parameters
        ----------
        u : (N, unconstrained_dim) float
        """
        return sum(part.unconstrained_log_prob(columns) for part, columns in self._of_u("u", u))

    def unconstrained_log_prob_and_grad(self, u: Array) -> tuple[Array, Array]:
        """log p(u) in nats, (N,), and its gradient, (N, unconstrained_dim).

        Parameters
        ----------
        u : (N, unconstrained_dim) float
        """
        results = [part.unconstrained_log_prob_and_grad(columns) for part, columns in self._of_u("u", u)]
        log_probs, grads = zip(*results)
        return sum(log_probs), np.concatenate(grads, axis=1)

    def _of_theta(self, theta):
        return self._columns("theta", theta, "dim")

    def _of_u(self, name, u):
        return self._columns(name, u, "unconstrained_dim")

    def _columns(self, name, values, width):
        """(part, its columns) for every part; `width` names how many columns a part has."""
        values, pairs, start = checks.as_array(name, values, ("N", getattr(self, width))), [], 0
        for part in self.parts:
            pairs.append((part, values[:, start:start + getattr(part, width)]))
            start += getattr(part, width)
        return pairs
