"""The 21-cm global signal by neural posterior estimation, against the exact posterior

The example of lecture S3 with 100 noisy bins, for which an exact posterior can be computed. One posterior is
trained on 100,000 simulations and evaluated for both truths of the lecture, and for 1,000 signals drawn from
the prior. The 100 bins are compressed to ten principal components; the posterior is a weighted ensemble of
four neural spline flows.
"""
import time

import numpy as np

from experiments.harness import figures
from experiments.harness.arrays import to_host
from experiments.harness.framework import Metric, Outcome

TRUTHS = ((0.24, 15.0, 7.0), (0.155, 13.0, 9.0))
LABELS = ("A [K]", "$z_c$", "σ")
N_SIMULATIONS, N_TESTS, N_DRAWS, N_SAMPLES = 100_000, 1_000, 500, 10_000
TRAINING = {"n_members": 4, "n_components": 10, "n_transforms": 3, "batch_size": 500, "max_epochs": 30}


def run(settings):
    package, quick = settings.package, settings.quick
    simulator, validation = package.simulators.global_signal, package.validation
    n_simulations, n_tests, n_samples = (2_000, 100, 200) if quick else (N_SIMULATIONS, N_TESTS, N_SAMPLES)

    rng = settings.rng(0)
    theta = simulator.prior.sample(rng, n_simulations)
    x = simulator.simulate(rng, theta)
    start = time.perf_counter()
    posterior = package.inference.deep_ensemble.fit(
        simulator.prior, theta, x, rng=np.random.default_rng([settings.seed, 1]), density=package.density.nsf,
        **TRAINING | ({"max_epochs": 3, "n_processes": 1} if quick else {}),
        checkpoint=settings.checkpoint("posterior"),
        progress=settings.progress)
    training_seconds = time.perf_counter() - start

    truths = settings.put(np.array(TRUTHS))
    observed = simulator.simulate(settings.rng(2), truths)
    ours = posterior.sample(settings.rng(3), n_samples, observed)
    exact = [simulator.exact_posterior_sample(settings.rng(4 + k), n_samples, observed[k])
             for k in range(len(TRUTHS))]
    c2st = [validation.c2st.accuracy(exact[k], ours[k], **settings.c2st) for k in range(len(TRUTHS))]

    test_theta = simulator.prior.sample(settings.rng(10), n_tests)
    test_x = simulator.simulate(settings.rng(11), test_theta)
    drawn = posterior.sample(settings.rng(12), 100 if quick else N_DRAWS, test_x)
    pit = validation.pit.values(settings.rng(13), drawn, test_theta)
    log_p = _exact_log_prob(simulator, settings, test_theta, test_x)
    gap = validation.mean_log_prob.estimate(log_p - posterior.log_prob(test_theta, test_x))
    outside = sum(int((~simulator.prior.contains(samples)).sum())
                  for samples in (*ours, drawn.reshape(-1, 3)))

    metrics = {
        f"C2ST, truth {k + 1}": Metric(c2st[k], 0.55, "most", "A, z_c, σ = " + ", ".join(map(str, TRUTHS[k])))
        for k in range(2)}
    metrics["exact minus NPE, mean test log q [nats]"] = Metric(
        gap.mean, 0.05, "most", f"± {gap.standard_error:.3f}; exact: {float(log_p.mean()):.3f}")
    for name, p in zip(("A", "z_c", "σ"), validation.pit.ks_p_values(pit)):
        metrics[f"PIT of {name}, Kolmogorov–Smirnov p"] = Metric(p, 0.01, "least", f"{n_tests} test signals")
    metrics["samples outside the prior"] = Metric(
        outside, 0, "most", f"of {len(ours) * n_samples + drawn.shape[0] * drawn.shape[1]}")
    metrics["training [s]"] = Metric(
        training_seconds, note=f"{len(posterior.members)} members, side by side where there are cores")
    text = (
        "Filled: the posterior of the networks; black: the exact posterior, from a grid. The same networks "
        "give both posteriors. The P–P curves are over a thousand further signals: a curve inside the grey "
        "band is calibrated.")
    return Outcome(_figure(package, settings, ours, exact, pit), metrics, text)


def _exact_log_prob(simulator, settings, theta, x):
    """log p(θ|x) of the exact posterior for each pair, (N,)."""
    one_by_one = [simulator.exact_posterior_log_prob(theta[k:k + 1], x[k]) for k in range(len(theta))]
    return settings.xp.concatenate(one_by_one)


def _figure(package, settings, ours, exact, pit):
    from matplotlib.ticker import MaxNLocator

    figure = figures.new(14, 5.2)
    left, middle, right = figure.subfigures(1, 3, width_ratios=(1, 1, 0.9))
    for panel, truth, npe, known in zip((left, middle), TRUTHS, ours, exact):
        package.validation.corner.plot({"NPE": npe, "exact": known}, truths=np.array(truth), labels=LABELS,
                                       figure=panel)
        for axis in panel.axes:
            axis.xaxis.set_major_locator(MaxNLocator(3, prune="both"))    # three digits of kelvin are wide
        panel.suptitle("A = {:g} K, $z_c$ = {:g}, σ = {:g}".format(*truth), x=0.04, ha="left", fontsize=12)
    grid = np.linspace(0, 1, 201)
    band = to_host(package.validation.pit.band(len(pit), settings.put(grid)))
    curve = to_host(package.validation.pit.curve(pit, settings.put(grid)))
    axis = right.subplots()
    axis.fill_between(grid, band.lower, band.upper, color="#D9D9D9", label="95 % band")
    for d, name in enumerate(LABELS):
        axis.plot(grid, curve[:, d], label=name)
    axis.set(xlabel="nominal probability", ylabel="fraction of truths below the quantile", xlim=(0, 1),
             ylim=(0, 1), aspect="equal")
    axis.set_title(f"P–P plot, {len(pit):,} signals", fontsize=12)
    axis.legend(loc="lower right", title="inside: calibrated", alignment="left")
    return figure
