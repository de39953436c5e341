"""Principal component analysis: the orthogonal directions along which the data vary most.

    (1)  m = (1/N) ∑ₙ xₙ
    (2)  C = (1/(N−1)) ∑ₙ (xₙ − m)(xₙ − m)ᵀ
    (3)  C vₖ = λₖ vₖ,   λ₁ ≥ λ₂ ≥ …               the components and the variance along each
    (4)  zₙ = V (xₙ − m)                           scores, uncorrelated; divided by √λ when whitened
    (5)  x̂ₙ = m + Vᵀ zₙ                            the best reconstruction from K numbers, in squared error

Shapes        N samples, D features, K components; x (N, D); V = components (K, D), its rows orthonormal;
              z (N, K).
Conventions   components in order of variance; the largest-magnitude entry of each is positive, so that two
              implementations agree.
Source        "On lines and planes of closest fit to systems of points in space", Pearson, 1901; lecture S4,
              slides "PCA".
Departures    S4 says that PCA assumes a multivariate normal distribution: it needs only second moments.

Example
-------
>>> import numpy as np
>>> from reference.representation import pca
>>> x = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])                 # along (1, 2)/√5, one step each
>>> fitted = pca.fit(x, n_components=1)
>>> fitted.components.round(4), fitted.explained_variance.round(4)
(array([[0.4472, 0.8944]]), array([5.]))
>>> fitted.inverse_transform(fitted.transform(x)).round(4)
array([[1., 2.],
       [2., 4.],
       [3., 6.]])
"""
import os
from typing import NamedTuple

import numpy as np

from reference.runtime import checks, persistence
from reference.runtime.protocols import Array

__all__ = ["PCA", "fit", "load"]


class PCA(NamedTuple):
    """A fitted analysis.

    Attributes
    ----------
    mean : (D,) float
    components : (K, D) float
        Orthonormal rows, in order of variance.
    explained_variance : (K,) float
        Variance of the scores, in the squared units of x.
    whiten : bool
        Whether scores are divided by their standard deviation.
    """
    mean: Array
    components: Array
    explained_variance: Array
    whiten: bool

    def transform(self, x: Array) -> Array:
        """The scores z of x, (N, K).

        Parameters
        ----------
        x : (N, D) float

        Raises
        ------
        ValueError
            If x is not (N, D).
        """
        x = checks.as_array("x", x, ("N", len(self.mean)))
        z = (x - self.mean) @ self.components.T                       # (4)
        return z / np.sqrt(self.explained_variance) if self.whiten else z

    def inverse_transform(self, z: Array) -> Array:
        """The reconstruction x̂ from scores z, (N, D).

        Parameters
        ----------
        z : (N, K) float

        Raises
        ------
        ValueError
            If z is not (N, K).
        """
        z = checks.as_array("z", z, ("N", len(self.components)))
        z = z * np.sqrt(self.explained_variance) if self.whiten else z
        return self.mean + z @ self.components                        # (5)

    def save(self, path: str | os.PathLike) -> None:
        """Write to a .npz file, which either package loads.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        persistence.save(path, "pca", self._asdict())


def load(path: str | os.PathLike) -> PCA:
    """The analysis that `PCA.save` wrote.

    Parameters
    ----------
    path : str or path-like

    Raises
    ------
    OSError
        If there is no such file, or it cannot be opened.
    ValueError
        If it is no saved PCA.
    """
    return PCA(**persistence.load(path, "pca"))


def fit(x: Array, *, n_components: int, whiten: bool = False) -> PCA:
    """The first n_components principal components of x.

    Parameters
    ----------
    x : (N, D) float
        At least two samples.
    n_components : int
        K, at most the smaller of D and N − 1.
    whiten : bool
        Scale the scores to unit variance.

    Raises
    ------
    ValueError
        If x is not a finite (N, D) array of at least two rows, K is out of range, or whitening meets a
        variance that is zero to rounding.
    """
    x = checks.as_array("x", x, ("N", "D"))
    checks.check_finite("x", x)
    n, dim = x.shape
    checks.check_count("x: number of rows", n, least=2)
    checks.check_count("n_components", n_components)
    if n_components > min(dim, n - 1):
        raise ValueError(f"n_components: expected at most min(D, N - 1) = {min(dim, n - 1)}, "
                         f"got {n_components}")
    mean = x.mean(axis=0)                                             # (1)
    covariance = (x - mean).T @ (x - mean) / (n - 1)                  # (2)
    variance, vectors = np.linalg.eigh(covariance)                    # (3), ascending
    variance, components = variance[::-1][:n_components], vectors.T[::-1][:n_components]
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    variance = np.maximum(variance, 0.0)                              # rounding can leave −ε in place of 0
    rounding = 8 * dim * np.finfo(variance.dtype).eps * variance[0]   # and +ε just as well
    if whiten and not variance[-1] > rounding:
        raise ValueError("whiten: expected a positive variance along every component, got zero to rounding; "
                         "lower n_components")
    return PCA(mean, components * np.sign(largest), variance, whiten)
