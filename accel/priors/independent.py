"""Priors side by side, and what holds for all of them: a plain description to save, and the check at the door.

The mathematics is in `reference.priors.independent`. Same values; the parts read views of θ, their log-densities add up in place, and
a check on a device fetches one number unless there is something to report.
"""
import functools
from dataclasses import dataclass, fields

import numpy as np

from accel.runtime import checks
from accel.priors.box_uniform import BoxUniform
from accel.priors.dirichlet import Dirichlet
from accel.priors.normal import LogNormal, Normal
from accel.device import array_module, to_host

__all__ = ["Independent", "describe", "restore", "check_inside", "unconstrained_inside"]


@dataclass(frozen=True, eq=False)
class Independent:
    """Several priors, independent of each other.

    Attributes
    ----------
    parts : tuple of priors
        At least one, in the order of their columns.
    """
    parts: tuple
    dim = property(lambda self: sum(part.dim for part in self.parts))
    unconstrained_dim = property(lambda self: sum(part.unconstrained_dim for part in self.parts))

    def __post_init__(self):
        parts = tuple(self.parts) if isinstance(self.parts, (list, tuple)) else ()
        if not parts or not all(isinstance(part, _PRIORS) for part in parts):
            raise ValueError(f"parts: expected a list of one or more priors of this package, got {self.parts!r}")
        object.__setattr__(self, "parts", parts)

    def sample(self, rng, n):
        """n draws, (n, dim)."""
        return _beside([part.sample(rng, n) for part in self.parts])

    def contains(self, theta):
        """Whether each row lies inside the support, (N,) bool."""
        inside = [part.contains(columns) for part, columns in self._split("theta", theta, "dim")]
        return functools.reduce(array_module(inside[0]).logical_and, inside)

    def log_prob(self, theta):
        """log p(θ) in nats, (N,); −inf outside."""
        return _total(part.log_prob(columns) for part, columns in self._split("theta", theta, "dim"))

    def to_unconstrained(self, theta):
        """u, and log|det ∂u/∂θ|; not finite outside the support."""
        results = [part.to_unconstrained(columns) for part, columns in self._split("theta", theta, "dim")]
        return _beside([u for u, _ in results]), _total(log_det for _, log_det in results)

    def to_constrained(self, u):
        """θ, strictly inside the support, and log|det ∂θ/∂u|."""
        results = [part.to_constrained(columns) for part, columns in self._split("u", u, "unconstrained_dim")]
        return _beside([theta for theta, _ in results]), _total(log_det for _, log_det in results)

    def to_constrained_vjp(self, u, dtheta):
        """du (N, unconstrained_dim): the gradient dtheta (N, dim) with respect to θ, carried back to u."""
        pairs = zip(self._split("u", u, "unconstrained_dim"), self._split("dtheta", dtheta, "dim"))
        return _beside([part.to_constrained_vjp(columns, d) for (part, columns), (_, d) in pairs])

    def unconstrained_log_prob(self, u):
        """log p(u) in nats, (N,)."""
        return _total(part.unconstrained_log_prob(columns) for part, columns in self._split("u", u, "unconstrained_dim"))

    def unconstrained_log_prob_and_grad(self, u):
        """log p(u), (N,), and its gradient, (N, unconstrained_dim)."""
        results = [part.unconstrained_log_prob_and_grad(columns) for part, columns in self._split("u", u, "unconstrained_dim")]
        log_probs, grads = zip(*results)
        return _total(log_probs), _beside(grads)

    def _split(self, name, values, width):
        """(part, its columns) for every part; width names how many columns a part has."""
        values, pairs, start = checks.as_array(name, values, ("N", getattr(self, width))), [], 0
        for part in self.parts:
            pairs.append((part, values[:, start:start + getattr(part, width)]))
            start += getattr(part, width)
        return pairs


def _beside(columns):
    """The parts' columns in one array."""
    return array_module(columns[0]).concatenate(columns, axis=1)


def _total(terms):
    """The sum of the parts' terms, in the first one's place."""
    total, *others = terms
    for term in others:
        total += term
    return total


_PRIORS = (BoxUniform, Normal, LogNormal, Dirichlet, Independent)


def describe(prior):
    """The prior as plain values, which a file can hold: {"name": "Normal", "mean": […], "std": […]}."""
    if isinstance(prior, Independent):
        return {"name": "Independent", "parts": [describe(part) for part in prior.parts]}
    return {"name": type(prior).__name__, **{field.name: getattr(prior, field.name).tolist() for field in fields(prior)}}


def restore(description):
    """The prior that either package described; ValueError if it is none of these."""
    arguments = dict(description) if isinstance(description, dict) else {}
    kind = {cls.__name__: cls for cls in _PRIORS}.get(arguments.pop("name", None))
    if kind is None or set(arguments) != {field.name for field in fields(kind)}:
        known = ", ".join(cls.__name__ for cls in _PRIORS)
        raise ValueError(f"description: expected what describe returns for one of {known}, got {description!r}")
    return Independent([restore(part) for part in arguments["parts"]]) if kind is Independent else kind(**arguments)


def check_inside(name, prior, theta):
    """Raise ValueError unless every row of theta lies inside the prior's support, with how many do not and the first."""
    inside = prior.contains(theta)
    if not bool(inside.all()):
        outside = np.flatnonzero(~to_host(inside))
        raise ValueError(f"{name}: expected rows inside the prior's support, got {len(outside)} of {len(theta)} outside "
                         f"(first: row {outside[0]})")


def unconstrained_inside(prior, theta):
    """u and log|det ∂u/∂θ| of `to_unconstrained`, finite for every row, and which rows are inside, (N,) bool.

    A row outside the support stands at the prior's centre: what is computed of it is for the caller to overwrite.
    """
    xp, inside = array_module(theta), prior.contains(theta)
    centre = prior.to_constrained(xp.zeros((1, prior.unconstrained_dim), dtype=theta.dtype))[0]
    return *prior.to_unconstrained(xp.where(inside[:, None], theta, centre)), inside
