"""The counter-based generator on a device: what fills an array, and what kernels that draw for themselves are told.

    if _counter.inside(rng, xp):                           the numbers are born on this device by counting
        seed, block = _counter.place(rng, n)               of n numbers that the kernel draws; rng goes on behind them
"""
import numpy as np

from accel.kernels import cuda

__all__ = ["fill", "integers", "inside", "place"]

THREADS = 256


def inside(rng, xp):
    """Whether a kernel for arrays of xp can draw what rng would: rng counts, and delivers there."""
    from accel.runtime.philox import CounterGenerator
    return isinstance(rng, CounterGenerator) and rng.xp is xp


def place(rng, n):
    """The seed and the block where n numbers of one call start; the next call starts behind them."""
    block = rng.block
    rng.block += -(-n // 4)
    return np.uint64(rng.seed), np.uint64(block)


def fill(rng, name, n):
    """n "uniforms" or "normals" in rng's dtype."""
    out = rng.xp.empty(n, dtype=rng.dtype)
    seed, block = place(rng, n)
    if n:
        cuda.load("kernels/philox/philox.cu", rng.dtype)(f"fill_{name}", -(-n // (4 * THREADS)), THREADS, out, seed, block, np.int64(n))
    return out


def integers(rng, n, low, span):
    """n whole numbers in [low, low + span)."""
    out = rng.xp.empty(n, dtype=np.int64)
    seed, block = place(rng, 2 * n)
    if n:
        kernels = cuda.load("kernels/philox/philox.cu", rng.dtype)
        kernels("fill_integers", -(-n // (2 * THREADS)), THREADS, out, seed, block, np.int64(n), np.int64(low), np.uint64(span))
    return out
