"""Wasserstein GAN with gradient penalty: a generator of samples, taught by a critic that measures how far they are from the data.

    (1)  x̃ = G(z),  z ~ N(0, I)
    (2)  L_C = E[f(x̃)] − E[f(x)] + λ E[(‖∇f(x̂)‖ − 1)²],   x̂ = u x + (1 − u) x̃,  u ~ U(0, 1)
    (3)  L_G = −E[f(x̃)]

Over all f of slope at most one, max E[f(x)] − E[f(x̃)] is the Wasserstein distance of data and samples. It has a slope for the
generator to follow also where the two do not overlap, and the last term of (2) holds f to slope one between them. It bends a little:
where data and samples differ by a shift of length W, the best f has slope 1 + W/2λ, and −L_C = W + W²/4λ.

Shapes        N data, n draws, D features, K latents; x (N, D), z (n, K), u (N, 1), f (N,). Layers as in `nets.dense`.
Conventions   both networks are dense with one activation, none after the last layer. The mathematics works on scaled data x′,
              x = m + s·x′ with m the mean of each feature and s one number; a fitted Wgan takes and gives x, and its anomaly
              scores are in units of s.
Source        "Improved Training of Wasserstein GANs", Gulrajani et al., 2017, eq. 3; lectures S0 and S4, where it models galaxies.
Departures    the networks are dense. S0, S2 and S4 say that "the goal of a GAN is to estimate p(z|x)": it learns a sampler of p(x).
"""
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import autograd.numpy as np

from reference.nets import dense
from reference.runtime import checks, persistence
from reference.training import adversarial, optim
from reference.nets.gradient_penalty import gradient_penalty
from reference.generative import anomaly, gan
from reference.generative.gan import generate, value_and_own_grad
from reference.representation.autoencoder import moments

__all__ = ["Wgan", "init_params", "draw_noise", "critic", "critic_loss", "critic_loss_and_grad", "generator_loss",
           "generator_loss_and_grad", "sample", "fit", "load"]


class Wgan(NamedTuple):
    """A trained WGAN.

    Attributes
    ----------
    params : dict
    mean : (D,) float
    scale : float
        m and s, in the units of x.
    activation : Activation
        From `nets.dense`.
    history : dict of list of float
        "critic_loss" and "generator_loss", the means of each epoch.
    """
    params: dict
    mean: np.ndarray
    scale: float
    activation: dense.Activation
    history: dict

    def sample(self, rng, n):
        """n draws, (n, D), in the units of the data."""
        return self.mean + self.scale * sample(self.params, rng, n, activation=self.activation)

    def reconstruct(self, x, rng, *, balance=0.9, n_starts=4, n_steps=200, learning_rate=0.1):
        """The best reconstruction of each object x (M, D), in its units, see `generative.anomaly`; rng draws the starts."""
        x = checks.as_array("x", x, ("M", len(self.mean)))
        start = rng.standard_normal((len(x), checks.check_count("n_starts", n_starts), len(self.params["generator"][0]) - 1))
        found = anomaly.invert(self.params, (x - self.mean) / self.scale, start, balance=balance, n_steps=n_steps,
                               learning_rate=learning_rate, activation=self.activation)
        return found._replace(x=self.mean + self.scale * found.x)

    def anomaly_score(self, x, rng, *, balance=0.9, n_starts=4, n_steps=200, learning_rate=0.1):
        """The score of that reconstruction, (M,), in units of the data's scale s."""
        return self.reconstruct(x, rng, balance=balance, n_starts=n_starts, n_steps=n_steps, learning_rate=learning_rate).score

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "wgan", {**self._asdict(), "activation": self.activation.name})


def load(path):
    """The WGAN that `Wgan.save` wrote."""
    saved = persistence.load(path, "wgan")
    return Wgan(**{**saved, "activation": dense.activation_named(saved["activation"])})


def init_params(rng, *, dim, n_latent, hidden=(128, 128)):
    """Both networks with random weights; the critic has the generator's hidden layers, at least one, in reverse."""
    checks.check_count("hidden: number of layers", len(hidden))
    params = gan.init_params(rng, dim=dim, n_latent=n_latent, hidden=hidden)
    return {"generator": params["generator"], "critic": params["discriminator"]}


