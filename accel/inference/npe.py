"""Neural posterior estimation: a conditional density, trained on simulations, is the posterior for any data.

The mathematics is in `reference.inference.npe`. Same values; everything runs in the dtype and on the device
of the simulations, and the gradient goes by hand through the flow into the embedding:

    dφ, de = backward through the flow (v, e)            accel.density, de summed over its transforms
    dψ     = backward through the network e_ψ(c) (de)    accel.nets.dense

Example
-------
>>> import numpy as np
>>> from accel import priors
>>> from accel.inference import npe
>>> rng = np.random.default_rng(0)
>>> theta = rng.standard_normal((2000, 1))
>>> x = theta + 0.5 * rng.standard_normal((2000, 1))
>>> prior = priors.Normal([0.0], [1.0])
>>> posterior = npe.fit(prior, theta, x, rng=rng, n_transforms=1, hidden=(8,), max_epochs=5)
>>> draws = posterior.sample(rng, 1000, np.array([1.0]))              # exact: mean 0.8, deviation 0.45
>>> print(draws.shape, round(float(draws.mean()), 1), round(float(draws.std()), 1))
(1000, 1) 0.8 0.4
"""
from collections.abc import Callable
from functools import partial
from os import PathLike

from accel import memory
from accel.density import maf, mdn
from accel.device import array_module, put
from accel.inference.description import name_of
from accel.inference.inputs import check_simulations, compress
from accel.inference.npe_posterior import Posterior, embed, load
from accel.nets import dense
from accel.preprocessing.regression import fit_regression
from accel.preprocessing.training_domain import features, fit_training_domain
from accel.runtime._vector import empty_like, plain
from accel.runtime.protocols import Array, Density, Params, Prior, Rng
from accel.training import minibatch, optim
from accel.training.inputs import Objective

__all__ = ["Posterior", "init_params", "loss", "loss_and_grad", "fit", "load"]
SHARED = ["fit_members"]
__all__ += SHARED


def init_params(rng: Rng, *, dim: int, context_dim: int, embedding: tuple[int, ...] = (),
                density: Density = maf, n_transforms: int | None = None,
                hidden: tuple[int, ...] = (50, 50)) -> Params:
    """The embedding network and the flow that it feeds.

    Parameters
    ----------
    rng : Generator
    dim, context_dim : int
        P and C.
    embedding : tuple of int
        Sizes of the embedding network's hidden layers and output; empty for none.
    density : module
        The flow, `density.maf`, `density.nsf` or `density.realnvp`, or `density.mdn`.
    n_transforms : int, optional
        The flow's transforms; by default the density's own number. For mdn None.
    hidden : tuple of int
        The hidden sizes of each transform.

    Raises
    ------
    ValueError
        If n_transforms is given for mdn.
    """
    if density is mdn and n_transforms is not None:
        raise ValueError("n_transforms: expected None for mdn, which has no transforms, "
                         f"got {n_transforms!r}")
    sizes, chosen = (context_dim, *embedding), {} if n_transforms is None else {"n_transforms": n_transforms}
    return {"embedding": dense.init_mlp(rng, sizes),
            "flow": density.init_params(rng, dim=dim, context_dim=sizes[-1], hidden=hidden, **chosen)}


def loss(params: Params, v: Array, c: Array, *, density: Density = maf) -> Array:
    """The loss (6), in nats of v.

    Parameters
    ----------
    params : tree
        From `init_params`.
    v : (N, P) float
        Whitened parameters.
    c : (N, C) float
        The context of each.
    density : module
        That of params.
    """
    return density.loss(params["flow"], v, embed(params, c))                                  # (6)


def loss_and_grad(params: Params, v: Array, c: Array, *, density: Density = maf) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params.

    Parameters
    ----------
    params, v, c, density
        As in `loss`.
    """
    grads = empty_like(params)
    return write_grads(params, grads, v, c, density=density), plain(grads)


def write_grads(params, grads, v, c, *, density):
    """The loss; its gradient goes into grads."""
    flow, layers = params["flow"], params["embedding"]
    if not layers:
        return density.write_grads(flow, grads["flow"], v, c)
    xp, n = array_module(c), len(c)
    with memory.borrow(Work, xp, dense.shapes_of(layers), n, layers[0].dtype) as work:
        work.tape.inputs[0][1:] = c.T
        context = dense.forward(layers, work.tape)                                            # e(c)
        value = density.write_grads(flow, grads["flow"], v, context.T, work.dcontext)         # (6)
        dense.backward(layers, work.tape, work.dcontext, grads["embedding"])
        return value


class Work:
    """The work arrays of an embedding network for n rows, and the cotangent of its output."""

    def __init__(self, xp, shapes, n, dtype):
        self.tape = dense.Tape(xp, shapes, n, dtype)
        self.dcontext = xp.empty_like(self.tape.out)


def fused(params, data, batch_size, *, density):
    """The flow's fused step for `training.minibatch`; None where it has none or an embedding feeds it."""
    if params["embedding"] or not hasattr(density, "fused"):
        return None
    return density.fused(params["flow"], data, batch_size)


