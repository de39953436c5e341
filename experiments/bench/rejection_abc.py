"""Rejection ABC, 10⁷ simulations of the power law: time and memory, against NumPy and pyabc

The line draws, simulates and compares everything at once; ours goes in chunks, from the same kind of
generator, and both must accept the same fraction. pyabc is a framework for expensive simulators: its time is
for PYABC simulations, in one process, scaled up. Each peak is the most that a process of its own held, above
what it held before the first simulation.
"""
import json
import subprocess
import sys

import numpy as np

from accel import device
from accel.inference import rejection_abc
from accel.simulators import power_law
from experiments.bench import timing

N, PYABC, EPSILON = 10_000_000, 2_000, 5.0


def run(xp, quick):
    n = N // 100 if quick else N
    steps = {"ours": lambda: ours(n), "NumPy": lambda: one_line(n)}
    kept = {side: len(step()) for side, step in steps.items()}
    spread = abs(kept["ours"] - kept["NumPy"]) / np.sqrt(sum(kept.values()))
    if spread > 4:
        raise AssertionError(f"expected as many accepted within four standard errors, got {kept}")
    taken, rounds = timing.interleaved(steps, quick=quick)
    compared = f"accepted {kept['ours']:,} and {kept['NumPy']:,}, {spread:.1f} standard errors apart"
    rows = timing.against("Rejection ABC of the power law, 10⁷ simulations", taken, rounds,
                          targets={"NumPy": 1.5}, unit="s", compared={"NumPy": compared})
    peaks = {side: json.loads(subprocess.run([sys.executable, "-m", "experiments.bench.rejection_abc", side,
                                              str(n)], check=True, capture_output=True, text=True).stdout)
             for side in steps}
    rows.append({"work": "Rejection ABC of the power law, 10⁷ simulations: memory", "peer": "NumPy",
                 "target": 10, "ratio": round(peaks["NumPy"] / peaks["ours"], 1),
                 "ours [MB]": round(peaks["ours"] / 1e6, 1), "peer [MB]": round(peaks["NumPy"] / 1e6, 1),
                 "compared": compared})
    seconds, n_pyabc, accepted = pyabc_run(PYABC // 20 if quick else PYABC)
    ours_each = taken["ours"][0] / n
    rows.append({"work": "Rejection ABC of the power law, per simulation", "peer": "pyabc", "target": None,
                 "ratio": round(seconds / n_pyabc / ours_each), "ours [µs]": round(1e6 * ours_each, 4),
                 "peer [µs]": round(1e6 * seconds / n_pyabc, 1), "rounds": 1,
                 "compared": f"accepted {accepted / n_pyabc:.3f} of them, ours {kept['ours'] / n:.3f}"})
    return rows


def ours(n):
    rng = device.generator(1, np, "float32")
    return rejection_abc.sample(rng, power_law.prior, power_law.simulate, observation(), n_simulations=n,
                                epsilon=EPSILON).theta


def one_line(n):
    rng, low, high = (np.random.default_rng(2),
                      *map(np.float32, (power_law.prior.low[0], power_law.prior.high[0])))
    theta = low + (high - low) * rng.random(n, np.float32)
    return theta[np.abs(theta**np.float32(-1.5) + np.float32(5) * rng.standard_normal(n, np.float32)
                        - observation()[0]) < EPSILON]


def observation():
    return np.array([0.1**-1.5], np.float32)


def pyabc_run(n):
    """Seconds, the number of simulations, and how many were accepted."""
    import logging
    import tempfile
    import time

    import pyabc
    logging.disable(logging.WARNING)
    rng, low, high = np.random.default_rng(3), power_law.prior.low[0], power_law.prior.high[0]
    prior = pyabc.Distribution(theta=pyabc.RV("uniform", low, high - low))
    abc = pyabc.ABCSMC(lambda theta: {"x": theta["theta"]**-1.5 + 5 * rng.standard_normal()}, prior,
                       lambda x, y: abs(x["x"] - y["x"]), population_size=max(10, n // 12),
                       eps=pyabc.ConstantEpsilon(EPSILON), sampler=pyabc.SingleCoreSampler())
    with tempfile.TemporaryDirectory() as folder:
        abc.new(f"sqlite:///{folder}/abc.db", {"x": float(observation()[0])})
        start = time.perf_counter()
        history = abc.run(max_nr_populations=1)
        return time.perf_counter() - start, history.total_nr_simulations, max(10, n // 12)


if __name__ == "__main__":
    side, n = sys.argv[1], int(sys.argv[2])
    step = {"ours": ours, "NumPy": one_line}[side]
    step(1000)
    before = timing.peak_memory()
    step(n)
    print(timing.peak_memory() - before)
