"""Input checks of the training loops, the noise of a loss, and the error when a loss is not finite.

Example
-------
>>> import numpy as np
>>> from accel.training import inputs
>>> inputs.check_settings(100, learning_rate=1e-3, batch_size=200, max_epochs=5, patience=2,
...                       validation_fraction=0.1, clip_norm=5.0)["batch_size"]
90
"""
from collections.abc import Callable
from typing import NamedTuple

from accel.runtime import checks
from accel.runtime.protocols import Params

__all__ = ["NonFiniteLossError"]
SHARED = ["Objective", "check_adversarial_settings", "check_data", "check_settings", "draw"]
__all__ += SHARED


class NonFiniteLossError(ArithmeticError):
    """The loss became NaN or infinite. Has `step` (counted from 1), `params` (the last good ones) and
    `history`.
    """

    def __init__(self, step: int, params: Params, history: dict) -> None:
        super().__init__(f"the loss is not finite at step {step}; lower the learning rate or look at the "
                         "data "
                         "(.params holds the last good parameters, .history the losses)")
        self.step, self.params, self.history = step, params, history


def check_data(data):
    """The data as finite arrays of one length, or a ValueError."""
    if not isinstance(data, (tuple, list)) or not data:
        raise ValueError(f"data: expected a tuple of arrays, got {type(data).__name__}")
    data = tuple(checks.as_array(f"data[{i}]", a) for i, a in enumerate(data))
    for i, a in enumerate(data):
        if a.ndim == 0 or len(a) != len(data[0]):
            raise ValueError(f"data[{i}]: expected as many rows as data[0], shape {tuple(data[0].shape)}, "
                             f"got shape {tuple(a.shape)}")
        checks.check_finite(f"data[{i}]", a)
    checks.check_count("data: number of rows", len(data[0]), least=2)
    return data


def check_settings(n, *, learning_rate, batch_size, max_epochs, patience, validation_fraction, clip_norm):
    """The settings as plain numbers, with the size of the validation set and of a batch, or a ValueError."""
    if not 0 <= validation_fraction < 1:
        raise ValueError(f"validation_fraction: expected a number in [0, 1), got {validation_fraction!r}")
    n_validation = min(max(1, int(validation_fraction * n)), n - 1) if validation_fraction else 0
    return {"learning_rate": checks.check_positive("learning_rate", learning_rate),
            "clip_norm": checks.check_positive("clip_norm", clip_norm),
            "batch_size": min(checks.check_count("batch_size", batch_size), n - n_validation),
            "max_epochs": checks.check_count("max_epochs", max_epochs),
            "patience": checks.check_count("patience", patience),
            "n_validation": n_validation}


def check_adversarial_settings(n, *, n_critic, averaging, learning_rate, beta1, beta2, batch_size, n_epochs):
    """The settings as plain numbers, or a ValueError."""
    for name, value in {"averaging": averaging, "beta1": beta1, "beta2": beta2}.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name}: expected a number in [0, 1), got {value!r}")
    return {"n_critic": checks.check_count("n_critic", n_critic), "averaging": averaging,
            "beta1": beta1, "beta2": beta2,
            "learning_rate": checks.check_positive("learning_rate", learning_rate),
            "batch_size": min(checks.check_count("batch_size", batch_size), n),
            "n_epochs": checks.check_count("n_epochs", n_epochs)}


class Objective(NamedTuple):
    """A model for the training loop: functions whose settings are given. Accel alone uses the last two."""
    loss: Callable
    loss_and_grad: Callable
    draw_noise: Callable | None = None
    write_grads: Callable | None = None
    fused: Callable | None = None


def draw(model, rng, n):
    """The noise of a loss for n samples, as a list of arrays; empty for a loss without noise."""
    draw_noise = getattr(model, "draw_noise", None)
    if not n or draw_noise is None:
        return []
    noise = draw_noise(rng, n)
    return list(noise) if isinstance(noise, (tuple, list)) else [noise]
