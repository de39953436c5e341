"""Rejection ABC of the power law on the device: simulations per second, against torch and JAX

One parameter, one number: draw θ from the prior, x = θ^(−3/2) + 5 ε, keep what falls within EPSILON of the
observation. All sides accept the same fraction, within four standard errors. torch and JAX are the few lines
that a user would write, a chunk of CHUNK at a time; our array code goes in the same chunks; the CPU is given
fewer simulations. What is kept stays on the device.
"""
import numpy as np

from accel import device
from accel.inference import rejection_abc
from accel.simulators import power_law
from experiments.bench.gpu import ceilings, clock, frameworks, ours

EPSILON, NOISE, CHUNK = 0.5, 5.0, 10_000_000
ON_CPU, ON_ARRAYS, ON_KERNELS = 10_000_000, 100_000_000, 10_000_000_000
TARGET = {ours.KERNELS: "10¹⁰ simulations per second"}


def run(xp, quick):
    n = {ours.CPU: ON_CPU, ours.ARRAYS: ON_ARRAYS, ours.KERNELS: ON_KERNELS, "torch": ON_ARRAYS,
         "JAX": ON_ARRAYS}
    n, chunk = (dict.fromkeys(n, 4000), 1000) if quick else (n, CHUNK)
    limit, sides = ceilings.measure(xp, quick), {}
    for side, where, kernels in ((ours.CPU, np, False), (ours.ARRAYS, xp, False), (ours.KERNELS, xp, True)):
        sides[side] = ours.with_kernels(kernels, of_ours(where, n[side], 100_000 if where is np else chunk))
    for name, library in frameworks.found(xp).items():
        sides[name] = of_library(library, n[name], chunk)
    compared = compare({side: call() for side, call in sides.items()}, n)
    taken = clock.measured(xp, sides, quick=quick, pieces=n, on_stream=(ours.ARRAYS, ours.KERNELS),
                           seconds=0.5)
    rows = clock.rows("Rejection ABC of the power law, a simulation", taken, unit="ns", compared=compared,
                      target=TARGET, counted=counted(), ceilings=limit,
                      notes={side: f"{n[side]:,} simulations a call" for side in sides})
    return [row | {"simulations per second": float(f"{1 / taken[row['side']].median:.4g}")} for row in rows]


def observation():
    return np.array([0.1**-1.5], np.float32)


def of_ours(where, n, chunk):
    rng = device.generator(1, where, "float32")

    def sample():
        return len(rejection_abc.sample(rng, power_law.prior, power_law.simulate, observation(),
                                        n_simulations=n, epsilon=EPSILON, chunk_size=chunk).theta)
    return sample


def of_library(library, n, chunk):
    low, high, seen = float(power_law.prior.low[0]), float(power_law.prior.high[0]), float(observation()[0])
    seeds = iter(range(10**9))

    def simulate(key):
        u, z = library.uniform_and_normal(key, chunk)
        theta = low + (high - low) * u
        x = theta**-1.5 + NOISE * z
        return theta, x, abs(x - seen) < EPSILON
    run = library.compiled(simulate)

    def sample():
        kept = []
        for _ in range(n // chunk):
            theta, x, near = run(library.seeded(next(seeds)))
            kept.append((theta[near], x[near]))
        return library.wait(sum(len(theta) for theta, _ in kept))
    return sample


def compare(accepted, n):
    """{side: the accepted fraction}, or an AssertionError unless all are one within four standard errors."""
    said = {}
    for side, count in accepted.items():
        share, of_cpu = count / n[side], accepted[ours.CPU] / n[ours.CPU]
        error = (of_cpu * (1 / n[side] + 1 / n[ours.CPU]))**0.5
        if not (count and abs(share - of_cpu) < 4 * error):
            raise AssertionError(
                f"{side}: expected to accept {of_cpu:.5f} within four standard errors, {error:.1e} each, got "
                f"{share:.5f}")
        said[side] = f"accepted {share:.5f}"
    return said


def counted():
    """Operations of a simulation, and its bytes, which stay in registers: of 10 rounds of Philox (two
    products, four exclusive ors, two sums each) for four words, the half that it uses; and some 60 for
    logarithm, root, cosine and power."""
    return 0.5 * 10 * 8 + 60, 0
