"""Generative adversarial network: a generator of samples, taught by a discriminator that tries to tell them from data.

The mathematics is in `reference.generative.gan`. Same values; the generator writes its samples where the discriminator reads
them, beside the data, in feature-major work arrays allocated once for each batch size, and the frozen network's weight gradients
are never formed. With s′ = σ and the logits ℓ of data (N) and of samples (n):

    L_D:          dℓ(x) = −σ(−ℓ)/N,    dℓ(x̃) = σ(ℓ)/n
    L_G:          dℓ(x̃) = −σ(−ℓ)/n     non-saturating
    L_G minimax:  dℓ(x̃) = −σ(ℓ)/n

then the discriminator's backward pass; for L_G it only carries dx̃ = (D)ᵀ dℓ to the generator's.
"""
from typing import NamedTuple

import numpy as np

from accel import device, memory
from accel.device import array_module
from accel.nets import dense, fitted
from accel.preprocessing.scaling import centre_and_scale, scaled
from accel.runtime import checks, persistence
from accel.runtime._vector import empty_like, plain
from accel.runtime.tree import frozen
from accel.training import adversarial, optim

__all__ = ["Gan", "init_params", "draw_noise", "generate", "logits", "discriminator_loss", "discriminator_loss_and_grad",
           "generator_loss", "generator_loss_and_grad", "minimax_generator_loss", "minimax_generator_loss_and_grad", "sample", "fit",
           "load"]
SHARED = ["borrowed", "check_z", "gradient_of", "write_generator_grads"]
__all__ += SHARED


class Gan(NamedTuple):
    """A trained GAN, on the device and in the dtype of the data."""
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

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "gan", fitted.describe(self))

    def __reduce__(self):
        return fitted.restore, (Gan, fitted.describe(self))

    def _moved(self, move):
        return self._replace(params=frozen(move(self.params)), mean=move(self.mean))


def load(path):
    """The GAN that `Gan.save` wrote."""
    return fitted.restore(Gan, persistence.load(path, "gan"))


def init_params(rng, *, dim, n_latent, hidden=(128, 128)):
    """Both networks with random weights; the discriminator has the generator's hidden layers in reverse."""
    for name, counts in {"dim": [dim], "n_latent": [n_latent], "hidden": hidden}.items():
        for count in counts:
            checks.check_count(name, count)
    return {"generator": dense.init_mlp(rng, (n_latent, *hidden, dim)), "discriminator": dense.init_mlp(rng, (dim, *hidden[::-1], 1))}


def draw_noise(params, rng, n):
    """What the generator makes n samples of, (n, K), where params live."""
    first = params["generator"][0]
    return array_module(first).asarray(rng.standard_normal((n, len(first) - 1)), dtype=first.dtype)


def generate(params, z, *, activation=dense.TANH):
    """G(z), (n, D)."""
    return dense.mlp(params["generator"], check_z(params, z), activation=activation)


def logits(params, x, *, activation=dense.TANH):
    """ℓ(x), (N,)."""
    x = checks.as_array("x", x, ("N", len(params["discriminator"][0]) - 1))
    return dense.mlp(params["discriminator"], x, activation=activation)[:, 0]


def softplus(t):
    return array_module(t).logaddexp(t, 0)


def sigmoid(t):
    """exp(−s(−t)): to rounding on either side, where it is tiny too."""
    return array_module(t).exp(-softplus(-t))


def discriminator_loss(params, x, z, *, activation=dense.TANH):
    """−E[log D(x)] − E[log(1 − D(G(z)))] for data x (N, D) and noise z (n, K), in nats."""
    fakes = generate(params, z, activation=activation)
    return softplus(-logits(params, x, activation=activation)).mean() + softplus(logits(params, fakes, activation=activation)).mean()


def generator_loss(params, z, *, activation=dense.TANH):
    """−E[log D(G(z))] for noise z (n, K), in nats."""
    return softplus(-logits(params, generate(params, z, activation=activation), activation=activation)).mean()


def minimax_generator_loss(params, z, *, activation=dense.TANH):
    """E[log(1 − D(G(z)))] for noise z (n, K), in nats."""
    return -softplus(logits(params, generate(params, z, activation=activation), activation=activation)).mean()


def discriminator_loss_and_grad(params, x, z, *, activation=dense.TANH):
    """The loss and its gradient, {"discriminator": …}; the generator is frozen."""
    grads = gradient_of(params, "discriminator")
    return write_discriminator_grads(params, grads, x, z, activation), plain(grads)


def write_discriminator_grads(params, grads, x, z, activation):
    """The loss; its gradient goes into grads, {"discriminator": …}."""
    layers = params["discriminator"]
    x = checks.as_array("x", x, ("N", len(layers[0]) - 1))
    n, z = len(x), check_z(params, z)
    with borrowed(params, "discriminator", n, len(z)) as work:
        work.generate(params["generator"], z, activation)
        work.data[...] = x.T
        out = dense.forward(layers, work.tape, activation)[0]
        real, fake = out[:n], out[n:]
        value = softplus(-real).mean() + softplus(fake).mean()
        real[...] = sigmoid(-real) * (-1 / n)                         # out is dℓ from here on
        fake[...] = sigmoid(fake) * (1 / len(z))
        dense.backward(layers, work.tape, work.tape.out, grads["discriminator"], activation)
        return value


