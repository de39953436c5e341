"""Generative adversarial network: a generator of samples, and a discriminator that tells them from data.

The mathematics is in `reference.generative.gan`. Same values, where the data live and in their dtype; samples
and data pass through the discriminator side by side (`generative.generator`). With σ = s′ and the logits ℓ of
data (N) and of samples (n):

    (3)  L_D:          dℓ(x) = −σ(−ℓ)/N,    dℓ(x̃) = σ(ℓ)/n
    (4)  L_G:          dℓ(x̃) = −σ(−ℓ)/n     non-saturating
    (5)  L_G minimax:  dℓ(x̃) = −σ(ℓ)/n

then the discriminator's backward pass.

Example
-------
>>> import numpy as np
>>> from accel.generative import gan
>>> rng = np.random.default_rng(0)
>>> params = gan.init_params(rng, dim=2, n_latent=3, hidden=(8,))
>>> loss, grads = gan.generator_loss_and_grad(params, gan.draw_noise(params, rng, 5))
>>> list(grads), gan.sample(params, rng, 4).shape
(['generator'], (4, 2))
"""
import os
from collections.abc import Callable
from functools import partial

from accel import device
from accel.device import array_module
from accel.generative.gan_model import Gan
from accel.generative.generator import (Adversaries, borrowed, check_noise, draw_noise, generate, gradient_of,
                                        overwriting, sample, write_generator_grads)
from accel.nets import dense, fitted
from accel.nets._help import described, documented_load
from accel.nets.dense import TANH, Activation
from accel.preprocessing.scaling import centre_and_scale, scaled
from accel.runtime import checks
from accel.runtime._vector import plain
from accel.runtime.protocols import Array, Params, Rng
from accel.training import adversarial, optim

__all__ = ["Gan", "init_params", "draw_noise", "generate", "logits", "discriminator_loss",
           "discriminator_loss_and_grad", "generator_loss", "generator_loss_and_grad",
           "minimax_generator_loss", "minimax_generator_loss_and_grad", "sample", "fit", "load"]

documented = described("""
params : tree
    From `init_params`, or trained.
rng : Generator
dim, n_latent : int
    D and K.
hidden : tuple of int
    The generator's hidden layers; the discriminator has them in reverse.
x : (N, D) float
    Data, scaled.
z : (n, K) float
    Noise, standard normal.
activation : Activation
    Between the layers, from `nets.dense`.
""", raises="If an argument is not as above.")


@documented_load
def load(path: str | os.PathLike) -> Gan:
    """The GAN that `Gan.save` wrote."""
    return fitted.load(Gan, path)


@documented
def init_params(rng: Rng, *, dim: int, n_latent: int, hidden: tuple = (128, 128)) -> Params:
    """Both networks with random weights."""
    for name, counts in {"dim": [dim], "n_latent": [n_latent], "hidden": hidden}.items():
        for count in counts:
            checks.check_count(name, count)
    return {"generator": dense.init_mlp(rng, (n_latent, *hidden, dim)),
            "discriminator": dense.init_mlp(rng, (dim, *hidden[::-1], 1))}


@documented
def logits(params: Params, x: Array, *, activation: Activation = TANH) -> Array:
    """ℓ(x) of (2), (N,)."""
    x = checks.as_array("x", x, ("N", len(params["discriminator"][0]) - 1))
    return dense.mlp(params["discriminator"], x, activation=activation)[:, 0]


def logits_of_samples(params, z, activation):
    """ℓ(G(z)), (n,)."""
    return logits(params, generate(params, z, activation=activation), activation=activation)


def softplus(t):
    return array_module(t).logaddexp(t, 0)                                                   # (6)


def sigmoid(t):
    """exp(−s(−t)): precise where σ is tiny, too."""
    return array_module(t).exp(-softplus(-t))


@documented
def discriminator_loss(params: Params, x: Array, z: Array, *, activation: Activation = TANH) -> Array:
    """L_D (3), in nats."""
    real, fake = logits(params, x, activation=activation), logits_of_samples(params, z, activation)
    return softplus(-real).mean() + softplus(fake).mean()                                       # (3)


@documented
def generator_loss(params: Params, z: Array, *, activation: Activation = TANH) -> Array:
    """L_G (4), in nats."""
    return softplus(-logits_of_samples(params, z, activation)).mean()                          # (4)


@documented
def minimax_generator_loss(params: Params, z: Array, *, activation: Activation = TANH) -> Array:
    """L_G (5), in nats."""
    return -softplus(logits_of_samples(params, z, activation)).mean()                          # (5)


