"""The one training loop: minibatches, Adam, a validation split, early stopping, checkpoints.

What it does is in `reference.core.training`. Same numbers; parameters, gradient and Adam's state are flat buffers updated in
place, batches are gathered where the data live, and on a device the losses stay there until the end of an epoch, when they are
checked together (the error still names the step). Networks of up to a million parameters train on one BLAS thread.
"""
import contextlib
import math
import os
import warnings
from typing import NamedTuple

import numpy as np

from accel.core import checks, optim, persistence
from accel.core.progress import progress_bar
from accel.core.tree import ravel, unravel
from accel.device import array_module, single_blas_thread, to_host

__all__ = ["Trained", "NonFiniteLossError", "train"]


class Trained(NamedTuple):
    """What training returns: the best parameters (packed) and their loss, the history, their epoch, and why it stopped."""
    params: dict
    loss: float
    history: dict
    best_epoch: int
    stopped: str


SMALL = 1_000_000


class NonFiniteLossError(ArithmeticError):
    """The loss became NaN or infinite. Has `step` (counted from 1), `params` (the last good ones) and `history`."""

    def __init__(self, step, params, history):
        super().__init__(f"the loss is not finite at step {step}; lower the learning rate or look at the data "
                         "(.params holds the last good parameters, .history the losses)")
        self.step, self.params, self.history = step, params, history


def train(model, params, data, *, rng, learning_rate=5e-4, batch_size=200, max_epochs=200, patience=20, validation_fraction=0.1,
          clip_norm=5.0, schedule=optim.constant, checkpoint=None, progress=False):
    """Fit the parameters to the data; they decide the device and the dtype."""
    data = check_data(data)
    settings = check_settings(len(data[0]), learning_rate=learning_rate, batch_size=batch_size, max_epochs=max_epochs,
                              patience=patience, validation_fraction=validation_fraction, clip_norm=clip_norm)
    n, n_validation, batch_size = len(data[0]), settings["n_validation"], settings["batch_size"]
    identity = {**settings, "schedule": schedule.__name__, "data": [[list(a.shape), float(a.sum())] for a in data]}
    flat = ravel(params).copy()
    xp, params = array_module(flat), unravel(flat, params)

    state = load_checkpoint(checkpoint, identity, params, rng)
    if state is None:
        state = {"epoch": 0, "best_epoch": 0, "best_loss": math.inf, "stopped": "", "history": {"train_loss": [], "validation_loss": []},
                 "order": permutation(rng, n), "noise": draw(model, rng, n_validation)}
        adam, best = optim.init_adam(params), flat.copy()
    else:
        flat[...], best = xp.asarray(state["params"]), xp.asarray(state["best"])
        adam = optim.AdamState(state["step"], *(unravel(xp.asarray(state[name]), params) for name in ("mean", "square")))
        state["noise"] = [xp.asarray(a) for a in state["noise"]]
    held, kept = (xp.asarray(rows) for rows in (state["order"][:n_validation], state["order"][n_validation:]))
    validation, training = [a[held] for a in data] + state["noise"], [a[kept] for a in data]
    n_training, n_batches = n - n_validation, (n - n_validation) // batch_size
    if n_validation and state["epoch"] == 0:
        state["best_loss"] = finite_or_inf(model.loss(params, *validation))
    history, bar = state["history"], progress_bar(progress, max_epochs, unit="epoch", done=state["epoch"])

    try:
        with single_blas_thread() if flat.size <= SMALL else contextlib.nullcontext():
            while not state["stopped"]:
                order, losses = xp.asarray(permutation(rng, n_training)), []
                for b in range(n_batches):
                    rows = order[b * batch_size:(b + 1) * batch_size]
                    batch = [xp.take(a, rows, axis=0) for a in training]
                    loss, grads = model.loss_and_grad(params, *batch, *draw(model, rng, batch_size))
                    if xp is np and not math.isfinite(loss):
                        raise NonFiniteLossError(adam.step + 1, unravel(best, params), history)
                    losses.append(loss)
                    grads, _ = optim.clip_by_norm(grads, clip_norm)
                    eta = learning_rate * schedule(adam.step / (max_epochs * n_batches))
                    params, adam = optim.adam_step(params, grads, adam, learning_rate=eta)
                losses = on_host(xp, losses)
                if not np.isfinite(losses).all():
                    first = int(np.argmin(np.isfinite(losses)))
                    raise NonFiniteLossError(adam.step - n_batches + first + 1, unravel(best, params), history)
                history["train_loss"].append(math.fsum(losses) / n_batches)
                held_out = float(model.loss(params, *validation)) if n_validation else -math.inf
                if n_validation and not math.isfinite(held_out):
                    raise NonFiniteLossError(adam.step, unravel(best, params), history)
                history["validation_loss"].append(held_out if n_validation else math.nan)
                state["epoch"] += 1
                if held_out < state["best_loss"] or not n_validation:
                    best[...], state["best_loss"], state["best_epoch"] = flat, held_out, state["epoch"]
                if n_validation and state["epoch"] - state["best_epoch"] >= patience:
                    state["stopped"] = "patience"
                elif state["epoch"] == max_epochs:
                    state["stopped"] = "max_epochs"
                save_checkpoint(checkpoint, identity, state, flat, best, adam, rng)
                bar.update(1)
    except KeyboardInterrupt:
        warnings.warn(f"training was interrupted in epoch {state['epoch'] + 1}; the best parameters so far are returned", stacklevel=2)
        state["stopped"] = "interrupted"
    finally:
        bar.close()
    loss = state["best_loss"] if n_validation else math.nan
    return Trained(unravel(best, params), loss, history, state["best_epoch"], state["stopped"])


