"""Annealed Langevin on the device, 10 levels × 100 steps × 10⁶ particles: against torch and JAX

The score network of the benchmark on the CPU: two dimensions, hidden 128-128, tanh, float32, the same weights
for every side. torch is eager, JAX one compiled scan. A step costs a side the same at every level, so that
the slow ones take fewer of them; figures are for one particle and step. Held against each other first: the
scores at the same points, and the spread of the chains at the end.
"""
import math
from functools import partial

import numpy as np

from accel import device
from accel.runtime.tree import frozen
from accel.generative import langevin, score_matching, score_network
from experiments.bench.gpu import ceilings, clock, frameworks, ours
from experiments.bench.gpu.maf_step import near

DIM, HIDDEN, LEVELS, STEP = 2, (128, 128), 10, 2e-4
SIGMAS = score_matching.noise_levels(3.0, 0.05, LEVELS).astype(np.float32)
PARTICLES, ON_CPU, STEPS, FEW = 1_000_000, 10_000, 100, 10
TARGET = {ours.KERNELS: "20 × torch eager"}


def run(xp, quick):
    params, libraries, limit = parameters(), frameworks.found(xp), ceilings.measure(xp, quick)
    compared = compare(xp, params, libraries)
    n, steps = (64, 2) if quick else (PARTICLES, STEPS)
    counts = {ours.CPU: (64 if quick else ON_CPU, 2 if quick else FEW), ours.ARRAYS: (n, 2 if quick else FEW),
              ours.KERNELS: (n, steps), "torch": (n, 2 if quick else FEW), "JAX": (n, steps)}
    sides = {ours.CPU: of_ours(np, False, params, *counts[ours.CPU]),
             ours.ARRAYS: of_ours(xp, False, params, *counts[ours.ARRAYS]),
             ours.KERNELS: of_ours(xp, True, params, *counts[ours.KERNELS])}
    sides |= {name: of_library(library, params, *counts[name]) for name, library in libraries.items()}
    same_spread({side: call() for side, call in sides.items()}, counts)
    taken = clock.measured(xp, sides, quick=quick,
                           pieces={side: LEVELS * math.prod(counts[side]) for side in sides},
                           on_stream=(ours.ARRAYS, ours.KERNELS))
    notes = {side: f"{counts[side][0]:,} particles, {LEVELS} × {counts[side][1]} steps a call"
             for side in sides}
    rows = clock.rows("Annealed Langevin, a particle and step", taken, unit="ns", compared=compared,
                      target=TARGET, counted=counted(), ceilings=limit, notes=notes)
    whole = LEVELS * STEPS * PARTICLES
    return [row
            | {f"{LEVELS} × {STEPS} × {PARTICLES:,} [s]": float(f"{whole * taken[row['side']].median:.4g}")}
            for row in rows]


def parameters():
    return ours.painted(score_matching.init_params(np.random.default_rng(0), dim=DIM, hidden=HIDDEN))


def start(n):
    return 3 * np.random.default_rng(5).standard_normal((n, DIM)).astype(np.float32)


def of_ours(where, kernels, params, n, n_steps):
    there, rng = frozen(device.put(params, where)), device.generator(1, where, "float32")
    first = device.put(start(n), where)

    def chain():
        return langevin.annealed(rng, partial(score_matching.score, there), first, sigmas=SIGMAS,
                                 step_size=STEP, n_steps=n_steps).x
    return ours.with_kernels(kernels, chain)


def of_library(library, params, n, n_steps):
    weights, first, tau2 = ([library.array(w) for w in frameworks.weights_of(params)],
                            library.array(start(n)), library.array(frameworks.tau2()))

    def step(weights, x, sigma, z):
        alpha = STEP * (sigma / float(SIGMAS[-1]))**2
        return x + 0.5 * alpha * frameworks.score(library, weights, x, sigma, tau2) + library.sqrt(alpha) * z
    return library.chain(step, weights, first, np.repeat(SIGMAS, n_steps))


def compare(xp, params, libraries, n=37):
    """{side: how near its scores came}, or an AssertionError."""
    x, said = start(n), {}
    sigma = np.exp(np.random.default_rng(6).uniform(-3, 1, n)).astype(np.float32)
    exact = score_matching.score(frozen(device.put(params, np, "float64")), x.astype(np.float64),
                                 sigma.astype(np.float64))
    for side, where, kernels in ((ours.CPU, np, False), (ours.ARRAYS, xp, False), (ours.KERNELS, xp, True)):
        with device.kernels(kernels):
            found = score_matching.score(frozen(device.put(params, where)), *device.put((x, sigma), where))
        said[side] = near(side, "score in float64", ours.gap(device.to_host(found), exact), 1e-4)
    for name, library in libraries.items():
        run = library.compiled(lambda weights, x, sigma, tau2: frameworks.score(library, weights, x, sigma,
                                                                                tau2))
        found = run([library.array(w) for w in frameworks.weights_of(params)],
                    *map(library.array, (x, sigma[:, None], frameworks.tau2())))
        said[name] = near(name, "score in float64", ours.gap(library.host(found), exact), 1e-4)
    return said


def same_spread(chains, counts):
    spread = {side: np.std(hosted(x), axis=0) for side, x in chains.items()}
    long = {side: s
            for side, s in spread.items() if counts[side][1] == max(steps for _, steps in counts.values())}
    for side, found in spread.items():
        peers = long if side in long else {other: s for other, s in spread.items() if other not in long}
        for other, expected in peers.items():
            allowed = 8 / math.sqrt(min(counts[side][0], counts[other][0]))
            if not np.abs(found / expected - 1).max() < allowed:
                raise AssertionError(
                    f"expected chains of one spread, got {found} for {side} and {expected} for {other}")


def hosted(x):
    return np.asarray(x.detach().cpu() if hasattr(x, "detach") else device.to_host(x))


def counted():
    """Operations of the network's products for one particle; where it is, read and written once."""
    return ours.network_operations((DIM + len(score_network.TAU), *HIDDEN, DIM), 1), 8 * DIM
