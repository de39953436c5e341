"""A RealNVP's training step and samples on the device: against torch and JAX

Two dimensions, six couplings, hidden 64-64, tanh, float32: the flow of the benchmark on the CPU, with the
same weights for every side.
"""
import numpy as np

from accel import device
from accel.density import realnvp
from experiments.bench.gpu import ceilings, clock, frameworks, ours
from experiments.bench.gpu.maf_step import near

DIM, TRANSFORMS, HIDDEN = 2, 6, (64, 64)
BATCHES = {512: 100, 5000: 20, 50_000: 5}
DRAWS = (100_000, 10_000_000)
MOST_ON_CPU = 100_000


def run(xp, quick):
    params, libraries, limit = parameters(), frameworks.found(xp), ceilings.measure(xp, quick)
    rows, weights = [], frameworks.weights_of(params)
    for batch, n_steps in {50: 2}.items() if quick else BATCHES.items():
        x = batches(batch, n_steps)
        compared = compare(xp, params, libraries, x[0])
        sides = {ours.CPU: ours.steps(realnvp, params, np, (x,))}
        for side, kernels in ((ours.ARRAYS, False), (ours.KERNELS, True)):
            sides[side] = ours.with_kernels(kernels, ours.steps(realnvp, params, xp, (device.put(x, xp),)))
        sides[ours.ENGINE] = ours.Engine(realnvp, realnvp.fused, [params], xp, [x.reshape(-1, DIM)], batch)
        for name, library in libraries.items():
            sides[name] = library.steps(loss_of(library), weights, None, (x,))
            if name == "torch" and library.on_gpu:
                sides["torch graph"] = library.steps(loss_of(library), weights, None, (x,), graph=True)
        taken = clock.measured(xp, sides, quick=quick, pieces=n_steps, on_stream=(ours.ARRAYS, ours.KERNELS))
        rows += clock.rows("RealNVP training step", taken, unit="µs", along="batch", at=batch,
                           compared=compared, counted=counted(batch), ceilings=limit)
    for n in (50,) if quick else DRAWS:
        rows += draws(xp, params, libraries, n, limit, quick)
    return rows


def draws(xp, params, libraries, n, limit, quick):
    few, sides = min(n, MOST_ON_CPU), {}
    for side, where, kernels, count in ((ours.CPU, np, False, few), (ours.ARRAYS, xp, False, n),
                                        (ours.KERNELS, xp, True, n)):
        there, rng = device.put(params, where), device.generator(1, where, "float32")
        sides[side] = ours.with_kernels(kernels,
                                        lambda there=there, rng=rng, count=count: realnvp.sample(there, rng,
                                                                                                 count))
    for name, library in libraries.items():
        sides[name] = draw_of(library, params, n)
    pieces = {side: few if side == ours.CPU else n for side in sides}
    taken = clock.measured(xp, sides, quick=quick, pieces=pieces, on_stream=(ours.ARRAYS, ours.KERNELS))
    return clock.rows("RealNVP sample", taken, unit="ns", along="samples", at=n,
                      counted=(counted(1, training=False)[0], 8 * DIM), ceilings=limit,
                      notes={ours.CPU: f"{few:,} samples a call"} if few < n else None)


def draw_of(library, params, n):
    weights, seeds = [library.array(w) for w in frameworks.weights_of(params)], iter(range(10**9))
    run = library.compiled(lambda weights, key: frameworks.realnvp_inverse(library, nets(weights),
                                                                           library.normal(key, (n, DIM))))
    return lambda: run(weights, library.seeded(next(seeds)))


def parameters():
    return ours.painted(realnvp.init_params(np.random.default_rng(0), dim=DIM, n_transforms=TRANSFORMS,
                                            hidden=HIDDEN))


def batches(n, n_steps):
    return np.random.default_rng(n).standard_normal((n_steps, n, DIM), np.float32)


def nets(weights):
    return frameworks.networks(weights, len(HIDDEN) + 1)


def loss_of(library):
    return lambda weights, x: -frameworks.realnvp_log_prob(library, nets(weights), x).mean()


def compare(xp, params, libraries, x):
    """{side: how near it came}, or an AssertionError."""
    truth, said = ours.gradient(realnvp, params, np, (x,), "float64"), {}
    for side, where, kernels in ((ours.CPU, np, False), (ours.ARRAYS, xp, False), (ours.KERNELS, xp, True)):
        with device.kernels(kernels):
            said[side] = near(side, "gradient in float64",
                              ours.gap(ours.gradient(realnvp, params, where, (x,)), truth), 1e-4)
    apart = ours.engine_gap(realnvp, realnvp.fused, params, xp, [np.concatenate((x, x[::-1]))], len(x))
    said[ours.ENGINE] = near(ours.ENGINE, "losses of two steps, from array code's", apart, 1e-4)
    exact = realnvp.inverse(device.put(params, np, "float64"), x.astype(np.float64))[0]
    for name, library in libraries.items():
        weights, there = [library.array(w) for w in frameworks.weights_of(params)], library.array(x)
        value = library.host(library.compiled(loss_of(library))(weights, there))
        inverse = library.compiled(lambda weights, z: frameworks.realnvp_inverse(library, nets(weights), z))
        gaps = abs(float(value) - truth[-1]), ours.gap(library.host(inverse(weights, there)), exact)
        said[name] = near(name, "loss on shared weights, samples from shared noise", max(gaps), 1e-4)
    return said


def counted(batch, training=True):
    """Operations of the products, and the least bytes of a training step, as for the MAF."""
    sizes = (DIM // 2, *HIDDEN, 2 * (DIM - DIM // 2))
    n_parameters = TRANSFORMS * sum((below + 1) * above for below, above in zip(sizes, sizes[1:]))
    operations = sum(ours.network_operations(sizes, batch, (DIM // 2 if k else 0) if training else None)
                     for k in range(TRANSFORMS))
    return operations, 4 * (batch * DIM + 8 * n_parameters)
