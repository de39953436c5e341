"""Five ways from simulations to a posterior: ABC, NPE, NLE, NRE and exact, as simulations grow

Two problems with an exact posterior: two_moons, whose posterior is two thin crescents, and the 21-cm global
signal of the lectures, 100 noisy bins, which all methods see as the same ten principal components. Each
method gets the same simulations and gives the same number of draws for one observation; a C2ST measures how
well they can be told from exact ones. Its classifier sees 1,500 draws a side and misses small differences: a
crescent that is slightly too thick passes for some seeds.

    ABC   keeps the 100 simulations nearest to the observation and smooths them, as the benchmark sbibm does
    NPE   learns the posterior (a neural spline flow) and draws from it directly
    NLE   learns the likelihood (a masked autoregressive flow) and samples it (slice sampling, HMC)
    NRE   learns the ratio of the two (a classifier), and samples it or resamples weighted draws
"""
import time
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from experiments.harness import figures
from experiments.harness.arrays import to_host
from experiments.harness.framework import Metric, Outcome

METHODS = {"ABC": "grey", "NPE": "blue", "NLE": "orange", "NRE": "green"}
SIZES = {1_000: {"batch_size": 50, "max_epochs": 40}, 5_000: {"batch_size": 100, "max_epochs": 40},
         25_000: {"batch_size": 200, "max_epochs": 40}}
QUICK = {300: {"batch_size": 50, "max_epochs": 2}}
N_SAMPLES, N_ACCEPTED, N_CANDIDATES = 1_500, 100, 400_000
CHAINS, QUICK_CHAINS = {"n_chains": 200, "n_warmup": 100}, {"n_chains": 20, "n_warmup": 10, "thin": 1}


class Task(NamedTuple):
    """How a simulator's data are compressed, how its likelihood is best sampled, and what a figure needs.

    Attributes
    ----------
    observe : callable
        (simulator, settings) → one observation (D,).
    n_components : int or None
        Of the data, by PCA; None for the data as they are.
    nle_sampler, nre_sampler : str or None
        The modules that walk on NLE's likelihood and NRE's ratio; None for weighted draws of the prior, which
        suffice in two dimensions.
    """
    title: str
    observe: Callable
    n_components: int | None
    nle_sampler: str
    nre_sampler: str | None
    shown: tuple
    labels: tuple


TASKS = {
    "two_moons": Task("two moons", lambda simulator, settings: settings.put(np.zeros(2)), None,
                      "slice_sampler", None, (0, 1), ("θ₁", "θ₂")),
    "global_signal": Task("21-cm signal",
                          lambda simulator, settings: simulator.simulate(settings.rng(1),
                                                                         settings.put(np.array([[0.24, 15.0,
                                                                                                 7.0]])))[0],
                          10, "hmc", "hmc", (1, 2), ("$z_c$", "σ"))}


class Answer(NamedTuple):
    """The result of one method with one number of simulations: draws (n, P), seconds of training and of
    drawing, C2ST, and a remark."""
    draws: Any
    seconds: float
    c2st: float
    note: str


def run(settings):
    sizes, n = (QUICK, 100) if settings.quick else (SIZES, N_SAMPLES)
    answers, exact = {}, {}
    for offset, (name, task) in enumerate(TASKS.items()):
        simulator = getattr(settings.package.simulators, name)
        observation = task.observe(simulator, settings)
        exact[name] = simulator.exact_posterior_sample(settings.rng(100 * offset + 2), n, observation)
        for size, training in sizes.items():
            theta = simulator.prior.sample(settings.rng(100 * offset + 3), size)
            x = simulator.simulate(settings.rng(100 * offset + 4), theta)
            pca = (None if task.n_components is None
                   else settings.package.representation.pca.fit(x, n_components=task.n_components))
            data, asked = (x, observation) if pca is None else (pca.transform(x),
                                                                pca.transform(observation[None])[0])
            for method in METHODS:
                draws, seconds, note = answer(settings, method, task, simulator.prior, theta, data, asked, n,
                                              training, offset)
                c2st = settings.package.validation.c2st.accuracy(exact[name], draws,
                                                                 **{"n_jobs": 1} | settings.c2st)
                answers[name, method, size] = Answer(to_host(draws), seconds, c2st, note)
    exact, last = {name: to_host(draws) for name, draws in exact.items()}, max(sizes)
    metrics = {f"{name}, {method}, {size:,} simulations: C2ST": Metric(found.c2st, note=found.note)
               for (name, method, size), found in answers.items()}
    metrics |= {
        f"{name}, {method}, {last:,} simulations: seconds": Metric(answers[name, method, last].seconds,
                                                                   note="training and draws")
        for name in TASKS for method in METHODS}
    text = (
        f"Every C2ST is over {n:,} draws a side, with an uncertainty of about {0.5 / np.sqrt(2 * n):.2f}: at "
        "0.5 a classifier cannot tell a method's draws from exact ones, at 1 it always can. Seconds are for "
        "one observation, from the simulations to the draws. NPE gives the next posterior at once, NLE and "
        "NRE by running chains or resampling again, ABC only if the next observation is near existing "
        "simulations. An R-hat above 1.01 for NLE on two moons means that its chains stay in the moon in "
        "which they start; the start, weighted draws of the prior, decides how many chains are in each.")
    return Outcome(draw(answers, exact, list(sizes)), metrics, text)


