"""The training loop: minibatches, Adam, a validation split, early stopping, checkpoints.

    (1)  split    one random permutation; the first ⌊fraction · N⌋ samples validate, the rest train
    (2)  epoch    a fresh permutation of the training samples, cut into ⌊N/B⌋ batches; a rest is left out
    (3)  step     (loss, g) of a batch → clip ‖g‖ → Adam with η · schedule(fraction of all steps done)
    (4)  best     the parameters with the lowest validation loss so far, the start included; `patience` epochs
                  without a better one stop the run

`train_literal` is (2) and (3) alone. `train` adds a validation set and a checkpoint, and loses nothing: an
interruption returns the best parameters so far, a loss that is not finite raises an error that holds them,
and a run goes on from its checkpoint to the same numbers as one that was not stopped.

Conventions   a model has `loss(params, *batch)` and `loss_and_grad(params, *batch)`. If it also has
              `draw_noise(rng, n)`, what that returns is passed after the batch: drawn anew at each step, once
              for the validation set.

Example
-------
>>> import numpy as np
>>> from reference.density import maf
>>> from reference.training import minibatch
>>> rng = np.random.default_rng(0)
>>> x, params = 3 + rng.standard_normal((200, 2)), maf.init_params(rng, dim=2, n_transforms=1, hidden=(4,))
>>> trained = minibatch.train(maf, params, (x,), rng=rng, learning_rate=1e-2, batch_size=50, max_epochs=20)
>>> trained.stopped, bool(trained.loss < maf.loss(params, x))
('max_epochs', True)
"""
import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reference.runtime.progress import progress_bar
from reference.runtime.protocols import Array, Model, Params, Rng
from reference.runtime.tree import frozen, leaves, ravel, unravel
from reference.training import checkpoint as checkpoints
from reference.training import optim
from reference.training.inputs import NonFiniteLossError, check_data, check_settings, draw

__all__ = ["Trained", "NonFiniteLossError", "train"]
SHARED = ["train_literal"]
__all__ += SHARED


class Trained(NamedTuple):
    """What training returns.

    Attributes
    ----------
    params : tree
        The best parameters on the validation set, the initial ones among them; the last ones when nothing was
        held out. Frozen.
    loss : float
        The validation loss of params; NaN when nothing was held out.
    history : dict of list of float
        "train_loss" (mean over an epoch's batches) and "validation_loss", one number per finished epoch.
    best_epoch : int
        The epoch of params, from 1; 0 if none was better than the start.
    stopped : str
        "patience", "max_epochs" or "interrupted".
    """
    params: dict
    loss: float
    history: dict
    best_epoch: int
    stopped: str


