"""Launches the kernels of score.cu: the score of a network at many points, in two launches."""
import numpy as np

from accel import memory
from accel.device import array_module
from accel.kernels import cuda
from accel.kernels.score import layout
from accel.runtime._vector import vector

__all__ = ["score"]

BLOCKS_EACH, PACKING = 2, 256                                         # blocks of a multiprocessor, threads


class Work:
    """The weights as the kernel reads them, and the constants τ²."""

    def __init__(self, xp, n_packed, tau, dtype):
        self.packed, self.tau2 = xp.empty(n_packed, dtype), xp.asarray(np.asarray(tau)**2, dtype=dtype)


def score(params, x, sigma, spread, tau):
    """s(x, σ) for x (N, D), σ (1,) or (N,) and tau (T,); None where kernels do not serve."""
    xp, layers, (n, dim), dtype = array_module(x), params["layers"], x.shape, x.dtype
    if not n or dtype != layers[0].dtype:
        return None
    widths, inputs = layout.widths_of(layers), dim + len(tau)
    plan = layout.plan(xp, dim, widths, inputs, dtype, n)
    if plan is None:
        return None
    kernels = cuda.load("kernels/score/score.cu", dtype, **layout.compiled(dim, widths, inputs, plan))
    spread = xp.ascontiguousarray(xp.broadcast_to(xp.asarray(spread, dtype=dtype), (dim,)))
    n_packed, out = layout.packed_size(dim, widths, inputs), xp.empty_like(x, order="C")
    blocks = min(plan.blocks, cuda.multiprocessors(xp) * BLOCKS_EACH)
    with memory.borrow(Work, xp, n_packed, tuple(tau.tolist()), dtype) as work:
        kernels("pack", -(-n_packed // PACKING), PACKING, vector(params), work.packed)
        kernels("score", blocks, plan.threads, work.packed, xp.ascontiguousarray(x),
                xp.ascontiguousarray(sigma), spread, work.tau2, out, n, len(sigma), shared=plan.shared)
    return out
