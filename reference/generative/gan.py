"""Generative adversarial network: a generator of samples, taught by a discriminator that tries to tell them from data.

    (1)  x̃ = G(z),  z ~ N(0, I)                                        one pass gives a sample
    (2)  D(x) = σ(ℓ(x))                                                the probability that x is data; ℓ: the logit
    (3)  L_D = −E[log D(x)] − E[log(1 − D(G(z)))]
    (4)  L_G = −E[log D(G(z))]                                         non-saturating: what `fit` uses
    (5)  L_G = E[log(1 − D(G(z)))]                                     minimax: −L_D as far as G goes
    (6)  −log σ(ℓ) = s(−ℓ),  −log(1 − σ(ℓ)) = s(ℓ),  s(t) = log(1 + eᵗ)

For a fixed G the best D is p(x)/(p(x) + p_G(x)); with it L_D = 2 log 2 − 2 JS(p, p_G), which is largest where p_G = p, D = ½.
A discriminator that is sure of itself, D(G(z)) → 0, leaves (5) without a slope in ℓ, and (4) with slope one.

Shapes        N data, n draws, D features, K latents; x (N, D), z (n, K), ℓ (N,). Layers as in `nets.dense`.
Conventions   nats. Both networks are dense with one activation, none after the last layer. The losses work on scaled data x′,
              x = m + s·x′ with m the mean of each feature and s one number; a fitted Gan takes and gives x.
Source        "Generative Adversarial Nets", Goodfellow et al., 2014, section 3, eq. 1 and theorem 1; lecture S1, slides
              "Generative Adversarial Networks".
Departures    every loss comes from logits by (6), never from the logarithm of a sigmoid: finite however sure D is. S0, S2 and S4
              say that "the goal of a GAN is to estimate p(z|x)": it learns a sampler of p(x), and has neither an encoder nor
              a density.
"""
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import autograd.numpy as np
from autograd import value_and_grad

from reference.nets import dense
from reference.runtime import checks, persistence
from reference.training import adversarial, optim
from reference.representation.autoencoder import moments

__all__ = ["Gan", "init_params", "draw_noise", "generate", "logits", "discriminator_loss", "discriminator_loss_and_grad",
           "generator_loss", "generator_loss_and_grad", "minimax_generator_loss", "minimax_generator_loss_and_grad", "sample", "fit",
           "load"]


class Gan(NamedTuple):
    """A trained GAN.

    Attributes
    ----------
    params : dict
    mean : (D,) float
    scale : float
        m and s, in the units of x.
    activation : Activation
        From `nets.dense`.
    history : dict of list of float
        "discriminator_loss" and "generator_loss", the means of each epoch.
    """
    params: dict
    mean: np.ndarray
    scale: float
    activation: dense.Activation
    history: dict

    def sample(self, rng, n):
        """n draws, (n, D), in the units of the data."""
        return self.mean + self.scale * sample(self.params, rng, n, activation=self.activation)

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "gan", {**self._asdict(), "activation": self.activation.name})


def load(path):
    """The GAN that `Gan.save` wrote."""
    saved = persistence.load(path, "gan")
    return Gan(**{**saved, "activation": dense.activation_named(saved["activation"])})


def init_params(rng, *, dim, n_latent, hidden=(128, 128)):
    """Both networks with random weights; the discriminator has the generator's hidden layers in reverse."""
    for name, counts in {"dim": [dim], "n_latent": [n_latent], "hidden": hidden}.items():
        for count in counts:
            checks.check_count(name, count)
    return {"generator": dense.init_mlp(rng, (n_latent, *hidden, dim)), "discriminator": dense.init_mlp(rng, (dim, *hidden[::-1], 1))}


def draw_noise(params, rng, n):
    """What (1) makes n samples of, (n, K)."""
    return rng.standard_normal((n, len(params["generator"][0]) - 1))


def generate(params, z, *, activation=dense.TANH):
    """G(z), (n, D)."""
    z = checks.as_array("z", z, ("n", len(params["generator"][0]) - 1))
    return dense.mlp(params["generator"], z, activation=activation)                                 # (1)


