"""Wasserstein GAN with gradient penalty: a generator, and a critic that measures its distance from the data.

The mathematics is in `reference.generative.wgan`. Same values, where the data live and in their dtype; data
and samples pass through the critic side by side (`generative.generator`), and the second-order gradient of
the penalty, derived in `nets.gradient_penalty`, is added to what

    (2)  df(x̃) = 1/N,   df(x) = −1/N            for L_C
    (3)  df(x̃) = −1/n                           for L_G, carried on to the generator

leave on the critic's layers. x̂ does not depend on the critic.

Example
-------
>>> import numpy as np
>>> from accel.generative import wgan
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

from accel import device, memory
from accel.device import array_module
from accel.generative import gan, generator
from accel.generative.gan_model import Wgan
from accel.nets import dense, fitted, gradient_penalty
from accel.nets._help import described, documented_load
from accel.nets.dense import LEAKY_RELU, Activation
from accel.preprocessing.scaling import centre_and_scale, scaled
from accel.runtime import checks
from accel.runtime._vector import plain
from accel.runtime.protocols import Array, Params, Rng
from accel.training import adversarial, optim

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
    z = generator.draw_noise(params, rng, n)
    return z, array_module(z).asarray(rng.random((n, 1)), dtype=z.dtype)


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
    mixed = x - fakes
    mixed *= checks.as_array("u", u, (len(z), 1))
    mixed += fakes                                                                           # x̂ of (2)
    difference = critic(params, fakes, activation=activation).mean() \
        - critic(params, x, activation=activation).mean()
    slope = gradient_penalty.gradient_penalty(params["critic"], mixed, target=1.0, activation=activation)
    return difference + penalty * slope                                                      # (2)


@documented
def generator_loss(params: Params, z: Array, *, activation: Activation = LEAKY_RELU) -> Array:
    """L_G (3)."""
    fakes = generator.generate(params, z, activation=activation)
    return -critic(params, fakes, activation=activation).mean()                              # (3)


@documented
def critic_loss_and_grad(params: Params, x: Array, z: Array, u: Array, *, penalty: float = 10.0,
                         activation: Activation = LEAKY_RELU) -> tuple[Array, Params]:
    """L_C and its gradient, {"critic": …}, of second order in the penalty; the generator is fixed."""
    grads = generator.gradient_of(params, "critic")
    return write_critic_grads(params, grads, x, z, u, penalty=penalty, activation=activation), plain(grads)


def write_critic_grads(params, grads, x, z, u, *, penalty, activation):
    """L_C (2); its gradient goes into grads, {"critic": …}."""
    layers, n, dlayers = params["critic"], len(z), grads["critic"]
    x, u = checks.as_array("x", x, (n, len(layers[0]) - 1)), checks.as_array("u", u, (n, 1))
    z, xp, shapes = generator.check_noise(params, z), array_module(layers[0]), dense.shapes_of(layers)
    with (generator.borrowed(params, "critic", n, n) as work,
          memory.borrow(gradient_penalty.Work, xp, shapes, n, layers[0].dtype) as slope):
        work.generate(params["generator"], z, activation)
        work.data[...] = x.T
        out = dense.forward(layers, work.tape, activation)
        value = out[0, n:].mean() - out[0, :n].mean()
        out[0, :n], out[0, n:] = -1 / n, 1 / n                        # out is df from here on
        dense.backward(layers, work.tape, out, dlayers, activation)

        xp.subtract(work.data, work.fakes, out=slope.x)
        slope.x *= u.T
        slope.x += work.fakes                                                                # x̂ of (2)
        excess = gradient_penalty.add_gradient(layers, slope, dlayers, penalty, 1.0, activation)
        return value + penalty * excess


@documented
def generator_loss_and_grad(params: Params, z: Array, *,
                            activation: Activation = LEAKY_RELU) -> tuple[Array, Params]:
    """L_G and its gradient, {"generator": …}; the critic is fixed."""
    grads = generator.gradient_of(params, "generator")
    value = generator.write_generator_grads(params, grads, z, opponent="critic",
                                            value_and_slope=negative_mean, activation=activation)
    return value, plain(grads)


def negative_mean(f):
    """L_G (3), and its slope df (n,)."""
    return -f.mean(), -1 / len(f)


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
    params = device.like(x, init_params(rng, dim=x.shape[1], n_latent=n_latent, hidden=hidden))
    write_critic = partial(write_critic_grads, penalty=penalty, activation=activation)
    write_generator = partial(generator.write_generator_grads, opponent="critic",
                              value_and_slope=negative_mean, activation=activation)
    grads = {name: generator.gradient_of(params, name) for name in params}
    players = generator.Adversaries(generator.overwriting(write_critic, grads["critic"]),
                                    partial(draw_noise, params),
                                    generator.overwriting(write_generator, grads["generator"]),
                                    lambda rng, n: (generator.draw_noise(params, rng, n),))
    trained = adversarial.train(players, params, scaled(x, mean, scale), rng=rng, n_critic=n_critic,
                                averaging=averaging, learning_rate=learning_rate, beta1=beta1, beta2=beta2,
                                batch_size=batch_size, n_epochs=n_epochs, schedule=schedule,
                                checkpoint=checkpoint, progress=progress)
    return Wgan(trained.params, mean, scale, activation, trained.history)
