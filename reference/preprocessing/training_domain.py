"""How far data lie from the simulations that a network was trained on: a distance that is 1 at the edge of what it has seen.

    (1)  d(f)² = (f − m)ᵀ S⁻¹ (f − m)                         Mahalanobis, m and S the moments of the simulations' features f
    (2)  distance(f) = d(f) / d₀,   d₀ the 0.999 quantile of d over the simulations

    (3)  f(x) = c, or [c, ‖x − x̂‖] where the network sees x through PCA scores alone, x̂ what they make of it

So one simulation in a thousand has a distance above 1, whatever the shape of their distribution. The distance sees an ellipsoid: what
lies in a hole or in the hollow of a bend between the simulations is far from each of them, and is not seen to be.

Shapes        N simulations, F features, C context, D data; f (N, F), m (F,), factor (F, F), c (N, C), x (N, D).
Conventions   each column is standardised before S is formed, and 10⁻⁶ is added to its diagonal: columns that say the same do no harm.
Source        "On the generalised distance in statistics", Mahalanobis, 1936.
"""
from typing import NamedTuple

import numpy as np

__all__ = ["Support", "features", "fit_support"]

QUANTILE, RIDGE = 0.999, 1e-6


class Support(NamedTuple):
    """What the simulations cover.

    Attributes
    ----------
    mean : (F,) float
        m.
    factor : (F, F) float
        K with KᵀK = S⁻¹/d₀².
    """
    mean: np.ndarray
    factor: np.ndarray

    def distance(self, f):
        """(2) for features f (N, F): (N,)."""
        return np.sqrt(np.sum(((f - self.mean) @ self.factor.T)**2, axis=1))


def features(x, c, compression):
    """(3) for data x (N, D), their context c (N, C), and the PCA that is between the two, or None: (N, F)."""
    if compression is None or len(compression.components) == len(compression.mean):
        return c
    lost = x - compression.inverse_transform(compression.transform(x))
    return np.column_stack((c, np.sqrt(np.sum(lost**2, axis=1))))


def fit_support(f):
    """The support of simulations with features f (N, F)."""
    mean, std = f.mean(axis=0, dtype=float), f.std(axis=0, dtype=float)
    std = np.where(std > 0, std, 1)
    z = (f - mean) / std
    correlation = z.T @ z / len(z) + RIDGE * np.eye(len(mean))
    factor = np.linalg.inv(np.linalg.cholesky(correlation))
    farthest = np.quantile(np.sqrt(np.sum((z @ factor.T)**2, axis=1)), QUANTILE)  # (1)
    factor = factor / std / (farthest if farthest > 0 else 1)                     # (2)
    return Support(mean.astype(f.dtype), factor.astype(f.dtype))
