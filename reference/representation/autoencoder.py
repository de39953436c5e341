"""Autoencoder: a network that must reproduce its input through a bottleneck of a few numbers.

    (1)  z = e(x)                                  encoder, D → hidden … → K numbers
    (2)  x̂ = d(z)                                  decoder, K → … hidden → D, the encoder's sizes in reverse
    (3)  loss = (1/ND) ∑ₙ ‖xₙ − d(e(xₙ))‖²         the mean over samples and features
    (4)  x = m + s·x′                              the networks see x′; m: each feature's mean, s: one number

Without activation functions e and d are affine, and (3) is least where d ∘ e projects onto the principal
subspace: the network then finds what PCA finds, up to a linear map of z.

Shapes        N samples, D features, K latents; x (N, D), z (N, K); layers as in `nets.dense`.
Conventions   no activation on z nor on x̂. Module functions work on x′; a fitted Autoencoder takes and
              gives x. s is the root of the mean variance, so that (3) weighs all features as x does.
Source        "Neural networks and principal component analysis: learning from examples without local minima",
              Baldi and Hornik, 1989 (no activations); lectures S2 and S4, slides "Autoencoder".

Example
-------
>>> import numpy as np
>>> from reference.nets.dense import IDENTITY
>>> from reference.representation import autoencoder
>>> x = np.outer(np.linspace(-1, 1, 40), [1.0, 2.0, 3.0])              # one number tells the rows apart
>>> settings = {"hidden": (), "activation": IDENTITY, "learning_rate": 0.05, "max_epochs": 100}
>>> model = autoencoder.fit(x, n_latent=1, rng=np.random.default_rng(0), **settings)
>>> bool(np.abs(model.inverse_transform(model.transform(x)) - x).max() < 0.05)
True
"""
import os
from collections.abc import Callable
from functools import partial

import autograd.numpy as np
from autograd import value_and_grad

from reference.nets import dense, fitted
from reference.nets._help import described, documented_load
from reference.preprocessing.scaling import centre_and_scale, scaled
from reference.runtime import checks
from reference.runtime.protocols import Array, Params, Rng
from reference.training import minibatch, optim
from reference.training.inputs import Objective

__all__ = ["Autoencoder", "init_params", "encode", "decode", "reconstruct", "loss", "loss_and_grad", "fit",
           "load"]

documented = described("""
params : tree
    From `init_params`, or trained.
x : (N, D) float
z : (N, K) float
    Codes.
activation : Activation
    Between the layers, from `nets.dense`.
""", raises="If an array has another shape.")


class Autoencoder(fitted.FittedNetwork):
    """A fitted autoencoder."""
    __slots__ = ()
    kind = "autoencoder"

    @documented
    def transform(self, x: Array) -> Array:
        """The codes of x, (N, K)."""
        x = checks.as_array("x", x, ("N", len(self.mean)))
        return encode(self.params, scaled(x, self.mean, self.scale), activation=self.activation)

    @documented
    def inverse_transform(self, z: Array) -> Array:
        """The reconstruction from codes, (N, D), in the units of x."""
        return self.mean + self.scale * decode(self.params, z, activation=self.activation)       # (4)


@documented_load
def load(path: str | os.PathLike) -> Autoencoder:
    """The autoencoder that `Autoencoder.save` wrote."""
    return fitted.load(Autoencoder, path)


def init_params(rng: Rng, *, dim: int, n_latent: int, hidden: tuple = (128, 64)) -> Params:
    """Encoder and decoder with random weights.

    Parameters
    ----------
    rng : Generator
    dim, n_latent : int
        D and K.
    hidden : tuple of int
        The encoder's hidden layers, the decoder's in reverse; () makes each a single affine layer.

    Raises
    ------
    ValueError
        If a size is not a whole number of at least 1.
    """
    for name, counts in {"dim": [dim], "n_latent": [n_latent], "hidden": hidden}.items():
        for count in counts:
            checks.check_count(name, count)
    return {"encoder": dense.init_mlp(rng, (dim, *hidden, n_latent)),
            "decoder": dense.init_mlp(rng, (n_latent, *hidden[::-1], dim))}


@documented
def encode(params: Params, x: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """The codes, (N, K)."""
    x = checks.as_array("x", x, ("N", len(params["encoder"][0]) - 1))
    return dense.mlp(params["encoder"], x, activation=activation)                                 # (1)


@documented
def decode(params: Params, z: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """The samples that the codes stand for, (N, D)."""
    z = checks.as_array("z", z, ("N", len(params["decoder"][0]) - 1))
    return dense.mlp(params["decoder"], z, activation=activation)                                 # (2)


@documented
def reconstruct(params: Params, x: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """x̂, (N, D)."""
    return decode(params, encode(params, x, activation=activation), activation=activation)


@documented
def loss(params: Params, x: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """The mean squared error, over samples and features."""
    return np.mean((x - reconstruct(params, x, activation=activation))**2)                       # (3)


@documented
def loss_and_grad(params: Params, x: Array, *,
                  activation: dense.Activation = dense.TANH) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params."""
    return value_and_grad(loss)(params, x, activation=activation)


def fit(x: Array, *, n_latent: int, rng: Rng, hidden: tuple = (128, 64),
        activation: dense.Activation = dense.TANH, learning_rate: float = 3e-3, batch_size: int = 64,
        max_epochs: int = 200, patience: int = 40, validation_fraction: float = 0.1,
        schedule: Callable = optim.cosine, checkpoint: str | os.PathLike | None = None,
        progress: bool = False) -> Autoencoder:
    """An autoencoder trained on x.

    Parameters
    ----------
    x : (N, D) float
        At least two samples, not all alike.
    n_latent : int
        K, the width of the bottleneck.
    rng : Generator
        Draws the first weights, then splits and shuffles.
    hidden : tuple of int
        The encoder's hidden layers; the decoder has them in reverse.
    activation : Activation
        From `nets.dense`; IDENTITY makes the autoencoder linear.
    learning_rate, batch_size, max_epochs, patience, validation_fraction, schedule, checkpoint, progress
        Those of `training.minibatch.train`.

    Raises
    ------
    ValueError
        If x is not a finite (N, D) array of at least two different rows, or a setting is out of range.
    """
    x = checks.as_array("x", x, ("N", "D"))
    mean, scale = centre_and_scale(x)                                                            # (4)
    params = init_params(rng, dim=x.shape[1], n_latent=n_latent, hidden=hidden)
    model = Objective(partial(loss, activation=activation), partial(loss_and_grad, activation=activation))
    trained = minibatch.train(model, params, (scaled(x, mean, scale),), rng=rng, learning_rate=learning_rate,
                              batch_size=batch_size, max_epochs=max_epochs, patience=patience,
                              validation_fraction=validation_fraction, schedule=schedule,
                              checkpoint=checkpoint, progress=progress)
    return Autoencoder(trained.params, mean, scale, activation, trained.history)
