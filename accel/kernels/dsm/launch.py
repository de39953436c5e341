"""Launches the kernels of dsm.cu: the loss of denoising score matching and its gradient.

`step` gives a training loop what it asks a model for: an object that holds the data and computes from
parameters (E, P), row numbers (E, S, B) and noise (E, S, B, ·) on the device. Sizes are compiled in, so each
network has its own kernel.
"""
import numpy as np

from accel.device import array_module
from accel.kernels import cuda, one_batch
from accel.kernels.plan import LaunchPlan
from accel.kernels.score import layout
from accel.runtime._vector import vector

__all__ = ["Step", "loss_and_grad", "plan", "step"]

TILES, THREADS = (8, 16, 32, 64), 256                                 # columns of a tile, two for each row
OVERHEAD = 12                                                         # the cost of a tile itself, in columns


def plan(xp, dim, widths, n_tau, dtype, n, n_models=1):
    """The LaunchPlan with the fewest columns in turn, for n rows of each model; None if none fits."""
    found, processors = [], cuda.multiprocessors(xp)
    for tile in TILES if len(widths) <= layout.MOST_HIDDEN else ():
        tiles, least = -(-2 * n // tile), shared_bytes(dim, widths, n_tau, dtype, tile, False)
        blocks = min(tiles, max(1, processors // n_models))
        turns = -(-tiles // blocks) * -(-blocks * n_models // processors)
        if least <= cuda.shared_limit(xp):
            shared = shared_bytes(dim, widths, n_tau, dtype, tile, True)
            resident = shared <= cuda.shared_limit(xp)
            geometry = LaunchPlan(tile, THREADS, blocks, shared if resident else least, resident)
            found.append((turns * (tile + OVERHEAD), geometry))
    return min(found)[1] if found else None


def shared_bytes(dim, widths, n_tau, dtype, tile, resident):
    """Bytes of a block: the input of each layer below a row of ones, residual, gain, σ, sums, weights."""
    pitch = tile if tile // 4 % 2 else tile + 4
    sizes = (dim + n_tau, *widths, dim)
    rows = sum(1 + n_in for n_in in sizes[:-1]) + 2 * dim + 1
    weights = sum((1 + n_in) * (4 * (-(-n_out // 4) // 2 * 2 + 1)) for n_in, n_out in zip(sizes, sizes[1:]))
    return (rows * pitch + THREADS + resident * weights) * np.dtype(dtype).itemsize


class Step:
    """Loss and gradient of one minibatch for each of E models that share the data; the noise is (u, ε)."""

    def __init__(self, layers, x, sigmas, spread, tau):
        xp, self.dim = array_module(x), x.shape[1]
        self.xp, self.dtype, self.x = xp, x.dtype, x
        self.widths, self.n_tau = layout.widths_of(layers), len(tau)
        self.sigmas = xp.ascontiguousarray(xp.asarray(sigmas, dtype=x.dtype))
        self.spread = xp.ascontiguousarray(xp.broadcast_to(xp.asarray(spread, dtype=x.dtype), (self.dim,)))
        self.tau2 = xp.asarray(tau**2, dtype=x.dtype)

    def plan(self, n, n_models=1):
        return plan(self.xp, self.dim, self.widths, self.n_tau, self.dtype, n, n_models)

    def n_blocks(self, n, n_models=1):
        return self.plan(n, n_models).blocks

    def gradient(self, flat, rows, cursor, noise, partial, losses):
        """Each block's share of the gradients into partial (E, G, P), of the losses into losses (E, G)."""
        self._launch("gradient", flat, rows, cursor, noise, partial, losses)

    def loss(self, flat, rows, cursor, noise, losses):
        """The same without gradients."""
        self._launch("loss", flat, rows, cursor, noise, losses)

    def _launch(self, name, flat, rows, cursor, noise, *out):
        n_models, n_steps, n = rows.shape
        plan = self.plan(n, n_models)
        sizes = layout.constants(self.dim, self.widths, self.dim + self.n_tau)
        kernels = cuda.load("kernels/dsm/dsm.cu", self.dtype, TILE=plan.tile, THREADS=plan.threads,
                            STAGED=int(plan.resident), **sizes)
        kernels(name, (plan.blocks, n_models), plan.threads, flat, self.x, self.spread, self.sigmas,
                self.tau2, len(self.sigmas), rows, cursor, *noise, n_steps, n, *out, shared=plan.shared)


def step(params, arrays, batch_size=None, *, sigmas, spread, tau):
    """The Step for these parameters, data (x (N, D),) and tau (T,), or None where kernels do not serve."""
    (x,), layers = arrays, params["layers"]
    xp, dim, widths = array_module(x), x.shape[1], layout.widths_of(layers)
    if not cuda.wanted(xp):
        return None
    if plan(xp, dim, widths, len(tau), x.dtype, 1) is None:
        cuda.fall_back(f"a score network of {dim} dimensions with hidden layers {tuple(widths)} is beyond "
                       "the training kernel")
        return None
    return Step(layers, xp.ascontiguousarray(x), sigmas, spread, tau)


def loss_and_grad(params, x, u, epsilon, grads=None, *, sigmas, spread, tau):
    """The loss of one minibatch, and its gradient into grads where given; None where kernels do not serve."""
    flat, n = vector(params), len(x)
    xp, dtype = array_module(flat), flat.dtype
    one = step(params, (xp.asarray(x, dtype=dtype),), sigmas=sigmas, spread=spread, tau=tau) if n else None
    if one is None:
        return None
    noise = [xp.ascontiguousarray(xp.asarray(a, dtype=dtype)) for a in (u, epsilon)]
    if grads is None:
        return one_batch.loss(flat, one, n, noise)
    return one_batch.write_grads(flat, vector(grads), one, n, noise)
