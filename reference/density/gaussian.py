"""Normal densities with full, diagonal or spherical covariances: weighted estimates and log-densities.

    (1)  Σₖ = (1/Nₖ) ∑ₙ rₙₖ (xₙ − μₖ)(xₙ − μₖ)ᵀ                 FULL; of weights rₙₖ, Nₖ = ∑ₙ rₙₖ
    (2)  diag Σₖ = (1/Nₖ) ∑ₙ rₙₖ (xₙ − μₖ)²                     DIAGONAL
    (3)  Σₖ = vₖ I,   vₖ = (1/D) ∑ᵢ (2)ᵢ                        SPHERICAL
    (4)  Σ = L Lᵀ                                               L lower triangular
    (5)  log N(x; μ, Σ) = −½ ‖L⁻¹(x − μ)‖² − ∑ᵢ log Lᵢᵢ − ½ D log 2π

Shapes        N samples, D features, K groups; x (N, D); r (N, K); μ (K, D). Σ and L are (K, D, D) for FULL
              covariances; for DIAGONAL and SPHERICAL ones their diagonals, (K, D).
Conventions   nats. (1) to (3) are the maximum of ∑ₙ rₙₖ log N(xₙ; μₖ, Σₖ), each among the covariances of its
              kind.
Source        "Pattern recognition and machine learning", Bishop, 2006, sections 2.3.4 and 9.2.

Example
-------
>>> import numpy as np
>>> from reference.density import gaussian
>>> gaussian.factors(np.array([[[4.0, 2.0], [2.0, 10.0]]]))
array([[[2., 0.],
        [1., 3.]]])
"""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reference.runtime.protocols import Array

__all__ = []
SHARED = ["Covariance", "FULL", "DIAGONAL", "SPHERICAL", "covariance_named", "factors", "log_normal",
          "check_regular"]
__all__ += SHARED


class Covariance(NamedTuple):
    """A kind of covariance: FULL, DIAGONAL or SPHERICAL.

    Attributes
    ----------
    name : str
    estimate : callable
        (x, r, Nₖ, μ) → Σ.
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
    return np.stack([(r_k[:, None] * (x - mean)).T @ (x - mean) / n
                     for r_k, n, mean in zip(r.T, n_k, means)])       # (1)


def _diagonal(x, r, n_k, means):
    return np.stack([r_k @ (x - mean)**2 / n for r_k, n, mean in zip(r.T, n_k, means)])               # (2)


def _spherical(x, r, n_k, means):
    return np.repeat(_diagonal(x, r, n_k, means).mean(axis=1, keepdims=True), x.shape[1], axis=1)     # (3)


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


def factors(covariances: Array) -> Array:
    """L of each group, (K, D, D), or the standard deviations, (K, D).

    Parameters
    ----------
    covariances : (K, D, D) or (K, D) float
    """
    return np.sqrt(covariances) if covariances.ndim == 2 else np.linalg.cholesky(covariances)         # (4)


def log_normal(x: Array, mean: Array, factor: Array) -> Array:
    """log N(x; μ, Σ) in nats for one group, (N,).

    Parameters
    ----------
    x : (N, D) float
    mean : (D,) float
    factor : (D, D) or (D,) float
        L, or the standard deviations.
    """
    if factor.ndim == 1:
        z, diagonal = (x - mean) / factor, factor
    else:
        z, diagonal = np.linalg.solve(factor, (x - mean).T).T, np.diag(factor)
    log_det, dim = np.sum(np.log(diagonal)), len(mean)
    return -0.5 * np.sum(z**2, axis=1) - log_det - 0.5 * dim * np.log(2 * np.pi)                      # (5)


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
    variances = covariances if covariances.ndim == 2 else np.diagonal(covariances, axis1=1, axis2=2)
    regular = np.all(variances > least, axis=1)
    if covariances.ndim == 3:
        scale = np.sqrt(np.where(variances > 0, variances, 1))
        correlations = covariances / (scale[:, :, None] * scale[:, None, :])
        smallest = 8 * covariances.shape[1] * np.finfo(covariances.dtype).eps
        regular = regular & (np.linalg.eigvalsh(correlations)[:, 0] > smallest)
    if not regular.all():
        raise ValueError(f"component {np.argmin(regular)}: collapsed, its covariance is singular to rounding "
                         f"with floor {floor}; raise the floor or lower n_components")
