"""The 21-cm global signal by neural ratio estimation, against the exact posterior

The second example of lecture S3. A classifier is trained on 100,000 simulations to tell matched pairs of
parameters and signals from mismatched ones; its odds times the prior are the posterior of the lecture's
signal. The observation is scaled like the simulations; in the lecture it was not.
"""
import time

import numpy as np

from experiments.harness import figures
from experiments.harness.arrays import to_host
from experiments.harness.framework import Metric, Outcome

TRUTH = (0.18, 15.0, 7.0)
LABELS = ("A [K]", "$z_c$", "σ")
N_SIMULATIONS, N_SAMPLES, N_PAIRS, N_TESTS, N_CANDIDATES = 100_000, 10_000, 200_000, 40, 100_000
TRAINING = {"n_components": 10, "n_contrastive": 5, "batch_size": 500, "max_epochs": 30}
CHAINS = {"n_chains": 100, "n_warmup": 100, "thin": 5}
EDGES = np.linspace(-8.5, 8.5, 18)


def run(settings):
    package, quick = settings.package, settings.quick
    simulator, validation, inference = package.simulators.global_signal, package.validation, package.inference
    n_simulations, n_samples, n_pairs, n_tests = (2_000, 200, 5_000, 5) if quick else (N_SIMULATIONS,
                                                                                       N_SAMPLES, N_PAIRS,
                                                                                       N_TESTS)

    rng = settings.rng(0)
    theta = simulator.prior.sample(rng, n_simulations)
    x = simulator.simulate(rng, theta)
    start = time.perf_counter()
    posterior = inference.nre.fit(simulator.prior, theta, x, rng=np.random.default_rng([settings.seed, 1]),
                                  **TRAINING | ({"max_epochs": 3} if quick else {}),
                                  checkpoint=settings.checkpoint("ratio"), progress=settings.progress)
    training_seconds = time.perf_counter() - start

    observed = simulator.simulate(settings.rng(2), settings.put(np.array([TRUTH])))[0]
    start = time.perf_counter()
    ours = posterior.sample(settings.rng(3), n_samples, observed, sampler=inference.slice_sampler, **CHAINS
                            | ({"n_chains": 20, "n_warmup": 10} if quick else {}), progress=settings.progress)
    sampling_seconds = time.perf_counter() - start
    exact = simulator.exact_posterior_sample(settings.rng(4), n_samples, observed)
    c2st = validation.c2st.accuracy(exact, ours, **settings.c2st)
    weighted = posterior.candidates(settings.rng(5), 2_000 if quick else N_CANDIDATES, observed)
    log_q_over_p = (posterior.log_prob(exact, observed) - weighted.log_mean_weight
                    - simulator.exact_posterior_log_prob(exact, observed))

    matched, mismatched = _pairs(settings, posterior, simulator, n_pairs)
    claimed, found, error = _odds(matched, mismatched)
    normalisation = _normalisation(settings, posterior, simulator, n_tests, 2_000 if quick else N_CANDIDATES)

    metrics = {"C2ST": Metric(c2st, 0.60, "most", "A, z_c, σ = " + ", ".join(map(str, TRUTH)))}
    metrics["accuracy of the best possible classifier"] = Metric(
        _best_accuracy(log_q_over_p),
        note="½ + ½ TV, from log r at exact draws: an upper bound for every classifier, up to chance")
    outside = int((~simulator.prior.contains(ours)).sum())
    metrics["samples outside the prior"] = Metric(outside, 0, "most", f"of {n_samples}")
    metrics["claimed minus observed log-odds, largest gap [standard errors]"] = Metric(
        float(np.max(np.abs(claimed - found) / error)),
        note=f"{n_pairs} fresh pairs of each kind, in bins of a nat")
    metrics["log ∫ r p(θ) dθ, median of test signals [nats]"] = Metric(
        float(np.median(normalisation)), note=f"0 for the exact ratio; {n_tests} signals, central 68 %: "
        "{:.2f} to {:.2f}".format(*np.quantile(normalisation, (0.16, 0.84))))
    metrics["candidates' effective size"] = Metric(
        weighted.effective_size,
        note=f"of {len(weighted.theta)}, half of them prior draws: why a sampler draws these samples")
    metrics["training [s]"] = Metric(training_seconds, note=f"{len(posterior.history['train_loss'])} epochs")
    metrics["sampling [s]"] = Metric(sampling_seconds, note=f"{n_samples} draws, slice sampler")
    text = (
        "Left: the posterior that the ratio implies, and the exact one from a grid. Middle: the classifier's "
        "log-odds for new pairs; most are far from zero, since a mismatched signal is easy to recognise. "
        "Right: calibration: among pairs with the same odds, the ratio of matched to mismatched pairs should "
        "equal these odds.")
    return Outcome(_figure(package, ours, exact, matched, mismatched), metrics, text)


