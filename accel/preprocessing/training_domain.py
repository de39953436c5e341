"""Distance of data from the simulations that a network was trained on, 1 at the edge of what they cover.

The mathematics is in `reference.preprocessing.training_domain`. Same values; data are reconstructed and
moments accumulated, in float64, over blocks of rows: there is no second copy of the data and no float64 copy
of the features.

Example
-------
>>> import numpy as np
>>> from accel.preprocessing.training_domain import fit_training_domain
>>> domain = fit_training_domain(np.random.default_rng(0).standard_normal((5000, 2)))
>>> print(domain.distance(np.array([[0.0, 0.0], [9.0, 0.0]])).round(1))
[0.  2.4]
"""
from typing import NamedTuple

import numpy as np

from accel.device import array_module
from accel.preprocessing.scaling import fit_scaling
from accel.runtime._blocks import blocks
from accel.runtime.protocols import Array

__all__ = ["TrainingDomain", "features", "fit_training_domain"]

QUANTILE, RIDGE, ROWS = 0.999, 1e-6, 8192


class TrainingDomain(NamedTuple):
    """The region that the simulations cover, on the device and in the dtype of the features.

    Attributes
    ----------
    mean : (F,) float
        m.
    factor : (F, F) float
        K with KᵀK = S⁻¹/d₀².
    """
    mean: Array
    factor: Array

    def distance(self, f: Array) -> Array:
        """The distance (2) of each row, (N,).

        Parameters
        ----------
        f : (N, F) float
            Features, see `features`.
        """
        d = (f - self.mean) @ self.factor.T                           # (2)
        d *= d
        d = d.sum(axis=1)
        return array_module(d).sqrt(d, out=d)


def features(x: Array, c: Array, compression: tuple | None) -> Array:
    """The features (3) of data, (N, F).

    Parameters
    ----------
    x : (N, D) float
        The data.
    c : (N, C) float
        Their context: what the network is given in their place.
    compression : PCA or None
        What the context was made with.
    """
    if compression is None or len(compression.components) == len(compression.mean):
        return c.copy()
    xp, f = array_module(x), array_module(x).empty((len(c), c.shape[1] + 1), dtype=c.dtype)
    f[:, :-1] = c
    for rows in blocks(len(x), cpu=ROWS):
        lost = compression.inverse_transform(compression.transform(x[rows]))
        lost -= x[rows]
        f[rows, -1] = xp.sqrt(xp.einsum("ij,ij->i", lost, lost))      # (3)
    return f


def fit_training_domain(f: Array) -> TrainingDomain:
    """The training domain of simulations.

    Parameters
    ----------
    f : (N, F) float
        Their features, see `features`.
    """
    xp, scaling, correlation = array_module(f), fit_scaling(f), 0
    mean, std = scaling.mean.astype(np.float64), scaling.std.astype(np.float64)
    for rows in blocks(len(f), cpu=ROWS):
        z = (f[rows] - mean) / std
        correlation = correlation + z.T @ z
    correlation /= len(f)
    correlation += RIDGE * xp.eye(len(mean))
    factor, d = xp.linalg.inv(xp.linalg.cholesky(correlation)) / std, xp.empty(len(f), dtype=np.float64)
    for rows in blocks(len(f), cpu=ROWS):
        d[rows] = TrainingDomain(mean, factor).distance(f[rows])      # (1)
    farthest = xp.quantile(d, QUANTILE)
    factor /= xp.where(farthest > 0, farthest, 1)                     # (2)
    return TrainingDomain(mean.astype(f.dtype), factor.astype(f.dtype))
