"""Denoising score matching: the gradient of the log-density, learnt from noise that was added to the data.

    (1)  J(θ; σ) = ½ E‖s_θ(x + σε, σ) + ε/σ‖²,   x ~ p,  ε ~ N(0, I)
    (2)  L(θ) = (1/L) ∑ᵢ λ(σᵢ) J(θ; σᵢ),   λ(σ) = σ²               over noise levels σ₁ > … > σ_L (NCSN)
    (3)  L estimated with ε and −ε for each sample                 an antithetic pair

Why (1) is least for s = ∇ log q_σ, where q_σ = p ∗ N(0, σ²I) is the density of x̃ = x + σε:

    ∇ log q_σ(x̃) = E[∇ log N(x̃; x, σ²I) | x̃] = −E[ε/σ | x̃]
    E‖s(x̃) + ε/σ‖² = E‖s(x̃) + E[ε/σ | x̃]‖² + E‖ε/σ − E[ε/σ | x̃]‖²
                    = E‖s(x̃) − ∇ log q_σ(x̃)‖² + a constant of θ

Shapes        N samples, D dimensions, L levels; x, ε (N, D); u (N,); σ (L,).
Conventions   (1) sums over D and is a mean over N. λ = σ² gives every level about the same weight. Each
              sample of a batch has its own level, drawn as a uniform number u: i = 1 + ⌊L u⌋. The network s_θ
              is that of `score_network`; x has mean variance one there, and `fit` scales the data
              (`score_model`).
Source        "A connection between score matching and denoising autoencoders", Vincent, 2011 (1); "Generative
              modeling by estimating gradients of the data distribution", Song and Ermon, 2019, eqs. 5–6 (2);
              lecture S1, slides "denoising score matching" and "noise conditional score network".
Departures    (3) has the mean of (2); where σ is small nearly all the noise of the gradient cancels.

Example
-------
>>> import numpy as np
>>> from reference.generative import score_matching
>>> rng = np.random.default_rng(0)
>>> params = score_matching.init_params(rng, dim=1, hidden=(8,))
>>> x, epsilon = rng.standard_normal((2, 100_000, 1))
>>> loss = score_matching.dsm(params, x, epsilon, sigma=1.0)             # s = −x̃/2: ½ E‖ε − (x + ε)/2‖² = ¼
>>> print(round(float(loss), 2))
0.25
"""
from collections.abc import Callable
from typing import NamedTuple

import autograd.numpy as np
from autograd import value_and_grad

from reference.generative.langevin_chains import check_levels, noise_levels
from reference.generative.score_model import ScoreModel, load
from reference.generative.score_network import init_params, score
from reference.representation import pca
from reference.runtime import checks
from reference.runtime.protocols import Array, Params, Rng
from reference.training import minibatch, optim

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
    s = score(params, x + sigma * epsilon, sigma, spread=spread)
    return 0.5 * np.mean(np.sum((s + epsilon / sigma)**2, axis=1))    # (1)


def ncsn_loss(params, x, u, epsilon, *, sigmas, spread=1.0):
    """L(θ), estimated with one level and one ε for each sample; the arguments are those of `loss`."""
    level = np.minimum((u * len(sigmas)).astype(int), len(sigmas) - 1)
    sigma, epsilon = np.array(sigmas).astype(x.dtype)[level], epsilon.astype(x.dtype)
    s = score(params, x + sigma[:, None] * epsilon, sigma, spread=spread)
    return 0.5 * np.mean(np.sum((sigma[:, None] * s + epsilon)**2, axis=1))                           # (2)


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
    plus = ncsn_loss(params, x, u, epsilon, sigmas=sigmas, spread=spread)
    return (plus + ncsn_loss(params, x, u, -epsilon, sigmas=sigmas, spread=spread)) / 2               # (3)


def loss_and_grad(params: Params, x: Array, u: Array, epsilon: Array, *, sigmas: Array,
                  spread: Array | float = 1.0) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params.

    Parameters
    ----------
    params, x, u, epsilon, sigmas, spread
        As in `loss`.
    """
    return value_and_grad(loss)(params, x, u, epsilon, sigmas=sigmas, spread=spread)


class Model(NamedTuple):
    """What `training.minibatch` trains: the loss of D dimensions at these levels."""
    sigmas: Array
    spread: Array

    def loss(self, params, x, u, epsilon):
        return loss(params, x, u, epsilon, **self._asdict())

    def loss_and_grad(self, params, x, u, epsilon):
        return loss_and_grad(params, x, u, epsilon, **self._asdict())

    def draw_noise(self, rng, n):
        return draw_noise(rng, n, dim=len(self.spread))


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
    axes = pca.fit(x, n_components=dim)
    scale = checks.check_positive("x: standard deviation", float(np.sqrt(np.mean(axes.explained_variance))))
    if sigmas is None:
        sigmas = noise_levels(float(np.sqrt(np.max(np.sum((x - axes.mean)**2, axis=1)))), scale / 50, 12)
    sigmas = check_levels(sigmas)
    model = Model(sigmas / scale, np.sqrt(axes.explained_variance) / scale)
    params, data = init_params(rng, dim=dim, hidden=hidden), (axes.transform(x) / scale,)
    trained = minibatch.train(model, params, data, rng=rng, learning_rate=learning_rate,
                              batch_size=batch_size, max_epochs=max_epochs, patience=patience,
                              validation_fraction=validation_fraction, schedule=schedule,
                              checkpoint=checkpoint, progress=progress)
    return ScoreModel(trained.params, axes, scale, sigmas, trained.history)
