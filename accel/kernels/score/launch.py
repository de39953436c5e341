"""Launches the kernels of score.cu: the score of a network at many points, in two launches."""
import numpy as np

from accel import memory
from accel.kernels import cuda
from accel.device import array_module
from accel.runtime._vector import vector
from accel.kernels.score import network

__all__ = ["score"]

BLOCKS_EACH = 2                                                       # of a multiprocessor, which take the tiles in turn


class Work:
    """The weights as the kernel reads them, and the constants τ²."""

    def __init__(self, xp, n_packed, tau, dtype):
        self.packed, self.tau2 = xp.empty(n_packed, dtype), xp.asarray(np.asarray(tau)**2, dtype=dtype)


def score(params, x, sigma, spread, tau):
    """s(x, σ) for x (N, D) and σ (1,) or (N,); None where kernels do not serve."""
    xp, layers, (n, dim), dtype = array_module(x), params["layers"], x.shape, x.dtype
    if not n or dtype != layers[0].dtype:
        return None
    fit = network.fit(xp, dim, network.widths_of(layers), dim + network.TOLD, dtype, n)
    if fit is None:
        return None
    kernels, out = cuda.load("kernels/score/score.cu", dtype, **fit.constants), xp.empty_like(x, order="C")
    spread = xp.ascontiguousarray(xp.broadcast_to(xp.asarray(spread, dtype=dtype), (dim,)))
    n_blocks = min(-(-n // fit.tile), cuda.multiprocessors(xp) * BLOCKS_EACH)
    with memory.borrow(Work, xp, fit.n_packed, tuple(tau.tolist()), dtype) as work:
        kernels("pack", -(-fit.n_packed // 256), 256, vector(params), work.packed)
        kernels("score", n_blocks, fit.threads, work.packed, xp.ascontiguousarray(x), xp.ascontiguousarray(sigma), spread, work.tau2, out,
                n, len(sigma), shared=fit.shared)
    return out
