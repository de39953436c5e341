"""Langevin dynamics along the exact score of a Gaussian mixture: prepares the kernels of langevin_mixture.cu.

The score is ∑ₖ rₖ Pₖ (μₖ − x), Pₖ = (Σₖ + σ²I)⁻¹. A kind of move is described by f, log πₖ + ½ log|Pₖ|, μₖ and Pₖ, computed in float64
and rounded to the dtype of the chains.
"""
import functools

import numpy as np

from accel.kernels import cuda
from accel.density import mixture_score
from accel.device import array_module
from accel.kernels.langevin.walks import Known

__all__ = ["known", "mixture_behind"]

CHAINS, MOST_DIMENSIONS = 256, 16                                     # of a block


def known(score, start, moves):
    """The Known of a mixture's score for these chains and moves, or None."""
    xp, dim, dtype, mixture = array_module(start), start.shape[1], start.dtype, mixture_behind(score)
    if mixture is None or mixture.means.shape[1] != dim or mixture.means.dtype != dtype:
        return None
    table = described(xp, mixture, moves, dtype)
    shared = (table.shape[1] + CHAINS * dim) * dtype.itemsize
    if dim > MOST_DIMENSIONS or shared > cuda.shared_limit(xp):
        cuda.fall_back(f"a mixture of {len(mixture.means)} components in {dim} dimensions is beyond the kernel")
        return None
    kernels = cuda.load("kernels/langevin_mixture/langevin_mixture.cu", dtype, DIM=dim, COMPONENTS=len(mixture.means),
                            FULL=int(mixture.covariances.ndim == 3))
    return Known(kernels, CHAINS, CHAINS, shared, (table,))


def mixture_behind(score):
    """The GaussianMixture of a score that is a `partial` of `mixture_score.score` with it; else None."""
    if isinstance(score, functools.partial) and score.func is mixture_score.score and len(score.args) == 1 and not score.keywords:
        return score.args[0]
    return None


def described(xp, mixture, moves, dtype):
    """f, log πₖ + ½ log|Pₖ|, μₖ, Pₖ, as one row for each kind of move."""
    weights, means, covariances = (a.astype(np.float64) for a in mixture[:3])
    sigma, factor = (xp.asarray([move[i] for move in moves]) for i in (0, 1))
    if covariances.ndim == 3:
        precisions = xp.linalg.inv(covariances + (sigma**2)[:, None, None, None] * xp.eye(means.shape[1]))
        log_det = xp.linalg.slogdet(precisions)[1]
    else:
        precisions = 1 / (covariances + (sigma**2)[:, None, None])
        log_det = xp.log(precisions).sum(axis=2)
    rows = factor, xp.log(weights) + 0.5 * log_det, xp.broadcast_to(means, (len(moves), *means.shape)), precisions
    return xp.concatenate([row.reshape(len(moves), -1) for row in rows], axis=1).astype(dtype)
