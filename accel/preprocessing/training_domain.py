"""How far data lie from the simulations that a network was trained on: a distance that is 1 at the edge of what it has seen.

The mathematics is in `reference.preprocessing.training_domain`. Same values; data are reconstructed and moments accumulated (in float64) over blocks of
rows, with no second copy of the data and no float64 copy of the features.
"""
from typing import NamedTuple

import numpy as np

from accel.preprocessing.scaling import fit_scaling
from accel.device import array_module

__all__ = ["Support", "features", "fit_support"]

QUANTILE, RIDGE, ROWS = 0.999, 1e-6, 8192


class Support(NamedTuple):
    """What the simulations cover, on the device and in the dtype of the features."""
    mean: np.ndarray
    factor: np.ndarray

    def distance(self, f):
        """(2) for features f (N, F): (N,)."""
        d = (f - self.mean) @ self.factor.T
        d *= d
        d = d.sum(axis=1)
        return array_module(d).sqrt(d, out=d)


def features(x, c, compression):
    """(3) for data x (N, D), their context c (N, C), and the PCA that is between the two, or None: (N, F)."""
    if compression is None or len(compression.components) == len(compression.mean):
        return c
    xp, f = array_module(x), array_module(x).empty((len(c), c.shape[1] + 1), dtype=c.dtype)
    f[:, :-1] = c
    for rows in blocks(len(x)):
        lost = compression.inverse_transform(compression.transform(x[rows]))
        lost -= x[rows]
        f[rows, -1] = xp.sqrt(xp.einsum("ij,ij->i", lost, lost))
    return f


def blocks(n):
    return [slice(start, start + ROWS) for start in range(0, n, ROWS)]


def fit_support(f):
    """The support of simulations with features f (N, F)."""
    xp, scaling, correlation = array_module(f), fit_scaling(f), 0
    mean, std = scaling.mean.astype(np.float64), scaling.std.astype(np.float64)
    for rows in blocks(len(f)):
        z = (f[rows] - mean) / std
        correlation = correlation + z.T @ z
    correlation /= len(f)
    correlation += RIDGE * xp.eye(len(mean))
    factor, d = xp.linalg.inv(xp.linalg.cholesky(correlation)) / std, xp.empty(len(f), dtype=np.float64)
    for rows in blocks(len(f)):
        d[rows] = Support(mean, factor).distance(f[rows])
    farthest = xp.quantile(d, QUANTILE)
    factor /= xp.where(farthest > 0, farthest, 1)
    return Support(mean.astype(f.dtype), factor.astype(f.dtype))
