"""Wasserstein GAN with gradient penalty: a generator, and a critic that measures its distance from the data.

    (1)  x̃ = G(z),  z ~ N(0, I)                                   a sample, `generative.generator`
    (2)  L_C = E[f(x̃)] − E[f(x)] + λ E[(‖∇f(x̂)‖ − 1)²],   x̂ = u x + (1 − u) x̃,  u ~ U(0, 1)
    (3)  L_G = −E[f(x̃)]

Why the critic measures a distance (Kantorovich and Rubinstein):

    W(p, p_G) = max { E[f(x)] − E[f(x̃)] : f of slope at most one }

It has a slope for the generator to follow also where data and samples do not overlap. The last term of (2)
holds f to slope one between them, with a bias: where data and samples differ by a shift of length W, the best
f has slope 1 + W/2λ, and −L_C = W + W²/4λ.

Shapes        N data, n draws, D features, K latents; x (N, D), z (n, K), u (N, 1), f (N,). Layers as in
              `nets.dense`.
Conventions   both networks are dense with one activation, none after the last layer. The mathematics works on
              scaled data x′, x = m + s·x′; a fitted Wgan takes and gives x, and its anomaly scores are in
              units of s.
Source        "Improved Training of Wasserstein GANs", Gulrajani et al., 2017, eqs. 2 and 3; lectures S0 and
              S4, where it models galaxies.
Departures    the networks are dense. S0, S2 and S4 say that "the goal of a GAN is to estimate p(z|x)": it
              learns a sampler of p(x).

Example
-------
>>> import numpy as np
>>> from reference.generative import wgan
>>> rng = np.random.default_rng(0)
>>> params = wgan.init_params(rng, dim=2, n_latent=3, hidden=(8,))
>>> x, (z, u) = rng.standard_normal((5, 2)), wgan.draw_noise(params, rng, 5)
>>> loss, grads = wgan.critic_loss_and_grad(params, x, z, u)
>>> list(grads), wgan.critic(params, x).shape
(['critic'], (5,))
"""
import os
from collections.abc import Callable
from functools import partial

import autograd.numpy as np

from reference.generative import gan, generator
from reference.generative.gan_model import Wgan
from reference.nets import dense, fitted
from reference.nets._help import described, documented_load
from reference.nets.dense import LEAKY_RELU, Activation
from reference.nets.gradient_penalty import gradient_penalty
from reference.preprocessing.scaling import centre_and_scale, scaled
from reference.runtime import checks
from reference.runtime.protocols import Array, Params, Rng
from reference.training import adversarial, optim

__all__ = ["Wgan", "init_params", "draw_noise", "critic", "critic_loss", "critic_loss_and_grad",
           "generator_loss", "generator_loss_and_grad", "sample", "fit", "load"]

documented = described("""
params : tree
    From `init_params`, or trained.
rng : Generator
n : int
    Number of draws, zero or more.
dim, n_latent : int
    D and K.
hidden : tuple of int
    The generator's hidden layers, at least one; the critic has them in reverse.
x : (N, D) float
    Data, scaled.
z : (n, K) float
    Noise, standard normal; n = N for the critic.
u : (N, 1) float
    Where x̂ is between data and samples, in [0, 1].
penalty : float
    λ.
activation : Activation
    Between the layers, from `nets.dense`.
""", raises="If an argument is not as above.")


@documented_load
def load(path: str | os.PathLike) -> Wgan:
    """The WGAN that `Wgan.save` wrote."""
    return fitted.load(Wgan, path)


@documented
def init_params(rng: Rng, *, dim: int, n_latent: int, hidden: tuple = (128, 128)) -> Params:
    """Both networks with random weights."""
    checks.check_count("hidden: number of layers", len(hidden))
    params = gan.init_params(rng, dim=dim, n_latent=n_latent, hidden=hidden)
    return {"generator": params["generator"], "critic": params["discriminator"]}


@documented
def draw_noise(params: Params, rng: Rng, n: int) -> tuple[Array, Array]:
    """z (n, K) of (1) and u (n, 1) of (2)."""
    return generator.draw_noise(params, rng, n), rng.random((n, 1))


@documented
def critic(params: Params, x: Array, *, activation: Activation = LEAKY_RELU) -> Array:
    """f(x), (N,)."""
    x = checks.as_array("x", x, ("N", len(params["critic"][0]) - 1))
    return dense.mlp(params["critic"], x, activation=activation)[:, 0]


