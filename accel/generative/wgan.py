"""Wasserstein GAN with gradient penalty: a generator of samples, taught by a critic that measures how far they are from the data.

The mathematics is in `accel.generative.wgan`. Same values; data and samples go through the critic side by side in one tape
(as in `generative.gan`), and the penalty's second-order gradient, derived by hand in `nets.gradient_penalty`, is added to what

    df(x̃) = 1/N,   df(x) = −1/N            for L_C
    df(x̃) = −1/N                           for L_G, carried on to the generator

leave on the critic's layers. x̂ is held while the critic learns.
"""
from typing import NamedTuple

import numpy as np

from accel import device, memory
from accel.device import array_module
from accel.generative import anomaly, gan
from accel.nets import dense, fitted, gradient_penalty
from accel.preprocessing.scaling import centre_and_scale, scaled
from accel.runtime import checks, persistence
from accel.runtime._vector import plain
from accel.runtime.tree import frozen
from accel.training import adversarial, optim

__all__ = ["Wgan", "init_params", "draw_noise", "critic", "critic_loss", "critic_loss_and_grad", "generator_loss",
           "generator_loss_and_grad", "sample", "fit", "load"]


class Wgan(NamedTuple):
    """A trained WGAN, on the device and in the dtype of the data."""
    params: dict
    mean: np.ndarray
    scale: float
    activation: dense.Activation
    history: dict

    def sample(self, rng, n):
        """n draws, (n, D), in the units of the data."""
        x = sample(self.params, rng, n, activation=self.activation)
        x *= self.scale
        x += self.mean
        return x

    def reconstruct(self, x, rng, *, balance=0.9, n_starts=4, n_steps=200, learning_rate=0.1):
        """The best reconstruction of each object x (M, D), in its units, see `generative.anomaly`; rng draws the starts."""
        x = checks.as_array("x", x, ("M", len(self.mean)))
        first = self.params["generator"][0]
        start = rng.standard_normal((len(x), checks.check_count("n_starts", n_starts), len(first) - 1))
        found = anomaly.invert(self.params, scaled(x, self.mean, self.scale), array_module(first).asarray(start, dtype=first.dtype),
                               balance=balance, n_steps=n_steps, learning_rate=learning_rate, activation=self.activation)
        return found._replace(x=self.mean + self.scale * found.x)

    def anomaly_score(self, x, rng, *, balance=0.9, n_starts=4, n_steps=200, learning_rate=0.1):
        """The score of that reconstruction, (M,), in units of the data's scale s."""
        return self.reconstruct(x, rng, balance=balance, n_starts=n_starts, n_steps=n_steps, learning_rate=learning_rate).score

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "wgan", fitted.describe(self))

    def __reduce__(self):
        return fitted.restore, (Wgan, fitted.describe(self))

    def _moved(self, move):
        return self._replace(params=frozen(move(self.params)), mean=move(self.mean))


def load(path):
    """The WGAN that `Wgan.save` wrote."""
    return fitted.restore(Wgan, persistence.load(path, "wgan"))


def init_params(rng, *, dim, n_latent, hidden=(128, 128)):
    """Both networks with random weights; the critic has the generator's hidden layers, at least one, in reverse."""
    checks.check_count("hidden: number of layers", len(hidden))
    params = gan.init_params(rng, dim=dim, n_latent=n_latent, hidden=hidden)
    return {"generator": params["generator"], "critic": params["discriminator"]}


def draw_noise(params, rng, n):
    """z (n, K) for the samples and u (n, 1) for what lies between them and the data, where params live."""
    z = gan.draw_noise(params, rng, n)
    return z, array_module(z).asarray(rng.random((n, 1)), dtype=z.dtype)


def critic(params, x, *, activation=dense.LEAKY_RELU):
    """f(x), (N,)."""
    x = checks.as_array("x", x, ("N", len(params["critic"][0]) - 1))
    return dense.mlp(params["critic"], x, activation=activation)[:, 0]


def critic_loss(params, x, z, u, *, penalty=10.0, activation=dense.LEAKY_RELU):
    """L_C for data x (N, D), noise z (N, K) and u (N, 1); penalty is λ."""
    x, fakes = checks.as_array("x", x, (len(z), len(params["critic"][0]) - 1)), gan.generate(params, z, activation=activation)
    value = critic(params, fakes, activation=activation).mean() - critic(params, x, activation=activation).mean()
    mixed = x - fakes
    mixed *= checks.as_array("u", u, (len(z), 1))
    mixed += fakes
    return value + penalty * gradient_penalty.gradient_penalty(params["critic"], mixed, target=1.0, activation=activation)


