"""Normal densities with full, diagonal or spherical covariances: weighted estimates and log-densities.

The mathematics is in `reference.density.gaussian`. Same values; rows are taken in blocks that stay in cache,
all groups of a block at once, and one batched product adds up the scatter matrices of all groups. x − μ is
formed before the product, so that data far from zero lose no digits. With dₖₙ = xₙ − μₖ, (K, D, B) for B
rows, and r kept as (K, N), so that every loop runs along the samples,

    ∑ₙ rₖₙ dₖₙ dₖₙᵀ = (r ⊙ d) dᵀ      FULL
    ∑ₙ rₖₙ dₖₙ²     = (d ⊙ d) rᵀ      DIAGONAL, SPHERICAL

Example
-------
>>> import numpy as np
>>> from accel.density import gaussian
>>> gaussian.factors(np.array([[[4.0, 2.0], [2.0, 10.0]]]))
array([[[2., 0.],
        [1., 3.]]])
"""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from accel import memory
from accel.device import array_module
from accel.runtime.protocols import Array

__all__ = []
SHARED = ["Covariance", "FULL", "DIAGONAL", "SPHERICAL", "covariance_named", "factors", "differences",
          "check_regular"]
__all__ += SHARED

CACHE, LAUNCH = 2**15, 2**24                                          # numbers of a work array: CPU, device


class Covariance(NamedTuple):
    """A kind of covariance: FULL, DIAGONAL or SPHERICAL.

    Attributes
    ----------
    name : str
    estimate : callable
        (x, r, Nₖ, μ) → Σ, with r as (K, N).
    n_free : callable
        D → the free numbers of one covariance.
    """
    name: str
    estimate: Callable
    n_free: Callable

    def __reduce__(self):
        """A copy or a pickle finds it by its name."""
        return covariance_named, (self.name,)


def _full(x, r, n_k, means):
    xp, (n_components, dim) = array_module(x), means.shape
    total = xp.zeros((n_components, dim, dim), dtype=x.dtype)
    for rows, d, weighted in differences(x, means, n_arrays=2):
        xp.multiply(d, r[:, None, rows], out=weighted)
        total += weighted @ d.transpose(0, 2, 1)
    return total / n_k[:, None, None]                                 # (1)


def _diagonal(x, r, n_k, means):
    xp, (n_components, dim) = array_module(x), means.shape
    total = xp.zeros((n_components, dim, 1), dtype=x.dtype)
    for rows, d in differences(x, means):
        d *= d
        total += d @ r[:, rows, None]
    return total[:, :, 0] / n_k[:, None]                              # (2)


def _spherical(x, r, n_k, means):
    return _diagonal(x, r, n_k, means).mean(axis=1, keepdims=True).repeat(x.shape[1], axis=1)         # (3)


FULL = Covariance("full", _full, lambda dim: dim * (dim + 1) // 2)
DIAGONAL = Covariance("diagonal", _diagonal, lambda dim: dim)
SPHERICAL = Covariance("spherical", _spherical, lambda dim: 1)


def covariance_named(name: str) -> Covariance:
    """The kind of covariance that has this name, as files and pickles keep it.

    Parameters
    ----------
    name : str
        "full", "diagonal" or "spherical".
    """
    return {kind.name: kind for kind in (FULL, DIAGONAL, SPHERICAL)}[name]


class Blocks:
    """Work arrays for the differences of B rows from all means, (K, D, B)."""

    def __init__(self, xp, n_arrays, shape, dtype):
        self.arrays = [xp.empty(shape, dtype) for _ in range(n_arrays)]


def differences(x, means, *, n_arrays=1):
    """Blocks of B rows: their slice, x − μ for all groups, (K, D, B), and n_arrays − 1 more such arrays."""
    xp, (n, dim), n_components = array_module(x), x.shape, len(means)
    n_rows = min(max(n, 1), max(64, (CACHE if xp is np else LAUNCH) // (n_components * dim)))
    with memory.borrow(Blocks, xp, n_arrays, (n_components, dim, n_rows), x.dtype) as work:
        for start in range(0, n, n_rows):
            rows = slice(start, min(start + n_rows, n))
            d, *others = (array[:, :, :rows.stop - start] for array in work.arrays)
            xp.subtract(xp.ascontiguousarray(x[rows].T), means[:, :, None], out=d)
            yield rows, d, *others


def factors(covariances: Array) -> Array:
    """L of each group, (K, D, D), or the standard deviations, (K, D).

    Parameters
    ----------
    covariances : (K, D, D) or (K, D) float
    """
    xp = array_module(covariances)
    return xp.sqrt(covariances) if covariances.ndim == 2 else xp.linalg.cholesky(covariances)         # (4)


def check_regular(covariances: Array, least: Array, floor: float) -> None:
    """Check that no covariance is singular to rounding.

    Parameters
    ----------
    covariances : (K, D, D) or (K, D) float
    least : (D,) float
        The variances that rounding alone can leave.
    floor : float
        What was added to the variances, for the message.

    Raises
    ------
    ValueError
        If a variance is at most that, or a correlation matrix is singular to rounding.
    """
    xp, (n_components, dim) = array_module(covariances), covariances.shape[:2]
    full = covariances.ndim == 3
    variances = covariances.reshape(n_components, -1)[:, ::dim + 1] if full else covariances
    regular = (variances > least).all(axis=1)
    if full:
        scale = xp.sqrt(xp.where(variances > 0, variances, 1))
        correlations = covariances / (scale[:, :, None] * scale[:, None, :])
        smallest = 8 * dim * float(np.finfo(covariances.dtype).eps)
        regular &= xp.linalg.eigvalsh(correlations)[:, 0] > smallest
    if not bool(regular.all()):
        raise ValueError(f"component {int(regular.argmin())}: collapsed, its covariance is singular to "
                         f"rounding with floor {floor}; raise the floor or lower n_components")
