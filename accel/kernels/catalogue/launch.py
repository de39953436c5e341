"""The kernel that summarises the draws of many objects, a block for each; see `catalogue.cu`."""
import numpy as np

from accel.device import array_module
from accel.kernels import cuda
from accel.kernels.plan import LaunchPlan

__all__ = ["fits", "summary"]

THREADS = 256


def plan(theta):
    """How the objects of theta (M, n, P) are taken: a tile is one object."""
    m, n, dim = theta.shape
    shared = dim * (padded(n) + 3) * theta.dtype.itemsize
    return LaunchPlan(tile=1, threads=THREADS, blocks=m, shared=shared)


def fits(theta):
    """Whether the draws of one object, theta (M, n, P), fit a block's shared memory; warn once if not."""
    fit = plan(theta).shared <= cuda.shared_limit(array_module(theta))
    if not fit:
        _, n, dim = theta.shape
        cuda.fall_back(f"summaries: {n} draws of {dim} parameters in {theta.dtype} do not fit the shared "
                       "memory of a block")
    return fit


def summary(theta, below, weight):
    """mean (M, P), covariance (M, P, P) and quantiles (M, Q, P) of theta (M, n, P).

    The Q ranks are below (int32) + weight.
    """
    xp, (m, n, dim), n_quantiles, chosen = array_module(theta), theta.shape, len(below), plan(theta)
    kernels = cuda.load("kernels/catalogue/catalogue.cu", theta.dtype, DIM=dim, PADDED=padded(n),
                        THREADS=chosen.threads)
    shapes = (dim,), (dim, dim), (n_quantiles, dim)
    results = [xp.empty((m, *shape), theta.dtype) for shape in shapes]
    kernels("summarise", chosen.blocks, chosen.threads, xp.ascontiguousarray(theta), below, weight, *results,
            n, n_quantiles, float(np.inf), shared=chosen.shared)
    return tuple(results)


def padded(n):
    """The next power of two."""
    return 1 << (n - 1).bit_length()