@documented
def discriminator_loss_and_grad(params: Params, x: Array, z: Array, *,
                                activation: Activation = TANH) -> tuple[Array, Params]:
    """(3) and its gradient, {"discriminator": …}; the generator is fixed."""
    grads = gradient_of(params, "discriminator")
    return write_discriminator_grads(params, grads, x, z, activation=activation), plain(grads)


def write_discriminator_grads(params, grads, x, z, *, activation):
    """The loss (3); its gradient goes into grads, {"discriminator": …}."""
    layers = params["discriminator"]
    x = checks.as_array("x", x, ("N", len(layers[0]) - 1))
    n, z = len(x), check_noise(params, z)
    with borrowed(params, "discriminator", n, len(z)) as work:
        work.generate(params["generator"], z, activation)
        work.data[...] = x.T
        out = dense.forward(layers, work.tape, activation)[0]
        real, fake = out[:n], out[n:]
        value = softplus(-real).mean() + softplus(fake).mean()                               # (3)
        real[...] = sigmoid(-real) * (-1 / n)                         # out is dℓ from here on
        fake[...] = sigmoid(fake) * (1 / len(z))
        dense.backward(layers, work.tape, work.tape.out, grads["discriminator"], activation)
        return value


@documented
def generator_loss_and_grad(params: Params, z: Array, *,
                            activation: Activation = TANH) -> tuple[Array, Params]:
    """(4) and its gradient, {"generator": …}; the discriminator is fixed."""
    grads = gradient_of(params, "generator")
    value = write_generator_grads(params, grads, z, opponent="discriminator", value_and_slope=non_saturating,
                                  activation=activation)
    return value, plain(grads)


@documented
def minimax_generator_loss_and_grad(params: Params, z: Array, *,
                                    activation: Activation = TANH) -> tuple[Array, Params]:
    """(5) and its gradient, {"generator": …}; the discriminator is fixed."""
    grads = gradient_of(params, "generator")
    value = write_generator_grads(params, grads, z, opponent="discriminator", value_and_slope=minimax,
                                  activation=activation)
    return value, plain(grads)


def non_saturating(logit):
    """L_G (4), and its slope dℓ (n,)."""
    return softplus(-logit).mean(), -sigmoid(-logit) / len(logit)


def minimax(logit):
    """L_G (5), and its slope dℓ (n,)."""
    return -softplus(logit).mean(), -sigmoid(logit) / len(logit)


def fit(x: Array, *, rng: Rng, n_latent: int = 16, hidden: tuple = (128, 128), activation: Activation = TANH,
        n_critic: int = 1, averaging: float = 0.99, learning_rate: float = 2e-3, beta1: float = 0.5,
        beta2: float = 0.9, batch_size: int = 64, n_epochs: int = 200, schedule: Callable = optim.cosine,
        checkpoint: str | os.PathLike | None = None, progress: bool = False) -> Gan:
    """A GAN trained on x.

    Parameters
    ----------
    x : (N, D) float
        At least two samples, not all alike.
    rng, n_latent, hidden, activation
        As for `init_params` and the losses; rng also shuffles and draws noise.
    n_critic : int
        Steps of the discriminator for each of the generator.
    averaging, learning_rate, beta1, beta2, batch_size, n_epochs, schedule, checkpoint, progress
        Those of `training.adversarial.train`.

    Raises
    ------
    ValueError
        If x is not a finite (N, D) array of at least two different rows, or a setting is out of range.
    """
    x = checks.as_array("x", x, ("N", "D"))
    mean, scale = centre_and_scale(x)
    params = device.like(x, init_params(rng, dim=x.shape[1], n_latent=n_latent, hidden=hidden))

    def noise(rng, n):
        return (draw_noise(params, rng, n),)
    write_critic = partial(write_discriminator_grads, activation=activation)
    write_generator = partial(write_generator_grads, opponent="discriminator", value_and_slope=non_saturating,
                              activation=activation)
    players = Adversaries(overwriting(write_critic, gradient_of(params, "discriminator")), noise,
                          overwriting(write_generator, gradient_of(params, "generator")), noise)
    trained = adversarial.train(players, params, scaled(x, mean, scale), rng=rng, n_critic=n_critic,
                                averaging=averaging, learning_rate=learning_rate, beta1=beta1, beta2=beta2,
                                batch_size=batch_size, n_epochs=n_epochs, schedule=schedule,
                                checkpoint=checkpoint, progress=progress)
    return Gan(trained.params, mean, scale, activation, trained.history)