def generator_loss_and_grad(params, z, *, activation=dense.TANH):
    """The loss and its gradient, {"generator": …}; the discriminator is frozen."""
    grads = gradient_of(params, "generator")
    return write_generator_grads(params, grads, z, "discriminator", activation, non_saturating), plain(grads)


def minimax_generator_loss_and_grad(params, z, *, activation=dense.TANH):
    """The loss and its gradient, {"generator": …}; the discriminator is frozen."""
    grads = gradient_of(params, "generator")
    return write_generator_grads(params, grads, z, "discriminator", activation, minimax), plain(grads)


def non_saturating(logit):
    """The generator's loss, and its slope dℓ (n,)."""
    return softplus(-logit).mean(), -sigmoid(-logit) / len(logit)


def minimax(logit):
    """The minimax loss, and its slope dℓ (n,)."""
    return -softplus(logit).mean(), -sigmoid(logit) / len(logit)


def write_generator_grads(params, grads, z, opponent, activation, value_and_slope):
    """A loss of the opponent's outputs for samples; the generator's gradient goes into grads, from (loss, dℓ) = value_and_slope(ℓ (n,))."""
    z = check_z(params, z)
    with borrowed(params, opponent, 0, len(z)) as work:
        work.generate(params["generator"], z, activation)
        value, work.tape.out[0] = value_and_slope(dense.forward(params[opponent], work.tape, activation)[0])
        dx = dense.backward(params[opponent], work.tape, work.tape.out, None, activation, need_dx=True)
        dense.backward(params["generator"], work.made, dx, grads["generator"], activation)
        return value


def gradient_of(params, name):
    """Where one network's gradient is written, {name: layers}."""
    return empty_like({name: params[name]})


class Work:
    """The work arrays of both networks: the opponent's tape takes n_data columns of data, and behind them n of samples."""

    def __init__(self, xp, generator, opponent, n_data, n, dtype):
        self.made, self.tape = dense.Tape(xp, generator, n, dtype), dense.Tape(xp, opponent, n_data + n, dtype)
        self.data, self.fakes = self.tape.fed[0][:, :n_data], self.tape.fed[0][:, n_data:]

    def generate(self, layers, z, activation):
        """G(z) for z (n, K), where the opponent reads it."""
        self.made.fed[0][...] = z.T
        self.fakes[...] = dense.forward(layers, self.made, activation)


def borrowed(params, opponent, n_data, n):
    """Work arrays for n_data samples of data and n of the generator, for the length of a block."""
    generator, layers = params["generator"], params[opponent]
    return memory.borrow(Work, array_module(layers[0]), dense.shapes_of(generator), dense.shapes_of(layers), n_data, n, layers[0].dtype)


def check_z(params, z):
    return checks.as_array("z", z, ("n", len(params["generator"][0]) - 1))


def sample(params, rng, n, *, activation=dense.TANH):
    """n draws of x′, (n, D)."""
    return generate(params, draw_noise(params, rng, checks.check_count("n", n, least=0)), activation=activation)


def fit(x, *, rng, n_latent=16, hidden=(128, 128), activation=dense.TANH, n_critic=1, averaging=0.99, learning_rate=2e-3, beta1=0.5,
        beta2=0.9, batch_size=64, n_epochs=200, schedule=optim.cosine, checkpoint=None, progress=False):
    """A GAN trained on x, which decides the device and the dtype."""
    x = checks.as_array("x", x, ("N", "D"))
    mean, scale = centre_and_scale(x)
    params = device.like(x, init_params(rng, dim=x.shape[1], n_latent=n_latent, hidden=hidden))
    trained = adversarial.train(Players(params, activation), params, scaled(x, mean, scale), rng=rng, n_critic=n_critic,
                                averaging=averaging, learning_rate=learning_rate, beta1=beta1, beta2=beta2, batch_size=batch_size,
                                n_epochs=n_epochs, schedule=schedule, checkpoint=checkpoint, progress=progress)
    return Gan(trained.params, mean, scale, activation, trained.history)


class Players:
    """Both losses with their activation, as training calls them. A gradient is overwritten by the next one of the same network."""

    def __init__(self, params, activation):
        self.params, self.activation = params, activation
        self.grads = {name: gradient_of(params, name) for name in params}

    def critic_noise(self, rng, n):
        return (draw_noise(self.params, rng, n),)

    def critic_loss_and_grad(self, params, x, z):
        grads = self.grads["discriminator"]
        return write_discriminator_grads(params, grads, x, z, self.activation), grads

    def generator_noise(self, rng, n):
        return (draw_noise(self.params, rng, n),)

    def generator_loss_and_grad(self, params, z):
        grads = self.grads["generator"]
        return write_generator_grads(params, grads, z, "discriminator", self.activation, non_saturating), grads
