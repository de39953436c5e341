"""The adversarial training loop: two networks that learn in turn, each with the other's parameters fixed.

What it does is in `reference.training.adversarial`. Same numbers; each network's parameters, gradient, Adam
state and average are flat buffers updated in place, batches are gathered where the data live, and on a device
the losses stay there until the end of an epoch, when they are checked together. Networks of up to a million
parameters train on one BLAS thread.

Example
-------
>>> import numpy as np
>>> from accel.generative import gan
>>> x = np.random.default_rng(0).standard_normal((100, 2))
>>> fitted = gan.fit(x, rng=np.random.default_rng(1), n_latent=2, hidden=(4,), n_epochs=2)
>>> sorted(fitted.history), len(fitted.history["generator_loss"])
(['discriminator_loss', 'generator_loss'], 2)
"""
import contextlib
import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from accel.device import array_module
from accel.runtime import blas
from accel.runtime._vector import owned, vector
from accel.runtime.progress import progress_bar
from accel.runtime.protocols import Array, Params, Rng
from accel.runtime.tree import frozen
from accel.training import checkpoint as checkpoints
from accel.training import minibatch, optim
from accel.training.inputs import NonFiniteLossError, check_adversarial_settings, check_data

__all__ = ["Trained", "train"]


class Trained(NamedTuple):
    """What training returns: the averaged generator and the last critic (frozen), the history, and why it
    stopped.

    Attributes
    ----------
    params : tree
        The averaged generator (4), and the critic after the last finished epoch.
    history : dict of list of float
        "generator_loss" and the critic's, the mean over an epoch's steps; NaN where an epoch had no step of
        the generator.
    stopped : str
        "n_epochs" or "interrupted".
    """
    params: dict
    history: dict
    stopped: str


def train(model: Any, params: Params, x: Array, *, rng: Rng, n_critic: int = 1, averaging: float = 0.0,
          learning_rate: float = 2e-4,
          beta1: float = 0.5, beta2: float = 0.99, batch_size: int = 64, n_epochs: int = 100,
          schedule: Callable = optim.constant,
          checkpoint: str | None = None, progress: bool = False) -> Trained:
    """Let the two networks learn in turn; params decide the device and the dtype.

    Parameters
    ----------
    model : object
        Has the two losses and their noise, see above.
    params : tree
        Where training starts; not changed.
    x : (N, …) float
        The data.
    rng : Generator
        Shuffles, and draws the noise. With a checkpoint it must be able to tell its state.
    n_critic : int
        n of (3).
    averaging : float
        d of (4), in [0, 1).
    learning_rate, beta1, beta2 : float
        Adam's, for both networks.
    batch_size, n_epochs : int
        B is lowered to N where there are fewer samples.
    schedule : callable
        From `optim`: fraction of all epochs done → factor of the learning rate.
    checkpoint : path, optional
        Written after every epoch; if it exists, the run resumes from it and rng is set to where it was.
    progress : bool
        Show a progress bar (tqdm).

    Raises
    ------
    ValueError
        If the data are fewer than two rows or not finite, a setting is out of range, or the checkpoint
        belongs to another run.
    NonFiniteLossError
        From `training`, if a loss stops being finite. Its step counts the critic's steps.
    """
    (x,), names = check_data((x,)), ("generator", critic_of(params))
    settings = check_adversarial_settings(
        len(x), n_critic=n_critic, averaging=averaging, learning_rate=learning_rate, beta1=beta1, beta2=beta2,
        batch_size=batch_size, n_epochs=n_epochs)
    identity = {**settings, "schedule": schedule.__name__, "data": [list(x.shape), float(x.sum())]}
    batch_size, n_batches = settings["batch_size"], len(x) // settings["batch_size"]
    xp = array_module(vector(params))
    flat = xp.array(vector(params))
    params = owned(flat, params)
    own = own_views(flat, params)
    adams, sums = {name: Adam(own[name]) for name in names}, xp.zeros_like(own["generator"].flat)

    state = checkpoints.load(checkpoint, "adversarial", identity, flat.size, rng)
    if state is None:
        state = {"epoch": 0, "history": {f"{name}_loss": [] for name in names}}
    else:
        flat[...], sums[...] = xp.asarray(state["params"]), xp.asarray(state["sums"])
        for name, saved in state.pop("adams").items():
            adams[name].restore(saved)
    finished, history = result(params, sums, adams, averaging), state["history"]
    bar, stopped = progress_bar(progress, n_epochs, unit="epoch", done=state["epoch"]), "n_epochs"

    def learn(name, loss, grads):
        step = adams[names[1]].step + (name != "generator")
        if xp is np and not math.isfinite(loss):
            raise NonFiniteLossError(step, finished, history)
        losses.append((name, step, loss))
        adams[name].step_along(vector(grads), eta, beta1, beta2)

    try:
        with blas.single_thread() if flat.size <= minibatch.SMALL else contextlib.nullcontext():
            for epoch in range(state["epoch"], n_epochs):
                order, losses = xp.asarray(minibatch.permutation(rng, len(x))), []
                for b in range(n_batches):
                    batch = xp.take(x, order[b * batch_size:(b + 1) * batch_size], axis=0)
                    eta = learning_rate * schedule((epoch + b / n_batches) / n_epochs)
                    learn(names[1],
                          *model.critic_loss_and_grad(params, batch, *model.critic_noise(rng, batch_size)))
                    if adams[names[1]].step % n_critic == 0:
                        learn("generator",
                              *model.generator_loss_and_grad(params, *model.generator_noise(rng, batch_size)))
                        sums *= averaging
                        sums += (1 - averaging) * own["generator"].flat
                values = minibatch.on_host(xp, [loss for *_, loss in losses])
                if not np.isfinite(values).all():
                    raise NonFiniteLossError(losses[int(np.argmin(np.isfinite(values)))][1],
                                             finished, history)
                for name in names:
                    mine = [value for value, (learner, *_) in zip(values, losses) if learner == name]
                    history[f"{name}_loss"].append(math.fsum(mine) / len(mine) if mine else math.nan)
                finished, state["epoch"] = result(params, sums, adams, averaging), epoch + 1
                save_checkpoint(checkpoint, identity, state, flat, adams, sums, rng)
                bar.update(1)
    except KeyboardInterrupt:
        warnings.warn(f"training was interrupted in epoch {state['epoch'] + 1}; "
                      "what the last finished epoch left is returned", stacklevel=2)
        stopped = "interrupted"
    finally:
        bar.close()
    return Trained(finished, history, stopped)


