"""The score field, learnt and exact, at three noise levels

A network learns the score of two moons from samples, at twelve noise levels at once. The moons are a mixture
of narrow Gaussians on two arcs, so the exact score of the noisy density is known everywhere, and the two
fields are drawn side by side. The same is done for Gaussian data in five dimensions with the exact score
−(Σ + σ²I)⁻¹(x − m): the model starts at this score, and training must not move it away. Errors are relative:
the root mean square of the difference over that of the exact score, at points of the noisy density.
"""
import numpy as np

from experiments.harness import figures
from experiments.harness.arrays import to_host
from experiments.harness.framework import Metric, Outcome

N_BELLS, WIDTH = 16, 0.12                                             # on each moon, of radius one
MOONS_LADDER, NORMAL_LADDER = (3.0, 0.05, 12), (5.0, 0.05, 12)
SHOWN = (0, 5, 9)                                                     # the levels that are drawn
SAMPLES, EVALUATED = 30_000, 5_000
MOONS = {"hidden": (96, 96, 96), "learning_rate": 4e-3, "batch_size": 250, "max_epochs": 60,
         "validation_fraction": 0.0}
NORMAL = {"hidden": (64, 64), "learning_rate": 5e-3, "batch_size": 1000, "max_epochs": 30,
          "validation_fraction": 0.0}
QUICK = {"samples": 1000, "max_epochs": 2}
MEAN = np.array([1.0, -2.0, 0.5, 0.0, 3.0])
STANDARD_DEVIATIONS, TURN_SEED = np.array([2.0, 1.0, 0.5, 0.25, 0.1]), 5
WINDOW = ((-2.3, 3.3), (-2.1, 2.6))


def run(settings):
    moons, normal = two_moons(settings), correlated_normal(settings)
    fits = {"moons": fit(settings, "moons", moons, MOONS_LADDER, MOONS, 0),
            "normal": fit(settings, "normal", normal, NORMAL_LADDER, NORMAL, 10)}
    errors = {"moons": relative_errors(settings, fits["moons"], moons, 2),
              "normal": relative_errors(settings, fits["normal"], normal, 12)}
    worst, best = {name: error.max() for name, error in errors.items()}, errors["moons"].min()

    metrics = {"Gaussian data: largest relative error of the score": Metric(worst["normal"], 0.05, "most",
                                                                            "over 12 levels, 5 dimensions"),
               "two moons: largest relative error of the score": Metric(worst["moons"],
                                                                        note="over 12 levels"),
               **{f"two moons: relative error of the score at σ = {fits['moons'].sigmas[level]:.2g}": Metric(
        errors["moons"][level]) for level in SHOWN}}
    text = ("The learnt field follows the exact one; its error is largest at the lowest noise level. "
            f"For Gaussian data its relative error is at most {100 * worst['normal']:.1f} % at every level. "
            f"For two moons it grows from {100 * best:.1f} % to {100 * worst['moons']:.0f} % as the noise "
            "falls below the width of the moons, where few samples lie between them.")
    return Outcome(draw(settings, fits, moons, errors, text), metrics, text)


def fit(settings, name, mixture, levels, network, offset):
    """The score model of a mixture, from samples of it."""
    score_matching = settings.package.generative.score_matching
    n = QUICK["samples"] if settings.quick else SAMPLES
    return score_matching.fit(mixture.sample(settings.rng(offset), n), rng=settings.rng(offset + 1),
                              sigmas=score_matching.noise_levels(*levels), progress=settings.progress,
                              checkpoint=settings.checkpoint(name),
                              **network | ({"max_epochs": QUICK["max_epochs"]} if settings.quick else {}))


def two_moons(settings):
    """Two interleaved half circles, each a row of narrow Gaussians, as a mixture."""
    angles = np.pi * (np.arange(N_BELLS) + 0.5) / N_BELLS
    upper = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    means = 1.3 * np.concatenate((upper, [1.0, 0.4] - upper))
    gmm = settings.package.density.gmm
    return settings.put(gmm.GaussianMixture(np.full(2 * N_BELLS, 0.5 / N_BELLS), means,
                                            np.full((2 * N_BELLS, 2), WIDTH**2), gmm.SPHERICAL, np.zeros(1),
                                            True))


