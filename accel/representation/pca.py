"""Principal component analysis: the orthogonal directions along which the data vary most.

The mathematics is in `reference.representation.pca`. Same values, where the data live and in their dtype. On
the CPU the covariance is one symmetric rank-N update, half the products of a general one, over blocks of
rows, so that the data are not held twice, and only the eigenvectors asked for are computed.

Example
-------
>>> import numpy as np
>>> from accel.representation import pca
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

from accel.device import array_module, check_together
from accel.runtime import checks, persistence
from accel.runtime.protocols import Array

__all__ = ["PCA", "fit", "load"]

BLOCK = 8192


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
        check_together(mean=self.mean, x=x)
        z = (x - self.mean) @ self.components.T                       # (4)
        if self.whiten:
            z /= array_module(x).sqrt(self.explained_variance)
        return z

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
        check_together(mean=self.mean, z=z)
        if self.whiten:
            z = z * array_module(z).sqrt(self.explained_variance)
        x = z @ self.components
        x += self.mean                                                # (5)
        return x

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
    xp = array_module(x)
    mean = x.mean(axis=0)                                             # (1)
    variance, vectors = _leading_eigenpairs(xp, _covariance(xp, x, mean), n_components)
    components = vectors.T
    largest = xp.take_along_axis(components, xp.abs(components).argmax(axis=1)[:, None], axis=1)
    variance = xp.maximum(variance, 0)
    rounding = 8 * dim * np.finfo(x.dtype).eps * variance[0]
    if whiten and not bool(variance[-1] > rounding):
        raise ValueError("whiten: expected a positive variance along every component, got zero to rounding; "
                         "lower n_components")
    return PCA(mean, components * xp.sign(largest), variance, whiten)


def _covariance(xp, x, mean):
    """The covariance matrix (2), (D, D)."""
    n, dim = x.shape
    step = min(n, BLOCK) if xp is np else n
    covariance, block = xp.zeros((dim, dim), x.dtype), xp.empty((step, dim), x.dtype)
    product = xp.empty_like(covariance)
    for start in range(0, n, step):
        rows = x[start:start + step]
        centred = xp.subtract(rows, mean, out=block[:len(rows)])
        covariance += xp.matmul(centred.T, centred, out=product)      # NumPy computes half: AᵀA is symmetric
    covariance *= 1 / (n - 1)
    return covariance


def _leading_eigenpairs(xp, covariance, k):
    """(3): the k largest eigenvalues, descending, and their eigenvectors as columns."""
    if xp is not np:
        variance, vectors = xp.linalg.eigh(covariance)
        return variance[::-1][:k], vectors[:, ::-1][:, :k]
    from scipy.linalg import eigh
    dim = len(covariance)
    variance, vectors = eigh(covariance, lower=False, subset_by_index=(dim - k, dim - 1), check_finite=False)
    return variance[::-1], vectors[:, ::-1]
