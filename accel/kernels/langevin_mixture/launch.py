"""Langevin dynamics along the exact score of a Gaussian mixture: the tables of langevin_mixture.cu.

The score is ∑ₖ rₖ Pₖ (μₖ − x), Pₖ = (Σₖ + σ²I)⁻¹. A kind of move is described by f, log πₖ + ½ log|Pₖ|, μₖ
and Pₖ, computed in float64 and rounded to the dtype of the chains.
"""
import numpy as np

from accel.device import array_module
from accel.kernels import cuda
from accel.kernels.langevin.stepper import Prepared
from accel.kernels.plan import LaunchPlan

__all__ = ["prepared"]

TILE, MOST_DIMENSIONS = 256, 16                                       # chains of a block, a thread each


def prepared(mixture, start, moves):
    """A mixture's score for these chains and moves, or None."""
    xp, (n, dim), dtype, means = array_module(start), start.shape, start.dtype, mixture.means
    if array_module(means) is not xp or means.shape[1] != dim or means.dtype != dtype:
        return None
    table = described(xp, mixture, moves, dtype)
    shared = (table.shape[1] + TILE * dim) * dtype.itemsize
    if dim > MOST_DIMENSIONS or shared > cuda.shared_limit(xp):
        cuda.fall_back(f"a mixture of {len(means)} components in {dim} dimensions is beyond the kernel")
        return None
    kernels = cuda.load("kernels/langevin_mixture/langevin_mixture.cu", dtype, DIM=dim, COMPONENTS=len(means),
                        FULL=int(mixture.covariances.ndim == 3), TILE=TILE)
    return Prepared(kernels, LaunchPlan(TILE, TILE, -(-n // TILE), shared), (table,))


def described(xp, mixture, moves, dtype):
    """f, log πₖ + ½ log|Pₖ|, μₖ, Pₖ, as one row for each kind of move."""
    weights, means, covariances = (a.astype(np.float64) for a in mixture)
    sigma, factor = (xp.asarray([move[i] for move in moves]) for i in (0, 1))
    if covariances.ndim == 3:
        precisions = xp.linalg.inv(covariances + (sigma**2)[:, None, None, None] * xp.eye(means.shape[1]))
        log_det = xp.linalg.slogdet(precisions)[1]
    else:
        precisions = 1 / (covariances + (sigma**2)[:, None, None])
        log_det = xp.log(precisions).sum(axis=2)
    constant = xp.log(weights) + 0.5 * log_det
    rows = factor, constant, xp.broadcast_to(means, (len(moves), *means.shape)), precisions
    return xp.concatenate([row.reshape(len(moves), -1) for row in rows], axis=1).astype(dtype)
