"""Langevin dynamics across a gap: plain chains keep their initial weights, annealed chains do not

Two modes hold 80 % and 20 % of a density, with almost no density between them. Chains that follow its score
do not cross the gap: the fraction in each mode stays as at the start, also with the exact score and with a
Metropolis correction. Annealed Langevin dynamics starts at a noise level at which there is no gap and lowers
the noise. The experiment counts the chains in each mode, with the exact score of the mixture and with a
learnt one.
"""
import numpy as np

from experiments.harness import figures
from experiments.harness.arrays import to_host
from experiments.harness.framework import Metric, Outcome

WEIGHTS, MEANS = np.array([0.8, 0.2]), np.array([[-4.0, 0.0], [4.0, 0.5]])
COVARIANCES = np.array([[[1.2, 0.5], [0.5, 0.7]], [[0.5, -0.2], [-0.2, 0.9]]])
SIGMA_MAX, SIGMA_MIN, N_LEVELS = 8.0, 0.3, 16
N_SAMPLES, N_CHAINS, N_STEPS = 60_000, 10_000, 120  # steps at each level; the others take the same total
FEWER = 5  # chains of these: a fifth, their errors are large
NETWORK = {"hidden": (64, 64, 64), "learning_rate": 4e-3, "batch_size": 1000, "max_epochs": 50,
           "validation_fraction": 0.0}
RELATIVE_STEP, PLAIN_STEP = 0.2, 0.1
QUICK = {"n_samples": 1000, "n_chains": 300, "n_steps": 10, "max_epochs": 2}
WINDOW = ((-10.0, 10.0), (-6.5, 6.5))
COLOURS = {"plain": "red", "Metropolis": "purple", "annealed, exact score": "blue",
           "annealed, learnt score": "green"}


def run(settings):
    package, quick = settings.package, settings.quick
    n_samples, n_chains, n_steps = ((QUICK["n_samples"], QUICK["n_chains"], QUICK["n_steps"]) if quick
                                    else (N_SAMPLES, N_CHAINS, N_STEPS))
    gmm, langevin = package.density.gmm, package.generative.langevin
    score_matching = package.generative.score_matching
    mixture = settings.put(gmm.GaussianMixture(WEIGHTS, MEANS, COVARIANCES, gmm.FULL, np.zeros(1), True))
    sigmas = score_matching.noise_levels(SIGMA_MAX, SIGMA_MIN, N_LEVELS)

    data = mixture.sample(settings.rng(), n_samples)
    network = score_matching.fit(data, rng=settings.rng(1), sigmas=sigmas, progress=settings.progress,
                                 checkpoint=settings.checkpoint("network"),
                                 **NETWORK | ({"max_epochs": QUICK["max_epochs"]} if quick else {}))

    def exact(x, sigma):
        return package.density.mixture_score.score(mixture, x, sigma)
    wide = SIGMA_MAX * settings.rng(2).standard_normal((n_chains, 2))
    few = wide[:n_chains // FEWER]
    left = settings.put(MEANS[0]) + settings.rng(3).standard_normal(few.shape)
    total, every = n_steps * N_LEVELS, max(1, n_steps // 5)
    own = {"step_size": PLAIN_STEP, "n_steps": total, "every": every, "progress": settings.progress}
    down = {"sigmas": sigmas, "step_size": RELATIVE_STEP * SIGMA_MIN**2, "n_steps": n_steps, "denoise": True,
            "every": every, "progress": settings.progress}
    walks = {"plain": langevin.unadjusted(settings.rng(4), exact, few, **own),
             "plain, from the left": langevin.unadjusted(settings.rng(5), exact, left, **own),
             "Metropolis": langevin.metropolis(settings.rng(6), mixture.log_prob, exact, few, **own),
             "annealed, exact score": langevin.annealed(settings.rng(7), exact, wide, **down),
             "annealed, learnt score": langevin.annealed(settings.rng(7), network.score, wide, **down)}
    starts = {"plain": few, "plain, from the left": left, "Metropolis": few, "annealed, exact score": wide,
              "annealed, learnt score": wide}
    shares = {name: np.array([on_the_left(x) for x in (starts[name], *walk.trajectory)])
              for name, walk in walks.items()}
    error = {name: abs(on_the_left(walk.x) - WEIGHTS[0]) for name, walk in walks.items()}

    note = f"{n_chains:,} chains, {total:,} steps, standard error {np.sqrt(WEIGHTS.prod() / n_chains):.2g}"
    others = f"{len(few):,} chains, as many steps"
    metrics = {"annealed, exact score: error of the weight": Metric(error["annealed, exact score"], 0.02,
                                                                    "most", note),
               "annealed, learnt score: error of the weight": Metric(error["annealed, learnt score"], 0.02,
                                                                     "most", note),
               "plain, wide start: error of the weight": Metric(error["plain"], note=others),
               "plain, started on the left: error of the weight": Metric(error["plain, from the left"],
                                                                         note=others),
               "Metropolis, wide start: error of the weight": Metric(error["Metropolis"], note=others),
               "Metropolis: share of proposals taken": Metric(float(walks["Metropolis"].acceptance.mean()))}
    text = (
        "Plain Langevin chains keep their initial weights; annealed chains find 80 : 20. The error of the "
        f"weight of the left mode is {error['plain']:.2f} after {total:,} plain steps from a wide start, and "
        f"{error['plain, from the left']:.2f} from a start on the left. With annealing it is "
        f"{error['annealed, exact score']:.3f} with the exact score and "
        f"{error['annealed, learnt score']:.3f} with a learnt one.")
    return Outcome(draw(settings, mixture, data, walks, shares, sigmas, every, text), metrics, text)


def on_the_left(x):
    """The fraction of x (N, 2) to the left of the gap."""
    return float((x[:, 0] < 0).mean())


def draw(settings, mixture, data, walks, shares, sigmas, every, text):
    """Samples above; below, the fraction on the left against the steps, and the density between the modes
    under noise."""
    figure = figures.new(12, 7.2)
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1.2))
    panels = {"the density": data, **{name: walks[name].x for name in ("plain", "annealed, exact score",
                                                                       "annealed, learnt score")}}
    for axes, (name, x) in zip(above.subplots(1, 4, sharex=True, sharey=True), panels.items(), strict=True):
        draw_samples(axes, name, x)
    left, right = below.subplots(1, 2, width_ratios=(1.5, 1))
    draw_shares(left, shares, sigmas, every)
    draw_gap(right, settings, mixture)
    figure.suptitle(text.partition(". ")[0] + ".", x=0.01, ha="left")
    return figure


