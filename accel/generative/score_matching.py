"""Denoising score matching: the gradient of the log-density, learnt from noise that was added to the data.

The mathematics is in `reference.generative.score_matching`. Same values; both signs of a noise pass through
the network together, as columns [+ε | −ε], and share all that depends on σ alone: a, g and e(σ). With r = σ s
± ε, the loss (3) is (1/4N) ∑ ‖r‖² over the 2N columns, and

    ds = σ r/2N,    dF = g ⊙ ds,    and the network's backward pass starts from dF

On a device one kernel computes the loss and its gradient (`kernels/dsm`).

Example
-------
>>> import numpy as np
>>> from accel.generative import score_matching
>>> rng = np.random.default_rng(0)
>>> params = score_matching.init_params(rng, dim=1, hidden=(8,))
>>> x, epsilon = rng.standard_normal((2, 100_000, 1))
>>> loss = score_matching.dsm(params, x, epsilon, sigma=1.0)             # s = −x̃/2: ½ E‖ε − (x + ε)/2‖² = ¼
>>> print(round(float(loss), 2))
0.25
"""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from accel import memory
from accel.device import array_module, check_together
from accel.generative.langevin_chains import check_levels, noise_levels
from accel.generative.score_model import ScoreModel, load
from accel.generative.score_network import TAU, Work, forward, init_params, score, set_levels
from accel.kernels import cuda
from accel.kernels.dsm import launch as dsm_kernel
from accel.nets import dense
from accel.representation import pca
from accel.runtime import checks
from accel.runtime._vector import empty_like, plain
from accel.runtime.protocols import Array, Params, Rng
from accel.runtime.tree import tree_map
from accel.training import minibatch, optim

__all__ = ["ScoreModel", "noise_levels", "init_params", "draw_noise", "score", "dsm", "loss", "loss_and_grad",
           "fit", "load"]

ladder = noise_levels                                                 # the name in version 0.1


def draw_noise(rng: Rng, n: int, *, dim: int) -> tuple[Array, Array]:
    """The noise of the loss for n samples: u (n,), which chooses the levels, and ε (n, D).

    Parameters
    ----------
    rng : Generator
    n : int
    dim : int
        D.
    """
    return rng.random(n), rng.standard_normal((n, dim))


def dsm(params: Params, x: Array, epsilon: Array, *, sigma: float, spread: Array | float = 1.0) -> Array:
    """J(θ; σ) at one noise level: Vincent's objective, a mean over x and ε.

    Parameters
    ----------
    params : dict
    x : (N, D) float
    epsilon : (N, D) float
        Standard normal.
    sigma : float
        σ > 0.
    spread : float or (D,) float
        k of `score_network`.
    """
    xp = array_module(x)
    epsilon = xp.asarray(epsilon, dtype=x.dtype)
    r = score(params, x + sigma * epsilon, sigma, spread=spread)
    r += epsilon / sigma
    return xp.vdot(r, r) / (2 * len(r))                               # (1)


def loss(params: Params, x: Array, u: Array, epsilon: Array, *, sigmas: Array,
         spread: Array | float = 1.0) -> Array:
    """L(θ), estimated with one level and one pair of ±ε for each sample.

    Parameters
    ----------
    params : dict
    x : (N, D) float
    u : (N,) float
        Uniform on [0, 1).
    epsilon : (N, D) float
        Standard normal.
    sigmas : (L,) float
        The noise levels, in the units of x.
    spread : float or (D,) float
        k of `score_network`.
    """
    return write_grads(params, None, x, u, epsilon, sigmas=sigmas, spread=spread)


