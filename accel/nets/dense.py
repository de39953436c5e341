"""Dense networks: affine layers with an activation function between them.

The mathematics is in `reference.nets.dense`. Same values; inside, activations are feature-major, below a
first row of ones, (1 + features, N): the bias and its gradient are part of the matrix product, and every
slice is contiguous. On a device one kernel (`kernels/mlp`) computes a whole network.

Backward through one layer (1), a = [b; W]ᵀ [1; h], given da:

    d[b; W] = [1; h] daᵀ            the first row is the bias's gradient
    dh      = W da
    da'     = dh ⊙ slope(h)         through the activation below, whose output is h

Example
-------
>>> import numpy as np
>>> from accel.nets import dense
>>> layers = [np.array([[1.0, -1.0], [2.0, 0.5], [0.0, 3.0]]), np.array([[0.25], [1.0], [-2.0]])]
>>> dense.mlp(layers, np.array([[1.0, 2.0]]), activation=dense.RELU)   # 0.25 + 3 − 2 · 5.5
array([[-7.75]])
"""
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from accel import memory
from accel.device import array_module
from accel.kernels.mlp import launch as mlp_kernel
from accel.runtime.protocols import Array, Rng
from accel.runtime.tree import tree_map

__all__ = ["Activation", "TANH", "RELU", "LEAKY_RELU", "IDENTITY", "activation_named", "init_dense",
           "init_mlp", "dense", "masked_dense", "mlp", "mlp_vjp"]
SHARED = ["Tape", "shapes_of", "forward", "hidden", "backward"]
__all__ += SHARED

LEAK = mlp_kernel.LEAK


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


def _tanh_slope(h, out=None):
    out = array_module(h).multiply(h, h, out=out)
    return array_module(h).subtract(1, out, out=out)


def _tanh_curvature(h, out=None):
    out = _tanh_slope(h, out)
    out *= h
    out *= -2
    return out


def _leaky_relu_slope(h, out=None):
    xp = array_module(h)
    out = xp.greater(h, 0, out=xp.empty_like(h) if out is None else out)
    out *= 1 - LEAK
    out += LEAK
    return out


def _identity(a, out=None):
    if out is None:
        return a.copy()
    if out is not a:
        out[...] = a
    return out


def _identity_slope(h, out=None):
    out = array_module(h).empty_like(h) if out is None else out
    out.fill(1)
    return out


# In accel each function takes out=, which may be the argument of value and slope, but not of curvature
TANH = Activation("tanh", lambda a, out=None: array_module(a).tanh(a, out=out), _tanh_slope, _tanh_curvature)
RELU = Activation("relu", lambda a, out=None: array_module(a).maximum(a, 0, out=out),
                  lambda h, out=None: array_module(h).sign(h, out=out), None)
LEAKY_RELU = Activation("leaky_relu", lambda a, out=None: array_module(a).maximum(a, LEAK * a, out=out),
                        _leaky_relu_slope, None)
IDENTITY = Activation("identity", _identity, _identity_slope, None)


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
    weight = rng.standard_normal((n_in, n_out))
    layer = array_module(weight).zeros((n_in + 1, n_out), dtype=weight.dtype)
    array_module(weight).multiply(weight, float(gain / np.sqrt(n_in)), out=layer[1:])
    return layer


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
    out = h @ layer[1:]
    out += layer[0]                                                   # (1)
    return out


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
    return dense(layer * _with_bias_row(mask, layer.dtype), h)        # (3)


def _with_bias_row(mask, dtype):
    """M with the bias's row of ones above it, (n_in + 1, n_out), whatever type M has."""
    both = array_module(mask).ones((len(mask) + 1, mask.shape[1]), dtype)
    both[1:] = mask
    return both


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
    if (found := mlp_kernel.mlp(layers, x, activation)) is not None:
        return found
    for layer in layers[:-1]:
        h = dense(layer, x)
        x = activation.value(h, out=h)
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
    if (found := mlp_kernel.mlp_vjp(layers, x, cotangent, activation)) is not None:
        return found
    xp, n = array_module(x), len(x)
    with memory.borrow(Tape, xp, shapes_of(layers), n, x.dtype) as tape:
        tape.inputs[0][1:] = x.T
        out = forward(layers, tape, activation).T.copy()
        dlayers = tree_map(xp.empty_like, layers)
        tape.out[...] = cotangent.T
        dx = backward(layers, tape, tape.out, dlayers, activation, need_dx=True)
        return out, dlayers, dx.T.copy()


def shapes_of(layers):
    """The shapes of a network's layers, ((n_in + 1, n_out), …), by which its work arrays are described."""
    return tuple([layer.shape for layer in layers])


class Tape:
    """The work arrays of a network of these shapes for N samples: each layer's input, the output, and room.

    The room is three arrays of the widest layer: two that cotangents take in turn, and one for slopes. Tapes
    whose backward passes follow one another can share it.
    """

    def __init__(self, xp, shapes, n, dtype):
        self.inputs = [xp.ones((n_in, n), dtype) for n_in, _ in shapes]       # the first row stays one
        self.fed = [h[1:] for h in self.inputs]
        self.out = xp.empty((shapes[-1][1], n), dtype)
        self.use(xp.empty((3, max(a.size for a in self.fed)), dtype))

    def use(self, room):
        """Keep cotangents and slopes in this room, (3, size), where it is large enough."""
        if room.shape[1] >= max(a.size for a in self.fed):
            self.room = room
            self.cotangents = [room[k % 2, :a.size].reshape(a.shape) for k, a in enumerate(self.fed)]
            self.slopes = [room[2, :a.size].reshape(a.shape) for a in self.fed]


def forward(layers, tape, activation=TANH):
    """The output, (n_out, N), of the network fed with tape.inputs[0]; it is tape.out."""
    return array_module(tape.out).matmul(layers[-1].T, hidden(layers, tape, activation), out=tape.out)


def hidden(layers, tape, activation=TANH):
    """The last hidden units below their row of ones, (1 + H, N), as forward leaves them in the tape."""
    xp = array_module(tape.out)
    for layer, h, a in zip(layers, tape.inputs, tape.fed[1:]):
        activation.value(xp.matmul(layer.T, h, out=a), out=a)
    return tape.inputs[-1]


def backward(layers, tape, dout, dlayers, activation=TANH, *, need_dx=False, first=0):
    """Write the gradients into dlayers, or none where that is None, for a network that is fixed.

    Returns the gradient of the input from its row `first` on, (n_in − first, N), or None without need_dx.
    """
    xp = array_module(dout)
    for k in range(len(layers) - 1, 0, -1):
        if dlayers is not None:
            xp.matmul(tape.inputs[k], dout.T, out=dlayers[k])
        dout = xp.matmul(layers[k][1:], dout, out=tape.cotangents[k])
        dout *= activation.slope(tape.fed[k], out=tape.slopes[k])
    if dlayers is not None:
        xp.matmul(tape.inputs[0], dout.T, out=dlayers[0])
    return xp.matmul(layers[0][1 + first:], dout, out=tape.cotangents[0][first:]) if need_dx else None