def logits(params, x, *, activation=dense.TANH):
    """ℓ(x) of (2), (N,)."""
    x = checks.as_array("x", x, ("N", len(params["discriminator"][0]) - 1))
    return dense.mlp(params["discriminator"], x, activation=activation)[:, 0]


def softplus(t):
    return np.logaddexp(0.0, t)                                                                    # (6)


def discriminator_loss(params, x, z, *, activation=dense.TANH):
    """(3) for data x (N, D) and noise z (n, K), in nats."""
    fakes = generate(params, z, activation=activation)
    return np.mean(softplus(-logits(params, x, activation=activation))) \
        + np.mean(softplus(logits(params, fakes, activation=activation)))                          # (3)


def generator_loss(params, z, *, activation=dense.TANH):
    """(4) for noise z (n, K), in nats."""
    return np.mean(softplus(-logits(params, generate(params, z, activation=activation), activation=activation)))   # (4)


def minimax_generator_loss(params, z, *, activation=dense.TANH):
    """(5) for noise z (n, K), in nats."""
    return -np.mean(softplus(logits(params, generate(params, z, activation=activation), activation=activation)))   # (5)


def value_and_own_grad(loss, name, params):
    """loss(params) and its gradient with respect to one network alone, {name: gradient}."""
    return value_and_grad(lambda own: loss({**params, **own}))({name: params[name]})


def discriminator_loss_and_grad(params, x, z, *, activation=dense.TANH):
    """(3) and its gradient, {"discriminator": …}; the generator is frozen."""
    return value_and_own_grad(lambda p: discriminator_loss(p, x, z, activation=activation), "discriminator", params)


def generator_loss_and_grad(params, z, *, activation=dense.TANH):
    """(4) and its gradient, {"generator": …}; the discriminator is frozen."""
    return value_and_own_grad(lambda p: generator_loss(p, z, activation=activation), "generator", params)


def minimax_generator_loss_and_grad(params, z, *, activation=dense.TANH):
    """(5) and its gradient, {"generator": …}; the discriminator is frozen."""
    return value_and_own_grad(lambda p: minimax_generator_loss(p, z, activation=activation), "generator", params)


def sample(params, rng, n, *, activation=dense.TANH):
    """n draws of x′, (n, D)."""
    return generate(params, draw_noise(params, rng, checks.check_count("n", n, least=0)), activation=activation)


def fit(x, *, rng, n_latent=16, hidden=(128, 128), activation=dense.TANH, n_critic=1, averaging=0.99, learning_rate=2e-3, beta1=0.5,
        beta2=0.9, batch_size=64, n_epochs=200, schedule=optim.cosine, checkpoint=None, progress=False):
    """A GAN trained on x; the settings that are not named here are those of `training.adversarial.train`.

    Parameters
    ----------
    x : (N, D) float
        At least two samples, not all alike.
    rng : Generator
        Draws the first weights, then shuffles and draws noise.
    n_latent : int
        K.
    hidden : tuple of int
        The generator's hidden layers; the discriminator has them in reverse.
    activation : Activation
        From `nets.dense`.
    n_critic : int
        Steps of the discriminator for each of the generator.

    Raises
    ------
    ValueError
        If x is not a finite (N, D) array of at least two different rows, or a setting is out of range.
    """
    x = checks.as_array("x", x, ("N", "D"))
    mean, scale = moments(x)
    params = init_params(rng, dim=x.shape[1], n_latent=n_latent, hidden=hidden)

    def noise(rng, n):
        return (draw_noise(params, rng, n),)
    model = SimpleNamespace(critic_loss_and_grad=partial(discriminator_loss_and_grad, activation=activation),
                            generator_loss_and_grad=partial(generator_loss_and_grad, activation=activation),
                            critic_noise=noise, generator_noise=noise)
    trained = adversarial.train(model, params, (x - mean) / scale, rng=rng, n_critic=n_critic, averaging=averaging,
                                learning_rate=learning_rate, beta1=beta1, beta2=beta2, batch_size=batch_size, n_epochs=n_epochs,
                                schedule=schedule, checkpoint=checkpoint, progress=progress)
    return Gan(trained.params, mean, scale, activation, trained.history)
