"""Principal component analysis: the orthogonal directions along which the data vary most.

The mathematics is in `reference.representation.pca`. Same values; on the CPU the covariance is one symmetric rank-N update,
half the products of a general one, over blocks of rows, so that the data are not held twice, and only the eigenvectors asked for
are computed.
"""
from typing import NamedTuple

import numpy as np

from accel.runtime import checks, persistence
from accel.device import array_module, check_together

__all__ = ["PCA", "fit", "load"]

BLOCK = 8192


class PCA(NamedTuple):
    """A fitted analysis, on the device and in the dtype of the data."""
    mean: np.ndarray
    components: np.ndarray
    explained_variance: np.ndarray
    whiten: bool

    def transform(self, x):
        """The scores of x (N, D): (N, K)."""
        x = checks.as_array("x", x, ("N", len(self.mean)))
        check_together(mean=self.mean, x=x)
        z = (x - self.mean) @ self.components.T
        if self.whiten:
            z /= array_module(x).sqrt(self.explained_variance)
        return z

    def inverse_transform(self, z):
        """The reconstruction of scores z (N, K): (N, D)."""
        z = checks.as_array("z", z, ("N", len(self.components)))
        check_together(mean=self.mean, z=z)
        if self.whiten:
            z = z * array_module(z).sqrt(self.explained_variance)
        x = z @ self.components
        x += self.mean
        return x

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "pca", self._asdict())


def load(path):
    """The analysis that `PCA.save` wrote."""
    return PCA(**persistence.load(path, "pca"))


def fit(x, *, n_components, whiten=False):
    """The first n_components principal components of x."""
    x = checks.as_array("x", x, ("N", "D"))
    checks.check_finite("x", x)
    n, dim = x.shape
    checks.check_count("x: number of rows", n, least=2)
    checks.check_count("n_components", n_components)
    if n_components > min(dim, n - 1):
        raise ValueError(f"n_components: expected at most min(D, N - 1) = {min(dim, n - 1)}, got {n_components}")
    xp = array_module(x)
    mean = x.mean(axis=0)
    variance, vectors = _leading_eigenpairs(xp, _covariance(xp, x, mean), n_components)
    components = vectors.T
    largest = xp.take_along_axis(components, xp.abs(components).argmax(axis=1)[:, None], axis=1)
    variance = xp.maximum(variance, 0)
    rounding = 8 * dim * np.finfo(x.dtype).eps * variance[0]
    if whiten and not bool(variance[-1] > rounding):
        raise ValueError("whiten: expected a positive variance along every component, got zero to rounding; lower n_components")
    return PCA(mean, components * xp.sign(largest), variance, whiten)


def _covariance(xp, x, mean):
    """The covariance matrix, (D, D)."""
    n, dim = x.shape
    step = min(n, BLOCK) if xp is np else n
    covariance, block = xp.zeros((dim, dim), x.dtype), xp.empty((step, dim), x.dtype)
    product = xp.empty_like(covariance)
    for start in range(0, n, step):
        rows = x[start:start + step]
        centred = xp.subtract(rows, mean, out=block[:len(rows)])
        covariance += xp.matmul(centred.T, centred, out=product)      # NumPy sees the one array in both and computes half
    covariance *= 1 / (n - 1)
    return covariance


def _leading_eigenpairs(xp, covariance, k):
    """The k largest eigenvalues, descending, and their eigenvectors as columns."""
    if xp is not np:
        variance, vectors = xp.linalg.eigh(covariance)
        return variance[::-1][:k], vectors[:, ::-1][:, :k]
    from scipy.linalg import eigh
    dim = len(covariance)
    variance, vectors = eigh(covariance, lower=False, subset_by_index=(dim - k, dim - 1), check_finite=False)
    return variance[::-1], vectors[:, ::-1]
