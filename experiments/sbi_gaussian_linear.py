"""NLE and NRE on ten parameters: gaussian_linear with 10,000 simulations, against the exact posterior

The task of Lueckmann et al. (2021) with the posterior in closed form, θ | x ~ N(x/2, 0.05 I), and the C2ST as
that benchmark computes it, 10,000 draws a side. One observation, drawn from the prior, or read from the
benchmark's files: --data DIR with DIR/gaussian_linear/num_observation_1.npz. Both estimators start from a
linear regression. For a linear-Gaussian problem it is exact except for its coefficients, which 10,000
simulations leave uncertain by about a hundredth each. The networks behind it can only add noise; early
stopping keeps it small.
"""
import time
import warnings

import numpy as np

from experiments.harness import figures
from experiments.harness.arrays import to_host
from experiments.harness.framework import Metric, Outcome
from experiments.npe_benchmark import observations

N_SIMULATIONS, N_SAMPLES, N_TESTS = 10_000, 10_000, 5_000
TARGETS = {"NLE": 0.555, "NRE": 0.56}                                 # the published C2ST of each
COLOURS = {"NLE": "orange", "NRE": "green"}
CHAINS = {"n_chains": 100, "n_warmup": 100}


def run(settings):
    package, quick = settings.package, settings.quick
    simulator, inference = package.simulators.gaussian_linear, package.inference
    n_simulations, n_samples, n_tests = (500, 200, 50) if quick else (N_SIMULATIONS, N_SAMPLES, N_TESTS)
    theta = simulator.prior.sample(settings.rng(0), n_simulations)
    x = simulator.simulate(settings.rng(1), theta)
    observation = settings.put(observations(settings, simulator, "gaussian_linear", 1, 0))[0]
    exact = simulator.exact_posterior_sample(settings.rng(3), n_samples, observation)
    test_theta = simulator.prior.sample(settings.rng(4), n_tests)
    test_x = simulator.simulate(settings.rng(5), test_theta)

    draws, metrics, remarks, epochs = {}, {}, {}, {"max_epochs": 3} if quick else {}
    for name, module in (("NLE", inference.nle), ("NRE", inference.nre)):
        start = time.perf_counter()
        found = module.fit(simulator.prior, theta, x, rng=np.random.default_rng([settings.seed, 6]),
                           progress=settings.progress, checkpoint=settings.checkpoint(name), **epochs)
        trained = time.perf_counter()
        if name == "NLE":
            chains = {"n_chains": 20, "n_warmup": 50, "thin": 1} if quick else CHAINS
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)          # R-hat is part of the remark
                drawn = inference.run_chains.sample(settings.rng(7), found.target(observation), n_samples,
                                                    sampler=inference.hmc, progress=settings.progress,
                                                    **chains)
            draws[name], remarks[name] = drawn.theta, f"R-hat {float(drawn.r_hat.max()):.3f}"
            gap = simulator.log_likelihood(test_theta, test_x) - found.log_likelihood(test_theta, test_x)
        else:
            weighted = found.candidates(settings.rng(7), 2_000 if quick else 200_000, observation)
            draws[name], remarks[name] = (inference.importance.resample(settings.rng(8), n_samples, weighted),
                                          f"{weighted.effective_size:,.0f} effective candidates")
            gap = simulator.exact_posterior_log_prob(test_theta, test_x) - found.log_prob(test_theta, test_x)
        drawn_at = time.perf_counter()
        c2st = package.validation.c2st.accuracy(exact, draws[name], **{"n_jobs": 1} | settings.c2st)
        metrics[f"{name}: C2ST"] = Metric(c2st, TARGETS[name], "most",
                                          f"one observation; published: {TARGETS[name]}; {remarks[name]}")
        metrics[f"{name}: exact minus learnt, mean over test pairs [nats]"] = Metric(float(gap.mean()),
                                                                                     note=f"{n_tests} pairs")
        metrics[f"{name}: training [s]"] = Metric(trained - start)
        metrics[f"{name}: {n_samples:,} draws [s]"] = Metric(drawn_at - trained)
    draws = {"exact": to_host(exact), **{name: to_host(samples) for name, samples in draws.items()}}
    text = (
        "Left and middle: shift of the mean and ratio of the widths for each of the ten parameters, in "
        "units of the exact posterior's width; exact values are zero and one. Errors of the mean follow "
        "those of the regression coefficients. Right: the C2ST, in which all ten dimensions count together.")
    return Outcome(_figure(draws, to_host(observation),
                           {name: metrics[f"{name}: C2ST"].value for name in TARGETS}), metrics, text)


def _figure(draws, observation, c2st):
    figure = figures.new(13, 4.4)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.2, 1.2, 0.8))
    width, place = np.sqrt(0.05), np.arange(1, 11)
    for shift, (name, samples) in zip((-0.2, 0.0, 0.2), draws.items()):
        colour = figures.COLOURS[COLOURS.get(name, "black")]
        error = 1 / np.sqrt(len(samples))
        left.errorbar(place + shift, (samples.mean(axis=0) - observation / 2) / width, 2 * error, fmt="o",
                      color=colour, label=name)
        middle.errorbar(place + shift, samples.std(axis=0) / width, np.sqrt(2) * error, fmt="o", color=colour)
    for axis, value, title in ((left, 0, "shift of the mean [exact widths]"),
                               (middle, 1, "width / exact width")):
        axis.axhline(value, color="black", linewidth=0.8)
        axis.set(xticks=place, xlabel="parameter", title=title)
    left.set_ylim(-0.2, 0.2)
    middle.set_ylim(0.9, 1.1)
    left.legend(loc="upper left", ncols=3, title="bars: two standard errors of the draws", alignment="left")
    for k, (name, value) in enumerate(c2st.items()):
        right.bar(k, value - 0.5, 0.5, bottom=0.5, color=figures.COLOURS[COLOURS[name]])
        right.annotate(f"{value:.3f}", (k, max(value, 0.5)), (0, 3), textcoords="offset points", ha="center")
        right.hlines(TARGETS[name], k - 0.35, k + 0.35, color="black", linestyle="--",
                     label=None if k else "published")
    right.set(xticks=range(len(c2st)), xticklabels=list(c2st), ylim=(0.5, 0.6),
              title="C2ST (0.5: indistinguishable)")
    right.legend(loc="upper right")
    return figure
