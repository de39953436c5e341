"""Autoencoder: a network that must reproduce its input through a bottleneck, so that the few numbers there say what it saw.

    (1)  z = e(x)                                  encoder, D → hidden … → K numbers
    (2)  x̂ = d(z)                                  decoder, K → … hidden → D, the encoder's sizes in reverse
    (3)  loss = (1/ND) ∑ₙ ‖xₙ − d(e(xₙ))‖²         the mean over samples and features
    (4)  x = m + s·x′                              what the networks see is x′: m is the mean of each feature, s one number

Without activation functions e and d are affine, and (3) is least where d ∘ e projects onto the principal subspace: the network
then finds what PCA finds, up to a linear map of z.

Shapes        N samples, D features, K latents; x (N, D), z (N, K); layers as in `nets.dense`.
Conventions   no activation on z nor on x̂. `encode`, `decode` and `loss` work on x′; a fitted Autoencoder takes and gives x.
              s is one number, the root of the mean variance, so that (3) weighs all features as x does.
Source        "Neural networks and principal component analysis: learning from examples without local minima", Baldi and
              Hornik, 1989 (no activations); lectures S2 and S4, slides "Autoencoder".
"""
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import autograd.numpy as np
from autograd import value_and_grad

from reference.nets import dense
from reference.runtime import checks, persistence
from reference.training import minibatch, optim

__all__ = ["Autoencoder", "init_params", "encode", "decode", "reconstruct", "loss", "loss_and_grad", "fit", "load"]


class Autoencoder(NamedTuple):
    """A fitted autoencoder.

    Attributes
    ----------
    params : dict
    mean : (D,) float
    scale : float
        m and s of (4), in the units of x.
    activation : Activation
        From `nets.dense`.
    history : dict of list of float
        The losses of each epoch, see `training.minibatch`.
    """
    params: dict
    mean: np.ndarray
    scale: float
    activation: dense.Activation
    history: dict

    def transform(self, x):
        """The codes of x (N, D): (N, K)."""
        x = checks.as_array("x", x, ("N", len(self.mean)))
        return encode(self.params, (x - self.mean) / self.scale, activation=self.activation)

    def inverse_transform(self, z):
        """The reconstruction from codes z (N, K): (N, D)."""
        return self.mean + self.scale * decode(self.params, z, activation=self.activation)       # (4)

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "autoencoder", {**self._asdict(), "activation": self.activation.name})


def load(path):
    """The autoencoder that `Autoencoder.save` wrote."""
    saved = persistence.load(path, "autoencoder")
    return Autoencoder(**{**saved, "activation": dense.activation_named(saved["activation"])})


def init_params(rng, *, dim, n_latent, hidden=(128, 64)):
    """Encoder and decoder with random weights; hidden = () makes each a single affine layer."""
    for name, counts in {"dim": [dim], "n_latent": [n_latent], "hidden": hidden}.items():
        for count in counts:
            checks.check_count(name, count)
    return {"encoder": dense.init_mlp(rng, (dim, *hidden, n_latent)), "decoder": dense.init_mlp(rng, (n_latent, *hidden[::-1], dim))}


def encode(params, x, *, activation=dense.TANH):
    """The codes, (N, K)."""
    x = checks.as_array("x", x, ("N", len(params["encoder"][0]) - 1))
    return dense.mlp(params["encoder"], x, activation=activation)                                 # (1)


def decode(params, z, *, activation=dense.TANH):
    """What the codes stand for, (N, D)."""
    z = checks.as_array("z", z, ("N", len(params["decoder"][0]) - 1))
    return dense.mlp(params["decoder"], z, activation=activation)                                 # (2)


def reconstruct(params, x, *, activation=dense.TANH):
    """x̂, (N, D)."""
    return decode(params, encode(params, x, activation=activation), activation=activation)


def loss(params, x, *, activation=dense.TANH):
    """The mean squared error, over samples and features."""
    return np.mean((x - reconstruct(params, x, activation=activation))**2)                       # (3)


def loss_and_grad(params, x, *, activation=dense.TANH):
    """The loss and its gradient, in the tree of params."""
    return value_and_grad(loss)(params, x, activation=activation)


def fit(x, *, n_latent, rng, hidden=(128, 64), activation=dense.TANH, learning_rate=3e-3, batch_size=64, max_epochs=200,
        patience=40, validation_fraction=0.1, schedule=optim.cosine, checkpoint=None, progress=False):
    """An autoencoder trained on x; what the settings mean is in `training.minibatch.train`.

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

    Raises
    ------
    ValueError
        If x is not a finite (N, D) array of at least two different rows, or a setting is out of range.
    """
    x = checks.as_array("x", x, ("N", "D"))
    mean, scale = moments(x)
    params = init_params(rng, dim=x.shape[1], n_latent=n_latent, hidden=hidden)
    model = SimpleNamespace(loss=partial(loss, activation=activation), loss_and_grad=partial(loss_and_grad, activation=activation))
    trained = minibatch.train(model, params, ((x - mean) / scale,), rng=rng, learning_rate=learning_rate, batch_size=batch_size,
                             max_epochs=max_epochs, patience=patience, validation_fraction=validation_fraction, schedule=schedule,
                             checkpoint=checkpoint, progress=progress)
    return Autoencoder(trained.params, mean, scale, activation, trained.history)


def moments(x):
    """m and s of (4): the mean of each feature, and the root of the mean variance as a plain number."""
    checks.check_count("x: number of rows", len(x), least=2)
    checks.check_finite("x", x)
    mean = np.mean(x, axis=0)
    return mean, checks.check_positive("x: standard deviation", float(np.sqrt(np.mean((x - mean)**2))))
