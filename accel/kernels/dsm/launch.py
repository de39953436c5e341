"""Launches the kernels of dsm.cu: the loss of denoising score matching and its gradient, for one or many models.

`step` is what a training loop asks a model for: an object that knows the data, and computes from parameters (E, P), row numbers
(E, S, B) and noise (E, S, B, ·) on the device. Sizes are compiled in, so each network gets its own kernel.
"""
from typing import NamedTuple

import numpy as np

from accel.kernels import cuda, one_batch
from accel.device import array_module
from accel.kernels.score import network
from accel.runtime._vector import vector

__all__ = ["Plan", "Step", "loss_and_grad", "plan", "step"]

TILES, THREADS = (8, 16, 32, 64), 256                                 # columns of a tile, two for each row; threads of a block
OVERHEAD = 12                                                         # what a tile costs besides its columns, in columns


class Plan(NamedTuple):
    """How the rows of each model are shared out: the columns of a tile, whether weights are staged, bytes of a block, blocks."""
    tile: int
    staged: bool
    shared: int
    n_blocks: int


def plan(xp, dim, widths, dtype, n, n_models=1):
    """The Plan that takes the fewest columns one after another, for n rows of each model; None where no tile fits."""
    found, processors = [], cuda.multiprocessors(xp)
    for tile in TILES if len(widths) <= network.MOST_HIDDEN else ():
        tiles, least = -(-2 * n // tile), shared_bytes(dim, widths, dtype, tile, False)
        n_blocks = min(tiles, max(1, processors // n_models))
        turns = -(-tiles // n_blocks) * -(-n_blocks * n_models // processors)
        if least <= cuda.shared_limit(xp):
            staged = (shared := shared_bytes(dim, widths, dtype, tile, True)) <= cuda.shared_limit(xp)
            found.append((turns * (tile + OVERHEAD), Plan(tile, staged, shared if staged else least, n_blocks)))
    return min(found)[1] if found else None


def shared_bytes(dim, widths, dtype, tile, staged):
    """What a block of dsm.cu keeps: what each layer is fed, below a row of ones; residual, gain and σ; sums; and the weights."""
    pitch = tile if tile // 4 % 2 else tile + 4
    sizes = (dim + network.TOLD, *widths, dim)
    rows = sum(1 + n_in for n_in in sizes[:-1]) + 2 * dim + 1
    weights = sum((1 + n_in) * (4 * (-(-n_out // 4) // 2 * 2 + 1)) for n_in, n_out in zip(sizes, sizes[1:]))
    return (rows * pitch + THREADS + staged * weights) * np.dtype(dtype).itemsize


class Step:
    """The loss and gradient of one minibatch for each of E models, which share the data."""

    def __init__(self, layers, x, sigmas, spread, tau2):
        xp, self.dim = array_module(x), x.shape[1]
        self.xp, self.dtype, self.x = xp, x.dtype, x
        self.n_params, self.widths = sum(layer.size for layer in layers), network.widths_of(layers)
        self.sigmas = xp.ascontiguousarray(xp.asarray(sigmas, dtype=x.dtype))
        self.spread = xp.ascontiguousarray(xp.broadcast_to(xp.asarray(spread, dtype=x.dtype), (self.dim,)))
        self.tau2 = xp.asarray(tau2, dtype=x.dtype)

    def n_blocks(self, n, n_models=1):
        return plan(self.xp, self.dim, self.widths, self.dtype, n, n_models).n_blocks

    def gradient(self, flat, rows, cursor, noise, partial, losses):
        """Each block's share of the gradients in partial (E, G, P), and of the mean losses in losses (E, G)."""
        self._launch("gradient", flat, rows, cursor, noise, partial, losses)

    def loss(self, flat, rows, cursor, noise, losses):
        self._launch("loss", flat, rows, cursor, noise, losses)

    def _launch(self, name, flat, rows, cursor, noise, *out):
        n_models, n_steps, n = rows.shape
        tile, staged, shared, n_blocks = plan(self.xp, self.dim, self.widths, self.dtype, n, n_models)
        kernels = cuda.load("kernels/dsm/dsm.cu", self.dtype, **network.constants(self.dim, self.widths), TILE=tile, THREADS=THREADS,
                                STAGED=int(staged))
        kernels(name, (n_blocks, n_models), THREADS, flat, self.x, self.spread, self.sigmas, self.tau2, len(self.sigmas), rows, cursor,
                *noise, n_steps, n, *out, shared=shared)


def step(params, arrays, batch_size=None, *, sigmas, spread, tau2):
    """The Step for these parameters and data (x (N, D),), or None where kernels do not serve; τ² are what σ² is told against."""
    (x,), layers = arrays, params["layers"]
    if not cuda.wanted(array_module(x)):
        return None
    widths = network.widths_of(layers)
    if plan(array_module(x), x.shape[1], widths, x.dtype, 1) is None:
        cuda.fall_back(f"a score network of {x.shape[1]} dimensions with hidden layers {tuple(widths)} is beyond the training kernel")
        return None
    return Step(layers, array_module(x).ascontiguousarray(x), sigmas, spread, tau2)


def loss_and_grad(params, x, u, epsilon, grads=None, *, sigmas, spread, tau):
    """The loss of one minibatch, and its gradient into grads where given; None where kernels do not serve."""
    flat, n = vector(params), len(x)
    xp, dtype = array_module(flat), flat.dtype
    tau2 = xp.asarray(tau**2, dtype=dtype)
    one = step(params, (xp.asarray(x, dtype=dtype),), sigmas=sigmas, spread=spread, tau2=tau2) if n else None
    if one is None:
        return None
    noise = [xp.ascontiguousarray(xp.asarray(a, dtype=dtype)) for a in (u, epsilon)]
    return one_batch.loss(flat, one, n, noise) if grads is None else one_batch.write_grads(flat, vector(grads), one, n, noise)
