"""Dense networks: affine layers with an activation between them.

A layer is one array that holds weights and bias, because a bias is the weight of a constant one:

    (1)  dense(h) = b + h W,   layer = [b; W], (n_in + 1, n_out)
    (2)  mlp(x) = dense_L ∘ a ∘ dense_{L−1} ∘ … ∘ a ∘ dense_1 (x)      no activation after the last layer
    (3)  masked_dense(h) = b + h (W ⊙ M)                               a zero in M cuts a connection

Shapes        N samples; x (N, n_in); layer (n_in + 1, n_out), its first row the bias; M (n_in, n_out) of zeros and ones.
Conventions   weights start as N(0, 1/n_in), biases at zero, so that activations keep the variance of their input.
Source        "Efficient BackProp", LeCun, Bottou, Orr and Müller, 1998, section 4.6 (the initial variance).
Departures    an activation knows its slope, and its curvature, as functions of its own output, which is all that a backward pass
              needs, and one through a gradient.
"""
from collections.abc import Callable
from typing import NamedTuple

import autograd.numpy as np
from autograd import make_vjp
from autograd.extend import defvjp, primitive

__all__ = ["Activation", "TANH", "RELU", "LEAKY_RELU", "IDENTITY", "activation_named", "init_dense", "init_mlp", "dense",
           "masked_dense", "mlp", "mlp_vjp"]

LEAK = 0.2


class Activation(NamedTuple):
    """A function applied to each unit; its slope and curvature (first and second derivative) in terms of the function's value.
    The curvature of a piecewise linear function is None: zero wherever it exists."""
    name: str
    value: Callable
    slope: Callable
    curvature: Callable | None

    def __reduce__(self):
        """Written by its name, where it is one of this page's: functions cannot be pickled."""
        known = any(self is activation for activation in (TANH, RELU, LEAKY_RELU, IDENTITY))
        return (activation_named, (self.name,)) if known else (Activation, tuple(self))


_relu = primitive(lambda a: np.maximum(a, 0.0))
defvjp(_relu, lambda h, a: lambda g: g * (h > 0))                     # 0 at the kink, where autograd's maximum says ½
_leaky_relu = primitive(lambda a: np.maximum(a, LEAK * a))
defvjp(_leaky_relu, lambda h, a: lambda g: g * np.where(h > 0, 1.0, LEAK))

TANH = Activation("tanh", np.tanh, lambda h: 1 - h * h, lambda h: -2 * h * (1 - h * h))
RELU = Activation("relu", _relu, lambda h: 1.0 * (h > 0), None)
LEAKY_RELU = Activation("leaky_relu", _leaky_relu, lambda h: np.where(h > 0, 1.0, LEAK), None)
IDENTITY = Activation("identity", lambda a: 1.0 * a, lambda h: np.ones_like(h), None)


def activation_named(name):
    """The activation that has this name, as a saved model remembers it."""
    found = [activation for activation in (TANH, RELU, LEAKY_RELU, IDENTITY) if activation.name == name]
    if not found:
        raise ValueError(f"name: expected tanh, relu, leaky_relu or identity, got {name!r}")
    return found[0]


def init_dense(rng, n_in, n_out, *, gain=1.0):
    """A layer with weights N(0, gain²/n_in) and zero bias, (n_in + 1, n_out)."""
    weight = rng.standard_normal((n_in, n_out)) * (gain / np.sqrt(n_in))
    return np.concatenate((np.zeros((1, n_out)), weight))


def init_mlp(rng, sizes):
    """The layers of a network with sizes = (n_in, hidden …, n_out)."""
    return [init_dense(rng, n_in, n_out) for n_in, n_out in zip(sizes, sizes[1:])]


def dense(layer, h):
    return layer[0] + h @ layer[1:]                                   # (1)


def masked_dense(layer, mask, h):
    return layer[0] + h @ (layer[1:] * mask)                          # (3)


def mlp(layers, x, *, activation=TANH):
    """The network's output, (N, n_out)."""
    for layer in layers[:-1]:
        x = activation.value(dense(layer, x))
    return dense(layers[-1], x)                                       # (2)


def mlp_vjp(layers, x, cotangent, *, activation=TANH):
    """The output, and the gradients of ⟨cotangent, output⟩: (out (N, n_out), dlayers like layers, dx (N, n_in))."""
    vjp, out = make_vjp(lambda both: mlp(both[0], both[1], activation=activation))((layers, x))
    dlayers, dx = vjp(cotangent)
    return out, dlayers, dx