def permutation(rng, n):
    """A random order of n rows, on the host: the sort of uniform draws."""
    return np.argsort(to_host(rng.random(n)))


def on_host(xp, losses):
    """The losses of an epoch as host numbers: one transfer from a device."""
    return np.array(losses, float) if xp is np else xp.stack(losses).get().astype(float)


def check_data(data):
    """The data as finite arrays of one length, or a ValueError."""
    if not isinstance(data, (tuple, list)) or not data:
        raise ValueError(f"data: expected a tuple of arrays, got {type(data).__name__}")
    data = tuple(checks.as_array(f"data[{i}]", a) for i, a in enumerate(data))
    for i, a in enumerate(data):
        if a.ndim == 0 or len(a) != len(data[0]):
            raise ValueError(f"data[{i}]: expected as many rows as data[0], shape {tuple(data[0].shape)}, got shape {tuple(a.shape)}")
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


def draw(model, rng, n):
    """The noise of a loss for n samples, as a list of arrays; empty for a loss without noise."""
    if not n or not hasattr(model, "draw_noise"):
        return []
    noise = model.draw_noise(rng, n)
    return list(noise) if isinstance(noise, (tuple, list)) else [noise]


def finite_or_inf(loss):
    """A start without a finite loss is no candidate for the best; the first step will say what is wrong."""
    return float(loss) if math.isfinite(loss) else math.inf


def rng_state(rng):
    """What it takes to set a generator back; None for one that cannot tell."""
    return getattr(getattr(rng, "bit_generator", None), "state", None)


def save_checkpoint(path, identity, state, flat, best, adam, rng):
    if path is not None:
        arrays = {"params": flat, "best": best, "mean": ravel(adam.mean), "square": ravel(adam.square)}
        persistence.save(path, "training", {"identity": identity, **state, **arrays, "step": adam.step, "rng": rng_state(rng)})


def load_checkpoint(path, identity, params, rng):
    """The saved state, with rng set back; None where there is no checkpoint."""
    if path is None or not os.path.exists(path):
        if path is not None and rng_state(rng) is None:
            raise ValueError("rng: expected a NumPy Generator when a checkpoint is asked for, got one that cannot tell its state")
        return None
    saved = persistence.load(path, "training")
    for key, value in saved.pop("identity").items():
        if identity[key] != value:
            raise ValueError(f"checkpoint: expected {key} = {value!r} as in {os.fspath(path)!r}, got {identity[key]!r}; "
                             "remove the file to train anew")
    if saved["params"].shape != params.flat.shape:
        raise ValueError(f"checkpoint: expected parameters of {saved['params'].size} numbers as in {os.fspath(path)!r}, "
                         f"got {params.flat.size}")
    rng.bit_generator.state = saved["rng"]
    return saved
