"""Two standard benchmark tasks, 10,000 simulations each, against their exact posteriors

gaussian_linear and two_moons of Lueckmann et al. (2021), with the C2ST as that benchmark computes it.
Observations are drawn from the prior, or read from the benchmark's files: --data DIR with
DIR/<task>/num_observation_<n>.npz.
"""
import time
from typing import NamedTuple

import numpy as np

from experiments.harness import figures
from experiments.harness.arrays import to_host
from experiments.harness.framework import Metric, Outcome

N_SIMULATIONS, N_SAMPLES, N_TESTS = 10_000, 10_000, 2_000


class Task(NamedTuple):
    """Settings of one task: the published C2ST of neural posterior estimation at 10,000 simulations, and the
    target for ours."""
    published: float
    target: float | None
    n_observations: int
    density: str
    n_transforms: int


TASKS = {"gaussian_linear": Task(0.552, 0.55, 2, "maf", 5), "two_moons": Task(0.606, None, 10, "nsf", 3)}


def run(settings):
    metrics, results = {}, {}
    for offset, (name, task) in enumerate(TASKS.items()):
        results[name] = _run_task(settings, name, task, 100 * offset)
        c2st, gap, gap_error, seconds, _, _ = results[name]
        note = (f"mean of {len(c2st)} observations, {min(c2st):.3f} to {max(c2st):.3f}; published NPE: "
                f"{task.published}; flow: {task.density}")
        metrics[f"{name}: C2ST"] = Metric(float(np.mean(c2st)), task.target,
                                          "most" if task.target else "report", note)
        metrics[f"{name}: exact minus NPE, mean test log q [nats]"] = Metric(
            gap, note=f"± {gap_error:.3f}, {N_TESTS} test pairs")
        metrics[f"{name}: training [s]"] = Metric(seconds)
    text = (
        "Each dot is one observation: at 0.5 a classifier cannot tell our samples from exact ones, at 1 it "
        "always can. The bar is the published mean for neural posterior estimation with the same number of "
        "simulations.")
    return Outcome(_figure(results), metrics, text)


def _run_task(settings, name, task, offset):
    package, quick = settings.package, settings.quick
    simulator = getattr(package.simulators, name)
    n_simulations, n_samples, n_tests = (500, 200, 50) if quick else (N_SIMULATIONS, N_SAMPLES, N_TESTS)
    rng = settings.rng(offset)
    theta = simulator.prior.sample(rng, n_simulations)
    x = simulator.simulate(rng, theta)
    start = time.perf_counter()
    posterior = package.inference.npe.fit(simulator.prior, theta, x,
                                          rng=np.random.default_rng([settings.seed, offset + 1]),
                                          density=getattr(package.density, task.density),
                                          n_transforms=task.n_transforms, max_epochs=3 if quick else 200,
                                          checkpoint=settings.checkpoint(name), progress=settings.progress)
    seconds = time.perf_counter() - start

    observed = settings.put(observations(settings, simulator, name, 1 if quick else task.n_observations,
                                         offset))
    ours = posterior.sample(settings.rng(offset + 3), n_samples, observed)
    exact = [simulator.exact_posterior_sample(settings.rng(offset + 10 + k), n_samples, one)
             for k, one in enumerate(observed)]
    c2st = [package.validation.c2st.accuracy(known, samples, **settings.c2st)
            for known, samples in zip(exact, ours)]

    test_theta = simulator.prior.sample(settings.rng(offset + 4), n_tests)
    test_x = simulator.simulate(settings.rng(offset + 5), test_theta)
    log_p = settings.xp.concatenate([simulator.exact_posterior_log_prob(test_theta[k:k + 1], test_x[k])
                                     for k in range(n_tests)])
    gap = package.validation.mean_log_prob.estimate(log_p - posterior.log_prob(test_theta, test_x))
    return c2st, gap.mean, gap.standard_error, seconds, ours[0], exact[0]


def observations(settings, simulator, name, n, offset):
    """n observations: from the benchmark's files with --data, else drawn from the prior."""
    if settings.data is None:
        rng = settings.rng(offset + 2)
        return to_host(simulator.simulate(rng, simulator.prior.sample(rng, n)))
    files = [settings.data / name / f"num_observation_{k + 1}.npz" for k in range(n)]
    found = [np.load(file, allow_pickle=False)["observation"].astype(np.float64)
             for file in files if file.exists()]
    if not found:
        raise ValueError(f"data: expected files such as {files[0]}, found none")
    return np.stack(found)


def _figure(results):
    blue, orange = figures.COLOURS["blue"], figures.COLOURS["orange"]
    figure = figures.new(13, 4.6)
    left, middle, right = figure.subplots(1, 3)
    for k, (name, task) in enumerate(TASKS.items()):
        c2st = results[name][0]
        labels = ("one observation", "mean", "published mean") if k == 0 else (None,) * 3
        left.scatter(k + np.linspace(-0.12, 0.12, len(c2st)), c2st, s=36, color=blue, zorder=3,
                     label=labels[0])
        left.hlines(np.mean(c2st), k - 0.25, k + 0.25, color=blue, label=labels[1])
        left.hlines(task.published, k - 0.25, k + 0.25, color=orange, linestyle="--", label=labels[2])
    left.set(xticks=range(len(TASKS)), xticklabels=TASKS, xlim=(-0.5, len(TASKS) - 0.5), ylim=(0.48, None),
             ylabel="C2ST (0.5: indistinguishable)", title="Samples against the exact posterior")
    left.legend(loc="upper left")
    *_, ours, exact = results["two_moons"]
    ours, exact = to_host(ours), to_host(exact)
    low, high = np.quantile(exact, (0.002, 0.998), axis=0) + np.array([[-0.06], [0.06]])
    for axis, samples, title, colour in ((middle, exact, "two_moons: exact posterior", "black"),
                                         (right, ours, "two_moons: NPE", blue)):
        axis.scatter(samples[:, 0], samples[:, 1], s=1.5, alpha=0.4, color=colour, rasterized=True)
        axis.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="θ₁", ylabel="θ₂", title=title)
    return figure
