"""Flow on pixels: an exact density of images with grey levels, of its own kind or given something else about
them.

    (1)  u = (x + ε)/Q,  ε ~ U[0, 1)ᴰ                  noise fills the gaps between levels, anew at every step
    (2)  y = logit(α + (1 − 2α) u)                                 the real line (see pixels)
    (3)  v = (y_π − m)/s,   c′ = (c − m_c)/s_c                     pixels in the order π; both standardised
    (4)  log p(u|c) = log q_φ(v|c′) − ∑ⱼ log sⱼ + log|det ∂y/∂u|   q: a flow
    (5)  log P(x|c) ≥ E_ε[log p(u|c)] − D log Q
    (6)  loss = −(1/N) ∑ₙ (log p(uₙ|cₙ) − D log Q)      one ε for each image: its mean over ε is the bound (5)
    (7)  x = ⌊Q u⌋,   v ~ q_φ(·|c′),  u = u(v)                   an image, in as many passes as the flow takes

Shapes        N images, D pixels, C context, M contexts, n draws; x, u (N, D); c (N, C); π (D,).
Conventions   nats. Levels are whole numbers 0 … Q−1. What mass q has beyond the y of u = 0 and u = 1 is
              missing in (4), so that (5) is a bound all the same; a draw from there gets the level at the
              edge. A coupling flow keeps the first half of the pixels while it moves the rest: one half
              should hold the neighbours of the other, `order=pixels.checkerboard(height, width)`.
Source        "Density estimation using Real NVP", Dinh, Sohl-Dickstein and Bengio, 2017, sections 3.4 and
              4.1; lectures S0 and S2, slides "train a generative model on MNIST" and "p(pixels | central
              pixels)".
Departures    fully connected networks, one scale and no batch normalisation: these are images of some hundred
              pixels. The paper has α = 0.05. Bits per dimension on 360 held-out digits of 8 × 8 pixels, the
              mean over three fits with the defaults:

                                 rows in order     random order     checkerboard
                  α = 0.05          2.250             2.203             2.194
                  α = 0.001         2.124             2.104             2.093

Example
-------
>>> import numpy as np
>>> from reference.density import pixel_flow
>>> x = np.random.default_rng(0).integers(0, 4, (60, 4)) * 1.0
>>> flow = pixel_flow.fit(x, rng=np.random.default_rng(1), levels=4, n_transforms=2, hidden=(4,),
...                       max_epochs=1)
>>> flow.bound(np.random.default_rng(2), x[:3]).shape
(3,)
"""
from collections.abc import Callable
from functools import partial

import autograd.numpy as np
from autograd import value_and_grad

from reference.runtime.protocols import Array, Density, Params, Rng
from reference.training import minibatch, optim
from reference.training.inputs import Objective
from reference.preprocessing.scaling import Scaling, fit_scaling
from reference.density import realnvp
from reference.density.pixel_flow_model import PixelFlow, check_images, load
from reference.preprocessing import pixels

__all__ = ["PixelFlow", "loss", "loss_and_grad", "fit", "load"]



def loss(params: Params, x: Array, context: Array, noise: Array, *, density: Density, levels: int,
         alpha: float, scaling: Scaling) -> Array:
    """(6) in nats.

    Parameters
    ----------
    params : tree
        Of the flow.
    x : (N, D) float
        Pixels already in the order π, whole numbers 0 … Q−1.
    context : (N, C) float
        Standardised; C = 0 for none.
    noise : (N, D) float
        ε, in [0, 1).
    density : module
        The flow: `density.realnvp`, `density.maf` or `density.nsf`.
    levels, alpha : int, float
        Q and α.
    scaling : Scaling
        m and s of (3).
    """
    y, log_det = pixels.to_real(pixels.dequantise(x, noise, levels=levels), alpha=alpha)          # (1), (2)
    log_det = np.mean(log_det) + scaling.log_det - x.shape[1] * np.log(levels)
    return density.loss(params, scaling.apply(y), context if context.shape[1] else None) - log_det  # (3), (6)


def loss_and_grad(params: Params, x: Array, context: Array, noise: Array, *, density: Density,
                  levels: int, alpha: float, scaling: Scaling) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params.

    Parameters
    ----------
    params : tree
        Of the flow.
    x : (N, D) float
        Pixels already in the order π, whole numbers 0 … Q−1.
    context : (N, C) float
        Standardised; C = 0 for none.
    noise : (N, D) float
        ε, in [0, 1).
    density : module
        The flow: `density.realnvp`, `density.maf` or `density.nsf`.
    levels, alpha : int, float
        Q and α.
    scaling : Scaling
        m and s of (3).
    """
    own = partial(loss, density=density, levels=levels, alpha=alpha, scaling=scaling)
    return value_and_grad(own)(params, x, context, noise)


def fit(x: Array, *, rng: Rng, levels: int, context: Array | None = None, order: Array | None = None,
        alpha: float = 1e-3,
        density: Density = realnvp, n_transforms: int | None = None, hidden: tuple = (128,),
        learning_rate: float = 2e-3,
        batch_size: int = 64, max_epochs: int = 100, patience: int = 50, validation_fraction: float = 0.1,
        clip_norm: float = 5.0, schedule: Callable = optim.cosine, checkpoint: str | None = None,
        progress: bool = False) -> PixelFlow:
    """Train a flow on images.

    Parameters
    ----------
    x : (N, D) float
        Whole numbers 0 … Q−1, at least two rows; D at least 2.
    rng : Generator
        Draws ε, the first weights, then splits and shuffles.
    levels : int
        Q.
    context : (N, C) float, optional
        What is known of each image, in any units.
    order : (D,) int, optional
        π: the flow's pixel j is pixel order[j] of x. By default as they are.
    alpha : float
        In (0, ½).
    density : module
        The flow: `density.realnvp`, `density.maf` or `density.nsf`.
    n_transforms : int, optional
        By default the density's own number.
    hidden : tuple of int
        The hidden sizes of each transform.
    learning_rate, batch_size, max_epochs, patience, validation_fraction, clip_norm : number
        As in `training.minibatch.train`.
    schedule, checkpoint, progress
        As in `training.minibatch.train`.

    Raises
    ------
    ValueError
        If x holds anything else than whole numbers 0 … Q−1, shapes do not fit, the order is no permutation,
        or a setting is out of range.
    """
    x, context, order = check_images(x, context, order, levels, density)
    context_scaling, seen = fit_scaling(context), x[:, order]
    scaling = fit_scaling(pixels.to_real(pixels.dequantise(seen, rng.random(x.shape), levels=levels),
                                         alpha=alpha)[0])
    chosen = {} if n_transforms is None else {"n_transforms": n_transforms}
    params = density.init_params(rng, dim=x.shape[1], context_dim=context.shape[1], hidden=hidden, **chosen)
    settings = {"density": density, "levels": levels, "alpha": alpha, "scaling": scaling}
    model = Objective(loss=partial(loss, **settings), loss_and_grad=partial(loss_and_grad, **settings),
                            draw_noise=lambda rng, n: rng.random((n, x.shape[1])))                # (1)
    trained = minibatch.train(
        model, params, (seen, context_scaling.apply(context)), rng=rng, learning_rate=learning_rate,
        batch_size=batch_size,
        max_epochs=max_epochs, patience=patience, validation_fraction=validation_fraction,
        clip_norm=clip_norm, schedule=schedule,
        checkpoint=checkpoint, progress=progress)
    return PixelFlow(density, trained.params, scaling, context_scaling, order, levels,
                     alpha, -trained.loss, trained.history)
