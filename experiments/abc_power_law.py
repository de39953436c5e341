"""Rejection ABC on the lecture's power law: the posterior at ε = 20, 10 and 5 beside the exact one

D = θ^(−1.5) + N(0, 5), θ ~ U(0.03, 0.3), one observation from θ = 0.1. A simulation is kept when
|D − D_obs| < ε, so the distribution that ABC samples is known:

    p(θ | |D − D_obs| < ε) ∝ Φ((D_obs + ε − θ^(−1.5))/5) − Φ((D_obs − ε − θ^(−1.5))/5)

The samples must follow it, and it must approach the exact posterior as ε falls.
"""
import numpy as np
from scipy.special import ndtr

from experiments.harness import figures
from experiments.harness.arrays import to_host
from experiments.harness.framework import Metric, Outcome

TRUTH, NOISE, EPSILONS = 0.1, 5.0, (20, 10, 5)
SHADES = {20: "sky", 10: "blue", 5: "green"}


def run(settings):
    power_law, rejection_abc = settings.package.simulators.power_law, settings.package.inference.rejection_abc
    n = 20_000 if settings.quick else 500_000
    observation = power_law.simulate(settings.rng(0), settings.put(np.array([[TRUTH]])))[0]
    kept = {epsilon: rejection_abc.sample(settings.rng(1), power_law.prior, power_law.simulate, observation,
                                          n_simulations=n, epsilon=float(epsilon), progress=settings.progress)
            for epsilon in EPSILONS}
    theta = np.linspace(power_law.prior.low[0], power_law.prior.high[0], 4001)[1:-1]
    exact = np.exp(to_host(power_law.exact_posterior_log_prob(settings.put(theta[:, None]),
                                                                     observation)).astype(float))
    observed, metrics = float(observation[0]), {}
    for epsilon in EPSILONS:
        draws = np.sort(to_host(kept[epsilon].theta)[:, 0].astype(float))
        own = abc_density(theta, observed, epsilon)
        to_exact, to_own = (distance(draws, theta, density) for density in (exact, own))
        metrics[f"kept at ε = {epsilon}"] = Metric(len(draws) / n, note="fraction of all simulations")
        metrics[f"distance to the exact posterior at ε = {epsilon}"] = Metric(
            to_exact, note="Kolmogorov–Smirnov, 0 to 1")
        metrics[f"distance to what ABC samples at ε = {epsilon}"] = Metric(
            to_own * np.sqrt(len(draws)), 1.63, "most",
            "Kolmogorov–Smirnov times √kept; 1.63 is its 1 % level")
        metrics[f"width at ε = {epsilon}"] = Metric(draws.std() / spread(theta, exact),
                                                    note="standard deviation, exact posterior = 1")
    far, near = (metrics[f"distance to the exact posterior at ε = {epsilon}"].value for epsilon in (20, 5))
    metrics["distance gained from ε = 20 to 5"] = Metric(far / near, 3.0, "least",
                                                         "how many times closer to the exact posterior")
    shown = settings.put(np.linspace(*power_law.prior.low, *power_law.prior.high, 4000)[:, None])
    background = np.column_stack([to_host(a)[:, 0]
                                  for a in (shown, power_law.simulate(settings.rng(2), shown))])
    return Outcome(draw(kept, background, observed, theta, exact), metrics, text(kept, metrics, n))


def abc_density(theta, observed, epsilon):
    """What rejection with this tolerance samples, normalised on theta."""
    mean = theta**-1.5
    density = ndtr((observed + epsilon - mean) / NOISE) - ndtr((observed - epsilon - mean) / NOISE)
    return density / np.trapezoid(density, theta)


def distance(draws, theta, density):
    """The Kolmogorov–Smirnov distance: the largest gap between the distribution functions of draws and
    density."""
    cumulative = np.concatenate(([0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(theta))))
    expected = np.interp(draws, theta, cumulative / cumulative[-1])
    steps = np.arange(len(draws) + 1) / len(draws)
    return max(np.max(steps[1:] - expected), np.max(expected - steps[:-1]))


def spread(theta, density):
    """The standard deviation of a density."""
    mean = np.trapezoid(theta * density, theta)
    return np.sqrt(np.trapezoid((theta - mean)**2 * density, theta))


def draw(kept, background, observed, theta, exact):
    """Above: simulations, and the band of those that are kept. Below: the parameters that are kept."""
    figure = figures.new(11, 6.4)
    above, below = figure.subplots(2, 3, sharex=True, sharey="row")
    for top, bottom, epsilon in zip(above, below, EPSILONS):
        colour = figures.COLOURS[SHADES[epsilon]]
        inside = np.abs(background[:, 1] - observed) < epsilon
        top.axhspan(observed - epsilon, observed + epsilon, color=colour, alpha=0.18, linewidth=0)
        top.plot(*background[~inside].T, ".", color=figures.COLOURS["grey"], markersize=2, alpha=0.35,
                 rasterized=True)
        top.plot(*background[inside].T, ".", color=colour, markersize=2.5, rasterized=True)
        top.axhline(observed, color="black", linewidth=1)
        top.set(title=f"ε = {epsilon}", xlim=(0.03, 0.3), ylim=(-20, 120))
        draws = to_host(kept[epsilon].theta)[:, 0]
        bottom.hist(draws, bins=np.linspace(0.03, 0.3, 109), density=True, color=colour, alpha=0.55,
                    label="ABC samples")
        bottom.plot(theta, abc_density(theta, observed, epsilon), color=colour, label="ABC in theory")
        bottom.plot(theta, exact, color="black", label="exact posterior")
        bottom.axvline(TRUTH, color=figures.COLOURS["red"], linestyle="--", linewidth=1.2, label="truth")
        bottom.set(xlabel="θ", title=f"{len(draws):,} of {kept[epsilon].n_simulations:,} kept")
    above[0].set_ylabel("D")
    below[0].set_ylabel("density of θ")
    above[0].annotate("observed", (0.298, observed), xytext=(0, 3), textcoords="offset points", ha="right",
                      va="bottom")
    below[2].legend(loc="upper right")
    return figure


def text(kept, metrics, n):
    far, near = (metrics[f"distance to the exact posterior at ε = {epsilon}"].value for epsilon in (20, 5))
    wide, narrow = (metrics[f"width at ε = {epsilon}"].value for epsilon in (20, 5))
    return (
        f"Of {n:,} simulations {len(kept[20].theta):,} are kept at ε = 20 and {len(kept[5].theta):,} at ε "
        f"= 5. The posterior is {wide:.2f} times as wide as the exact one at ε = 20 and {narrow:.2f} times "
        f"at ε = 5; its largest error in probability falls from {far:.3f} to {near:.3f}. The coloured line "
        "is the distribution that ABC samples at this tolerance in theory. The histogram follows it: the "
        "remaining error comes from the tolerance, not from the sampler.")
