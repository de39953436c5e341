"""The one training loop: minibatches, Adam, a validation split, early stopping, checkpoints.

What it does is in `reference.training.minibatch`. Same numbers; several trainings on the same data can
advance together, and an epoch is the work of an engine (`kernels/training`): array code, step by step, or the
model's fused step on a device, replayed from a captured graph for all trainings at once. Parameters and
Adam's state are flat buffers updated in place, batches are gathered where the data live, and on a device the
losses stay there until the end of an epoch, when they are checked together (the error still names the step).
Networks of up to a million parameters train on one BLAS thread.

Example
-------
>>> import numpy as np
>>> from accel.density import maf
>>> from accel.training import minibatch
>>> rng = np.random.default_rng(0)
>>> x, params = 3 + rng.standard_normal((200, 2)), maf.init_params(rng, dim=2, n_transforms=1, hidden=(4,))
>>> trained = minibatch.train(maf, params, (x,), rng=rng, learning_rate=1e-2, batch_size=50, max_epochs=20)
>>> trained.stopped, bool(trained.loss < maf.loss(params, x))
('max_epochs', True)
"""
import contextlib
import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from accel.runtime.protocols import Array, Model, Params, Rng
from accel.device import array_module, check_together, to_host
from accel.kernels.training import launch as training_kernel
from accel.runtime import blas
from accel.runtime._vector import arrays_of, owned, vector
from accel.runtime.progress import progress_bar
from accel.runtime.tree import frozen
from accel.training import checkpoint as checkpoints
from accel.training import optim
from accel.training.checkpoint import rng_state
from accel.training.inputs import NonFiniteLossError, check_data, check_settings, draw

__all__ = ["Trained", "NonFiniteLossError", "train"]
SHARED = ["ArrayCode", "Learner", "Run", "SMALL", "on_host", "permutation", "train_together"]
__all__ += SHARED


class Trained(NamedTuple):
    """What training returns: the best parameters (frozen) and their loss, the history, their epoch, and
    why it stopped.

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


SMALL = 1_000_000


def train(model: Model, params: Params, data: tuple[Array, ...], *, rng: Rng,
          learning_rate: float = 5e-4, batch_size: int = 200,
          max_epochs: int = 200, patience: int = 20, validation_fraction: float = 0.1, clip_norm: float = 5.0,
          schedule: Callable = optim.constant, checkpoint: str | None = None,
          progress: bool = False) -> Trained:
    """Fit the parameters to the data; they decide the device and the dtype.

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
    return train_together(model, [params], data, rngs=[rng], learning_rate=learning_rate,
                          batch_size=batch_size, max_epochs=max_epochs,
                          patience=patience, validation_fraction=validation_fraction,
                          clip_norm=clip_norm, schedule=schedule,
                          checkpoints=[checkpoint], progress=progress)[0]


