"""The generator that GANs share: a network that turns normal noise into samples, and its training signal.

The mathematics is in `reference.generative.generator`. Same values, where the parameters live and in their
dtype. The generator writes its samples where its opponent reads them, beside the data, in feature-major
arrays. For a loss L of the opponent's outputs f for samples, with the opponent fixed, its weight gradients
are not formed:

    df = ∂L/∂f,   dx̃ = (opponent)ᵀ df,   and the generator's backward pass starts from dx̃

Example
-------
>>> import numpy as np
>>> from accel.generative import generator
>>> params = {"generator": [np.array([[5.0, 0.0], [1.0, -1.0]])]}      # x̃ = (5 + z, −z)
>>> generator.generate(params, np.array([[2.0]]))
array([[ 7., -2.]])
"""
from collections.abc import Callable
from typing import NamedTuple

from accel import memory
from accel.device import array_module
from accel.nets import dense
from accel.nets._help import described
from accel.nets.dense import TANH, Activation
from accel.runtime import checks
from accel.runtime._vector import empty_like
from accel.runtime.protocols import Array, Params, Rng

__all__ = []
SHARED = ["Adversaries", "borrowed", "check_noise", "draw_noise", "generate", "gradient_of", "overwriting",
          "sample", "write_generator_grads"]
__all__ += SHARED

documented = described("""
params : tree
    {"generator": its layers, …}.
rng : Generator
n : int
    Number of draws, zero or more.
z : (n, K) float
    Noise, standard normal.
activation : Activation
    Between the layers, from `nets.dense`.
""", raises="If an argument is not as above.")


@documented
def draw_noise(params: Params, rng: Rng, n: int) -> Array:
    """z for n samples, (n, K)."""
    first = params["generator"][0]
    z = rng.standard_normal((checks.check_count("n", n, least=0), len(first) - 1))
    return array_module(first).asarray(z, dtype=first.dtype)


@documented
def generate(params: Params, z: Array, *, activation: Activation = TANH) -> Array:
    """G(z), (n, D)."""
    return dense.mlp(params["generator"], check_noise(params, z), activation=activation)     # (1)


@documented
def sample(params: Params, rng: Rng, n: int, *, activation: Activation = TANH) -> Array:
    """n draws of x̃, (n, D), in the units of the scaled data."""
    return generate(params, draw_noise(params, rng, n), activation=activation)               # (1)


class Adversaries(NamedTuple):
    """The losses of a generator and its opponent with their noise, as `training.adversarial` calls them."""
    critic_loss_and_grad: Callable
    critic_noise: Callable
    generator_loss_and_grad: Callable
    generator_noise: Callable


def overwriting(write_grads, grads):
    """A function (params, …) → (loss, grads) for a training run: each gradient overwrites the one before."""
    def loss_and_grad(params, *arrays):
        return write_grads(params, grads, *arrays), grads
    return loss_and_grad


def gradient_of(params, name):
    """Where the gradient of one network is written, {name: layers}."""
    return empty_like({name: params[name]})


def write_generator_grads(params, grads, z, *, opponent, value_and_slope, activation):
    """A loss of the opponent's outputs f (n,) for samples; the generator's gradient goes into grads.

    value_and_slope gives (L, df) for f.
    """
    z = check_noise(params, z)
    with borrowed(params, opponent, 0, len(z)) as work:
        work.generate(params["generator"], z, activation)
        value, work.tape.out[0] = value_and_slope(dense.forward(params[opponent], work.tape, activation)[0])
        dx = dense.backward(params[opponent], work.tape, work.tape.out, None, activation, need_dx=True)
        dense.backward(params["generator"], work.made, dx, grads["generator"], activation)
        return value


class Work:
    """The work arrays of both networks: the opponent's tape has n_data columns of data, then n of samples."""

    def __init__(self, xp, generator, opponent, n_data, n, dtype):
        self.made = dense.Tape(xp, generator, n, dtype)
        self.tape = dense.Tape(xp, opponent, n_data + n, dtype)
        self.data, self.fakes = self.tape.fed[0][:, :n_data], self.tape.fed[0][:, n_data:]

    def generate(self, layers, z, activation):
        """G(z) for z (n, K), where the opponent reads it."""
        self.made.fed[0][...] = z.T
        self.fakes[...] = dense.forward(layers, self.made, activation)


def borrowed(params, opponent, n_data, n):
    """Work arrays for n_data samples of data and n of the generator, for the length of a block."""
    generator, layers = params["generator"], params[opponent]
    shapes = dense.shapes_of(generator), dense.shapes_of(layers)
    return memory.borrow(Work, array_module(layers[0]), *shapes, n_data, n, layers[0].dtype)


def check_noise(params, z):
    """z (n, K) as an array, or a ValueError."""
    return checks.as_array("z", z, ("n", len(params["generator"][0]) - 1))