def draw_samples(axes, name, x):
    axes.scatter(*to_host(x[:2000]).T, s=2, color=figures.COLOURS[COLOURS.get(name, "black")], alpha=0.5,
                 linewidths=0)
    axes.axvline(0, color=figures.COLOURS["grey"], lw=0.8, ls=":")
    share = on_the_left(x)
    for place, value in ((0.03, share), (0.97, 1 - share)):
        axes.text(place, 0.96, f"{100 * value:.1f} %", transform=axes.transAxes,
                  ha="left" if place < 0.5 else "right", va="top")
    axes.set(xlim=WINDOW[0], ylim=WINDOW[1], xlabel="$x_1$", title=name)
    axes.label_outer()
    if name == "the density":
        axes.set_ylabel("$x_2$")


def draw_shares(axes, shares, sigmas, every):
    """The share on the left against the steps taken; the noise level that annealing has reached is on the
    upper edge."""
    axes.axhspan(100 * WEIGHTS[0] - 2, 100 * WEIGHTS[0] + 2, color=figures.COLOURS["grey"], alpha=0.25, lw=0,
                 label="truth ± 2 %")
    marks = {"plain, from the left": (0, (4, 2)), "Metropolis": (0, (1, 1)),
             "annealed, learnt score": (0, (4, 2))}
    for name, share in shares.items():
        colour = figures.COLOURS[COLOURS[name.removesuffix(", from the left")]]
        axes.plot(every * np.arange(len(share)), 100 * share, color=colour, ls=marks.get(name, "-"),
                  label=name)
    total = every * (len(next(iter(shares.values()))) - 1)
    edges = total * np.arange(len(sigmas) + 1) / len(sigmas)
    axes.stairs([100 * share_of_the_density(sigma) for sigma in sigmas], edges, baseline=None,
                color=figures.COLOURS["black"], lw=0.9, label="density with the noise of the level")
    upper = axes.secondary_xaxis("top")
    upper.set_xticks(edges[:-1:3], [f"{sigma:.2g}" for sigma in sigmas[::3]])
    upper.set_xlabel("noise level σ of the annealed chains")
    axes.set(xlim=(0, total), ylim=(38, 103), xlabel="Langevin steps", ylabel="chains on the left, %")
    axes.legend(loc="center right", bbox_to_anchor=(1, 0.29), ncols=2, fontsize=9)


def share_of_the_density(sigma):
    """The fraction of the noisy density to the left of the gap, in closed form."""
    from scipy.special import ndtr
    return float(WEIGHTS @ ndtr(-MEANS[:, 0] / np.sqrt(COVARIANCES[:, 0, 0] + sigma**2)))


def draw_gap(axes, settings, mixture):
    """The log-density along the line through both means, without noise and at three noise levels."""
    t = np.linspace(-2, 3, 241)[:, None]
    line = MEANS[0] + t * (MEANS[1] - MEANS[0])
    for sigma, name in ((0.0, "black"), (1.0, "sky"), (2.5, "blue"), (8.0, "purple")):
        smooth = settings.package.density.mixture_score.smoothed(mixture, sigma)
        log_prob = to_host(smooth.log_prob(settings.put(line))) / np.log(10)
        axes.plot(line[:, 0], log_prob - log_prob.max(), color=figures.COLOURS[name],
                  label="no noise" if not sigma else f"σ = {sigma:g}")
    axes.set(xlim=(-12, 12), ylim=(-8, 0.4), xlabel="$x_1$, on the line through both means",
             ylabel="log₁₀ of the density, highest = 0", title="Noise closes the gap")
    axes.legend(loc="lower left")