def _pairs(settings, posterior, simulator, n):
    """log r of n fresh matched pairs and of n mismatched ones, on the host."""
    theta = simulator.prior.sample(settings.rng(10), n)
    x = simulator.simulate(settings.rng(11), theta)
    return (to_host(posterior.log_ratio(theta, x)).astype(float),
            to_host(posterior.log_ratio(settings.xp.roll(theta, 1, axis=0), x)).astype(float))


def _normalisation(settings, posterior, simulator, n_tests, n_candidates):
    """log ∫ r(x, θ) p(θ) dθ for signals drawn from the prior, (n_tests,)."""
    rng = settings.rng(12)
    x = simulator.simulate(rng, simulator.prior.sample(rng, n_tests))
    return np.array([posterior.candidates(rng, n_candidates, one).log_mean_weight for one in x])


def _best_accuracy(log_q_over_p):
    """½ + ½ TV between p and q, TV = ∫ max(0, p − q), from log q/p at draws of p."""
    return 0.5 + 0.5 * float(np.mean(np.maximum(0.0, -np.expm1(to_host(log_q_over_p).astype(float)))))


def _odds(matched, mismatched):
    """For pairs in bins of log r: the log-odds that s(log r) = 1/(1 + 1/r) claims for the pairs of a bin, the
    observed log-odds, and their standard errors, for bins with at least five pairs of each kind."""
    both = np.concatenate((matched, mismatched))
    claimed = np.histogram(both, EDGES, weights=0.5 + 0.5 * np.tanh(both / 2))[0]
    counts = np.array([np.histogram(f, EDGES)[0] for f in (matched, mismatched)])
    enough = counts.min(axis=0) >= 5
    claimed, counts = claimed[enough], counts[:, enough]
    return (np.log(claimed / (counts.sum(axis=0) - claimed)), np.log(counts[0] / counts[1]),
            np.sqrt(1 / counts[0] + 1 / counts[1]))


def _figure(package, ours, exact, matched, mismatched):
    from matplotlib.ticker import MaxNLocator
    figure = figures.new(14, 5.2)
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.9))
    package.validation.corner.plot({"NRE": ours, "exact": exact}, truths=np.array(TRUTH), labels=LABELS,
                                   figure=left)
    for axis in left.axes:
        axis.xaxis.set_major_locator(MaxNLocator(3, prune="both"))    # three digits of kelvin are wide
    left.suptitle("A = {:g} K, $z_c$ = {:g}, σ = {:g}".format(*TRUTH), x=0.04, ha="left", fontsize=12)
    middle, last = right.subplots(1, 2)
    blue, orange = figures.COLOURS["blue"], figures.COLOURS["orange"]
    bins = np.linspace(-60, 15, 76)
    for f, name, colour in ((mismatched, "mismatched", orange), (matched, "matched", blue)):
        middle.hist(np.clip(f, bins[0], bins[-1]), bins, weights=np.full(len(f), 1 / len(f)),
                    histtype="stepfilled", alpha=0.6, color=colour, label=name)
    middle.set(xlabel="log r (−60: or less) [nats]", ylabel="share of pairs, in bins of a nat",
               title="Log-odds of new pairs")
    middle.legend(loc="upper left")
    claimed, found, error = _odds(matched, mismatched)
    last.plot(EDGES[[0, -1]], EDGES[[0, -1]], color="black", linewidth=1, label="as claimed")
    last.errorbar(claimed, found, 2 * error, fmt="o", color=blue, label="observed, ± 2 standard errors")
    last.set(xlabel="log r: the claimed log-odds", ylabel="log (matched / mismatched pairs)",
             title="Calibration of the odds")
    last.legend(loc="upper left")
    return figure