def answer(settings, method, task, prior, theta, x, observation, n, training, offset):
    """Draws of one method for one observation, (n, P), the seconds that it took, and a remark."""
    inference, density = settings.package.inference, settings.package.density
    rng, seed = settings.rng(100 * offset + 5), np.random.default_rng([settings.seed, 100 * offset + 6])
    start, note = time.perf_counter(), ""
    if method == "ABC":
        replayed = SimpleNamespace(sample=lambda rng, n: theta)
        near = inference.rejection_abc.sample(rng, replayed, lambda rng, theta: x, observation,
                                              n_simulations=len(theta),
                                              quantile=min(1.0, N_ACCEPTED / len(theta)),
                                              chunk_size=len(theta))
        draws = smoothed(settings.xp, rng, prior, near.theta, n)
    elif method == "NPE":
        draws = inference.npe.fit(prior, theta, x, rng=seed, density=density.nsf, **training).sample(
            rng, n, observation)
    else:
        module, sampler = (inference.nle, task.nle_sampler) if method == "NLE" else (inference.nre,
                                                                                     task.nre_sampler)
        found = module.fit(prior, theta, x, rng=seed, **training)
        n_candidates = 2_000 if settings.quick else N_CANDIDATES
        if sampler is None:
            draws = found.sample(rng, n, observation, n_candidates=n_candidates)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)          # R-hat is part of the remark
                drawn = inference.run_chains.sample(rng, found.target(observation), n,
                                                    sampler=getattr(inference, sampler),
                                                    n_candidates=n_candidates // 4,
                                                    **QUICK_CHAINS if settings.quick else CHAINS)
            draws, note = drawn.theta, f"{sampler}, R-hat {float(drawn.r_hat.max()):.3f}"
    return draws, time.perf_counter() - start, note


def smoothed(xp, rng, prior, theta, n):
    """n draws from a kernel density of theta (K, P) in the prior's unconstrained space; the width maximises
    the
    leave-one-out likelihood."""
    u, _ = prior.to_unconstrained(theta)
    n_points, dim = u.shape
    scale = u.std(axis=0)
    z = u / scale
    # no point predicts itself
    squared = xp.square(z[:, None] - z[None]).sum(axis=2) + 1e9 * xp.eye(n_points, dtype=u.dtype)
    widths = np.geomspace(0.02, 1.0, 30)
    scores = [float(xp.log(xp.exp(-0.5 * squared / w**2).sum(axis=1) + 1e-30).sum())
              - n_points * dim * np.log(w) for w in widths]
    which = rng.integers(0, n_points, size=n)
    u = u[which] + float(widths[int(np.argmax(scores))]) * scale * rng.standard_normal((n, dim))
    return prior.to_constrained(u)[0]


def draw(answers, exact, sizes):
    from matplotlib.ticker import MaxNLocator
    figure = figures.new(14, 10.5)
    top, *rows = figure.subfigures(3, 1, height_ratios=(1.25, 1, 1))
    axes = top.subplots(1, 3)
    for axis, (name, task) in zip(axes, TASKS.items()):
        for method, colour in METHODS.items():
            axis.plot(sizes, [answers[name, method, size].c2st for size in sizes], "o-",
                      color=figures.COLOURS[colour], label=method)
        axis.axhline(0.5, color="black", linestyle=":", linewidth=1)
        axis.set(ylim=(0.48, 1.02), xlabel="simulations", ylabel="C2ST (0.5: indistinguishable)",
                 title=f"{task.title}: against the exact posterior")
    for (name, task), line in zip(TASKS.items(), ("-", "--")):
        for method, colour in METHODS.items():
            axes[2].plot(sizes, [answers[name, method, size].seconds for size in sizes], "o" + line,
                         color=figures.COLOURS[colour])
        axes[2].plot([], [], line, color="black", label=task.title)
    axes[2].set(yscale="log", xlabel="simulations", ylabel="seconds",
                title="training and draws, one observation")
    axes[0].legend(loc="upper right")
    axes[2].legend(loc="best")
    for axis in axes:
        axis.set(xscale="log", xticks=sizes, xticklabels=[f"{size:,}" for size in sizes])
        axis.minorticks_off()
    for row, (name, task) in zip(rows, TASKS.items()):
        i, j = task.shown
        low, high = np.quantile(exact[name][:, task.shown], (0.002, 0.998), axis=0)
        low, high = low - 0.25 * (high - low), high + 0.25 * (high - low)
        panels = row.subplots(1, 1 + len(METHODS), sharex=True, sharey=True)
        samples = {"exact": (exact[name], "black")} | {
            f"{method}, C2ST {answers[name, method, sizes[-1]].c2st:.2f}": (
                answers[name, method, sizes[-1]].draws, figures.COLOURS[colour])
            for method, colour in METHODS.items()}
        for axis, (title, (points, colour)) in zip(panels, samples.items()):
            axis.scatter(points[:, i], points[:, j], s=3, alpha=0.4, color=colour, linewidths=0,
                         rasterized=True)
            axis.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel=task.labels[0], title=title)
            axis.xaxis.set_major_locator(MaxNLocator(4))
        panels[0].set_ylabel(task.labels[1])
        row.suptitle(f"{task.title}, {sizes[-1]:,} simulations", x=0.01, ha="left", fontsize=12)
    return figure
