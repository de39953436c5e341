"""Launches the kernels of _dsm.cu: the loss of denoising score matching and its gradient, for one or many models.

`step` is what a training loop asks a model for: an object that knows the data, and computes from parameters (E, P), row numbers
(E, S, B) and noise (E, S, B, ·) on the device. Sizes are compiled in, so each network gets its own kernel.
"""
import numpy as np

from accel.core import _kernels
from accel.device import array_module
from accel.generative import _network

__all__ = ["Step", "loss_and_grad", "step"]

TILE, THREADS = 32, 256                                               # columns of a tile, threads of a block


class Step:
    """The loss and gradient of one minibatch for each of E models, which share the data."""

    def __init__(self, layers, x, sigmas, spread, tau2):
        xp, dim = array_module(x), x.shape[1]
        self.xp, self.dtype, self.x = xp, x.dtype, x
        self.n_params, widths = sum(layer.size for layer in layers), _network.widths_of(layers)
        self.sigmas = xp.ascontiguousarray(xp.asarray(sigmas, dtype=x.dtype))
        self.spread = xp.ascontiguousarray(xp.broadcast_to(xp.asarray(spread, dtype=x.dtype), (dim,)))
        self.tau2 = xp.asarray(tau2, dtype=x.dtype)
        self.kernels = _kernels.load("generative/_dsm.cu", x.dtype, **_network.constants(dim, widths), TILE=TILE,
                                     THREADS=THREADS)
        self.shared = {gradient: shared_bytes(dim, widths, x.dtype, gradient) for gradient in (False, True)}

    def n_blocks(self, n, n_models=1):
        return min(-(-n // (TILE // 2)), _kernels.multiprocessors(self.xp))

    def gradient(self, flat, rows, cursor, noise, partial, losses):
        """Each block's share of the gradients in partial (E, G, P), and of the mean losses in losses (E, G)."""
        self._launch("gradient", flat, rows, cursor, noise, partial, losses)

    def loss(self, flat, rows, cursor, noise, losses):
        self._launch("loss", flat, rows, cursor, noise, losses)

    def _launch(self, name, flat, rows, cursor, noise, *out):
        n_models, n_steps, n = rows.shape
        self.kernels(name, (self.n_blocks(n), n_models), THREADS, flat, self.x, self.spread, self.sigmas, self.tau2, len(self.sigmas),
                     rows, cursor, *noise, n_steps, n, *out, shared=self.shared[name == "gradient"])


def shared_bytes(dim, widths, dtype, gradient):
    """What a block of _dsm.cu keeps: all layers' columns, residual and gain, σ; sums; and two cotangents."""
    columns = dim + _network.TOLD + sum(widths) + 2 * dim + 1 + (2 * max(widths) if gradient else 0)
    return (columns * TILE + THREADS) * np.dtype(dtype).itemsize


def step(params, arrays, batch_size=None, *, sigmas, spread, tau2):
    """The Step for these parameters and data (x (N, D),), or None where kernels do not serve; τ² are what σ² is told against."""
    (x,), layers = arrays, params["layers"]
    if not _kernels.wanted(array_module(x)):
        return None
    widths = _network.widths_of(layers)
    if len(widths) > _network.MOST_HIDDEN or shared_bytes(x.shape[1], widths, x.dtype, True) > _kernels.shared_limit(array_module(x)):
        _kernels.fall_back(f"a score network with hidden layers {tuple(widths)} is beyond the training kernel")
        return None
    return Step(layers, array_module(x).ascontiguousarray(x), sigmas, spread, tau2)


class Once:
    """What one call of the page's loss needs besides a Step: the rows in order, step number nought, and room for the results."""

    def __init__(self, step, n):
        xp = step.xp
        self.rows, self.cursor = xp.arange(n, dtype=np.int32).reshape(1, 1, n), xp.zeros(1, np.int32)
        self.losses = xp.empty((1, step.n_blocks(n)), step.dtype)
        self.partial = xp.empty((1, step.n_blocks(n), step.n_params), step.dtype)


def loss_and_grad(params, x, u, epsilon, grads=None, *, sigmas, spread, tau):
    """The loss of one minibatch, and its gradient into grads where given; None where kernels do not serve."""
    xp, n, dtype = array_module(params.flat), len(x), params.flat.dtype
    tau2 = params.scratch("tau2", lambda: xp.asarray(tau**2, dtype=dtype))
    one = step(params, (xp.asarray(x, dtype=dtype),), sigmas=sigmas, spread=spread, tau2=tau2) if n else None
    if one is None:
        return None
    once = params.scratch("loss" if grads is None else "loss and gradient", lambda: Once(one, n), size=n)
    noise = [xp.ascontiguousarray(xp.asarray(a, dtype=dtype)) for a in (u, epsilon)]
    if grads is None:
        one.loss(params.flat, once.rows, once.cursor, noise, once.losses)
    else:
        one.gradient(params.flat, once.rows, once.cursor, noise, once.partial, once.losses)
        xp.sum(once.partial[0], axis=0, out=grads.flat)
    return once.losses[0].sum()
