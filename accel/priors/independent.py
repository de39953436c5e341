"""Several priors side by side, independent of each other.

The mathematics is in `reference.priors.independent`. Same values; the parts read views of θ, and their
log-densities add up in place.

Example
-------
>>> from accel.priors import BoxUniform, Independent, Normal
>>> prior = Independent([BoxUniform(0, 4), Normal([0, 0], [1, 1])])
>>> print(prior.dim, prior.log_prob([[1, 0, 0]]).round(4))
3 [-3.2242]
"""
import functools
from dataclasses import dataclass

from accel.device import array_module
from accel.priors.box_uniform import BoxUniform
from accel.priors.constants import rebuilt
from accel.priors.dirichlet import Dirichlet
from accel.priors.log_normal import LogNormal
from accel.priors.normal import Normal
from accel.runtime import checks
from accel.runtime.protocols import Array, Rng

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
        return _beside([part.sample(rng, n) for part in self.parts])

    def contains(self, theta: Array) -> Array:
        """Whether each row lies inside the support, (N,) bool.

        Parameters
        ----------
        theta : (N, dim) float
        """
        inside = [part.contains(columns) for part, columns in self._of_theta(theta)]
        return functools.reduce(array_module(inside[0]).logical_and, inside)

    def log_prob(self, theta: Array) -> Array:
        """log p(θ) in nats, (N,); −inf outside.

        Parameters
        ----------
        theta : (N, dim) float
        """
        return _total(part.log_prob(columns) for part, columns in self._of_theta(theta))          # (1)

    def to_unconstrained(self, theta: Array) -> tuple[Array, Array]:
        """u (N, unconstrained_dim), and log|det ∂u/∂θ| (N,); not finite outside the support.

        Parameters
        ----------
        theta : (N, dim) float
        """
        us, log_dets = zip(*(part.to_unconstrained(columns) for part, columns in self._of_theta(theta)))
        return _beside(us), _total(log_dets)

    def to_constrained(self, u: Array) -> tuple[Array, Array]:
        """θ (N, dim), strictly inside the support, and log|det ∂θ/∂u| (N,).

        Parameters
        ----------
        u : (N, unconstrained_dim) float
        """
        thetas, log_dets = zip(*(part.to_constrained(columns) for part, columns in self._of_u("u", u)))
        return _beside(thetas), _total(log_dets)

    def to_constrained_vjp(self, u: Array, dtheta: Array) -> Array:
        """du (N, unconstrained_dim): the gradient with respect to θ, carried back to u.

        Parameters
        ----------
        u : (N, unconstrained_dim) float
        dtheta : (N, dim) float
            The gradient with respect to θ.
        """
        pairs = zip(self._of_u("u", u), self._columns("dtheta", dtheta, "dim"))
        return _beside([part.to_constrained_vjp(columns, d) for (part, columns), (_, d) in pairs])

    def from_uniform(self, v: Array) -> Array:
        """θ (N, dim), strictly inside the support, from points of the unit cube.

        Parameters
        ----------
        v : (N, unconstrained_dim) float
            In [0, 1].
        """
        return _beside([part.from_uniform(columns) for part, columns in self._of_u("v", v)])

    def to_uniform(self, theta: Array) -> Array:
        """v (N, unconstrained_dim), strictly inside the unit cube: what `from_uniform` takes to θ.

        The columns of a part whose θ is outside its support are NaN.

        Parameters
        ----------
        theta : (N, dim) float
        """
        return _beside([part.to_uniform(columns) for part, columns in self._of_theta(theta)])

    def unconstrained_log_prob(self, u: Array) -> Array:
        """log p(u) in nats, (N,): the density of u under the prior.

        Parameters
        ----------
        u : (N, unconstrained_dim) float
        """
        return _total(part.unconstrained_log_prob(columns) for part, columns in self._of_u("u", u))

    def unconstrained_log_prob_and_grad(self, u: Array) -> tuple[Array, Array]:
        """log p(u) in nats, (N,), and its gradient, (N, unconstrained_dim).

        Parameters
        ----------
        u : (N, unconstrained_dim) float
        """
        results = [part.unconstrained_log_prob_and_grad(columns) for part, columns in self._of_u("u", u)]
        log_probs, grads = zip(*results)
        return _total(log_probs), _beside(grads)

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


def _beside(columns):
    """The columns of the parts in one array."""
    return array_module(columns[0]).concatenate(columns, axis=1)


def _total(terms):
    """The sum of the terms of the parts, written over the first."""
    total, *others = terms
    for term in others:
        total += term
    return total