def train_together(model, starts, data, *, rngs, learning_rate, batch_size, max_epochs,
                   patience, validation_fraction, clip_norm, schedule,
                   checkpoints, progress):
    """What train returns for each of several starts, which have their own random numbers and checkpoints and
    share all else.

    They advance together, an epoch at a time: in the same launches where the model has a fused step, one
    after another elsewhere.
    """
    data = check_data(data)
    check_together(params=arrays_of(starts[0])[0], **{f"data[{i}]": a for i, a in enumerate(data)})
    settings = check_settings(len(data[0]), learning_rate=learning_rate, batch_size=batch_size,
                              max_epochs=max_epochs,
                              patience=patience, validation_fraction=validation_fraction, clip_norm=clip_norm)
    identity = {**settings, "schedule": schedule.__name__,
                "data": [[list(a.shape), float(a.sum())] for a in data]}
    settings.update(schedule=schedule, betas=(optim.BETA1, optim.BETA2),
                    n_batches=(len(data[0]) - settings["n_validation"]) // settings["batch_size"])
    runs = [Run(model, params, len(data[0]), rng, checkpoint, identity, settings)
            for params, rng, checkpoint in zip(starts, rngs, checkpoints, strict=True)]
    step = training_kernel.step_of(model, runs[0].params, data, settings["batch_size"])
    engine_for = (partial(ArrayCode, model, data) if step is None
                  else partial(training_kernel.GraphEngine, step))

    engine, active, starting = engine_for(runs), runs, [run for run in runs if run.state["epoch"] == 0]
    if settings["n_validation"] and starting:
        for run, held_out in zip(runs, engine.validate()):
            if run in starting:
                run.state["best_loss"] = finite_or_inf(held_out)
    bar = progress_bar(progress, max_epochs, unit="epoch", done=min(run.state["epoch"] for run in runs))
    try:
        with blas.single_thread() if runs[0].params.flat.size <= SMALL else contextlib.nullcontext():
            while active := [run for run in runs if not run.state["stopped"]]:
                if 2 * len(active) <= len(engine.runs):               # go on in launches of half the size
                    engine.close()
                    engine = engine_for(active)
                for run, losses, held_out in engine.epoch(active):
                    run.receive(losses, held_out)
                bar.update(1)
    except KeyboardInterrupt:
        warnings.warn(f"training was interrupted in epoch {active[0].state['epoch'] + 1}; the best "
                      "parameters so far are returned",
                      stacklevel=3)
        for run in active:
            run.state["stopped"] = run.state["stopped"] or "interrupted"
    finally:
        bar.close()
        for run in runs:
            run.set_back()
        engine.close()
    return [run.trained() for run in runs]


class ArrayCode:
    """Runs in array code."""

    def __init__(self, model, data, runs):
        self.model, self.data, self.runs, self.xp = model, data, runs, array_module(*data)
        self.held = {run: self._rows(run.held) + run.state["noise"] for run in runs if len(run.held)}

    def validate(self):
        return [self.model.loss(run.params, *self.held[run]) for run in self.runs]

    def epoch(self, runs):
        for run in runs:
            losses = self._steps(run)
            finished = run in self.held and np.isfinite(losses).all()
            yield run, losses, self.model.loss(run.params, *self.held[run]) if finished else math.nan

    def close(self):
        pass

    def _rows(self, numbers):
        numbers = self.xp.asarray(numbers)
        return [self.xp.take(a, numbers, axis=0) for a in self.data]

    def _steps(self, run):
        """The losses of an epoch's steps, as host numbers; on the CPU the first that is not finite is the
        last.
        """
        xp, (uniform, noise), size, losses = self.xp, run.numbers(), run.settings["batch_size"], []
        order = xp.asarray(run.kept[np.argsort(to_host(uniform))])
        for b, (rates, drawn) in enumerate(zip(run.folded_rates(), noise)):
            losses.append(run.gradient(*self._rows(order[b * size:(b + 1) * size]), *drawn))
            if xp is np and not math.isfinite(losses[-1]):
                break
            run.update(rates, run.settings["clip_norm"])
        return on_host(xp, losses)


def copy_grads(model, params, grads, *batch):
    """The loss of a model that gives its gradient in a tree of its own; that is copied into grads."""
    loss, found = model.loss_and_grad(params, *batch)
    grads.flat[...] = vector(found)
    return loss


def on_host(xp, losses):
    """The losses of an epoch as host numbers: one transfer from a device."""
    return np.array(losses, float) if xp is np else xp.stack(losses).get().astype(float)


class Learner:
    """Parameters in training, with their gradient and Adam's means, in vectors that each step updates in
    place.
    """

    def __init__(self, model, start):
        xp = array_module(vector(start))
        flat = xp.array(vector(start))
        self.params, self.grads = owned(flat, start), owned(xp.empty_like(flat), start)
        self.mean, self.square, self.room = xp.zeros_like(flat), xp.zeros_like(flat), xp.empty_like(flat)
        self.write_grads = getattr(model, "write_grads", None) or partial(copy_grads, model)

    def gradient(self, *batch):
        """The loss of a batch; its gradient is kept for `update`."""
        return self.write_grads(self.params, self.grads, *batch)

    def update(self, rates, clip_norm):
        """One step of Adam along the clipped gradient; rates are (η', ε') of `optim.folded`."""
        optim.clip(self.grads.flat, clip_norm)
        optim.update(self.params.flat, self.mean, self.square, self.grads.flat, self.room, rates)


class Run(Learner):
    """One training: its parameters and Adam's state, its random numbers, and what it has reached."""

    def __init__(self, model, start, n, rng, checkpoint, identity, settings):
        super().__init__(model, start)
        self.model, self.rng, self.settings = model, rng, settings
        self.checkpoint, self.identity = checkpoint, identity
        flat, n_validation = self.params.flat, settings["n_validation"]
        xp = array_module(flat)
        state = checkpoints.load(checkpoint, "training", identity, flat.size, rng)
        if state is None:
            state = {"epoch": 0, "best_epoch": 0, "best_loss": math.inf, "stopped": "", "step": 0,
                     "history": {"train_loss": [], "validation_loss": []},
                     "order": permutation(rng, n), "noise": draw(model, rng, n_validation)}
            self.best = flat.copy()
        else:
            saved = {name: xp.asarray(state.pop(name), dtype=flat.dtype)
                     for name in ("params", "best", "mean", "square")}
            flat[...], self.mean[...], self.square[...] = saved["params"], saved["mean"], saved["square"]
            self.best = saved["best"].copy()
            state["noise"] = [xp.asarray(a) for a in state["noise"]]
        self.state = state
        self.held, self.kept = state["order"][:n_validation], state["order"][n_validation:]
        self.ahead = self.mark = None

    def move(self, flat, mean, square):
        """Go on in these buffers."""
        for buffer, numbers in ((flat, self.params.flat), (mean, self.mean), (square, self.square)):
            buffer[...] = numbers
        self.params, self.mean, self.square = owned(flat, self.params), mean, square

    def learning_rates(self):
        """η of each step of the next epoch."""
        rate, n_batches = self.settings["learning_rate"], self.settings["n_batches"]
        n_steps = self.settings["max_epochs"] * n_batches
        return [rate * self.settings["schedule"](step / n_steps)
                for step in range(self.state["step"], self.state["step"] + n_batches)]

    def folded_rates(self):
        """(η', ε') of each step of the next epoch, see `training.optim`."""
        first = self.state["step"] + 1
        return [optim.folded(first + b, eta) for b, eta in enumerate(self.learning_rates())]

    def numbers(self):
        """The random numbers of an epoch: those whose order is the order of its rows, and the noise of its
        steps, drawn when asked for.
        """
        return (self.rng.random(len(self.kept)),
                (draw(self.model, self.rng, self.settings["batch_size"])
                 for _ in range(self.settings["n_batches"])))

    def may_draw_ahead(self):
        """Whether the numbers of the epoch after this one can be drawn now, and taken back if there is
        none; if so, mark the place.
        """
        if self.state["epoch"] + 1 < self.settings["max_epochs"]:
            self.mark = rng_state(self.rng)
        return self.mark is not None

    def set_back(self):
        """Take back what was drawn ahead."""
        if self.mark is not None:
            self.rng.bit_generator.state, self.mark = self.mark, None

    def receive(self, losses, held_out):
        """Take in the losses of an epoch's steps and of the held-out samples: what is best, whether to
        stop; then the checkpoint.
        """
        state, n_validation = self.state, self.settings["n_validation"]
        finite = np.isfinite(losses)
        if not finite.all():
            raise NonFiniteLossError(state["step"] + int(np.argmin(finite)) + 1,
                                     self.best_params(), state["history"])
        state["step"] += len(losses)
        state["history"]["train_loss"].append(math.fsum(losses) / len(losses))
        held_out = float(held_out) if n_validation else -math.inf
        if n_validation and not math.isfinite(held_out):
            raise NonFiniteLossError(state["step"], self.best_params(), state["history"])
        state["history"]["validation_loss"].append(held_out if n_validation else math.nan)
        state["epoch"] += 1
        if held_out < state["best_loss"] or not n_validation:
            self.best[...] = self.params.flat
            state["best_loss"], state["best_epoch"] = held_out, state["epoch"]
        if n_validation and state["epoch"] - state["best_epoch"] >= self.settings["patience"]:
            state["stopped"] = "patience"
        elif state["epoch"] == self.settings["max_epochs"]:
            state["stopped"] = "max_epochs"
        self.save()

    def save(self):
        if self.checkpoint is not None:
            arrays = {"params": self.params.flat, "best": self.best, "mean": self.mean, "square": self.square}
            checkpoints.save(self.checkpoint, "training", self.identity, {**self.state, **arrays},
                             self.rng, mark=self.mark)

    def best_params(self):
        return frozen(owned(self.best, self.params))

    def trained(self):
        loss = self.state["best_loss"] if self.settings["n_validation"] else math.nan
        return Trained(self.best_params(), loss, self.state["history"], self.state["best_epoch"],
                       self.state["stopped"])


def permutation(rng, n):
    """A random order of n rows, on the host: the sort of uniform draws."""
    return np.argsort(to_host(rng.random(n)))


def finite_or_inf(loss):
    """A start without a finite loss is no candidate for the best; the first step will say what is wrong."""
    return float(loss) if math.isfinite(loss) else math.inf
