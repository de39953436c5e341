"""Gradient penalty: how far the slope of a network is from a target, a loss that contains a derivative.

    (1)  g(x) = ∇ₓ f(x)                                    f: a dense network with one output
    (2)  P = (1/N) ∑ₙ (‖g(xₙ)‖ − c)²
    (3)  ‖g‖ = √(∑ⱼ gⱼ² + ε²)                              ε = 10⁻¹², so that a slope of exactly zero has a derivative

c = 1 makes f a critic whose differences are distances (`generative.wgan`), c = 0 keeps f from growing steep where the x are. The
gradient of P with respect to the weights is of second order: here autograd goes through itself.

Shapes        N samples, D inputs; x (N, D); layers as in `nets.dense`, the last one (n_in + 1, 1).
Source        "Improved Training of Wasserstein GANs", Gulrajani et al., 2017, eq. 3 (c = 1); "Which Training Methods for GANs do
              actually Converge?", Mescheder, Geiger and Nowozin, 2018, eq. 9 (c = 0, times γ/2).
"""
import autograd.numpy as np
from autograd import elementwise_grad, value_and_grad

from reference.nets import dense
from reference.runtime import checks

__all__ = ["input_gradient", "gradient_penalty", "gradient_penalty_and_grad"]

EPSILON = 1e-12


def input_gradient(layers, x, *, activation=dense.TANH):
    """∇ₓ f(x), (N, D)."""
    x = check_network(layers, x)
    return elementwise_grad(lambda x: dense.mlp(layers, x, activation=activation))(x)                # (1), rows do not mix


def gradient_penalty(layers, x, *, target=1.0, activation=dense.TANH):
    """P for x (N, D) and c = target."""
    norm = np.sqrt(np.sum(input_gradient(layers, x, activation=activation)**2, axis=1) + EPSILON**2)   # (3)
    return np.mean((norm - target)**2)                                                              # (2)


def gradient_penalty_and_grad(layers, x, *, target=1.0, activation=dense.TANH):
    """P and its gradient with respect to the layers."""
    return value_and_grad(lambda layers: gradient_penalty(layers, x, target=target, activation=activation))(layers)


def check_network(layers, x):
    """x as an array of the width that the network takes; the network must have one output."""
    if layers[-1].shape[1] != 1:
        raise ValueError(f"layers: expected a network with one output, got {layers[-1].shape[1]}")
    return checks.as_array("x", x, ("N", len(layers[0]) - 1))
