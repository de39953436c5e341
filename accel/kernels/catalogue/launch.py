"""The kernel that summarises the draws of many objects, a block for each; see `catalogue.cu`."""
import numpy as np

from accel.kernels import cuda
from accel.device import array_module

__all__ = ["fits", "summary"]

THREADS = 256


def fits(theta):
    """Whether the draws of one object, theta (M, n, P), fit a block's shared memory; if not, it is said once."""
    fit = shared(theta) <= cuda.shared_limit(array_module(theta))
    if not fit:
        _, n, dim = theta.shape
        cuda.fall_back(f"summaries: {n} draws of {dim} parameters in {theta.dtype} do not fit the shared memory of a block")
    return fit


def summary(theta, below, weight):
    """mean (M, P), covariance (M, P, P) and quantiles (M, Q, P) of theta (M, n, P); the Q ranks are below (int32) + weight."""
    xp, (m, n, dim), n_quantiles = array_module(theta), theta.shape, len(below)
    kernels = cuda.load("kernels/catalogue/catalogue.cu", theta.dtype, DIM=dim, PADDED=padded(n))
    mean, covariance, quantiles = (xp.empty((m, *shape), theta.dtype) for shape in ((dim,), (dim, dim), (n_quantiles, dim)))
    kernels("summarise", m, THREADS, xp.ascontiguousarray(theta), below, weight, mean, covariance, quantiles, n, n_quantiles, float(np.inf),
            shared=shared(theta))
    return mean, covariance, quantiles


def padded(n):
    """The next power of two."""
    return 1 << (n - 1).bit_length()


def shared(theta):
    """Bytes of shared memory that an object takes."""
    _, n, dim = theta.shape
    return dim * (padded(n) + 3) * theta.dtype.itemsize