def train_literal(model, params, data, *, rng, learning_rate, batch_size, n_epochs, clip_norm=5.0):
    """The loop in its literal form: `train` with nothing held out and a constant rate gives the same
    numbers.
    """
    adam, n = optim.init_adam(params), len(data[0])
    data = take(data, np.argsort(rng.random(n)))                                                      # (1)
    for _ in range(n_epochs):
        order = np.argsort(rng.random(n))                                                             # (2)
        for b in range(n // batch_size):
            batch = take(data, order[b * batch_size:(b + 1) * batch_size])
            _, grads = model.loss_and_grad(params, *batch, *draw(model, rng, batch_size))
            grads, _ = optim.clip_by_norm(grads, clip_norm)
            params, adam = optim.adam_step(params, grads, adam, learning_rate=learning_rate)          # (3)
    return params


class Best(NamedTuple):
    """(4): the best parameters so far, their validation loss, and their epoch."""
    params: dict
    loss: float
    epoch: int

    def or_better(self, params, loss, epoch):
        return Best(params, loss, epoch) if loss < self.loss else self


def train(model: Model, params: Params, data: tuple[Array, ...], *, rng: Rng,
          learning_rate: float = 5e-4, batch_size: int = 200,
          max_epochs: int = 200, patience: int = 20, validation_fraction: float = 0.1, clip_norm: float = 5.0,
          schedule: Callable = optim.constant, checkpoint: str | None = None,
          progress: bool = False) -> Trained:
    """Fit the parameters to the data.

    Parameters
    ----------
    model : Model
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
        If the data are empty, of unequal length or not finite, a setting is out of range, or the checkpoint
        belongs to other data or settings.
    NonFiniteLossError
        If the loss stops being finite.
    """
    data = check_data(data)
    settings = check_settings(len(data[0]), learning_rate=learning_rate, batch_size=batch_size,
                              max_epochs=max_epochs,
                              patience=patience, validation_fraction=validation_fraction, clip_norm=clip_norm)
    n, n_validation, batch_size = len(data[0]), settings["n_validation"], settings["batch_size"]
    identity = {**settings, "schedule": schedule.__name__,
                "data": [[list(a.shape), float(a.sum())] for a in data]}
    size = sum(leaf.size for _, leaf in leaves(params))

    saved = checkpoints.load(checkpoint, "training", identity, size, rng)
    if saved is None:
        order, noise = np.argsort(rng.random(n)), draw(model, rng, n_validation)                      # (1)
        adam, best, epoch, stopped = optim.init_adam(params), Best(params, math.inf, 0), 0, ""
        history = {"train_loss": [], "validation_loss": []}
    else:
        order, noise, epoch, stopped, history = (saved[key]
                                                 for key in ("order", "noise", "epoch", "stopped", "history"))
        best = Best(unravel(saved["best"], params), saved["best_loss"], saved["best_epoch"])
        adam = optim.AdamState(saved["step"], unravel(saved["mean"], params),
                               unravel(saved["square"], params))
        params = unravel(saved["params"], params)
    validation, training = take(data, order[:n_validation]) + noise, take(data, order[n_validation:])
    n_batches = len(training[0]) // batch_size
    if n_validation and epoch == 0:
        best = best.or_better(params, float(model.loss(params, *validation)), 0)
    bar = progress_bar(progress, max_epochs, unit="epoch", done=epoch)

    try:
        while not stopped:
            order_now, losses = np.argsort(rng.random(len(training[0]))), []                          # (2)
            for b in range(n_batches):
                batch = take(training, order_now[b * batch_size:(b + 1) * batch_size])
                loss, grads = model.loss_and_grad(params, *batch, *draw(model, rng, batch_size))
                if not np.isfinite(loss):
                    raise NonFiniteLossError(adam.step + 1, frozen(best.params), history)
                grads, _ = optim.clip_by_norm(grads, clip_norm)
                eta = learning_rate * schedule(adam.step / (max_epochs * n_batches))
                params, adam = optim.adam_step(params, grads, adam, learning_rate=eta)                # (3)
                losses.append(float(loss))
            held_out = float(model.loss(params, *validation)) if n_validation else math.nan
            if n_validation and not np.isfinite(held_out):
                raise NonFiniteLossError(adam.step, frozen(best.params), history)
            epoch += 1
            history["train_loss"].append(sum(losses) / n_batches)
            history["validation_loss"].append(held_out)
            best = (best.or_better if n_validation else Best)(params, held_out, epoch)                # (4)
            stopped = "patience" if n_validation and epoch - best.epoch >= patience else \
                "max_epochs" if epoch == max_epochs else ""
            if checkpoint is not None:
                checkpoints.save(checkpoint, "training", identity, {
                    "epoch": epoch, "best_epoch": best.epoch, "best_loss": best.loss, "stopped": stopped,
                    "history": history, "order": order, "noise": noise, "step": adam.step,
                    "params": ravel(params),
                    "best": ravel(best.params), "mean": ravel(adam.mean), "square": ravel(adam.square)}, rng)
            bar.update(1)
    except KeyboardInterrupt:
        warnings.warn(f"training was interrupted in epoch {epoch + 1}; the best parameters so far are "
                      "returned", stacklevel=2)
        stopped = "interrupted"
    finally:
        bar.close()
    return Trained(frozen(best.params), best.loss if n_validation else math.nan, history, best.epoch, stopped)


def take(data, rows):
    return [a[rows] for a in data]
