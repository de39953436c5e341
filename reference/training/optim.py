"""Adam, its schedules, and clipping of the gradient's norm.

    (1)  m ← β₁ m + (1 − β₁) g                    running mean of the gradient
    (2)  v ← β₂ v + (1 − β₂) g²                   and of its square
    (3)  m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ)   both start at zero: undo the bias
    (4)  w ← w − η m̂ / (√v̂ + ε)
    (5)  g ← g · min(1, c/‖g‖)                    ‖g‖ over all parameters together

A schedule is a function of the fraction of the training that is done, 0 to 1, and multiplies η:

    (6)  constant: 1      (7)  cosine: ½ (1 + cos πf)    (8)  one cycle: a rise over the first tenth, then (7)

Shapes        w, g, m, v are trees of the same shapes; t counts the steps, from 1.
Source        "Adam: A Method for Stochastic Optimization", Kingma and Ba, 2015, algorithm 1; (7) "SGDR",
              Loshchilov and Hutter, 2017, eq. 5 without restarts; (8) "Super-Convergence", Smith and Topin,
              2018, with a cosine descent.

Example
-------
>>> import numpy as np
>>> from reference.training import optim
>>> params, grads = {"w": np.zeros(2)}, {"w": np.array([3.0, -4.0])}
>>> params, state = optim.adam_step(params, grads, optim.init_adam(params), learning_rate=0.1)
>>> print(params["w"].round(3), state.step)
[-0.1  0.1] 1
"""
from typing import NamedTuple

import autograd.numpy as np

from reference.runtime.protocols import Array, Params
from reference.runtime.tree import ravel, tree_map

__all__ = ["AdamState", "init_adam", "adam_step", "clip_by_norm", "constant", "cosine", "one_cycle"]


class AdamState(NamedTuple):
    """The number of steps taken, and the running means (1) and (2), trees like the parameters."""
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
    zeros = tree_map(np.zeros_like, params)
    return AdamState(0, zeros, tree_map(np.copy, zeros))


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
    step = state.step + 1
    mean = tree_map(lambda m, g: beta1 * m + (1 - beta1) * g, state.mean, grads)              # (1)
    square = tree_map(lambda v, g: beta2 * v + (1 - beta2) * g**2, state.square, grads)       # (2)

    def update(w, m, v):
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)                           # (3)
        return w - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)                         # (4)

    return tree_map(update, params, mean, square), AdamState(step, mean, square)


def clip_by_norm(grads: Params, max_norm: float) -> tuple[Params, Array]:
    """The gradients in a new tree, scaled down if their joint norm exceeds max_norm, and the norm that they
    had.

    Parameters
    ----------
    grads : tree
        g.
    max_norm : float
        c, above zero.
    """
    norm = np.linalg.norm(ravel(grads))
    factor = min(1.0, max_norm / norm) if norm > 0 else 1.0                                   # (5)
    return tree_map(lambda g: g * factor, grads), norm


def constant(fraction: float) -> float:
    """The factor 1."""
    return 1.0                                                                                # (6)


def cosine(fraction: float) -> float:
    """½ (1 + cos πf): from 1 down to 0."""
    return 0.5 * (1 + np.cos(np.pi * fraction))                                               # (7)


def one_cycle(fraction: float) -> float:
    """A rise from 0 over the first tenth, then cosine."""
    return fraction / 0.1 if fraction < 0.1 else cosine((fraction - 0.1) / 0.9)               # (8)
