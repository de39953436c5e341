"""Generative adversarial network: a generator of samples, taught by a discriminator that tries to tell them from data.

The mathematics is in `reference.generative.gan`. Same values; the generator writes its samples where the discriminator reads
them, beside the data, in feature-major work arrays allocated once for each batch size, and the frozen network's weight gradients
are never formed. With s′ = σ and the logits ℓ of data (N) and of samples (n):

    L_D:          dℓ(x) = −σ(−ℓ)/N,    dℓ(x̃) = σ(ℓ)/n
    L_G:          dℓ(x̃) = −σ(−ℓ)/n     non-saturating
    L_G minimax:  dℓ(x̃) = −σ(ℓ)/n

then the discriminator's backward pass; for L_G it only carries dx̃ = (D)ᵀ dℓ to the generator's.
"""
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from accel.nets import dense
from accel.runtime import checks, persistence
from accel.training import adversarial, optim
from accel.runtime.tree import empty_like, packed
from accel.device import array_module
from accel.representation.autoencoder import like, moments, scaled

__all__ = ["Gan", "init_params", "draw_noise", "generate", "logits", "discriminator_loss", "discriminator_loss_and_grad",
           "generator_loss", "generator_loss_and_grad", "minimax_generator_loss", "minimax_generator_loss_and_grad", "sample", "fit",
           "load"]


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
    """What the generator makes n samples of, (n, K), where params live."""
    first = params["generator"][0]
    return array_module(first).asarray(rng.standard_normal((n, len(first) - 1)), dtype=first.dtype)


def generate(params, z, *, activation=dense.TANH):
    """G(z), (n, D)."""
    z = checks.as_array("z", z, ("n", len(params["generator"][0]) - 1))
    return dense.mlp(params["generator"], z, activation=activation)


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
    params = packed(params)
    x = checks.as_array("x", x, ("N", len(params["discriminator"][0]) - 1))
    n, grads = len(x), gradient_of(params, "discriminator")
    tape, _ = feed(params, "discriminator", z, n, activation)
    tape.inputs[0][1:, :n] = x.T
    out = dense.forward(params["discriminator"], tape, activation)[0]
    real, fake = out[:n], out[n:]
    value = softplus(-real).mean() + softplus(fake).mean()
    real[...] = sigmoid(-real) * (-1 / n)                             # out is dℓ from here on
    fake[...] = sigmoid(fake) * (1 / len(z))
    dense.backward(params["discriminator"], tape, tape.out, grads["discriminator"], activation)
    return value, grads


def generator_loss_and_grad(params, z, *, activation=dense.TANH):
    """The loss and its gradient, {"generator": …}; the discriminator is frozen."""
    def value_and_slope(logit):
        return softplus(-logit).mean(), -sigmoid(-logit) / len(z)
    return generator_backward(params, "discriminator", z, activation, value_and_slope)


def minimax_generator_loss_and_grad(params, z, *, activation=dense.TANH):
    """The loss and its gradient, {"generator": …}; the discriminator is frozen."""
    def value_and_slope(logit):
        return -softplus(logit).mean(), -sigmoid(logit) / len(z)
    return generator_backward(params, "discriminator", z, activation, value_and_slope)


def generator_backward(params, opponent, z, activation, value_and_slope):
    """A loss of the opponent's outputs for samples, and the generator's gradient, from (loss, dℓ) = value_and_slope(ℓ (n,))."""
    params = packed(params)
    grads = gradient_of(params, "generator")
    tape, made = feed(params, opponent, z, 0, activation)
    value, tape.out[0] = value_and_slope(dense.forward(params[opponent], tape, activation)[0])
    dx = dense.backward(params[opponent], tape, tape.out, None, activation, need_dx=True)
    dense.backward(params["generator"], made, dx, grads["generator"], activation)
    return value, grads


def gradient_of(params, name):
    """Where one network's gradient is written, {name: layers}, packed."""
    return params.scratch(f"{name}'s gradient", lambda: empty_like({name: params[name]}))


def feed(params, opponent, z, n_data, activation):
    """The opponent's tape with G(z) as its input behind n_data columns that are left free, and the generator's tape."""
    z = checks.as_array("z", z, ("n", len(params["generator"][0]) - 1))
    xp, dtype, n, alone = array_module(params.flat), params.flat.dtype, len(z), n_data == 0
    made = params.scratch("generator", lambda: dense.Tape(xp, params["generator"], n, dtype), size=n)
    tape = params.scratch("opponent, samples" if alone else "opponent, data and samples",
                          lambda: dense.Tape(xp, params[opponent], n_data + n, dtype), size=n_data + n)
    made.inputs[0][1:] = z.T
    tape.inputs[0][1:, n_data:] = dense.forward(params["generator"], made, activation)
    return tape, made


def sample(params, rng, n, *, activation=dense.TANH):
    """n draws of x′, (n, D)."""
    return generate(params, draw_noise(params, rng, checks.check_count("n", n, least=0)), activation=activation)


def fit(x, *, rng, n_latent=16, hidden=(128, 128), activation=dense.TANH, n_critic=1, averaging=0.99, learning_rate=2e-3, beta1=0.5,
        beta2=0.9, batch_size=64, n_epochs=200, schedule=optim.cosine, checkpoint=None, progress=False):
    """A GAN trained on x, which decides the device and the dtype."""
    x = checks.as_array("x", x, ("N", "D"))
    mean, scale = moments(x)
    params = like(x, init_params(rng, dim=x.shape[1], n_latent=n_latent, hidden=hidden))

    def noise(rng, n):
        return (draw_noise(params, rng, n),)
    model = SimpleNamespace(critic_loss_and_grad=partial(discriminator_loss_and_grad, activation=activation),
                            generator_loss_and_grad=partial(generator_loss_and_grad, activation=activation),
                            critic_noise=noise, generator_noise=noise)
    trained = adversarial.train(model, params, scaled(x, mean, scale), rng=rng, n_critic=n_critic, averaging=averaging,
                                learning_rate=learning_rate, beta1=beta1, beta2=beta2, batch_size=batch_size, n_epochs=n_epochs,
                                schedule=schedule, checkpoint=checkpoint, progress=progress)
    return Gan(trained.params, mean, scale, activation, trained.history)
