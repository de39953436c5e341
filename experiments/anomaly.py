"""Anomalous galaxies, found by a WGAN, a flow and an autoencoder that were trained on ordinary ones

All three are trained on ordinary galaxies alone: elliptical profiles, blurred and noisy, 32 × 32 pixels
(`simulators.galaxy_image`). They then score unseen ordinary galaxies, and mergers, rings, tidal tails and
lensing arcs (`simulators.galaxy_anomaly`) with the same flux, blur and noise. The light of a feature is
taken from its galaxy, so brightness alone should not separate the two; this is measured too. The pixels are
stretched, y = asinh(x / (10 noise)), which keeps the noise of the sky and compresses bright cores.

    WGAN         AS = λ G + (1 − λ) C of the best reconstruction, the score of the lecture: G is the rms
                 difference in pixels, C that in the critic's features
    flow         −log q of N_SCORES + 1 numbers: whitened PCA scores, and the logarithm of the rms residual of
                 the image. q is a masked autoregressive flow, a density of these numbers, not of all pixels.
    autoencoder  the rms of the reconstruction error

The WGAN's scores are shown in standard deviations of ordinary galaxies that were neither trained on nor
scored. The lecture uses the training galaxies; the critic recognises those too easily.
"""
import numpy as np

from experiments.harness import figures
from experiments.harness.arrays import to_host
from experiments.harness.framework import Metric, Outcome

SOFTENING, SEEING = 10.0, {"fwhm": 3.0, "beta": 3.0}  # in units of the noise; a Moffat profile, in pixels
N_TRAINING, N_ORDINARY, N_FOR_SIGMA, N_OF_A_KIND = 8000, 600, 300, 150
WGAN = {"n_latent": 16, "hidden": (128, 128), "n_critic": 3, "n_epochs": 80}
SEARCH = {"balance": 0.9, "n_starts": 4, "n_steps": 80}               # balance is λ
N_SCORES, FLOW = 16, {"learning_rate": 1e-3, "max_epochs": 60, "patience": 10}
AUTOENCODER = {"n_latent": 8, "hidden": (256, 64), "max_epochs": 25, "patience": 25}
QUICK = {"sizes": (200, 40, 30, 20), "epochs": 2, "steps": 5}
KINDS = {"merger": "blue", "ring": "orange", "tail": "green", "arc": "red"}
COLOURS = {"WGAN": "blue", "flow": "red", "autoencoder": "green", "flux": "grey"}
TARGET = 0.9
QUANTILES = (0.1, 0.5, 0.9)                                           # of a kind's scores: the examples shown


def run(settings):
    training, galaxies = simulate(settings)
    models = fit_all(settings, training)
    search = {**SEARCH, "n_steps": QUICK["steps"]} if settings.quick else SEARCH
    usual = models["WGAN"].anomaly_score(galaxies.pop("unseen"), settings.rng(50), **search)
    rebuilt = {kind: models["WGAN"].reconstruct(x, settings.rng(60 + k), **search)
               for k, (kind, x) in enumerate(galaxies.items())}
    scores = {"WGAN": {kind: found.score for kind, found in rebuilt.items()},
              "flow": {kind: models["flow"](x) for kind, x in galaxies.items()},
              "autoencoder": {kind: residual(models["autoencoder"], x) for kind, x in galaxies.items()},
              "flux": {kind: settings.xp.sinh(x).sum(axis=1) for kind, x in galaxies.items()}}
    sigma = {kind: to_host(settings.package.generative.anomaly.standardise(score, usual))
             for kind, score in scores["WGAN"].items()}

    roc = settings.package.validation.roc
    strange = {name: {"all": settings.xp.concatenate([of[kind] for kind in KINDS]),
                      **{kind: of[kind] for kind in KINDS}} for name, of in scores.items()}
    areas = {name: {kind: roc.area(scores[name]["ordinary"], score) for kind, score in of.items()}
             for name, of in strange.items()}
    curves = {name: roc.curve(scores[name]["ordinary"], of["all"])
              for name, of in strange.items() if name != "flux"}
    metrics = describe(settings, galaxies, areas)
    best = max(curves, key=lambda name: areas[name]["all"].value)
    hardest = min(KINDS, key=lambda kind: areas[best][kind].value)
    told = ", ".join(f"{areas[name]['all'].value:.2f} ({name})" for name in curves)
    text = (
        "Trained on ordinary galaxies alone, all three scores rank anomalies of the same brightness above "
        f"ordinary galaxies: the areas under the ROC curves are {told}; ½ is chance, and the flux alone "
        f"gives {areas['flux']['all'].value:.2f}. For the best score, that of the {best}, {hardest}s are the "
        f"hardest kind, with an area of {areas[best][hardest].value:.2f}.")
    return Outcome(draw(galaxies, rebuilt, sigma, curves, areas), metrics, text)