def draw_noise(params, rng, n):
    """z (n, K) of (1) and u (n, 1) of (2)."""
    return gan.draw_noise(params, rng, n), rng.random((n, 1))


def critic(params, x, *, activation=dense.LEAKY_RELU):
    """f(x), (N,)."""
    x = checks.as_array("x", x, ("N", len(params["critic"][0]) - 1))
    return dense.mlp(params["critic"], x, activation=activation)[:, 0]


def critic_loss(params, x, z, u, *, penalty=10.0, activation=dense.LEAKY_RELU):
    """L_C for data x (N, D), noise z (N, K) and u (N, 1); penalty is λ."""
    x, fakes = checks.as_array("x", x, (len(z), len(params["critic"][0]) - 1)), generate(params, z, activation=activation)
    mixed = checks.as_array("u", u, (len(z), 1)) * (x - fakes) + fakes
    return np.mean(critic(params, fakes, activation=activation)) - np.mean(critic(params, x, activation=activation)) \
        + penalty * gradient_penalty(params["critic"], mixed, target=1.0, activation=activation)        # (2)


def generator_loss(params, z, *, activation=dense.LEAKY_RELU):
    """L_G for noise z (n, K)."""
    return -np.mean(critic(params, generate(params, z, activation=activation), activation=activation))  # (3)


def critic_loss_and_grad(params, x, z, u, *, penalty=10.0, activation=dense.LEAKY_RELU):
    """L_C and its gradient, {"critic": …}, of second order in the penalty; the generator is frozen."""
    return value_and_own_grad(lambda p: critic_loss(p, x, z, u, penalty=penalty, activation=activation), "critic", params)


def generator_loss_and_grad(params, z, *, activation=dense.LEAKY_RELU):
    """L_G and its gradient, {"generator": …}; the critic is frozen."""
    return value_and_own_grad(lambda p: generator_loss(p, z, activation=activation), "generator", params)


def sample(params, rng, n, *, activation=dense.LEAKY_RELU):
    """n draws of x′, (n, D)."""
    return gan.sample(params, rng, n, activation=activation)


def fit(x, *, rng, n_latent=16, hidden=(128, 128), activation=dense.LEAKY_RELU, penalty=10.0, n_critic=5, averaging=0.99,
        learning_rate=1e-3, beta1=0.5, beta2=0.9, batch_size=64, n_epochs=200, schedule=optim.cosine, checkpoint=None, progress=False):
    """A WGAN trained on x; the settings that are not named here are those of `training.adversarial.train`.

    Parameters
    ----------
    x : (N, D) float
        At least two samples, not all alike.
    rng : Generator
        Draws the first weights, then shuffles and draws noise.
    n_latent : int
        K.
    hidden : tuple of int
        The generator's hidden layers; the critic has them in reverse.
    activation : Activation
        From `nets.dense`.
    penalty : float
        λ. Where the data have few dimensions and structure much finer than s, a smaller one lets the critic get as steep as that asks
        for: 0.03 for eight narrow modes on a ring.

    Raises
    ------
    ValueError
        If x is not a finite (N, D) array of at least two different rows, or a setting is out of range.
    """
    x = checks.as_array("x", x, ("N", "D"))
    penalty, (mean, scale) = checks.check_positive("penalty", penalty), moments(x)
    params = init_params(rng, dim=x.shape[1], n_latent=n_latent, hidden=hidden)
    model = SimpleNamespace(critic_loss_and_grad=partial(critic_loss_and_grad, penalty=penalty, activation=activation),
                            generator_loss_and_grad=partial(generator_loss_and_grad, activation=activation),
                            critic_noise=lambda rng, n: draw_noise(params, rng, n),
                            generator_noise=lambda rng, n: (gan.draw_noise(params, rng, n),))
    trained = adversarial.train(model, params, (x - mean) / scale, rng=rng, n_critic=n_critic, averaging=averaging,
                                learning_rate=learning_rate, beta1=beta1, beta2=beta2, batch_size=batch_size, n_epochs=n_epochs,
                                schedule=schedule, checkpoint=checkpoint, progress=progress)
    return Wgan(trained.params, mean, scale, activation, trained.history)
