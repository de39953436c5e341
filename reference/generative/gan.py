"""Generative adversarial network: a generator of samples, and a discriminator that tells them from data.

    (1)  x̃ = G(z),  z ~ N(0, I)                                   a sample, `generative.generator`
    (2)  D(x) = σ(ℓ(x))                                           the probability that x is data; ℓ: the logit
    (3)  L_D = −E[log D(x)] − E[log(1 − D(G(z)))]
    (4)  L_G = −E[log D(G(z))]                                    non-saturating: what `fit` uses
    (5)  L_G = E[log(1 − D(G(z)))]                                minimax: −L_D as a function of G
    (6)  −log σ(ℓ) = s(−ℓ),  −log(1 − σ(ℓ)) = s(ℓ),  s(t) = log(1 + eᵗ)

Why G learns p(x): with p_G the density of the samples,

    L_D = −∫ (p(x) log D(x) + p_G(x) log(1 − D(x))) dx
    D = p/(p + p_G) is the best discriminator                     the integrand, pointwise
    L_D = 2 log 2 − 2 JS(p, p_G) with it                          largest where p_G = p, D = ½

Where D(G(z)) → 0, (5) has no slope in ℓ, and (4) slope one.

Shapes        N data, n draws, D features, K latents; x (N, D), z (n, K), ℓ (N,). Layers as in `nets.dense`.
Conventions   nats. Both networks are dense with one activation, none after the last layer. The losses work on
              scaled data x′, x = m + s·x′; a fitted Gan gives x.
Source        "Generative Adversarial Nets", Goodfellow et al., 2014, section 3, eq. 1 and theorem 1;
              lecture S1, slides "Generative Adversarial Networks".
Departures    every loss comes from logits by (6), which is finite for any logit. S0, S2 and S4 say that "the
              goal of a GAN is to estimate p(z|x)": it learns a sampler of p(x), and has no encoder.

Example
-------
>>> import numpy as np
>>> from reference.generative import gan
>>> rng = np.random.default_rng(0)
>>> params = gan.init_params(rng, dim=2, n_latent=3, hidden=(8,))
>>> loss, grads = gan.generator_loss_and_grad(params, gan.draw_noise(params, rng, 5))
>>> list(grads), gan.sample(params, rng, 4).shape
(['generator'], (4, 2))
"""
import os
from collections.abc import Callable
from functools import partial

import autograd.numpy as np

from reference.generative.gan_model import Gan
from reference.generative.generator import Adversaries, draw_noise, generate, sample, value_and_own_grad
from reference.nets import dense, fitted
from reference.nets._help import described, documented_load
from reference.nets.dense import TANH, Activation
from reference.preprocessing.scaling import centre_and_scale, scaled
from reference.runtime import checks
from reference.runtime.protocols import Array, Params, Rng
from reference.training import adversarial, optim

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


def literal_discriminator_loss(params, x, z, *, activation=TANH):
    """(3) from the probabilities (2): infinite where one of them rounds to 0 or 1."""
    real = 1 / (1 + np.exp(-logits(params, x, activation=activation)))                           # (2)
    fake = 1 / (1 + np.exp(-logits_of_samples(params, z, activation)))
    return -np.mean(np.log(real)) - np.mean(np.log(1 - fake))                                    # (3)


def softplus(t):
    return np.logaddexp(0.0, t)                                                                  # (6)


@documented
def discriminator_loss(params: Params, x: Array, z: Array, *, activation: Activation = TANH) -> Array:
    """L_D (3), in nats."""
    real, fake = logits(params, x, activation=activation), logits_of_samples(params, z, activation)
    return np.mean(softplus(-real)) + np.mean(softplus(fake))                                    # (3)


@documented
def generator_loss(params: Params, z: Array, *, activation: Activation = TANH) -> Array:
    """L_G (4), in nats."""
    return np.mean(softplus(-logits_of_samples(params, z, activation)))                          # (4)


@documented
def minimax_generator_loss(params: Params, z: Array, *, activation: Activation = TANH) -> Array:
    """L_G (5), in nats."""
    return -np.mean(softplus(logits_of_samples(params, z, activation)))                          # (5)


@documented
def discriminator_loss_and_grad(params: Params, x: Array, z: Array, *,
                                activation: Activation = TANH) -> tuple[Array, Params]:
    """(3) and its gradient, {"discriminator": …}; the generator is fixed."""
    loss = partial(discriminator_loss, x=x, z=z, activation=activation)
    return value_and_own_grad(loss, "discriminator", params)


@documented
def generator_loss_and_grad(params: Params, z: Array, *,
                            activation: Activation = TANH) -> tuple[Array, Params]:
    """(4) and its gradient, {"generator": …}; the discriminator is fixed."""
    return value_and_own_grad(partial(generator_loss, z=z, activation=activation), "generator", params)


@documented
def minimax_generator_loss_and_grad(params: Params, z: Array, *,
                                    activation: Activation = TANH) -> tuple[Array, Params]:
    """(5) and its gradient, {"generator": …}; the discriminator is fixed."""
    loss = partial(minimax_generator_loss, z=z, activation=activation)
    return value_and_own_grad(loss, "generator", params)


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
    params = init_params(rng, dim=x.shape[1], n_latent=n_latent, hidden=hidden)

    def noise(rng, n):
        return (draw_noise(params, rng, n),)
    players = Adversaries(partial(discriminator_loss_and_grad, activation=activation), noise,
                          partial(generator_loss_and_grad, activation=activation), noise)
    trained = adversarial.train(players, params, scaled(x, mean, scale), rng=rng, n_critic=n_critic,
                                averaging=averaging, learning_rate=learning_rate, beta1=beta1, beta2=beta2,
                                batch_size=batch_size, n_epochs=n_epochs, schedule=schedule,
                                checkpoint=checkpoint, progress=progress)
    return Gan(trained.params, mean, scale, activation, trained.history)
