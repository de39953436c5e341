"""Standardisation: each column shifted and divided so that it has mean zero and standard deviation one.

The mathematics is in `reference.preprocessing.scaling`. Same values; the sums of (1) run over blocks of rows
that stay in cache, with no temporary of the size of x, and are kept in float64 whatever the dtype of x.

Example
-------
>>> from accel.preprocessing.scaling import fit_scaling
>>> scaling = fit_scaling([[0, 5], [2, 5], [4, 5]])
>>> scaling.apply([[2, 6]])
array([[0., 1.]])
"""
from typing import NamedTuple

import numpy as np

from accel.device import array_module
from accel.runtime import checks
from accel.runtime.protocols import Array

__all__ = ["Scaling", "fit_scaling"]

BLOCK = 4096


class Scaling(NamedTuple):
    """A fitted scaling, on the device and in the dtype of the data.

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
        z = x - self.mean
        z /= self.std                                                 # (2)
        return z

    def undo(self, z: Array) -> Array:
        """x, in the shape of z.

        Parameters
        ----------
        z : (N, D) or (D,) float
        """
        x = z * self.std
        x += self.mean                                                # (3)
        return x

    @property
    def log_det(self) -> Array:
        """log|det ∂z/∂x| in nats, the same number for every row."""
        return -array_module(self.std).log(self.std).sum()            # (4)


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
    xp = array_module(x)
    mean = x[0] + _column_means(xp, x, x[0].astype(np.float64), power=1)          # (1), exact if constant
    std = xp.sqrt(_column_means(xp, x, mean, power=2))
    std = xp.where(std > 0, std, xp.asarray(1, dtype=np.float64))
    return Scaling(mean.astype(x.dtype), std.astype(x.dtype))


def _column_means(xp, x, origin, power):
    """The mean of (x − origin)^power down each column, (D,) float64."""
    block = BLOCK if xp is np else len(x)
    total = xp.zeros(x.shape[1], dtype=np.float64)
    for start in range(0, len(x), block):
        deviation = x[start:start + block] - origin
        if power == 2:
            deviation *= deviation
        total += deviation.sum(axis=0)
    total /= len(x)
    return total


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
    mean = x.mean(axis=0)
    deviation = x - mean
    variance = array_module(x).vdot(deviation, deviation) / deviation.size
    return mean, checks.check_positive("x: standard deviation", float(variance)**0.5)


def scaled(x: Array, mean: Array, scale: float) -> Array:
    """(x − mean)/scale, in the shape of x.

    Parameters
    ----------
    x : (N, …) float
    mean : (…) float
    scale : float
        As `centre_and_scale` gives them.
    """
    x = x - mean
    x /= scale
    return x


__all__ += ["centre_and_scale", "scaled"]
