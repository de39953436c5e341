"""The kernel that makes parameters of a flow's whitened draws; see `posterior.cu`.

    if fits(v):                                        whether a block's shared memory holds the rows of v
        theta = finish(columns, v, mean, factor)       in place of v; columns are those of the prior

A row has a thread, and the map of each column is one of `kernels.prior_columns`.
"""
import numpy as np

from accel.device import array_module
from accel.kernels import cuda
from accel.kernels.plan import LaunchPlan
from accel.kernels.prior_columns import KINDS

__all__ = ["finish", "fits"]

ROWS = 128                                                            # of a block, a thread each


def plan(v):
    """How the rows of v (M, n, P) are taken."""
    m, n, dim = v.shape
    shared = (ROWS * (dim | 1) + dim * dim) * v.dtype.itemsize
    return LaunchPlan(tile=ROWS, threads=ROWS, blocks=-(-m * n // ROWS), shared=shared)


def fits(v):
    """Whether a block's shared memory holds what it needs of v (M, n, P)."""
    return plan(v).shared <= cuda.shared_limit(array_module(v))


def finish(columns, v, mean, factor):
    """θ (M, n, P) in place of v, for the regression's mean (M, P) and factor (P, P).

    columns: the kind of each column of the prior (P,) int32, and seven constants of each (P, 7), host arrays.
    """
    xp, (m, n, dim) = array_module(v), v.shape
    v = xp.ascontiguousarray(v)
    kinds, constants = (xp.asarray(column) for column in columns)
    if v.size:
        chosen = plan(v)
        kernels = cuda.load("kernels/posterior/posterior.cu", v.dtype, DIM=dim, ROWS=chosen.tile, **KINDS)
        kernels("finish", chosen.blocks, chosen.threads, v, xp.ascontiguousarray(mean),
                xp.ascontiguousarray(factor), kinds, constants, np.int64(m * n), n, shared=chosen.shared)
    return v
