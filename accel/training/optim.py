"""Adam, its schedules, and clipping of the gradient's norm.

The mathematics is in `reference.training.optim`. Same values; all parameters lie in one flat buffer, the state is updated in
place, and the two bias corrections are folded into the step size and ε, so that one step is eleven passes over one vector:

    w ← w − η' m / (√v + ε'),   ε' = ε √(1 − β₂ᵗ),   η' = η √(1 − β₂ᵗ) / (1 − β₁ᵗ)
"""
import math
from typing import NamedTuple

from accel.device import array_module
from accel.runtime.tree import packed, ravel, unravel

__all__ = ["AdamState", "init_adam", "adam_step", "clip_by_norm", "constant", "cosine", "one_cycle"]

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class AdamState(NamedTuple):
    """The number of steps taken, and the running means, packed trees like the parameters."""
    step: int
    mean: dict
    square: dict


def init_adam(params):
    flat = ravel(params)
    return AdamState(0, *(unravel(array_module(flat).zeros_like(flat), params) for _ in range(2)))


def adam_step(params, grads, state, *, learning_rate=1e-3, beta1=BETA1, beta2=BETA2, epsilon=EPSILON):
    """The parameters and the state after one step: the same buffers, updated, wherever they were packed."""
    params, mean, square, step = packed(params), packed(state.mean), packed(state.square), state.step + 1
    w, m, v, g = params.flat, mean.flat, square.flat, ravel(grads)
    xp = array_module(w)
    t = mean.scratch("adam", lambda: xp.empty_like(w))
    eta, epsilon = folded(step, learning_rate, beta1, beta2, epsilon)
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
    return params, AdamState(step, mean, square)


def folded(step, learning_rate, beta1=BETA1, beta2=BETA2, epsilon=EPSILON):
    """(η', ε') of a step, counted from 1."""
    root = math.sqrt(1 - beta2**step)
    return learning_rate * root / (1 - beta1**step), epsilon * root


def clip_by_norm(grads, max_norm):
    """The gradients, scaled down if their joint norm exceeds max_norm (in place where they are packed), and the norm that
    they had. The norm is fetched on the CPU; on a device everything stays there."""
    packed_grads = packed(grads)
    flat = packed_grads.flat
    xp = array_module(flat)
    squared = xp.vdot(flat, flat)
    if xp.__name__ == "numpy":
        norm = math.sqrt(squared)
        if norm > max_norm:
            flat *= max_norm / norm
        return packed_grads, flat.dtype.type(norm)
    norm = xp.sqrt(squared)
    flat *= xp.minimum(max_norm / xp.maximum(norm, max_norm), 1)
    return packed_grads, norm


def constant(fraction):
    return 1.0


def cosine(fraction):
    return 0.5 * (1 + math.cos(math.pi * fraction))


def one_cycle(fraction):
    return fraction / 0.1 if fraction < 0.1 else cosine((fraction - 0.1) / 0.9)
