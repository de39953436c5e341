"""The one training loop: minibatches, Adam, a validation split, early stopping, checkpoints.

    (1)  split    one random permutation; the first ⌊fraction · N⌋ samples validate, the rest train
    (2)  epoch    a fresh permutation of the training samples, cut into ⌊N/B⌋ batches; a remainder waits for the next one
    (3)  step     (loss, g) of a batch → clip ‖g‖ → Adam with η · schedule(fraction of all steps done)
    (4)  best     the parameters with the lowest validation loss so far, the start included, a copy; `patience` epochs without
              a better one stop

A model is anything with `loss(params, *batch)` and `loss_and_grad(params, *batch)`, a module of this library for one. If it
also has `draw_noise(rng, n)`, what that returns is passed after the batch: anew at each step, once for the validation set.

Nothing already computed is lost: an interruption returns the best so far, a loss that is not finite raises with the last
good parameters, and with a checkpoint file a run that was stopped goes on to the very numbers of one that was not.
"""
import math
import os
import warnings
from typing import NamedTuple

import numpy as np

from reference.runtime import checks, persistence
from reference.training import optim
from reference.runtime.progress import progress_bar
from reference.runtime.tree import leaves, ravel, tree_map, unravel

__all__ = ["Trained", "NonFiniteLossError", "train"]


class Trained(NamedTuple):
    """What training returns.

    Attributes
    ----------
    params : tree
        The best parameters on the validation set, the initial ones among them; the last ones when nothing was held out.
    loss : float
        The validation loss of params; NaN when nothing was held out.
    history : dict of list of float
        "train_loss" (mean over an epoch's batches) and "validation_loss", one number per finished epoch.
    best_epoch : int
        The epoch of params, counted from 1; 0 if none was better than the start.
    stopped : str
        "patience", "max_epochs" or "interrupted".
    """
    params: dict
    loss: float
    history: dict
    best_epoch: int
    stopped: str


class NonFiniteLossError(ArithmeticError):
    """The loss became NaN or infinite. Has `step` (counted from 1), `params` (the last good ones) and `history`."""

    def __init__(self, step, params, history):
        super().__init__(f"the loss is not finite at step {step}; lower the learning rate or look at the data "
                         "(.params holds the last good parameters, .history the losses)")
        self.step, self.params, self.history = step, params, history


def train(model, params, data, *, rng, learning_rate=5e-4, batch_size=200, max_epochs=200, patience=20, validation_fraction=0.1,
          clip_norm=5.0, schedule=optim.constant, checkpoint=None, progress=False):
    """Fit the parameters to the data.

    Parameters
    ----------
    model
        Has `loss` and `loss_and_grad`, see above.
    params : tree
        Where training starts; not changed.
    data : tuple of (N, …) arrays
        What the loss takes, sample by sample.
    rng : Generator
        Splits, shuffles, and draws the loss's noise. With a checkpoint it must be able to tell its state.
    learning_rate, clip_norm : float
        η, and the largest gradient norm.
    batch_size, max_epochs, patience : int
        B is lowered to the number of training samples where there are fewer. Patience counts epochs.
    validation_fraction : float
        In [0, 1). With 0 nothing is held out, early stopping is off, and the last parameters are returned.
    schedule : callable
        From `optim`: fraction of all steps done → factor of η.
    checkpoint : path, optional
        Written after every epoch; if it exists, the run resumes from it and rng is set to where it was.
    progress : bool
        Show a progress bar (tqdm).

    Raises
    ------
    ValueError
        If the data are empty, of unequal length or not finite, a setting is out of range, or the checkpoint belongs to other
        data or settings.
    NonFiniteLossError
        If the loss stops being finite.
    """
    data = check_data(data)
    settings = check_settings(len(data[0]), learning_rate=learning_rate, batch_size=batch_size, max_epochs=max_epochs,
                              patience=patience, validation_fraction=validation_fraction, clip_norm=clip_norm)
    n, n_validation, batch_size = len(data[0]), settings["n_validation"], settings["batch_size"]
    identity = {**settings, "schedule": schedule.__name__, "data": [[list(a.shape), float(a.sum())] for a in data]}

    state = load_checkpoint(checkpoint, identity, params, rng)
    if state is None:
        state = {"epoch": 0, "best_epoch": 0, "best_loss": math.inf, "stopped": "", "history": {"train_loss": [], "validation_loss": []},
                 "order": np.argsort(rng.random(n)), "noise": draw(model, rng, n_validation)}       # (1)
        adam, best = optim.init_adam(params), params
    else:
        params, best = unravel(state["params"], params), unravel(state["best"], params)
        adam = optim.AdamState(state["step"], unravel(state["mean"], params), unravel(state["square"], params))
    validation = [a[state["order"][:n_validation]] for a in data] + state["noise"]
    training = [a[state["order"][n_validation:]] for a in data]
    n_batches = len(training[0]) // batch_size
    if n_validation and state["epoch"] == 0:
        state["best_loss"] = finite_or_inf(model.loss(params, *validation))
    history, bar = state["history"], progress_bar(progress, max_epochs, unit="epoch", done=state["epoch"])

    try:
        while not state["stopped"]:
            order, total = np.argsort(rng.random(len(training[0]))), 0.0                                                  # (2)
            for b in range(n_batches):
                rows = order[b * batch_size:(b + 1) * batch_size]
                loss, grads = model.loss_and_grad(params, *(a[rows] for a in training), *draw(model, rng, batch_size))
                if not np.isfinite(loss):
                    raise NonFiniteLossError(adam.step + 1, best, history)
                grads, _ = optim.clip_by_norm(grads, clip_norm)
                eta = learning_rate * schedule(adam.step / (max_epochs * n_batches))
                params, adam = optim.adam_step(params, grads, adam, learning_rate=eta)                                    # (3)
                total += float(loss)
            history["train_loss"].append(total / n_batches)
            held_out = float(model.loss(params, *validation)) if n_validation else -math.inf
            if n_validation and not np.isfinite(held_out):
                raise NonFiniteLossError(adam.step, best, history)
            history["validation_loss"].append(held_out if n_validation else math.nan)
            state["epoch"] += 1
            if held_out < state["best_loss"] or not n_validation:                                                         # (4)
                best, state["best_loss"], state["best_epoch"] = tree_map(np.copy, params), held_out, state["epoch"]
            if n_validation and state["epoch"] - state["best_epoch"] >= patience:
                state["stopped"] = "patience"
            elif state["epoch"] == max_epochs:
                state["stopped"] = "max_epochs"
            save_checkpoint(checkpoint, identity, state, params, best, adam, rng)
            bar.update(1)
    except KeyboardInterrupt:
        warnings.warn(f"training was interrupted in epoch {state['epoch'] + 1}; the best parameters so far are returned", stacklevel=2)
        state["stopped"] = "interrupted"
    finally:
        bar.close()
    return Trained(best, state["best_loss"] if n_validation else math.nan, history, state["best_epoch"], state["stopped"])


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


def save_checkpoint(path, identity, state, params, best, adam, rng):
    if path is not None:
        flat = {"params": ravel(params), "best": ravel(best), "mean": ravel(adam.mean), "square": ravel(adam.square)}
        persistence.save(path, "training", {"identity": identity, **state, **flat, "step": adam.step, "rng": rng_state(rng)})


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
    size = sum(leaf.size for _, leaf in leaves(params))
    if saved["params"].shape != (size,):
        raise ValueError(f"checkpoint: expected parameters of {saved['params'].size} numbers as in {os.fspath(path)!r}, got {size}")
    rng.bit_generator.state = saved["rng"]
    return saved
