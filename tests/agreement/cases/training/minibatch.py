import contextlib
import os
import tempfile

import numpy as np

from tests.agreement.registry import case, error_of, painted, random_tree
from tests.support import least_squares

EPOCHS, BATCH = 10, 8


def setting(on, paint, n):
    maf = on.package.density.maf
    tree = maf.init_params(np.random.default_rng(0), dim=2, context_dim=2, n_transforms=2, hidden=(6, 5))
    painted_tree = random_tree(paint, tree)
    for layers in painted_tree["mades"]:  # masked weights are zero, as init_params leaves them
        for layer, mask in zip(layers, on.package.density.made.masks({"layers": layers})):
            layer[1:] *= mask
    params = on.put(painted_tree)
    x, context = painted(paint, (n, 2)), painted(paint, (n, 2))
    return maf, params, (on.put(x + context**2), on.put(context))


@case("training.minibatch.train", sizes=(45,), terms=2000, kernels=True)
def _(on, paint, n):
    """Fifty steps: 45 samples, 4 held out, 5 batches an epoch, 10 epochs."""
    model, params, data = setting(on, paint, n)
    train = on.package.training.minibatch.train
    return train(model, params, data, rng=np.random.default_rng(2), learning_rate=1e-3, batch_size=BATCH,
                 max_epochs=EPOCHS)


@case("training.minibatch.train#bad input", sizes=(20,))
def _(on, paint, n):
    model, params, (x, context) = setting(on, paint, n)
    train = on.package.training.minibatch.train
    hole = painted(paint, (n, 2))
    hole[3] = np.nan
    bad = [{"data": ()}, {"data": (x, context[1:])}, {"data": (x[:1], context[:1])},
           {"data": (on.put(hole), context)}, {"batch_size": 0}, {"learning_rate": -1.0}, {"max_epochs": 2.5},
           {"patience": 0}, {"validation_fraction": 1.0}, {"clip_norm": 0.0}]
    rng = np.random.default_rng(0)
    return [error_of(train, model, params, settings.pop("data", (x, context)), rng=rng, **settings)
            for settings in bad]


class Halt(Exception):
    """What ends a run in the middle of an epoch."""


def least_squares_run(on, paint, n, *, noisy=False, schedule=None, checkpoint=None):
    """A model with a fused step: clipped at every step, a batch that fills no block and one that fills
    several."""
    x = painted(paint, (n, 3))
    y = x @ np.array([1.0, -2.0, 0.5]) + 0.1 * painted(paint, (n,))
    return on.package.training.minibatch.train(
        least_squares.model(noisy=noisy), on.put({"w": np.array([0.1, 0.2, -0.3])}), (on.put(x), on.put(y)),
        rng=np.random.default_rng(2), learning_rate=2e-2, batch_size=12 if n < 100 else 20, max_epochs=4,
        clip_norm=0.3, schedule=schedule or on.package.training.optim.one_cycle, checkpoint=checkpoint)


for noisy in (False, True):
    @case(f"training.minibatch.train#fused{' with noise' * noisy}", sizes=(45, 400), terms=4000, kernels=True)
    def _(on, paint, n, noisy=noisy):
        return least_squares_run(on, paint, n, noisy=noisy)


@case("training.minibatch.train#resumed", sizes=(400,), terms=4000, kernels=True)
def _(on, paint, n):
    """The run ends in its third epoch and goes on from the second."""
    def one_cycle(fraction):
        if fraction > 0.6 and not ended:
            raise Halt
        return on.package.training.optim.one_cycle(fraction)
    ended, seed = [], paint.integers(1000)
    with tempfile.TemporaryDirectory() as folder:
        settings = {"noisy": True, "schedule": one_cycle, "checkpoint": os.path.join(folder, "run.npz")}
        with contextlib.suppress(Halt):
            least_squares_run(on, np.random.default_rng(seed), n, **settings)
        ended.append(True)
        return least_squares_run(on, np.random.default_rng(seed), n, **settings)


@case("training.minibatch.train#not finite", sizes=(400,), kernels=True)
def _(on, paint, n):
    """From the third epoch on the steps are absurd: the second of them meets a loss that is not finite."""
    def exploding(fraction):
        return 1.0 if fraction < 0.5 else 1e25 if on.dtype == "float32" else 1e200
    with np.errstate(all="ignore"):
        return error_of(least_squares_run, on, paint, n, schedule=exploding)
