"""Our side of the benchmarks on a device: parameters, data, training steps in array code and with kernels,
and what is counted."""
import itertools
from functools import partial
from types import SimpleNamespace

import numpy as np

from accel import device
from accel.kernels.training import launch as training_kernel
from accel.training import minibatch, optim
from accel.runtime.tree import frozen, ravel, tree_map
from experiments.bench import limits

__all__ = ["CPU", "ARRAYS", "KERNELS", "ENGINE", "painted", "steps", "with_kernels", "Engine", "engine_gap",
           "gap", "gradient", "network_operations"]

CPU, ARRAYS, KERNELS, ENGINE = "ours, CPU", "ours, array code", "ours, kernels", "ours, engine"
RATE, CLIP = 5e-4, 5.0


def painted(params, seed=0):
    """The parameters off their start, float32, on the host."""
    rng = np.random.default_rng(seed)
    return tree_map(lambda layer: (layer + 0.05 * rng.standard_normal(layer.shape)).astype(np.float32),
                    params)


def with_kernels(enabled, function):
    """The function, with fused kernels or without."""
    def call(*arguments):
        with device.kernels(enabled):
            return function(*arguments)
    return call


def steps(model, params, xp, data, **settings):
    """A function that takes a training step for each batch of data, a tuple of arrays (K, batch, …) on xp."""
    model = SimpleNamespace(write_grads=partial(model.write_grads, **settings))
    learner, count = minibatch.Learner(model, device.put(params, xp)), itertools.count(1)

    def take():
        for batch in zip(*data):
            learner.gradient(*batch)
            learner.update(optim.folded(next(count), RATE), CLIP)
    return take


class Engine:
    """The engine of `training.train` on one or more models side by side, fused or in array code: a call is an
    epoch, and waits for its losses."""

    def __init__(self, model, fused, starts, xp, data, batch_size, *, first_seed=0, kernels=True):
        data, n = device.put(tuple(data), xp), len(data[0])
        settings = minibatch.check_settings(n, learning_rate=RATE, batch_size=batch_size, max_epochs=10**6,
                                            patience=1, clip_norm=CLIP, validation_fraction=0)
        settings |= {"schedule": optim.constant, "n_batches": n // batch_size,
                     "betas": (optim.BETA1, optim.BETA2)}
        model = SimpleNamespace(loss=model.loss, loss_and_grad=model.loss_and_grad, fused=fused,
                                **({"draw_noise": model.draw_noise} if hasattr(model, "draw_noise") else {}))
        self.runs = [minibatch.Run(model, device.put(start, xp), n, device.generator(seed, xp, "float32"),
                                   None, {}, settings) for seed, start in enumerate(starts, first_seed)]
        self.kernels = kernels
        with device.kernels(kernels):
            step = training_kernel.step_of(model, self.runs[0].params, data, batch_size)
        if kernels and step is None:
            raise AssertionError("expected a model that the engine has kernels for")
        self.engine = (training_kernel.GraphEngine(step, self.runs) if kernels
                       else minibatch.ArrayCode(model, data, self.runs))

    def epoch(self):
        """The losses of each model's steps."""
        with device.kernels(self.kernels):
            return [losses for _, losses, _ in self.engine.epoch(self.runs)]

    __call__ = epoch

    def rewind(self):
        self.engine.optimiser.cursor.fill(0)

    def step(self):
        """A step of the epoch that was taken last, launched by itself on the current stream; rewind first."""
        with device.kernels(True):
            self.engine.launch(1)


def engine_gap(model, fused, start, xp, data, batch_size):
    """How far the losses of an epoch of the fused engine are from those of array code, which takes the same
    steps."""
    fast, plain = (Engine(model, fused, [start], xp, data, batch_size, kernels=kernels).epoch()[0]
                   for kernels in (True, False))
    return gap(fast, plain)


def gradient(model, params, xp, batch, dtype="float32", **settings):
    """The loss and the gradient of one batch as one host vector."""
    value, grads = model.loss_and_grad(frozen(device.put(params, xp, dtype)), *device.put(batch, xp, dtype),
                                       **settings)
    return np.append(device.to_host(ravel(grads)), float(value)).astype(np.float64)


def gap(ours, truth):
    """The largest difference, on the scale of the truth."""
    return float(np.abs(np.asarray(ours, np.float64) - truth).max() / np.abs(truth).max())


def network_operations(sizes, n, n_dx=None):
    """Operations of a network with these sizes for n rows: 2 m k n for each product; with n_dx those of a
    training step, which also needs n_dx rows of the input's gradient."""
    if n_dx is None:
        return 2 * n * sum((below + 1) * above for below, above in zip(sizes, sizes[1:]))
    return sum(2 * a * b * c for a, b, c in limits.network(sizes, n, n_dx))
