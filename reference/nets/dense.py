"""Dense networks: affine layers with an activation function between them.

A layer is one array that holds weights and bias, because a bias is the weight of a constant one:

    (1)  dense(h) = b + h W,   layer = [b; W], (n_in + 1, n_out)
    (2)  mlp(x) = dense_L ∘ a ∘ dense_{L−1} ∘ … ∘ a ∘ dense_1 (x)      no activation after the last layer
    (3)  masked_dense(h) = b + h (W ⊙ M)                               a zero in M removes a connection

Shapes        N samples; x (N, n_in); layer (n_in + 1, n_out), its first row the bias; M (n_in, n_out) of
              zeros and ones.
Conventions   weights start as N(0, 1/n_in), biases at zero: activations keep the variance of their input.
Source        "Efficient BackProp", LeCun, Bottou, Orr and Müller, 1998, section 4.6 (the initial variance).
Departures    the slope and the curvature of an activation are functions of its own output: a backward pass,
              and one through a gradient, need nothing else.

Example
-------
>>> import numpy as np
>>> from reference.nets import dense
>>> layers = [np.array([[1.0, -1.0], [2.0, 0.5], [0.0, 3.0]]), np.array([[0.25], [1.0], [-2.0]])]
>>> dense.mlp(layers, np.array([[1.0, 2.0]]), activation=dense.RELU)   # 0.25 + 3 − 2 · 5.5
array([[-7.75]])
"""
from collections.abc import Callable, Sequence
from typing import NamedTuple

import autograd.numpy as np
from autograd import make_vjp
from autograd.extend import defvjp, primitive

from reference.runtime.protocols import Array, Rng

__all__ = ["Activation", "TANH", "RELU", "LEAKY_RELU", "IDENTITY", "activation_named", "init_dense",
           "init_mlp", "dense", "masked_dense", "mlp", "mlp_vjp"]

LEAK = 0.2


class Activation(NamedTuple):
    """A function that is applied to each unit.

    Attributes
    ----------
    name : str
    value : callable
        a → h.
    slope, curvature : callable
        h → the first and second derivative at that a. A curvature of None stands for zero.
    """
    name: str
    value: Callable
    slope: Callable
    curvature: Callable | None

    def __repr__(self):
        return f"Activation({self.name!r})"

    def __reduce__(self):
        """Pickled by name, where it is one of this page's: functions cannot be pickled."""
        known = any(self is activation for activation in (TANH, RELU, LEAKY_RELU, IDENTITY))
        return (activation_named, (self.name,)) if known else (Activation, tuple(self))


_relu = primitive(lambda a: np.maximum(a, 0.0))
defvjp(_relu, lambda h, a: lambda g: g * (h > 0))                     # 0 at the kink; autograd has ½
_leaky_relu = primitive(lambda a: np.maximum(a, LEAK * a))
defvjp(_leaky_relu, lambda h, a: lambda g: g * np.where(h > 0, 1.0, LEAK))

TANH = Activation("tanh", np.tanh, lambda h: 1 - h * h, lambda h: -2 * h * (1 - h * h))
RELU = Activation("relu", _relu, lambda h: 1.0 * (h > 0), None)
LEAKY_RELU = Activation("leaky_relu", _leaky_relu, lambda h: np.where(h > 0, 1.0, LEAK), None)
IDENTITY = Activation("identity", lambda a: 1.0 * a, lambda h: np.ones_like(h), None)


def activation_named(name: str) -> Activation:
    """The activation of this name, which is what a saved model stores.

    Parameters
    ----------
    name : str
        "tanh", "relu", "leaky_relu" or "identity".

    Raises
    ------
    ValueError
        If it is another name.
    """
    found = [activation for activation in (TANH, RELU, LEAKY_RELU, IDENTITY) if activation.name == name]
    if not found:
        raise ValueError(f"name: expected tanh, relu, leaky_relu or identity, got {name!r}")
    return found[0]


def init_dense(rng: Rng, n_in: int, n_out: int, *, gain: float = 1.0) -> Array:
    """A layer with weights N(0, gain²/n_in) and zero bias, (n_in + 1, n_out).

    Parameters
    ----------
    rng : Generator
    n_in, n_out : int
        Units below and above the layer.
    gain : float
        Standard deviation of the output where the input has variance one.
    """
    weight = rng.standard_normal((n_in, n_out)) * (gain / np.sqrt(n_in))
    return np.concatenate((np.zeros((1, n_out)), weight))


def init_mlp(rng: Rng, sizes: Sequence[int]) -> list[Array]:
    """The layers of a network, as `init_dense` makes them.

    Parameters
    ----------
    rng : Generator
    sizes : sequence of int
        (n_in, hidden …, n_out).
    """
    return [init_dense(rng, n_in, n_out) for n_in, n_out in zip(sizes, sizes[1:])]


def dense(layer: Array, h: Array) -> Array:
    """The affine map (1), (N, n_out).

    Parameters
    ----------
    layer : (n_in + 1, n_out) float
        The bias, then the weights.
    h : (N, n_in) float
    """
    return layer[0] + h @ layer[1:]                                   # (1)


def masked_dense(layer: Array, mask: Array, h: Array) -> Array:
    """The affine map (3), (N, n_out).

    Parameters
    ----------
    layer : (n_in + 1, n_out) float
        The bias, then the weights.
    mask : (n_in, n_out) float or bool
        M, of zeros and ones.
    h : (N, n_in) float
    """
    return layer[0] + h @ (layer[1:] * mask)                          # (3)


def mlp(layers: Sequence[Array], x: Array, *, activation: Activation = TANH) -> Array:
    """The output of a network, (N, n_out).

    Parameters
    ----------
    layers : sequence of (n_in + 1, n_out) float
        Each takes what the one before it gives.
    x : (N, n_in) float
    activation : Activation
        a of (2).
    """
    for layer in layers[:-1]:
        x = activation.value(dense(layer, x))
    return dense(layers[-1], x)                                       # (2)


def mlp_vjp(layers: Sequence[Array], x: Array, cotangent: Array, *, activation: Activation = TANH) -> tuple:
    """The output of a network, and the gradients of ⟨cotangent, output⟩.

    Parameters
    ----------
    layers : sequence of (n_in + 1, n_out) float
        Each takes what the one before it gives.
    x : (N, n_in) float
    cotangent : (N, n_out) float
    activation : Activation
        a of (2).

    Returns
    -------
    out : (N, n_out) float
    dlayers : list of arrays
        Like layers.
    dx : (N, n_in) float
    """
    vjp, out = make_vjp(lambda args: mlp(*args, activation=activation))((list(layers), x))
    return out, *vjp(cotangent)