def generator_loss(params, z, *, activation=dense.LEAKY_RELU):
    """L_G for noise z (n, K)."""
    return -critic(params, gan.generate(params, z, activation=activation), activation=activation).mean()


def critic_loss_and_grad(params, x, z, u, *, penalty=10.0, activation=dense.LEAKY_RELU):
    """L_C and its gradient, {"critic": …}, of second order in the penalty; the generator is frozen."""
    grads = gan.gradient_of(params, "critic")
    return write_critic_grads(params, grads, x, z, u, penalty, activation), plain(grads)


def write_critic_grads(params, grads, x, z, u, penalty, activation):
    """L_C; its gradient goes into grads, {"critic": …}."""
    layers, n, dlayers = params["critic"], len(z), grads["critic"]
    x, u = checks.as_array("x", x, (n, len(layers[0]) - 1)), checks.as_array("u", u, (n, 1))
    z, xp = gan.check_z(params, z), array_module(layers[0])
    with (gan.borrowed(params, "critic", n, n) as work,
          memory.borrow(gradient_penalty.Work, xp, dense.shapes_of(layers), n, layers[0].dtype) as slope):
        work.generate(params["generator"], z, activation)
        work.data[...] = x.T
        out = dense.forward(layers, work.tape, activation)
        value = out[0, n:].mean() - out[0, :n].mean()
        out[0, :n], out[0, n:] = -1 / n, 1 / n                        # out is df from here on
        dense.backward(layers, work.tape, out, dlayers, activation)

        xp.subtract(work.data, work.fakes, out=slope.x)
        slope.x *= u.T
        slope.x += work.fakes
        return value + penalty * gradient_penalty.add_gradient(layers, slope, dlayers, penalty, 1.0, activation)


def generator_loss_and_grad(params, z, *, activation=dense.LEAKY_RELU):
    """L_G and its gradient, {"generator": …}; the critic is frozen."""
    grads = gan.gradient_of(params, "generator")
    return gan.write_generator_grads(params, grads, z, "critic", activation, negative_mean), plain(grads)


def negative_mean(f):
    """L_G, and its slope df (n,)."""
    return -f.mean(), -1 / len(f)


def sample(params, rng, n, *, activation=dense.LEAKY_RELU):
    """n draws of x′, (n, D)."""
    return gan.sample(params, rng, n, activation=activation)


def fit(x, *, rng, n_latent=16, hidden=(128, 128), activation=dense.LEAKY_RELU, penalty=10.0, n_critic=5, averaging=0.99,
        learning_rate=1e-3, beta1=0.5, beta2=0.9, batch_size=64, n_epochs=200, schedule=optim.cosine, checkpoint=None, progress=False):
    """A WGAN trained on x, which decides the device and the dtype."""
    x = checks.as_array("x", x, ("N", "D"))
    penalty, (mean, scale) = checks.check_positive("penalty", penalty), centre_and_scale(x)
    params = device.like(x, init_params(rng, dim=x.shape[1], n_latent=n_latent, hidden=hidden))
    trained = adversarial.train(Players(params, penalty, activation), params, scaled(x, mean, scale), rng=rng, n_critic=n_critic,
                                averaging=averaging, learning_rate=learning_rate, beta1=beta1, beta2=beta2, batch_size=batch_size,
                                n_epochs=n_epochs, schedule=schedule, checkpoint=checkpoint, progress=progress)
    return Wgan(trained.params, mean, scale, activation, trained.history)


class Players:
    """Both losses with their settings, as training calls them. A gradient is overwritten by the next one of the same network."""

    def __init__(self, params, penalty, activation):
        self.params, self.penalty, self.activation = params, penalty, activation
        self.grads = {name: gan.gradient_of(params, name) for name in params}

    def critic_noise(self, rng, n):
        return draw_noise(self.params, rng, n)

    def critic_loss_and_grad(self, params, x, z, u):
        grads = self.grads["critic"]
        return write_critic_grads(params, grads, x, z, u, self.penalty, self.activation), grads

    def generator_noise(self, rng, n):
        return (gan.draw_noise(self.params, rng, n),)

    def generator_loss_and_grad(self, params, z):
        grads = self.grads["generator"]
        return gan.write_generator_grads(params, grads, z, "critic", self.activation, negative_mean), grads