@documented
def critic_loss(params: Params, x: Array, z: Array, u: Array, *, penalty: float = 10.0,
                activation: Activation = LEAKY_RELU) -> Array:
    """L_C (2)."""
    x = checks.as_array("x", x, (len(z), len(params["critic"][0]) - 1))
    fakes = generator.generate(params, z, activation=activation)
    mixed = checks.as_array("u", u, (len(z), 1)) * (x - fakes) + fakes                           # x̂ of (2)
    difference = np.mean(critic(params, fakes, activation=activation)) \
        - np.mean(critic(params, x, activation=activation))
    slope = gradient_penalty(params["critic"], mixed, target=1.0, activation=activation)
    return difference + penalty * slope                                                          # (2)


@documented
def generator_loss(params: Params, z: Array, *, activation: Activation = LEAKY_RELU) -> Array:
    """L_G (3)."""
    fakes = generator.generate(params, z, activation=activation)
    return -np.mean(critic(params, fakes, activation=activation))                                # (3)


@documented
def critic_loss_and_grad(params: Params, x: Array, z: Array, u: Array, *, penalty: float = 10.0,
                         activation: Activation = LEAKY_RELU) -> tuple[Array, Params]:
    """L_C and its gradient, {"critic": …}, of second order in the penalty; the generator is fixed."""
    loss = partial(critic_loss, x=x, z=z, u=u, penalty=penalty, activation=activation)
    return generator.value_and_own_grad(loss, "critic", params)


@documented
def generator_loss_and_grad(params: Params, z: Array, *,
                            activation: Activation = LEAKY_RELU) -> tuple[Array, Params]:
    """L_G and its gradient, {"generator": …}; the critic is fixed."""
    loss = partial(generator_loss, z=z, activation=activation)
    return generator.value_and_own_grad(loss, "generator", params)


@documented
def sample(params: Params, rng: Rng, n: int, *, activation: Activation = LEAKY_RELU) -> Array:
    """n draws of x′, (n, D)."""
    return generator.sample(params, rng, n, activation=activation)


def fit(x: Array, *, rng: Rng, n_latent: int = 16, hidden: tuple = (128, 128),
        activation: Activation = LEAKY_RELU, penalty: float = 10.0, n_critic: int = 5,
        averaging: float = 0.99, learning_rate: float = 1e-3, beta1: float = 0.5, beta2: float = 0.9,
        batch_size: int = 64, n_epochs: int = 200, schedule: Callable = optim.cosine,
        checkpoint: str | os.PathLike | None = None, progress: bool = False) -> Wgan:
    """A WGAN trained on x.

    Parameters
    ----------
    x : (N, D) float
        At least two samples, not all alike.
    rng, n_latent, hidden, activation
        As for `init_params` and the losses; rng also shuffles and draws noise.
    penalty : float
        λ. Data of few dimensions with structure much finer than s need a small one, so that the critic can
        be steep: 0.03 for the ring of `tests/generative/test_wgan.py`.
    n_critic, averaging, learning_rate, beta1, beta2, batch_size, n_epochs, schedule, checkpoint, progress
        Those of `training.adversarial.train`.

    Raises
    ------
    ValueError
        If x is not a finite (N, D) array of at least two different rows, or a setting is out of range.
    """
    x = checks.as_array("x", x, ("N", "D"))
    penalty, (mean, scale) = checks.check_positive("penalty", penalty), centre_and_scale(x)
    params = init_params(rng, dim=x.shape[1], n_latent=n_latent, hidden=hidden)
    players = generator.Adversaries(partial(critic_loss_and_grad, penalty=penalty, activation=activation),
                                    partial(draw_noise, params),
                                    partial(generator_loss_and_grad, activation=activation),
                                    lambda rng, n: (generator.draw_noise(params, rng, n),))
    trained = adversarial.train(players, params, scaled(x, mean, scale), rng=rng, n_critic=n_critic,
                                averaging=averaging, learning_rate=learning_rate, beta1=beta1, beta2=beta2,
                                batch_size=batch_size, n_epochs=n_epochs, schedule=schedule,
                                checkpoint=checkpoint, progress=progress)
    return Wgan(trained.params, mean, scale, activation, trained.history)
