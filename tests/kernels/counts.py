"""Count the device operations of the benchmarks on the strict stand-in: no GPU is needed, nothing is timed.

    python -m tests.kernels.counts [--out FILE]

For array code and for kernels: launches (of any kernel; a graph counts as one), launches of our own kernels,
bytes of their array arguments (whole arrays, even if only a part is read), uploads, how often the host waits,
and the geometry of each kernel's launch. Training in the engine of `training.minibatch` is counted for one
step launched alone, and for an epoch that replays graphs, with its draws and its losses.
"""
import argparse
import contextlib
import json
import math
import pathlib
import sys

import numpy as np

from accel import device
from accel.kernels.cuda import Kernels

KINDS = {"launch": "launches", "kernel": "of our kernels", "bytes": "bytes given to them",
         "upload": "uploads", "sync": "waits"}


def works(xp):
    """(work, unit, units in a call, {side: function without arguments}); call it once before counting."""
    from accel.density import maf, realnvp
    from experiments.bench.gpu import catalogue, langevin, maf_samples, maf_step, ours, rejection_abc
    from experiments.bench.gpu import score_step
    from experiments.bench.gpu import realnvp as of_realnvp

    def both(make):
        sides = {ours.ARRAYS: False, ours.KERNELS: True}
        return {side: ours.with_kernels(kernels, make(kernels)) for side, kernels in sides.items()}

    params, data = maf_step.parameters(), maf_step.batches(200, 2)
    yield "MAF training step, batch 200", "step", 2, both(
        lambda kernels: ours.steps(maf, params, xp, device.put(data, xp)))
    x = of_realnvp.batches(512, 2)
    yield "RealNVP training step, batch 512", "step", 2, both(
        lambda kernels: ours.steps(realnvp, of_realnvp.parameters(), xp, (device.put(x, xp),)))
    noisy = device.put(score_step.batches(512, 2), xp)
    yield "DSM training step, batch 512", "step", 2, both(lambda kernels: ours.steps(
        score_step.score_matching, langevin.parameters(), xp, noisy, sigmas=device.put(langevin.SIGMAS, xp)))
    for work, make, sizes in (("10,000 MAF samples, one observation", maf_samples.samplers, (1, 10_000)),
                              ("10,000 MAF samples, 100 observations", maf_samples.samplers, (100, 100)),
                              ("MAF log-probability of 10,000 points", maf_samples.densities, (10_000,))):
        sides = make(xp, params, {}, *sizes)[0]
        yield work, "call", 1, {side: sides[side] for side in (ours.ARRAYS, ours.KERNELS)}
    there = device.put(of_realnvp.parameters(), xp)
    rng = device.generator(1, xp, "float32")
    yield "10,000 RealNVP samples", "call", 1, both(
        lambda kernels: lambda: realnvp.sample(there, rng, 10_000))
    yield "annealed Langevin, 10 × 100 steps, 256 particles", "call", 1, both(
        lambda kernels: langevin.of_ours(xp, kernels, langevin.parameters(), 256, 100))
    yield "rejection ABC of the power law, 1,000,000 simulations", "call", 1, both(
        lambda kernels: rejection_abc.of_ours(xp, 1_000_000, 100_000))
    posterior = device.put(catalogue.trained(True), xp)
    yield "catalogue, 50 objects of 1,000 samples", "call", 1, both(
        lambda kernels: catalogue.of_ours(posterior, kernels, 50, 1000))


def engines(xp):
    """(work, steps of an epoch, the engine)."""
    from accel.density import maf, realnvp
    from experiments.bench.gpu import langevin, maf_step, ours, score_step
    from experiments.bench.gpu import realnvp as of_realnvp
    data = [a.reshape(-1, a.shape[-1]) for a in maf_step.batches(200, 2)]
    for n in (1, 32):
        starts = [maf_step.parameters(seed) for seed in range(n)]
        engine = ours.Engine(maf, maf.fused, starts, xp, data, 200)
        yield f"MAF, batch 200, {n} model{'s' * (n > 1)}", 2, engine
    x = of_realnvp.batches(512, 2).reshape(-1, of_realnvp.DIM)
    starts = [of_realnvp.parameters()]
    yield "RealNVP, batch 512", 2, ours.Engine(realnvp, realnvp.fused, starts, xp, [x], 512)
    x = score_step.batches(512, 2)[0].reshape(-1, langevin.DIM)
    yield "DSM, batch 512", 2, ours.Engine(*score_step.engine(xp, langevin.parameters(), x, 512))


def rows(xp):
    from tests.strict_cupy import counted
    found = []
    for work, unit, n, sides in works(xp):
        for side, call in sides.items():
            call()
            with counted() as spent, launched() as shapes:
                call()
            found.append({"work": work, "side": side, "per": unit, **shares(spent, n), "shapes": shapes})
            print(found[-1], flush=True)
    for work, n, engine in engines(xp):
        engine(), engine()
        with counted() as later:
            engine()
        engine.rewind()
        with engine.engine.stream, counted() as step, launched() as in_a_step:
            engine.step()
        for per, spent, shapes in (("step", step, in_a_step), (f"replayed epoch of {n} steps", later, {})):
            found.append({"work": f"training in the engine, {work}", "side": "ours, engine", "per": per,
                          **shares(spent, 1), "shapes": shapes})
            print(found[-1], flush=True)
    return found


@contextlib.contextmanager
def launched():
    """{kernel: (blocks, threads of a block, bytes of dynamic shared memory)} of the last launch of each."""
    shapes, launch = {}, Kernels.__call__

    def noted(self, name, grid, block, *args, shared=0):
        blocks, threads = (math.prod(np.atleast_1d(sizes).tolist()) for sizes in (grid, block))
        shapes[name] = (blocks, threads, int(shared))
        return launch(self, name, grid, block, *args, shared=shared)
    Kernels.__call__ = noted
    try:
        yield shapes
    finally:
        Kernels.__call__ = launch


def shares(spent, n):
    return {KINDS[kind]: round(count / n, 2) for kind, count in spent.items() if kind in KINDS}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    from tests import strict_cupy
    if strict_cupy.COMPILER is None:
        print("g++, through which kernels run here, was not found", file=sys.stderr)
        return 1
    found = rows(strict_cupy.install())
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"numpy": np.__version__, "rows": found}, indent=1, ensure_ascii=False)
        arguments.out.write_text(text + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