def simulate(settings):
    """Stretched images: the training galaxies (N, 1024), and those to be scored, {"unseen", "ordinary" or
    kind: (n, 1024)}."""
    image, anomaly = settings.package.simulators.galaxy_image, settings.package.simulators.galaxy_anomaly
    sizes = QUICK["sizes"] if settings.quick else (N_TRAINING, N_ORDINARY, N_FOR_SIGMA, N_OF_A_KIND)

    def ordinary(rng, n):
        return stretch(settings.xp, image.simulate(rng, image.prior.sample(rng, n), **SEEING))
    galaxies = {"ordinary": ordinary(settings.rng(1), sizes[1]),
                "unseen": ordinary(settings.rng(2), sizes[2])}
    for k, kind in enumerate((anomaly.MERGER, anomaly.RING, anomaly.TAIL, anomaly.ARC)):
        galaxies[kind.name] = stretch(settings.xp,
                                      anomaly.simulate(settings.rng(10 + k), sizes[3], kind, **SEEING).x)
    return ordinary(settings.rng(0), sizes[0]), galaxies


def stretch(xp, x):
    """y = asinh(x/SOFTENING): linear where x is of the order of the noise, logarithmic in bright cores."""
    return xp.arcsinh(x / SOFTENING)


def fit_all(settings, x):
    """The three trained models, from training images x (N, 1024)."""
    epochs = QUICK["epochs"] if settings.quick else None
    wgan = {**WGAN, **({"n_epochs": epochs} if epochs else {})}
    autoencoder = {**AUTOENCODER, **({"max_epochs": epochs} if epochs else {})}
    package, progress = settings.package, settings.progress
    return {
        "WGAN": package.generative.wgan.fit(x, rng=settings.rng(20), checkpoint=settings.checkpoint("wgan"),
                                            progress=progress, **wgan),
        "flow": fit_flow(settings, x, {**FLOW, **({"max_epochs": epochs} if epochs else {})}),
        "autoencoder": package.representation.autoencoder.fit(x, rng=settings.rng(40),
                                                              checkpoint=settings.checkpoint("autoencoder"),
                                                              progress=progress, **autoencoder)}


def fit_flow(settings, x, training):
    """A function x (n, 1024) → −log q (n,) of the N_SCORES + 1 numbers that `summary` makes of an image."""
    package, maf = settings.package, settings.package.density.maf
    pca = package.representation.pca.fit(x, n_components=N_SCORES, whiten=True)
    numbers = summary(settings.xp, pca, x)
    mean, std = numbers.mean(axis=0), numbers.std(axis=0)
    params = settings.put(maf.init_params(np.random.default_rng([settings.seed, 30]), dim=N_SCORES + 1))
    params = package.training.minibatch.train(maf, params, ((numbers - mean) / std,), rng=settings.rng(31),
                                              progress=settings.progress,
                                              checkpoint=settings.checkpoint("flow"), **training).params
    return lambda x: -maf.log_prob(params, (summary(settings.xp, pca, x) - mean) / std)


def summary(xp, pca, x):
    """The PCA scores of x (n, 1024) and the logarithm of the rms residual, (n, K + 1)."""
    scores = pca.transform(x)
    left = x - pca.inverse_transform(scores)
    return xp.concatenate((scores, 0.5 * xp.log((left * left).mean(axis=1, keepdims=True))), axis=1)


def residual(autoencoder, x):
    """The rms of the autoencoder's reconstruction error of x (n, 1024), (n,)."""
    lost = x - autoencoder.inverse_transform(autoencoder.transform(x))
    return (lost * lost).mean(axis=1)**0.5


def describe(settings, galaxies, areas):
    """The metrics: the area of the best score has a target, all others are reported."""
    theta = settings.package.simulators.galaxy_image.prior.sample(settings.rng(1), len(galaxies["ordinary"]))
    image = settings.package.simulators.galaxy_image.image(theta, **SEEING)
    best = max((name for name in areas if name != "flux"), key=lambda name: areas[name]["all"].value)
    metrics = {"area under the ROC curve, best of the three": Metric(areas[best]["all"].value, TARGET,
                                                                     "least", f"{best}, all kinds")}
    for name, of in areas.items():
        what = "flux alone, a control" if name == "flux" else name
        for kind, area in of.items():
            metrics[f"area under the ROC curve, {what}, {kind}"] = Metric(area.value,
                                                                          note=f"± {area.standard_error:.3f}")
    signal = np.sqrt(to_host((image * image).sum(axis=1)))
    metrics["signal-to-noise of ordinary galaxies, median"] = Metric(float(np.median(signal)),
                                                                     note="matched filter; noise 1 per pixel")
    return metrics