def loss_and_grad(params: Params, x: Array, u: Array, epsilon: Array, *, sigmas: Array,
                  spread: Array | float = 1.0) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params.

    Parameters
    ----------
    params, x, u, epsilon, sigmas, spread
        As in `loss`.
    """
    grads = empty_like(params)
    value = write_grads(params, grads, x, u, epsilon, sigmas=sigmas, spread=spread)
    return value, plain(grads)


def write_grads(params, grads, x, u, epsilon, *, sigmas, spread=1.0):
    """The loss, and its gradient in grads unless that is None."""
    layers = params["layers"]
    x = checks.as_array("x", x, ("N", layers[-1].shape[1]))
    check_together(params=layers[0], x=x)
    xp, n = array_module(x), len(x)
    if cuda.wanted(xp):
        value = dsm_kernel.loss_and_grad(params, x, u, epsilon, grads, sigmas=sigmas, spread=spread, tau=TAU)
        if value is not None:
            return value
    with memory.borrow(Work, xp, dense.shapes_of(layers), n, 2, False, layers[0].dtype) as work:
        value = residuals(layers, work, x, u, epsilon, sigmas, spread)
        if grads is not None:
            work.gain *= work.sigma
            work.gain *= 1 / (2 * n)
            work.s *= work.gain                                       # dF = g σ r/2N
            dense.backward(layers, work.tape, work.s.reshape(work.tape.out.shape), grads["layers"])
        return value


def residuals(layers, work, x, u, epsilon, sigmas, spread):
    """The loss; r = σ s ± ε is left in work.s."""
    xp, n, dtype = array_module(x), len(x), work.s.dtype
    level = xp.minimum((xp.asarray(u) * len(sigmas)).astype(np.int64), len(sigmas) - 1)
    epsilon = xp.asarray(epsilon, dtype=dtype).T
    set_levels(layers, work, xp.take(xp.asarray(sigmas, dtype=dtype), level), spread)
    xp.multiply(epsilon, work.sigma[:, 0], out=work.x[:, 1])
    xp.add(x.T, work.x[:, 1], out=work.x[:, 0])                       # x + σε
    xp.subtract(x.T, work.x[:, 1], out=work.x[:, 1])                  # x − σε
    r = forward(layers, work)
    r *= work.sigma
    r[:, 0] += epsilon
    r[:, 1] -= epsilon
    return xp.vdot(r, r) / (4 * n)                                    # (3)


class Model(NamedTuple):
    """What `training.minibatch` trains: the loss of D dimensions at these levels."""
    sigmas: Array
    spread: Array

    def loss(self, params, x, u, epsilon):
        return loss(params, x, u, epsilon, **self._asdict())

    def loss_and_grad(self, params, x, u, epsilon):
        return loss_and_grad(params, x, u, epsilon, **self._asdict())

    def write_grads(self, params, grads, x, u, epsilon):
        return write_grads(params, grads, x, u, epsilon, **self._asdict())

    def draw_noise(self, rng, n):
        return draw_noise(rng, n, dim=len(self.spread))

    def fused(self, params, data, batch_size):
        return dsm_kernel.step(params, data, batch_size, tau=TAU, **self._asdict())


def fit(x: Array, *, rng: Rng, sigmas: Array | None = None, hidden: tuple = (128, 128),
        learning_rate: float = 3e-3, batch_size: int = 200, max_epochs: int = 200, patience: int = 100,
        validation_fraction: float = 0.1, schedule: Callable = optim.cosine, checkpoint: str | None = None,
        progress: bool = False) -> ScoreModel:
    """A score network trained on x.

    Parameters
    ----------
    x : (N, D) float
        More samples than dimensions, not all alike.
    rng : Generator
        Draws the first weights, then splits, shuffles, levels and noise.
    sigmas : (L,) float, optional
        Strictly decreasing, in the units of x. By default twelve levels, from the largest distance between a
        sample and the mean, where no gap between modes is left, to a fiftieth of the root mean variance.
    hidden : tuple of int
        The units of each hidden layer.
    learning_rate, batch_size, max_epochs, patience, validation_fraction, schedule, checkpoint, progress
        See `training.minibatch.train`.

    Raises
    ------
    ValueError
        If x is not a finite (N, D) array of more than D different rows, or a setting is out of range.
    NonFiniteLossError
        If the loss stops being finite.
    """
    x = checks.as_array("x", x, ("N", "D"))
    n, dim = x.shape
    if n <= dim:
        raise ValueError(f"x: expected more rows than columns, got shape {(n, dim)}")
    axes, xp = pca.fit(x, n_components=dim), array_module(x)
    scale = checks.check_positive("x: standard deviation", float(axes.explained_variance.mean())**0.5)
    if sigmas is None:
        sigmas = noise_levels(float(xp.square(x - axes.mean).sum(axis=1).max())**0.5, scale / 50, 12)
    sigmas = check_levels(sigmas)
    model = Model(xp.asarray(sigmas / scale, dtype=x.dtype), xp.sqrt(axes.explained_variance) / scale)
    params = tree_map(lambda leaf: xp.asarray(leaf, dtype=x.dtype), init_params(rng, dim=dim, hidden=hidden))
    z = axes.transform(x)
    z /= scale
    trained = minibatch.train(model, params, (z,), rng=rng, learning_rate=learning_rate,
                              batch_size=batch_size, max_epochs=max_epochs, patience=patience,
                              validation_fraction=validation_fraction, schedule=schedule,
                              checkpoint=checkpoint, progress=progress)
    return ScoreModel(trained.params, axes, scale, sigmas, trained.history)
