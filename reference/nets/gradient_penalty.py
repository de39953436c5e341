"""Gradient penalty: how far the slope of a network is from a target, a loss that contains a derivative.

    (1)  g(x) = ∇ₓ f(x)                                 f: a dense network with one output
    (2)  P = (1/N) ∑ₙ (‖g(xₙ)‖ − c)²
    (3)  ‖g‖ = √(∑ⱼ gⱼ² + ε²)                           ε = 10⁻¹²: a slope of exactly zero has a derivative

With c = 1 the differences of f are distances (the critic of `generative.wgan`); c = 0 keeps f flat where the
x are. The gradient of P with respect to the weights is of second order: autograd differentiates a gradient.

Shapes        N samples, D inputs; x (N, D); layers as in `nets.dense`, the last one (n_in + 1, 1).
Source        "Improved Training of Wasserstein GANs", Gulrajani et al., 2017, eq. 3 (c = 1); "Which Training
              Methods for GANs do actually Converge?", Mescheder, Geiger and Nowozin, 2018, eq. 9 (c = 0,
              times γ/2).

Example
-------
>>> import numpy as np
>>> from reference.nets import gradient_penalty
>>> layers, x = [np.array([[7.0], [3.0], [-4.0]])], np.zeros((2, 2))       # f = 7 + 3x − 4y, of slope 5
>>> float(gradient_penalty.gradient_penalty(layers, x, target=1.0))
16.0
"""
from collections.abc import Sequence

import autograd.numpy as np
from autograd import elementwise_grad, value_and_grad

from reference.nets import dense
from reference.nets._help import described
from reference.runtime import checks
from reference.runtime.protocols import Array

__all__ = ["input_gradient", "gradient_penalty", "gradient_penalty_and_grad"]

EPSILON = 1e-12


documented = described("""
layers : sequence of (n_in + 1, n_out) float
    f, with one output.
x : (N, D) float
    The points at which the slope is penalised.
target : float
    c.
activation : Activation
    Between the layers of f.
""", raises="If f has several outputs, or x is not (N, D).")


@documented
def input_gradient(layers: Sequence[Array], x: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """∇ₓ f(x), (N, D)."""
    x = check_network(layers, x)
    return elementwise_grad(lambda x: dense.mlp(layers, x, activation=activation))(x)      # (1), row by row


@documented
def gradient_penalty(layers: Sequence[Array], x: Array, *, target: float = 1.0,
                     activation: dense.Activation = dense.TANH) -> Array:
    """The penalty P (2)."""
    norm = np.sqrt(np.sum(input_gradient(layers, x, activation=activation)**2, axis=1) + EPSILON**2)     # (3)
    return np.mean((norm - target)**2)                                                                   # (2)


@documented
def gradient_penalty_and_grad(layers: Sequence[Array], x: Array, *, target: float = 1.0,
                              activation: dense.Activation = dense.TANH) -> tuple[Array, list]:
    """P (2), and its gradient, in a list like layers."""
    def penalty(layers):
        return gradient_penalty(layers, x, target=target, activation=activation)
    return value_and_grad(penalty)(list(layers))


def check_network(layers, x):
    """x as an array of the width that the network takes; the network must have one output."""
    if layers[-1].shape[1] != 1:
        raise ValueError(f"layers: expected a network with one output, got {layers[-1].shape[1]}")
    return checks.as_array("x", x, ("N", len(layers[0]) - 1))
