"""Priors side by side, and what holds for all of them: a plain description to save, and the check at the door.

    (1)  p(θ) = ∏ₘ pₘ(θ⁽ᵐ⁾),  θ = (θ⁽¹⁾, θ⁽²⁾, …)                    so log-densities and log-determinants add

Shapes        N samples; θ (N, ∑ₘ dimₘ), u (N, ∑ₘ unconstrained_dimₘ), the columns of the parts in their order.
Source        the product rule.
"""
from dataclasses import dataclass, fields

import autograd.numpy as np

from reference.runtime import checks
from reference.priors.box_uniform import BoxUniform
from reference.priors.dirichlet import Dirichlet
from reference.priors.normal import LogNormal, Normal

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
        return np.concatenate([part.sample(rng, n) for part in self.parts], axis=1)

    def contains(self, theta):
        """Whether each row lies inside the support, (N,) bool."""
        inside = [part.contains(columns) for part, columns in self._split("theta", theta, "dim")]
        return np.all(np.array(inside), axis=0)

    def log_prob(self, theta):
        """log p(θ) in nats, (N,); −inf outside."""
        return sum(part.log_prob(columns) for part, columns in self._split("theta", theta, "dim"))        # (1)

    def to_unconstrained(self, theta):
        """u, and log|det ∂u/∂θ|; not finite outside the support."""
        results = [part.to_unconstrained(columns) for part, columns in self._split("theta", theta, "dim")]
        us, log_dets = zip(*results)
        return np.concatenate(us, axis=1), sum(log_dets)

    def to_constrained(self, u):
        """θ, strictly inside the support, and log|det ∂θ/∂u|."""
        results = [part.to_constrained(columns) for part, columns in self._split("u", u, "unconstrained_dim")]
        thetas, log_dets = zip(*results)
        return np.concatenate(thetas, axis=1), sum(log_dets)

    def to_constrained_vjp(self, u, dtheta):
        """du (N, unconstrained_dim): the gradient dtheta (N, dim) with respect to θ, carried back to u."""
        pairs = zip(self._split("u", u, "unconstrained_dim"), self._split("dtheta", dtheta, "dim"))
        return np.concatenate([part.to_constrained_vjp(columns, d) for (part, columns), (_, d) in pairs], axis=1)

    def unconstrained_log_prob(self, u):
        """log p(u) in nats, (N,)."""
        return sum(part.unconstrained_log_prob(columns) for part, columns in self._split("u", u, "unconstrained_dim"))

    def unconstrained_log_prob_and_grad(self, u):
        """log p(u), (N,), and its gradient, (N, unconstrained_dim)."""
        results = [part.unconstrained_log_prob_and_grad(columns) for part, columns in self._split("u", u, "unconstrained_dim")]
        log_probs, grads = zip(*results)
        return sum(log_probs), np.concatenate(grads, axis=1)

    def _split(self, name, values, width):
        """(part, its columns) for every part; width names how many columns a part has."""
        values, pairs, start = checks.as_array(name, values, ("N", getattr(self, width))), [], 0
        for part in self.parts:
            pairs.append((part, values[:, start:start + getattr(part, width)]))
            start += getattr(part, width)
        return pairs


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
    outside = np.flatnonzero(~prior.contains(theta))
    if len(outside):
        raise ValueError(f"{name}: expected rows inside the prior's support, got {len(outside)} of {len(theta)} outside "
                         f"(first: row {outside[0]})")


def unconstrained_inside(prior, theta):
    """u and log|det ∂u/∂θ| of `to_unconstrained`, finite for every row, and which rows are inside, (N,) bool.

    A row outside the support stands at the prior's centre: what is computed of it is for the caller to overwrite.
    """
    inside = prior.contains(theta)
    centre = prior.to_constrained(np.zeros((1, prior.unconstrained_dim)))[0]
    return *prior.to_unconstrained(np.where(inside[:, None], theta, centre)), inside
