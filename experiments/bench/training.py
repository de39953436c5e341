"""A whole NPE training against sbi's defaults: seconds to the test log-probability that sbi ends with

Two tasks, SIMULATIONS simulations each, three seeds. sbi trains its default MAF with its default stopping
rule; we train spline flows, so many and for so many epochs, a ladder that is the same for both tasks: the
seconds are those of the shortest rung that ends at or above sbi's mean test log-probability, and a second row
says what the longest rung within a tenth of sbi's time has closed of sbi's distance to the exact posterior.
Members of an ensemble are trained one after another, in one process. The 21-cm data are five PCA scores for
both. Densities are of θ; sbi's without the correction for what leaks outside the prior, which would only
lower its time's worth.
"""
import contextlib
import tempfile
import time

import numpy as np
import torch

from accel import simulators
from accel.density import nsf
from accel.inference import deep_ensemble
from accel.representation import pca

SIMULATIONS, TESTS, RATE, SEEDS = 10_000, 2_000, 1e-2, (0, 1, 2)
RUNGS = ((1, 5), (1, 10), (1, 20), (1, 40), (3, 20))                    # members and epochs of each
TASKS = {"two_moons": None, "global_signal": 5}


def run(xp, quick):
    # sbi writes logs where it is called
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        return measure(quick)


def measure(quick):
    torch.set_num_threads(1)
    rows = []
    for task, n_components in TASKS.items():
        ours, theirs, exact, theirs_seconds = [], [], [], []
        for seed in SEEDS[:1] if quick else SEEDS:
            simulator, data, tests = simulate(task, n_components, seed, quick)
            exact.append(exact_log_prob(simulator, *tests[:2]))
            ours.append([train_ours(simulator.prior, data, tests, *rung, seed)
                         for rung in (RUNGS[:2] if quick else RUNGS)])
            seconds, log_q = train_sbi(simulator.prior, data, tests, seed, quick)
            theirs.append(log_q)
            theirs_seconds.append(seconds)
        rows += compare(task, np.array(ours), np.array(theirs), np.array(theirs_seconds),
                        float(np.mean(exact)))
    return rows


def simulate(task, n_components, seed, quick):
    """The simulator, (θ, what the networks see) to train with, and (θ, x, what the networks see) to test
    with; float32."""
    simulator, rng = getattr(simulators, task), np.random.default_rng(seed)
    n, n_tests = (500, 100) if quick else (SIMULATIONS, TESTS)
    theta = simulator.prior.sample(rng, n + n_tests)
    x = simulator.simulate(rng, theta)
    seen = x if n_components is None else pca.fit(x[:n], n_components=n_components).transform(x)
    theta, seen = theta.astype(np.float32), seen.astype(np.float32)
    return simulator, (theta[:n], seen[:n]), (theta[n:], x[n:], seen[n:])


def exact_log_prob(simulator, theta, x):
    """The mean of log p(θ|x) over the tests, nats."""
    return float(np.mean([simulator.exact_posterior_log_prob(theta[k:k + 1].astype(np.float64), x[k])[0]
                          for k in range(len(theta))]))


def train_ours(prior, data, tests, n_members, epochs, seed):
    """Seconds, and the mean log q(θ|x) over the tests."""
    start = time.perf_counter()
    posterior = deep_ensemble.fit(prior, *data, rng=np.random.default_rng(seed), n_members=n_members,
                                  n_processes=1, density=nsf, learning_rate=RATE, max_epochs=epochs)
    seconds = time.perf_counter() - start
    return seconds, float(posterior.log_prob(tests[0], tests[2]).mean())


def train_sbi(prior, data, tests, seed, quick):
    """The same for sbi: its density estimator, evaluated on θ."""
    from sbi.inference import NPE
    from sbi.utils import BoxUniform
    torch.manual_seed(seed)
    trainer = NPE(prior=BoxUniform(*(torch.tensor(bound, dtype=torch.float32)
                                     for bound in (prior.low, prior.high))), show_progress_bars=False)
    theta, x = map(torch.from_numpy, data)
    start = time.perf_counter()
    estimator = trainer.append_simulations(theta, x).train(**({"max_num_epochs": 2} if quick else {}))
    seconds = time.perf_counter() - start
    with torch.no_grad():
        return seconds, float(estimator.log_prob(torch.from_numpy(tests[0])[None],
                                                 condition=torch.from_numpy(tests[2])).mean())


def compare(task, ours, theirs, theirs_seconds, exact):
    """The two rows of a task; ours is (seeds, rungs, 2)."""
    seconds, log_q = np.median(ours[:, :, 0], axis=0), ours[:, :, 1].mean(axis=0)
    goal, budget = theirs.mean(), np.median(theirs_seconds)
    there = np.flatnonzero(log_q >= goal)
    rung = there[0] if len(there) else None
    within = np.flatnonzero(seconds <= budget / 10)
    closed = float((log_q[within[-1]] - goal) / (exact - goal)) if len(within) else None
    ladder = ", ".join(f"{m} × {epochs} epochs {s:.2g} s {q:.2f}"
                       for (m, epochs), s, q in zip(RUNGS, seconds, log_q))
    return [{"work": f"NPE of {task} to sbi's test log-probability", "peer": "sbi", "target": 30,
             "ratio": round(budget / seconds[rung], 1) if rung is not None else None,
             "ours [s]": round(seconds[rung], 2) if rung is not None else None, "peer [s]": round(budget, 1),
             "peer min–max": f"{theirs_seconds.min():.3g}–{theirs_seconds.max():.3g}", "rounds": len(theirs),
             "compared": f"mean log q: sbi {goal:.2f}, exact {exact:.2f}; ours: {ladder}"},
            {"work": f"NPE of {task}: share of sbi's distance to the exact closed in a tenth of its time",
             "peer": "sbi", "target": 0.5, "ratio": None if closed is None else round(closed, 2),
             "rounds": len(theirs), "compared": f"mean log q: sbi {goal:.2f}, exact {exact:.2f}"}]
