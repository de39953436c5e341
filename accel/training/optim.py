"""Adam, its schedules, and clipping of the gradient's norm.

The mathematics is in `reference.training.optim`. Same values; a step is eleven passes over one vector of all
parameters, with the two bias corrections folded into the step size and ε. A training run updates its own
vectors in place by the same passes:

    w ← w − η' m / (√v + ε'),   ε' = ε √(1 − β₂ᵗ),   η' = η √(1 − β₂ᵗ) / (1 − β₁ᵗ)

Example
-------
>>> import numpy as np
>>> from accel.training import optim
>>> params, grads = {"w": np.zeros(2)}, {"w": np.array([3.0, -4.0])}
>>> params, state = optim.adam_step(params, grads, optim.init_adam(params), learning_rate=0.1)
>>> print(params["w"].round(3), state.step)
[-0.1  0.1] 1
"""
import math
from typing import NamedTuple

from accel.runtime.protocols import Array, Params
from accel.device import array_module
from accel.runtime._vector import vector, views

__all__ = ["AdamState", "init_adam", "adam_step", "clip_by_norm", "constant", "cosine", "one_cycle"]
SHARED = ["BETA1", "BETA2", "update", "clip", "folded"]
__all__ += SHARED

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class AdamState(NamedTuple):
    """The number of steps taken, and the running means, trees like the parameters."""
    step: int
    mean: dict
    square: dict


def init_adam(params: Params) -> AdamState:
    """The state before the first step.

    Parameters
    ----------
    params : tree
        Decides the shapes; its numbers do not count.
    """
    flat = vector(params)
    return AdamState(0, *(views(array_module(flat).zeros_like(flat), params) for _ in range(2)))


def adam_step(params: Params, grads: Params, state: AdamState, *, learning_rate: float = 1e-3,
              beta1: float = 0.9,
              beta2: float = 0.999, epsilon: float = 1e-8) -> tuple[Params, AdamState]:
    """The parameters and the state after one step, in new trees.

    Parameters
    ----------
    params, grads : tree
        w and g.
    state : AdamState
        From `init_adam`, or the step before.
    learning_rate, beta1, beta2, epsilon : float
        η, β₁, β₂ and ε.
    """
    w, m, v = (array_module(flat).array(flat) for flat in map(vector, (params, state.mean, state.square)))
    rates = folded(state.step + 1, learning_rate, beta1, beta2, epsilon)
    update(w, m, v, vector(grads), array_module(w).empty_like(w), rates, beta1, beta2)
    return views(w, params), AdamState(state.step + 1, views(m, params), views(v, params))


def update(w, m, v, g, t, rates, beta1=BETA1, beta2=BETA2):
    """One step on vectors (P,), in place: parameters w, running means m and v; g is the gradient, t is
    overwritten.
    """
    xp, (eta, epsilon) = array_module(w), rates
    m *= beta1
    m += xp.multiply(g, 1 - beta1, out=t)
    v *= beta2
    xp.multiply(g, g, out=t)
    t *= 1 - beta2
    v += t
    xp.sqrt(v, out=t)
    t += epsilon
    xp.divide(m, t, out=t)
    t *= eta
    w -= t


def folded(step, learning_rate, beta1=BETA1, beta2=BETA2, epsilon=EPSILON):
    """(η', ε') of a step, counted from 1."""
    root = math.sqrt(1 - beta2**step)
    return learning_rate * root / (1 - beta1**step), epsilon * root


def clip_by_norm(grads: Params, max_norm: float) -> tuple[Params, Array]:
    """The gradients in a new tree, scaled down if their joint norm exceeds max_norm, and the norm that
    they had.

    Parameters
    ----------
    grads : tree
        g.
    max_norm : float
        c, above zero.
    """
    flat = array_module(vector(grads)).array(vector(grads))
    norm = clip(flat, max_norm)
    return views(flat, grads), norm


def clip(flat, max_norm):
    """The norm of a vector, which is scaled down in place to max_norm at most. On a device the norm stays
    there.
    """
    xp = array_module(flat)
    squared = xp.vdot(flat, flat)
    if xp.__name__ == "numpy":
        norm = math.sqrt(squared)
        if norm > max_norm:
            flat *= max_norm / norm
        return flat.dtype.type(norm)
    norm = xp.sqrt(squared)
    flat *= xp.minimum(max_norm / xp.maximum(norm, max_norm), 1)
    return norm


def constant(fraction: float) -> float:
    """The factor 1."""
    return 1.0


def cosine(fraction: float) -> float:
    """½ (1 + cos πf): from 1 down to 0."""
    return 0.5 * (1 + math.cos(math.pi * fraction))


def one_cycle(fraction: float) -> float:
    """A rise from 0 over the first tenth, then cosine."""
    return fraction / 0.1 if fraction < 0.1 else cosine((fraction - 0.1) / 0.9)
