"""How time grows with the batch, the simulations and the dimension of θ; memory of a training

A conditional MAF of five transforms, 50-50, context 10, float32, one BLAS thread: its training step for
batches of 10 to 10,000 and for 2 to 64 parameters; rejection ABC of the power law and one epoch of NPE from
10³ to 10⁶ simulations; an ensemble of four, 50 epochs on 10,000 simulations, in this process and in two
others. Memory is the peak of a fresh process that trains on 10,000 simulations for EPOCHS epochs, beside
sbi's where it is installed.
"""
import importlib.util
import json
import subprocess
import sys
import time

import numpy as np

from accel import device
from accel import priors
from accel.density import maf
from accel.inference import deep_ensemble, npe, rejection_abc
from accel.simulators import power_law
from experiments.bench import limits, timing

DIM, CONTEXT, EPOCHS = 3, 10, 3
BATCHES, DIMENSIONS = (10, 30, 100, 300, 1000, 3000, 10_000), (2, 4, 8, 16, 32, 64)
SIMULATIONS, PROCESSES = (1000, 10_000, 100_000, 1_000_000), (1, 2)


def run(xp, quick):
    rng = np.random.default_rng(0)
    rows = [row("MAF training step", "batch size", n, step(rng, n, DIM), quick, "ms")
            for n in (BATCHES[:2] if quick else BATCHES)]
    for n in (1000,) if quick else SIMULATIONS:
        rows.append(row("Rejection ABC of the power law", "simulations", n,
                        lambda n=n: simulate_and_compare(n), quick, "s"))
        data = made_up(rng, n)
        rows.append(row("One epoch of NPE", "simulations", n, lambda data=data: train(*data), quick, "s"))
    rows += [row("MAF training step, batch 200", "dimension of θ", dim, step(rng, 200, dim), quick, "ms")
             for dim in (DIMENSIONS[:2] if quick else DIMENSIONS)]
    return rows + over_processes(*made_up(rng, 200 if quick else 10_000), 1 if quick else 50) + memory(quick)


def row(work, along, at, function, quick, unit):
    """One point of a curve."""
    return point(work, along, at, *timing.interleaved({"ours": function}, quick=quick, fewest=3), unit)


def point(work, along, at, taken, rounds, unit):
    """The median with the spread."""
    scale = {"s": 1, "ms": 1e3}[unit]
    return {"work": work, "along": along, "at": at,
            f"ours [{unit}]": float(f"{scale * taken['ours'][0]:.4g}"),
            "ours min–max": timing.spread(taken["ours"], scale), "rounds": rounds}


def over_processes(theta, x, epochs, rounds=2):
    """The points of the ensemble, in turn."""
    taken = {n: [] for n in PROCESSES}
    for _ in range(rounds):
        for n, seconds in taken.items():
            start = time.perf_counter()
            deep_ensemble.fit(prior(), theta, x, rng=np.random.default_rng(1), n_members=4, n_processes=n,
                              max_epochs=epochs, patience=epochs)
            seconds.append(time.perf_counter() - start)
    return [point("Ensemble of four", "processes", n, {"ours": (float(np.median(t)), min(t), max(t))}, rounds,
                  "s") for n, t in taken.items()]


def step(rng, batch, dim):
    params = limits.painted(maf.init_params(rng, dim=dim, context_dim=CONTEXT), rng)
    data = rng.standard_normal((batch, dim), np.float32), rng.standard_normal((batch, CONTEXT), np.float32)
    return limits.adam_step_of(maf, params, data)


def made_up(rng, n):
    """θ and x, (n, DIM) and (n, CONTEXT), that have something to do with one another."""
    theta = rng.standard_normal((n, DIM), np.float32)
    return theta, np.tile(theta, (1, 4))[:, :CONTEXT] + rng.standard_normal((n, CONTEXT), np.float32)


def prior():
    return priors.Normal(np.zeros(DIM), np.ones(DIM))


def simulate_and_compare(n):
    return rejection_abc.sample(device.generator(1, np, "float32"), power_law.prior, power_law.simulate,
                                np.array([0.1**-1.5], np.float32), n_simulations=n, epsilon=5.0)


def train(theta, x, epochs=1):
    return npe.fit(prior(), theta, x, rng=np.random.default_rng(1), max_epochs=epochs)


def memory(quick):
    """The row of peak memory, without a ratio where sbi is not installed."""
    peaks = {side: json.loads(subprocess.run([sys.executable, "-m", "experiments.bench.scaling", side,
                                              str(500 if quick else 10_000)], check=True, capture_output=True,
                                             text=True).stdout)
             for side in (("ours", "sbi") if importlib.util.find_spec("sbi") else ("ours",))}
    found = {"work": "Memory of a process that trains NPE on 10,000 simulations",
             "ours [MB]": round(peaks["ours"] / 1e6)}
    if "sbi" not in peaks:
        return [found]
    return [{**found, "peer": "sbi", "ratio": round(peaks["sbi"] / peaks["ours"], 1), "target": None,
             "peer [MB]": round(peaks["sbi"] / 1e6),
             "compared": f"a MAF of five transforms of width 50, {EPOCHS} epochs"}]


def train_sbi(theta, x):
    import contextlib
    import tempfile

    import torch
    from sbi.inference import NPE
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(
            sys.stderr):
        trainer = NPE(prior=torch.distributions.MultivariateNormal(torch.zeros(DIM), torch.eye(DIM)),
                      show_progress_bars=False)
        trainer.append_simulations(torch.from_numpy(theta), torch.from_numpy(x)).train(max_num_epochs=EPOCHS)


if __name__ == "__main__":
    data = made_up(np.random.default_rng(0), int(sys.argv[2]))
    train(*data, epochs=EPOCHS) if sys.argv[1] == "ours" else train_sbi(*data)
    print(timing.peak_memory())
