"""The kernel that makes parameters of a flow's whitened draws; see `posterior.cu`."""
import numpy as np

from accel import priors
from accel.kernels import cuda
from accel.priors.box_uniform import extremes
from accel.device import array_module

__all__ = ["finish", "fits"]

ROWS = 128
BOX, NORMAL, LOG_NORMAL = range(3)


def fits(prior, v):
    """Whether the kernel knows the prior, and a block holds the rows of v (M, n, P); if not, it is said once."""
    known = all(type(part) in (priors.BoxUniform, priors.Normal, priors.LogNormal) for part in parts_of(prior))
    fit = known and shared(v) <= cuda.shared_limit(array_module(v))
    if not fit:
        cuda.fall_back(f"posterior samples: {type(prior).__name__} of {prior.dim} parameters, as a prior, has no kernel")
    return fit


def finish(prior, v, mean, factor):
    """θ (M, n, P) in place of v, for the regression's mean (M, P) and factor (P, P)."""
    xp, (m, n, dim) = array_module(v), v.shape
    v = xp.ascontiguousarray(v)
    kinds, constants = zip(*(column for part in parts_of(prior) for column in columns_of(part, v.dtype)))
    kinds, constants = xp.asarray(np.array(kinds, np.int32)), xp.asarray(np.array(constants).astype(v.dtype))
    if v.size:
        kernels = cuda.load("kernels/posterior/posterior.cu", v.dtype, DIM=dim)
        kernels("finish", -(-m * n // ROWS), ROWS, v, xp.ascontiguousarray(mean), xp.ascontiguousarray(factor), kinds, constants,
                np.int64(m * n), n, shared=shared(v))
    return v


def parts_of(prior):
    """The priors side by side in it."""
    return [part for whole in prior.parts for part in parts_of(whole)] if isinstance(prior, priors.Independent) else [prior]


def columns_of(part, dtype):
    """(kind, its seven constants) of each column, in float64 what `dtype` holds."""
    if isinstance(part, priors.BoxUniform):
        low, high = (bound.astype(dtype) for bound in (part.low, part.high))
        lowest, highest = extremes(np.empty(0, dtype), part.low, part.high)
        return [(BOX, c) for c in zip(part.high - part.low, low, part.low - low, high, part.high - high, lowest, highest)]
    normal, number = isinstance(part, priors.Normal), np.finfo(dtype)
    pairs = zip(part.std, part.mean) if normal else zip(part.sigma, part.mu)
    return [(NORMAL if normal else LOG_NORMAL, (scale, shift, 0, 0, 0, number.tiny, number.max)) for scale, shift in pairs]


def shared(v):
    """Bytes of shared memory that a block takes."""
    dim = v.shape[-1]
    return (ROWS * (dim | 1) + dim * dim) * v.dtype.itemsize
