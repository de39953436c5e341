"""Distance of data from the simulations that a network was trained on, 1 at the edge of what they cover.

    (1)  d(f)² = (f − m)ᵀ S⁻¹ (f − m)                         Mahalanobis; m, S: moments of features f
    (2)  distance(f) = d(f) / d₀                              d₀: the 0.999 quantile of d over the simulations

    (3)  f(x) = c, or [c, ‖x − x̂‖] where the network sees PCA scores, whose reconstruction is x̂

One simulation in a thousand has a distance above 1, whatever the shape of their distribution. The distance
describes the simulations by one ellipsoid. It does not detect data inside that ellipsoid where no simulation
lies, such as a hole, or the hollow side of a bend.

Shapes        N simulations, F features, C context, D data; f (N, F), m (F,), factor (F, F), c (N, C), x (N,
              D).
Conventions   each column is standardised before S is formed, and 10⁻⁶ is added to its diagonal, so that S can
              be inverted where columns repeat each other.
Source        "On the generalised distance in statistics", Mahalanobis, 1936.

Example
-------
>>> import numpy as np
>>> from reference.preprocessing.training_domain import fit_training_domain
>>> domain = fit_training_domain(np.random.default_rng(0).standard_normal((5000, 2)))
>>> print(domain.distance(np.array([[0.0, 0.0], [9.0, 0.0]])).round(1))
[0.  2.4]
"""
from typing import NamedTuple

import numpy as np

from reference.runtime.protocols import Array

__all__ = ["TrainingDomain", "features", "fit_training_domain"]

QUANTILE, RIDGE = 0.999, 1e-6


class TrainingDomain(NamedTuple):
    """The region that the simulations cover.

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
        return np.sqrt(np.sum(((f - self.mean) @ self.factor.T)**2, axis=1))


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
        return np.array(c)
    lost = x - compression.inverse_transform(compression.transform(x))
    return np.column_stack((c, np.sqrt(np.sum(lost**2, axis=1))))     # (3)


def fit_training_domain(f: Array) -> TrainingDomain:
    """The training domain of simulations.

    Parameters
    ----------
    f : (N, F) float
        Their features, see `features`.
    """
    mean, std = f.mean(axis=0, dtype=float), f.std(axis=0, dtype=float)
    std = np.where(std > 0, std, 1)
    z = (f - mean) / std
    correlation = z.T @ z / len(z) + RIDGE * np.eye(len(mean))
    factor = np.linalg.inv(np.linalg.cholesky(correlation))
    farthest = np.quantile(np.sqrt(np.sum((z @ factor.T)**2, axis=1)), QUANTILE)  # (1)
    factor = factor / std / (farthest if farthest > 0 else 1)                     # (2)
    return TrainingDomain(mean.astype(f.dtype), factor.astype(f.dtype))
