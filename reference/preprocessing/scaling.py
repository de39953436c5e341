"""Standardisation: each column shifted and divided so that it has mean zero and standard deviation one.

    (1)  m = (1/N) ∑ₙ xₙ,   s² = (1/N) ∑ₙ (xₙ − m)²
    (2)  z = (x − m)/s                                               apply
    (3)  x = m + s z                                                 undo
    (4)  log|det ∂z/∂x| = −∑ⱼ log sⱼ                                 so that log p(x) = log p(z) + (4)

Shapes        N rows, D columns; x, z (N, D); mean, std (D,); log_det ().
Conventions   a constant column has s = 1: it is shifted and not divided. A network trained on scaled data
              must see an observation through the same (2), so that the scaling is kept with the network.

Example
-------
>>> from reference.preprocessing.scaling import fit_scaling
>>> scaling = fit_scaling([[0, 5], [2, 5], [4, 5]])
>>> scaling.apply([[2, 6]])
array([[0., 1.]])
"""
from typing import NamedTuple

import numpy as np

from reference.runtime import checks
from reference.runtime.protocols import Array

__all__ = ["Scaling", "fit_scaling"]


class Scaling(NamedTuple):
    """A fitted scaling.

    Attributes
    ----------
    mean, std : (D,) float
        In the units of x.
    """
    mean: np.ndarray
    std: np.ndarray

    def apply(self, x: Array) -> Array:
        """z, in the shape of x.

        Parameters
        ----------
        x : (N, D) or (D,) float
        """
        return (x - self.mean) / self.std                             # (2)

    def undo(self, z: Array) -> Array:
        """x, in the shape of z.

        Parameters
        ----------
        z : (N, D) or (D,) float
        """
        return self.mean + self.std * z                               # (3)

    @property
    def log_det(self) -> Array:
        """log|det ∂z/∂x| in nats, the same number for every row."""
        return -np.sum(np.log(self.std))                              # (4)


def fit_scaling(x: Array) -> Scaling:
    """The scaling that standardises x.

    Parameters
    ----------
    x : (N, D) float

    Raises
    ------
    ValueError
        If x is not a finite (N, D) array of at least one row.
    """
    x = checks.as_array("x", x, ("N", "D"))
    checks.check_count("x: number of rows", len(x))
    checks.check_finite("x", x)
    mean = x[0] + np.mean(x - x[0], axis=0)                           # (1), exact for a constant column
    std = np.sqrt(np.mean((x - mean)**2, axis=0))
    return Scaling(mean, np.where(std > 0, std, 1.0))


def centre_and_scale(x: Array) -> tuple[Array, float]:
    """The mean of each feature, and one scale for all, the root of the mean variance: proportions are kept.

    Parameters
    ----------
    x : (N, …) float
        At least two rows, not all alike.

    Returns
    -------
    mean : (…) float
        In the units of x.
    scale : float
        In the units of x, above zero.

    Raises
    ------
    ValueError
        If x has fewer than two rows, is not finite, or does not vary.
    """
    x = checks.as_array("x", x)
    checks.check_count("x: number of rows", len(x) if x.ndim else 0, least=2)
    checks.check_finite("x", x)
    mean = np.mean(x, axis=0)
    return mean, checks.check_positive("x: standard deviation", float(np.sqrt(np.mean((x - mean)**2))))


def scaled(x: Array, mean: Array, scale: float) -> Array:
    """(x − mean)/scale, in the shape of x.

    Parameters
    ----------
    x : (N, …) float
    mean : (…) float
    scale : float
        As `centre_and_scale` gives them.
    """
    return (x - mean) / scale


__all__ += ["centre_and_scale", "scaled"]
