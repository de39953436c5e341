"""A score network's training step on the device: denoising score matching, against torch and JAX

Two dimensions, hidden 128-128, tanh, float32, ten levels, both signs of the noise: the loss of the benchmark
on the CPU, with the same weights and the same noise for every side.
"""
from functools import partial
from types import SimpleNamespace

import numpy as np

from accel import device
from accel.generative import score_matching, score_network
from accel.kernels.dsm import launch as dsm_kernel
from experiments.bench.gpu import ceilings, clock, frameworks, langevin, ours
from experiments.bench.gpu.maf_step import near

BATCHES = {512: 100, 5000: 20, 50_000: 5}


def run(xp, quick):
    params, libraries, limit = langevin.parameters(), frameworks.found(xp), ceilings.measure(xp, quick)
    rows = []
    for batch, n_steps in {50: 2}.items() if quick else BATCHES.items():
        data = batches(batch, n_steps)
        compared = compare(xp, params, libraries, [a[0] for a in data])
        sides = {ours.CPU: ours.steps(score_matching, params, np, data, sigmas=langevin.SIGMAS)}
        for side, kernels in ((ours.ARRAYS, False), (ours.KERNELS, True)):
            steps = ours.steps(score_matching, params, xp, device.put(data, xp),
                               sigmas=device.put(langevin.SIGMAS, xp))
            sides[side] = ours.with_kernels(kernels, steps)
        sides[ours.ENGINE] = ours.Engine(*engine(xp, params, data[0].reshape(-1, langevin.DIM), batch))
        for name, library in libraries.items():
            arguments = loss_of(library), frameworks.weights_of(params), None, levelled(data)
            sides[name] = library.steps(*arguments)
            if name == "torch" and library.on_gpu:
                sides["torch graph"] = library.steps(*arguments, graph=True)
        taken = clock.measured(xp, sides, quick=quick, pieces=n_steps, on_stream=(ours.ARRAYS, ours.KERNELS))
        rows += clock.rows("DSM training step", taken, unit="µs", along="batch", at=batch, compared=compared,
                           counted=counted(batch), ceilings=limit)
    return rows


def engine(xp, params, x, batch):
    """What the engine is made of; it draws its own levels and noise."""
    fixed = {"sigmas": device.put(langevin.SIGMAS, xp), "spread": 1.0}
    model = SimpleNamespace(loss=partial(score_matching.loss, **fixed),
                            loss_and_grad=partial(score_matching.loss_and_grad, **fixed),
                            draw_noise=partial(score_matching.draw_noise, dim=langevin.DIM))
    return model, partial(dsm_kernel.step, **fixed, tau=score_network.TAU), [params], xp, [x], batch


def batches(n, n_steps):
    """x, what picks a level, and the noise."""
    rng, dim = np.random.default_rng(n), langevin.DIM
    return (rng.standard_normal((n_steps, n, dim), np.float32), rng.random((n_steps, n), np.float32),
            rng.standard_normal((n_steps, n, dim), np.float32))


def levelled(data):
    """The same with the level itself, (…, 1), which torch and JAX then need not look up."""
    x, u, epsilon = data
    return (x, langevin.SIGMAS[np.minimum((u * langevin.LEVELS).astype(int), langevin.LEVELS - 1)][..., None],
            epsilon)


def loss_of(library):
    tau2 = library.array(frameworks.tau2())
    return lambda weights, x, sigma, epsilon: frameworks.dsm(library, weights, x, sigma, epsilon, tau2)


def compare(xp, params, libraries, batch):
    """{side: how near it came}, or an AssertionError."""
    sigmas = langevin.SIGMAS
    truth, said = ours.gradient(score_matching, params, np, batch, "float64", sigmas=sigmas), {}
    for side, where, kernels in ((ours.CPU, np, False), (ours.ARRAYS, xp, False), (ours.KERNELS, xp, True)):
        with device.kernels(kernels):
            found = ours.gradient(score_matching, params, where, batch, sigmas=device.put(sigmas, where))
        said[side] = near(side, "gradient in float64", ours.gap(found, truth), 1e-4)
    for name, library in libraries.items():
        value = library.compiled(loss_of(library))([library.array(w) for w in frameworks.weights_of(params)],
                                                   *(library.array(a) for a in levelled(batch)))
        said[name] = near(name, "loss on shared weights and noise",
                          abs(float(library.host(value)) - truth[-1]), 1e-4)
    return said


def counted(batch):
    sizes = (langevin.DIM + len(score_network.TAU), *langevin.HIDDEN, langevin.DIM)
    n_parameters = sum((below + 1) * above for below, above in zip(sizes, sizes[1:]))
    return (ours.network_operations(sizes, 2 * batch, 0),
            4 * (batch * (2 * langevin.DIM + 1) + 8 * n_parameters))
