"""Parameters inside and outside a prior's support: the check of an argument, and a map for both.

The definitions are in `reference.priors.support`. Same values; on a device the check fetches one number
unless there is a row to report.

Example
-------
>>> import numpy as np
>>> from accel import priors
>>> u, log_det, inside = priors.unconstrained_inside(priors.BoxUniform(0, 1), np.array([[0.5], [3.0]]))
>>> print(inside, np.isfinite(u).all())
[ True False] True
"""
import numpy as np

from accel.device import array_module, to_host
from accel.runtime.protocols import Array, Prior

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
    inside = prior.contains(theta)
    if not bool(inside.all()):
        outside = np.flatnonzero(~to_host(inside))
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
    xp, inside = array_module(theta), prior.contains(theta)
    centre = prior.to_constrained(xp.zeros((1, prior.unconstrained_dim), dtype=theta.dtype))[0]
    return *prior.to_unconstrained(xp.where(inside[:, None], theta, centre)), inside