def correlated_normal(settings):
    """One Gaussian with axes of STANDARD_DEVIATIONS in random directions, as a mixture of one."""
    turn = np.linalg.qr(np.random.default_rng(TURN_SEED).standard_normal((5, 5)))[0]
    gmm, covariance = settings.package.density.gmm, turn * STANDARD_DEVIATIONS**2 @ turn.T
    return settings.put(gmm.GaussianMixture(np.ones(1), MEAN[None], covariance[None], gmm.FULL, np.zeros(1),
                                            True))


def relative_errors(settings, model, mixture, offset):
    """At each level of the model, over points of the noisy mixture that it has not seen: (L,)."""
    score = settings.package.density.mixture_score.score
    smoothed = settings.package.density.mixture_score.smoothed
    errors = []
    for level, sigma in enumerate(map(float, model.sigmas)):
        x = smoothed(mixture, sigma).sample(settings.rng(100 * offset + level), EVALUATED)
        truth = score(mixture, x, sigma)
        errors.append(float((((model.score(x, sigma) - truth)**2).sum() / (truth**2).sum())**0.5))
    return np.array(errors)


def draw(settings, fits, moons, errors, text):
    """Exact above, learnt below, a column for each level; the errors of all levels on the right."""
    figure, model = figures.new(13, 6.2), fits["moons"]
    fields, curve = figure.subfigures(1, 2, width_ratios=(2.35, 1))
    axes = fields.subplots(2, len(SHOWN), sharex=True, sharey=True)
    for column, level in enumerate(SHOWN):
        sigma = float(model.sigmas[level])
        x, grid = grid_of(WINDOW, 60)
        x = settings.put(x)
        mixture_score = settings.package.density.mixture_score
        density = to_host(mixture_score.smoothed(moons, sigma).log_prob(x)).reshape(60, 60)
        fields_here = {"exact": mixture_score.score(moons, x, sigma), "learnt": model.score(x, sigma)}
        for at, (name, field) in zip(axes[:, column], fields_here.items(), strict=True):
            draw_field(at, grid, np.exp(density - density.max()), to_host(field).reshape(60, 60, 2))
            at.set_title(f"{name}, σ = {sigma:.2g}")
    fields.supxlabel(
        "Blue: the noisy density, exact in every panel. Lines follow the score, wider where it is stronger.",
        fontsize=11)
    draw_errors(curve.subplots(), fits, errors)
    figure.suptitle(text.partition(". ")[0] + ".", x=0.01, ha="left")
    return figure


def grid_of(window, n):
    """n × n points of a window as rows (n², 2), and the two edges that they come from."""
    edges = [np.linspace(*limits, n) for limits in window]
    return np.stack([a.ravel() for a in np.meshgrid(*edges)], axis=1), edges


def draw_field(axes, grid, density, field):
    """Streamlines of a field (n, n, 2) over a density, wider where the score is larger."""
    length = np.linalg.norm(field, axis=2)
    axes.pcolormesh(*grid, density**0.5, cmap="Blues", vmin=0, vmax=1.4, shading="gouraud", rasterized=True)
    width = 0.4 + 1.2 * np.clip(length / np.quantile(length, 0.9), 0, 1)
    axes.streamplot(*grid, field[..., 0], field[..., 1], density=0.9, linewidth=width,
                    color=figures.COLOURS["grey"], arrowsize=0.8)
    axes.set(xlim=WINDOW[0], ylim=WINDOW[1], aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.grid(False)


def draw_errors(axes, fits, errors):
    """The relative error at every level, σ in units of the root mean variance of the data."""
    for name, label, colour, mark in (("moons", "two moons", "blue", "o"),
                                      ("normal", "Gaussian, 5 dimensions", "orange", "s")):
        axes.plot(fits[name].sigmas / fits[name].scale, 100 * errors[name], mark + "-",
                  color=figures.COLOURS[colour], label=label)
    axes.axhline(5, color=figures.COLOURS["black"], lw=1, ls="--", label="target for the Gaussian: 5 %")
    axes.set(xscale="log", yscale="log", ylim=(0.02, 100), xlabel="σ / root mean variance of the data",
             ylabel="relative error of the score, %", title="The error grows as the noise falls")
    axes.set_yticks((0.1, 1, 10, 100), ("0.1", "1", "10", "100"))
    axes.legend(loc="lower left")