def draw(galaxies, rebuilt, sigma, curves, areas):
    """Examples of each kind with the WGAN's reconstruction, the ROC curves, the areas by kind, and the WGAN's
    scores in σ."""
    figure = figures.new(13, 8.2)
    above, below = figure.subfigures(2, 1, height_ratios=(0.78, 1))
    for axes, kind in zip(above.subplots(1, len(galaxies)), galaxies, strict=True):
        draw_examples(axes, kind, to_host(galaxies[kind]), to_host(rebuilt[kind].x), sigma[kind])
    panels = below.subfigures(1, 3, width_ratios=(1, 1.15, 1.05))
    draw_curves(panels[0].subplots(), curves, areas)
    draw_areas(panels[1].subplots(), areas)
    draw_histograms(panels[2].subplots(len(sigma), 1, sharex=True), sigma)
    title = (
        "Three scores, trained on ordinary galaxies alone, separate anomalies from ordinary galaxies of the "
        "same brightness")
    above.suptitle(title, x=0.01, ha="left")
    return figure


def draw_examples(axes, kind, x, made, sigma):
    """Three galaxies of a kind in the order of their scores: image, reconstruction, and the difference
    below."""
    from matplotlib import colormaps
    chosen = np.argsort(sigma)[[int(q * (len(sigma) - 1)) for q in QUANTILES]]
    tiles = np.ones((3 * 33 - 1, 3 * 33 - 1, 4))
    for j, k in enumerate(chosen):
        light, difference = colormaps["magma"], colormaps["RdBu_r"]
        for i, colours in enumerate((light((x[k] + 0.2) / 2.2), light((made[k] + 0.2) / 2.2),
                                     difference((x[k] - made[k]) / 1.2 + 0.5))):
            tiles[33 * i:33 * i + 32, 33 * j:33 * j + 32] = colours.reshape(32, 32, 4)[::-1]
    axes.imshow(tiles, interpolation="nearest")
    axes.set_xticks(33 * np.arange(3) + 15.5,
                    [f"{round(float(sigma[k]), 1) + 0.0:.1f} σ".replace("-", "−") for k in chosen])
    axes.set_yticks(33 * np.arange(3) + 15.5,
                    ("image", "WGAN", "difference\n(± 0.6)") if kind == "ordinary" else [])
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_title(plural(kind))


def draw_curves(axes, curves, areas):
    for name, curve in curves.items():
        area = areas[name]["all"]
        axes.plot(to_host(curve.false_positive), to_host(curve.true_positive),
                  color=figures.COLOURS[COLOURS[name]],
                  label=f"{name}: {area.value:.3f} ± {area.standard_error:.3f}")
    axes.plot((0, 1), (0, 1), color=figures.COLOURS["grey"], linestyle=":", label="chance: 0.5")
    axes.set(xlabel="false-positive rate: ordinary galaxies above the threshold", ylabel="anomalies found",
             title="ROC curves with their areas", aspect="equal")
    axes.legend(loc="lower right")


def draw_areas(axes, areas):
    labels = ["all", *KINDS]
    for k, (name, of) in enumerate(areas.items()):
        values, errors = zip(*(of[label] for label in labels))
        axes.errorbar(np.arange(len(labels)) + 0.14 * (k - 1.5), values, errors, fmt="o", capsize=2,
                      color=figures.COLOURS[COLOURS[name]], label="flux alone" if name == "flux" else name)
    axes.axhline(0.5, color=figures.COLOURS["grey"], linestyle=":")
    axes.set_xticks(range(len(labels)), ["all kinds", *map(plural, KINDS)])
    axes.set(ylim=(0.35, 1.02), ylabel="area under the ROC curve", title="By kind, with standard errors")
    axes.legend(loc="center", bbox_to_anchor=(0.5, 0.45), ncols=2)


def draw_histograms(rows, sigma):
    """One row for each kind, over one axis of scores; what lies beyond its ends is in the last bins."""
    bins = np.linspace(-3, 9, 49)
    for axes, (kind, values) in zip(rows, sigma.items(), strict=True):
        colour = figures.COLOURS[KINDS.get(kind, "grey")]
        axes.hist(np.clip(values, bins[0], bins[-1]), bins, color=colour)
        axes.axvline(3, color=figures.COLOURS["black"], linestyle="--", linewidth=1)
        axes.text(0.99, 0.95, f"{plural(kind)}: {100 * np.mean(values > 3):.0f} % above 3 σ", ha="right",
                  va="top", transform=axes.transAxes,
                  bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.5})
        axes.set_yticks([])
    rows[0].set_title("The WGAN's score (last bin: all above)")
    rows[-1].set_xlabel("σ above the mean of ordinary galaxies")


def plural(kind):
    return kind if kind == "ordinary" else f"{kind}s"
