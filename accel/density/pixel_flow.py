"""Flow on pixels: an exact density of images with grey levels, of its own kind or given something else about
them.

The mathematics is in `reference.density.pixel_flow`. Same values. Noise, logit and scaling have no
parameters, so that the gradient of the loss is that of the flow by hand, and what they add to its value is
one number:

    loss = flow's loss − mean(∑ⱼ log|dyⱼ/duⱼ|) + ∑ⱼ log sⱼ + D log Q,     ∂/∂φ of all but the first = 0

The pixels are put in their order once per fit, and each step makes y and then v in the array that it drew u
into.

Example
-------
>>> import numpy as np
>>> from accel.density import pixel_flow
>>> x = np.random.default_rng(0).integers(0, 4, (60, 4)) * 1.0
>>> flow = pixel_flow.fit(x, rng=np.random.default_rng(1), levels=4, n_transforms=2, hidden=(4,),
...                       max_epochs=1)
>>> flow.bound(np.random.default_rng(2), x[:3]).shape
(3,)
"""
import math
from collections.abc import Callable
from functools import partial

from accel.runtime.protocols import Array, Density, Params, Rng
from accel.training import minibatch, optim
from accel.training.inputs import Objective
from accel.preprocessing.scaling import Scaling, fit_scaling
from accel.runtime._vector import empty_like, plain
from accel.runtime.tree import tree_map
from accel.density import realnvp
from accel.density.pixel_flow_model import PixelFlow, check_images, load, like, take
from accel.preprocessing import pixels

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
    v, added = to_flow(x, noise, levels, alpha, scaling)
    return density.loss(params, v, context if context.shape[1] else None) + added


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
    grads = empty_like(params)
    value = write_grads(params, grads, x, context, noise, density=density, levels=levels,
                        alpha=alpha, scaling=scaling)
    return value, plain(grads)


def write_grads(params, grads, x, context, noise, *, density, levels, alpha, scaling):
    """The loss; its gradient goes into grads."""
    v, added = to_flow(x, noise, levels, alpha, scaling)
    return density.write_grads(params, grads, v, context if context.shape[1] else None) + added


def to_flow(x, noise, levels, alpha, scaling):
    """v of (3), and what (6) adds to the flow's loss."""
    v, log_det = pixels.to_real(pixels.dequantise(x, noise, levels=levels), alpha=alpha)
    v -= scaling.mean
    v /= scaling.std
    return v, x.shape[1] * math.log(levels) - scaling.log_det - log_det.mean()


def fit(x: Array, *, rng: Rng, levels: int, context: Array | None = None, order: Array | None = None,
        alpha: float = 1e-3,
        density: Density = realnvp, n_transforms: int | None = None, hidden: tuple = (128,),
        learning_rate: float = 2e-3,
        batch_size: int = 64, max_epochs: int = 100, patience: int = 50, validation_fraction: float = 0.1,
        clip_norm: float = 5.0, schedule: Callable = optim.cosine, checkpoint: str | None = None,
        progress: bool = False) -> PixelFlow:
    """Train a flow on images, which decide the device and the dtype.

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
    context_scaling, seen = fit_scaling(context), take(x, order)
    scaling = fit_scaling(pixels.to_real(pixels.dequantise(seen, rng.random(x.shape), levels=levels),
                                         alpha=alpha)[0])
    chosen = {} if n_transforms is None else {"n_transforms": n_transforms}
    params = density.init_params(rng, dim=x.shape[1], context_dim=context.shape[1], hidden=hidden, **chosen)
    settings = {"density": density, "levels": levels, "alpha": alpha, "scaling": scaling}
    model = Objective(loss=partial(loss, **settings), loss_and_grad=partial(loss_and_grad, **settings),
                            write_grads=partial(write_grads, **settings), draw_noise=lambda rng,
                            n: rng.random((n, x.shape[1])))
    trained = minibatch.train(
        model, tree_map(partial(like, x), params), (seen, context_scaling.apply(context)),
        rng=rng, learning_rate=learning_rate,
        batch_size=batch_size, max_epochs=max_epochs, patience=patience,
        validation_fraction=validation_fraction, clip_norm=clip_norm,
        schedule=schedule, checkpoint=checkpoint, progress=progress)
    return PixelFlow(density, trained.params, scaling, context_scaling, order, levels,
                     alpha, -trained.loss, trained.history)
