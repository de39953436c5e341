"""The generator that GANs share: a network that turns normal noise into samples.

    (1)  x̃ = G(z),  z ~ N(0, I)

Shapes        n draws, D features, K latents; z (n, K), x̃ (n, D). Layers as in `nets.dense`.

Example
-------
>>> import numpy as np
>>> from reference.generative import generator
>>> params = {"generator": [np.array([[5.0, 0.0], [1.0, -1.0]])]}      # x̃ = (5 + z, −z)
>>> generator.generate(params, np.array([[2.0]]))
array([[ 7., -2.]])
"""
from collections.abc import Callable
from typing import NamedTuple

from autograd import value_and_grad

from reference.nets.dense import TANH, Activation, mlp
from reference.nets._help import described
from reference.runtime import checks
from reference.runtime.protocols import Array, Params, Rng

__all__ = []
SHARED = ["Adversaries", "draw_noise", "generate", "sample", "value_and_own_grad"]
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
    return rng.standard_normal((checks.check_count("n", n, least=0), len(params["generator"][0]) - 1))


@documented
def generate(params: Params, z: Array, *, activation: Activation = TANH) -> Array:
    """G(z), (n, D)."""
    z = checks.as_array("z", z, ("n", len(params["generator"][0]) - 1))
    return mlp(params["generator"], z, activation=activation)                                    # (1)


@documented
def sample(params: Params, rng: Rng, n: int, *, activation: Activation = TANH) -> Array:
    """n draws of x̃, (n, D), in the units of the scaled data."""
    return generate(params, draw_noise(params, rng, n), activation=activation)                   # (1)


class Adversaries(NamedTuple):
    """The losses of a generator and its opponent with their noise, as `training.adversarial` calls them."""
    critic_loss_and_grad: Callable
    critic_noise: Callable
    generator_loss_and_grad: Callable
    generator_noise: Callable


def value_and_own_grad(loss, name, params):
    """loss(params) and its gradient with respect to one network alone, {name: gradient}."""
    return value_and_grad(lambda own: loss({**params, **own}))({name: params[name]})