def fit(prior: Prior, theta: Array, x: Array, *, rng: Rng, embedding: tuple[int, ...] = (),
        n_components: int | None = None, density: Density = maf, n_transforms: int | None = None,
        hidden: tuple[int, ...] = (50, 50), learning_rate: float = 5e-3, batch_size: int = 200,
        max_epochs: int = 200, patience: int = 40, validation_fraction: float = 0.1, clip_norm: float = 5.0,
        schedule: Callable[[float], float] = optim.one_cycle,
        checkpoint: str | PathLike | None = None, progress: bool = False) -> Posterior:
    """Train a posterior on simulations; they decide the device and the dtype.

    Parameters
    ----------
    prior
        From `priors`: what theta was drawn from.
    theta : (N, P) float
        Parameters, all inside the prior.
    x : (N, D) float
        The simulated data, row by row.
    rng : Generator
        Initial weights, split and shuffles.
    embedding : tuple of int
        Sizes of an embedding network's hidden layers and output, such as (64, 64, 8); empty for none.
    n_components : int, optional
        Compress the data to this number of PCA scores first. The data must share a unit, as the bins of a
        spectrum do: they are not scaled one by one, which would give bins of noise the weight of bins that
        carry the signal.
    density : module
        The flow, `density.maf`, `density.nsf` or `density.realnvp`, or `density.mdn`, a mixture of eight
        normal densities.
    n_transforms : int, optional
        The flow's transforms; by default the density's own number: 5 for maf, 3 for nsf, 6 for realnvp. For
        mdn None.
    hidden : tuple of int
        The hidden sizes of each transform.
    learning_rate, batch_size, max_epochs, patience, validation_fraction, clip_norm
        As in `training.minibatch.train`.
    schedule, checkpoint, progress
        As in `training.minibatch.train`.

    Raises
    ------
    ValueError
        If there are fewer than 20 simulations, numbers are not finite, a theta is outside the prior, shapes
        do not fit, or the density is none of these.
    """
    return fit_members(prior, theta, x, rngs=[rng], embedding=embedding, n_components=n_components,
                       density=density, n_transforms=n_transforms, hidden=hidden, learning_rate=learning_rate,
                       batch_size=batch_size, max_epochs=max_epochs, patience=patience,
                       validation_fraction=validation_fraction, clip_norm=clip_norm, schedule=schedule,
                       checkpoints=[checkpoint], progress=progress)[0]


def fit_members(prior, theta, x, *, rngs, embedding, n_components, density, n_transforms, hidden, checkpoints,
                **settings):
    """What fit returns for each of several rngs with their checkpoints, trained side by side on a device."""
    name_of(density)
    theta, x = check_simulations(prior, theta, x)
    u, log_det = prior.to_unconstrained(theta)                                                # (2)
    compression, scaling, c = compress(x, n_components)                                       # (3)
    whitening, domain = fit_regression(u, c), fit_training_domain(features(x, c, compression))
    sizes = {"dim": u.shape[1], "context_dim": c.shape[1], "embedding": embedding, "density": density,
             "n_transforms": n_transforms, "hidden": hidden}
    starts = [put(init_params(rng, **sizes), array_module(u), u.dtype) for rng in rngs]
    model = Objective(**{function.__name__: partial(function, density=density)
                         for function in (loss, loss_and_grad, write_grads, fused)})
    members = minibatch.train_together(model, starts, (whitening.whiten(u, c), c), rngs=rngs,
                                       checkpoints=checkpoints, **settings)                   # (4), (6)
    constant = float(whitening.log_det) + float(log_det.mean())
    return [Posterior(prior, density, trained.params, whitening, compression, scaling,
                      -trained.loss + constant, trained.history, domain) for trained in members]
