"""Our side of the benchmarks on a device: parameters, data, training steps in array code and with kernels, and what is counted."""
from types import SimpleNamespace

import numpy as np

from accel import device
from accel.core import optim
from accel.core.tree import packed, ravel, tree_map
from experiments.bench import limits

__all__ = ["CPU", "ARRAYS", "KERNELS", "ENGINE", "painted", "steps", "with_kernels", "gap", "gradient", "network_operations"]

CPU, ARRAYS, KERNELS, ENGINE = "ours, CPU", "ours, array code", "ours, kernels", "ours, engine"
RATE, CLIP = 5e-4, 5.0


def painted(params, seed=0):
    """The parameters off their start, float32, on the host."""
    rng = np.random.default_rng(seed)
    return tree_map(lambda layer: (layer + 0.05 * rng.standard_normal(layer.shape)).astype(np.float32), params)


def with_kernels(enabled, function):
    """The function, with fused kernels or without."""
    def call(*arguments):
        with device.kernels(enabled):
            return function(*arguments)
    return call


def steps(model, params, xp, data, **settings):
    """A function that takes a training step for each batch of data, a tuple of arrays (K, batch, …) on xp."""
    run = SimpleNamespace(params=packed(device.put(tree_map(np.copy, params), xp)))
    run.adam = optim.init_adam(run.params)

    def take():
        for batch in zip(*data):
            _, grads = model.loss_and_grad(run.params, *batch, **settings)
            grads, _ = optim.clip_by_norm(grads, CLIP)
            run.params, run.adam = optim.adam_step(run.params, grads, run.adam, learning_rate=RATE)
    return take


def gradient(model, params, xp, batch, dtype="float32", **settings):
    """The loss and the gradient of one batch as one host vector."""
    value, grads = model.loss_and_grad(packed(device.put(params, xp, dtype)), *device.put(batch, xp, dtype), **settings)
    return np.append(device.to_host(ravel(grads)), float(value)).astype(np.float64)


def gap(ours, truth):
    """The largest difference, on the scale of the truth."""
    return float(np.abs(np.asarray(ours, np.float64) - truth).max() / np.abs(truth).max())


def network_operations(sizes, n, n_dx=None):
    """Operations of a network with these sizes for n rows: 2 m k n for each product; with n_dx those of a training step, which also
    needs n_dx rows of the input's gradient."""
    if n_dx is None:
        return 2 * n * sum((below + 1) * above for below, above in zip(sizes, sizes[1:]))
    return sum(2 * a * b * c for a, b, c in limits.network(sizes, n, n_dx))