class Adam:
    """The state of one network's optimiser, in vectors that are updated in place."""

    def __init__(self, own):
        xp, self.w, self.step = array_module(own.flat), own.flat, 0
        self.mean, self.square = xp.zeros_like(self.w), xp.zeros_like(self.w)
        self.room = xp.empty_like(self.w)

    def restore(self, saved):
        asarray, self.step = array_module(self.w).asarray, saved["step"]
        self.mean[...], self.square[...] = asarray(saved["mean"]), asarray(saved["square"])

    def step_along(self, grads, eta, beta1, beta2):
        self.step += 1
        rates = optim.folded(self.step, eta, beta1, beta2)
        optim.update(self.w, self.mean, self.square, grads, self.room, rates, beta1, beta2)


def critic_of(params):
    """The name of the network that is not the generator."""
    (name,) = set(params) - {"generator"}
    return name


def own_views(flat, params):
    """{name: {name: its layers}}, each over its own piece of the vector."""
    own, start = {}, 0
    for name in params:
        end = start + sum(layer.size for layer in params[name])
        own[name], start = owned(flat[start:end], {name: params[name]}), end
    return own


def result(params, sums, adams, averaging):
    """A copy of the parameters, the generator's averaged."""
    flat = params.flat.copy()
    if adams["generator"].step:
        own_views(flat, params)["generator"].flat[...] = sums / (1 - averaging**adams["generator"].step)
    return frozen(owned(flat, params))


def save_checkpoint(path, identity, state, flat, adams, sums, rng):
    if path is not None:
        moments = {name: {"step": adam.step, "mean": adam.mean, "square": adam.square}
                   for name, adam in adams.items()}
        checkpoints.save(path, "adversarial", identity, {
            "epoch": state["epoch"], "history": state["history"], "params": flat, "sums": sums,
            "adams": moments}, rng)
