"""The adversarial training loop: two networks that learn in turn, each with the other's parameters fixed.

    (1)  epoch       a fresh permutation of the samples, cut into ⌊N/B⌋ batches
    (2)  critic      at every batch: its own loss and gradient at fresh noise → Adam
    (3)  generator   after every n-th critic step: its own loss and gradient at fresh noise → Adam
    (4)  average   w̄ₜ = d w̄ₜ₋₁ + (1 − d) wₜ, divided by 1 − dᵗ: over its last 1/(1 − d) steps

No loss says which epoch was best, since each is measured against an opponent that changes: nothing is held
out and training runs to its last epoch. (4) averages over the oscillation of the two. With d = 0 the average
is the last step's weights.

A model has `critic_loss_and_grad(params, x, *noise)` and `generator_loss_and_grad(params, *noise)`, each with
the gradient of its own network, {its name: gradient}, and `critic_noise(rng, n)`, `generator_noise(rng, n)`,
tuples of arrays. Params are {"generator": …, the critic's name: …}; a critic that says real or fake is called
a discriminator.

Nothing computed is lost: an interruption returns the last finished epoch, a loss that is not finite raises an
error that holds its parameters, and a run that was stopped goes on from its checkpoint to the same numbers as
one that was not.

Source        "Generative Adversarial Nets", Goodfellow et al., 2014, algorithm 1; (4) "Progressive Growing of
              GANs", Karras et al., 2018, section 6.1.
Departures    (4) divides out its start at zero, as Adam does.

Example
-------
>>> import numpy as np
>>> from reference.generative import gan
>>> x = np.random.default_rng(0).standard_normal((100, 2))
>>> fitted = gan.fit(x, rng=np.random.default_rng(1), n_latent=2, hidden=(4,), n_epochs=2)
>>> sorted(fitted.history), len(fitted.history["generator_loss"])
(['discriminator_loss', 'generator_loss'], 2)
"""
import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from reference.runtime.progress import progress_bar
from reference.runtime.protocols import Array, Params, Rng
from reference.runtime.tree import frozen, leaves, ravel, tree_map, unravel
from reference.training import checkpoint as checkpoints
from reference.training import optim
from reference.training.inputs import NonFiniteLossError, check_adversarial_settings, check_data

__all__ = ["Trained", "train"]


class Trained(NamedTuple):
    """What training returns.

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
    """Let the two networks learn in turn.

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

    state = checkpoints.load(checkpoint, "adversarial", identity,
                             sum(leaf.size for _, leaf in leaves(params)), rng)
    if state is None:
        state = {"epoch": 0, "history": {f"{name}_loss": [] for name in names}}
        params, adams = dict(params), {name: optim.init_adam({name: params[name]}) for name in names}
        sums = tree_map(np.zeros_like, {"generator": params["generator"]})
    else:
        params, adams, sums = restore(state, params, names)
    finished, history = result(params, sums, adams, averaging), state["history"]
    bar, stopped = progress_bar(progress, n_epochs, unit="epoch", done=state["epoch"]), "n_epochs"

    def learn(name, loss, grads):
        if not np.isfinite(loss):
            raise NonFiniteLossError(adams[names[1]].step + (name != "generator"), finished, history)
        losses[name].append(float(loss))
        own, adams[name] = optim.adam_step({name: params[name]}, grads, adams[name],
                                           learning_rate=eta, beta1=beta1, beta2=beta2)
        params.update(own)

    try:
        for epoch in range(state["epoch"], n_epochs):
            order, losses = np.argsort(rng.random(len(x))), {name: [] for name in names}              # (1)
            for b in range(n_batches):
                batch = x[order[b * batch_size:(b + 1) * batch_size]]
                eta = learning_rate * schedule((epoch + b / n_batches) / n_epochs)
                noise = model.critic_noise(rng, batch_size)
                learn(names[1], *model.critic_loss_and_grad(params, batch, *noise))                   # (2)
                if adams[names[1]].step % n_critic == 0:
                    noise = model.generator_noise(rng, batch_size)
                    learn("generator", *model.generator_loss_and_grad(params, *noise))                # (3)
                    sums = tree_map(lambda s, w: averaging * s + (1 - averaging) * w,
                                    sums, {"generator": params["generator"]})
            for name in names:
                history[f"{name}_loss"].append(sum(losses[name]) / len(losses[name])
                                               if losses[name] else math.nan)
            finished, state["epoch"] = result(params, sums, adams, averaging), epoch + 1
            save_checkpoint(checkpoint, identity, state, params, adams, sums, rng)
            bar.update(1)
    except KeyboardInterrupt:
        warnings.warn(f"training was interrupted in epoch {state['epoch'] + 1}; "
                      "what the last finished epoch left is returned", stacklevel=2)
        stopped = "interrupted"
    finally:
        bar.close()
    return Trained(finished, history, stopped)


def critic_of(params):
    """The name of the network that is not the generator."""
    (name,) = set(params) - {"generator"}
    return name


def result(params, sums, adams, averaging):
    """A frozen copy of the parameters, the generator's averaged."""
    n_steps = adams["generator"].step
    if n_steps == 0:
        return frozen(params)
    averaged = tree_map(lambda s: s / (1 - averaging**n_steps), sums)                                 # (4)
    return frozen({**params, **averaged})


def save_checkpoint(path, identity, state, params, adams, sums, rng):
    if path is not None:
        moments = {name: {"step": adam.step, "mean": ravel(adam.mean), "square": ravel(adam.square)}
                   for name, adam in adams.items()}
        checkpoints.save(path, "adversarial", identity, state | {"params": ravel(params), "sums": ravel(sums),
                                                                 "adams": moments}, rng)


def restore(state, params, names):
    """The parameters, both Adams and the generator's sums, from a saved state."""
    flat, adams = state["params"], {}
    for name in names:
        own, saved = {name: params[name]}, state["adams"][name]
        adams[name] = optim.AdamState(saved["step"], unravel(saved["mean"], own),
                                      unravel(saved["square"], own))
    return unravel(flat, params), adams, unravel(state["sums"], {"generator": params["generator"]})
