"""The Philox kernels, which fill an array with a generator's draws, and where other kernels draw their own.

    if launch.inside(rng, xp):                  rng is a `runtime.philox.PhiloxGenerator` of this device
        seed, block = launch.place(rng, n)      of n numbers that the kernel draws; rng goes on behind them
"""
import numpy as np

from accel.kernels import cuda

__all__ = ["fill", "integers", "inside", "place"]

THREADS = 256
SOURCE = "kernels/philox/philox.cu"


def inside(rng, xp):
    """Whether a kernel for arrays of xp can draw what rng would: rng counts blocks, on that device."""
    return hasattr(rng, "block") and getattr(rng, "xp", None) is xp


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
        n_blocks = -(-n // (4 * THREADS))
        cuda.load(SOURCE, rng.dtype)(f"fill_{name}", n_blocks, THREADS, out, seed, block, np.int64(n))
    return out


def integers(rng, n, low, span):
    """n whole numbers in [low, low + span)."""
    out = rng.xp.empty(n, dtype=np.int64)
    seed, block = place(rng, 2 * n)
    if n:
        n_blocks, numbers = -(-n // (2 * THREADS)), (np.int64(n), np.int64(low), np.uint64(span))
        cuda.load(SOURCE, rng.dtype)("fill_integers", n_blocks, THREADS, out, seed, block, *numbers)
    return out
