"""Parameters inside and outside a prior's support: the check of an argument, and a map for both.

Shapes        N samples; θ (N, dim); u (N, unconstrained_dim); densities and determinants (N,).

Example
-------
>>> import numpy as np
>>> from reference import priors
>>> u, log_det, inside = priors.unconstrained_inside(priors.BoxUniform(0, 1), np.array([[0.5], [3.0]]))
>>> print(inside, np.isfinite(u).all())
[ True False] True
"""
import autograd.numpy as np

from reference.runtime.protocols import Array, Prior

__all__ = ["check_inside", "unconstrained_inside"]


def check_inside(name: str, prior: Prior, theta: Array) -> None:
    """Raise ValueError unless every row lies inside the prior's support.

    Parameters
    ----------
    name : str
        The argument's name, with which the error message begins.
    prior : prior
    theta : (N, dim) float
        The message says how many rows are outside, and which is the first.

    Raises
    ------
    ValueError
        If a row is outside.
    """
    outside = np.flatnonzero(~prior.contains(theta))
    if len(outside):
        raise ValueError(f"{name}: expected rows inside the prior's support, "
                         f"got {len(outside)} of {len(theta)} outside (first: row {outside[0]})")


def unconstrained_inside(prior: Prior, theta: Array) -> tuple[Array, Array, Array]:
    """u and log|det ∂u/∂θ| of `to_unconstrained`, finite for every row, and which rows are inside, (N,) bool.

    A row outside the support is replaced by the prior's centre; the caller overwrites what it computes from
    that row.

    Parameters
    ----------
    prior : prior
    theta : (N, dim) float
    """
    inside = prior.contains(theta)
    centre = prior.to_constrained(np.zeros((1, prior.unconstrained_dim)))[0]
    return *prior.to_unconstrained(np.where(inside[:, None], theta, centre)), inside
