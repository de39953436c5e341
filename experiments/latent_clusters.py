"""Clusters in the latent plane: a Gaussian mixture on two numbers per digit, and the digits in each component

The 1,797 handwritten digits of digits_representation are compressed to two numbers by PCA, by an autoencoder
and by a variational autoencoder (VAE), without labels. A Gaussian mixture is fitted to the codes of the
training digits. Each held-out digit is then assigned to its most probable component, and the lecture's table
describes the clusters: the fraction of each digit in a cluster, and the cluster's share of its most frequent
digit. Purity rises with the number of clusters, so the planes are compared at one number, sixteen, since a
digit is written in more than one way. The choice of the Bayesian information criterion (BIC) is shown beside
it, and the effect of more numbers per digit.
"""
import numpy as np

from experiments.harness import figures
from experiments.harness.arrays import to_host
from experiments.digits_representation import N_HELD_OUT, load
from experiments.harness.framework import Metric, Outcome

N_CLASSES = 10
SHOWN = 16  # components in the planes and the tables
COMPONENTS = (4, 6, 8, 10, 12, 14, 16, 20, 24, 28)
LETTERS = "abcdefghijklmnop"
LATENTS = (2, 4, 8)
STARTS = 4                                                            # of EM, the most likely is kept
NETWORK = {"hidden": (128, 128, 64), "learning_rate": 3e-3, "batch_size": 64, "max_epochs": 200,
           "patience": 40}
EM = {"floor": 1e-4, "tolerance": 1e-5, "max_iterations": 2000}  # codes are scaled to unit variance first
QUICK = {"epochs": 3, "latents": (2, 3), "components": (6, SHOWN), "starts": 1}
COLOURS = {"PCA": "black", "VAE": "red", "autoencoder": "blue"}


def run(settings):
    pixels, labels = load()
    training = settings.put(pixels[N_HELD_OUT:])
    held_out, labels = settings.put(pixels[:N_HELD_OUT]), labels[:N_HELD_OUT]
    latents, numbers = (QUICK["latents"], QUICK["components"]) if settings.quick else (LATENTS, COMPONENTS)
    codes = {k: {name: standardised(model.transform(training), model.transform(held_out))
                 for name, model in fits(settings, training, k).items()} for k in latents}
    plane = codes[2]
    mixtures = {name: {n: mixture(settings, z, n) for n in numbers} for name, (z, _) in plane.items()}
    tables = {name: {n: table(settings, mixtures[name][n], z, labels) for n in numbers}
              for name, (_, z) in plane.items()}
    bic = {name: [mixtures[name][n].bic(z) for n in numbers] for name, (z, _) in plane.items()}
    chosen = {name: numbers[int(np.argmin(values))] for name, values in bic.items()}
    by_latents = {name: [tables[name][SHOWN].purity if k == 2
                         else table(settings, mixture(settings, codes[k][name][0], SHOWN), codes[k][name][1],
                                    labels).purity for k in latents] for name in plane}

    metrics = {f"purity of {SHOWN} clusters, {name}, {k} latents": Metric(purity, note="digits held out")
               for name in plane for k, purity in zip(latents, by_latents[name], strict=True)}
    metrics |= {
        f"clusters by BIC, {name}": Metric(chosen[name], note=f"2 latents, of {', '.join(map(str, numbers))}")
        for name in plane}
    metrics |= {f"purity of BIC's clusters, {name}": Metric(tables[name][chosen[name]].purity,
                                                            note="digits held out, 2 latents")
                for name in plane}
    percent = {name: [f"{100 * purity:.0f} %" for purity in values] for name, values in by_latents.items()}
    text = (
        f"Two numbers from a network separate digits that two numbers from PCA do not: {SHOWN} clusters are "
        f"found without labels, and each is named after its most frequent digit. The name is right for "
        f"{percent['autoencoder'][0]} of the held-out digits in the plane of an autoencoder, for "
        f"{percent['VAE'][0]} in that of a variational autoencoder, and for {percent['PCA'][0]} in that of "
        f"PCA. With {latents[-1]} numbers the values are {percent['autoencoder'][-1]}, {percent['VAE'][-1]} "
        f"and {percent['PCA'][-1]}. On two numbers, BIC chooses {chosen['autoencoder']}, {chosen['VAE']} and "
        f"{chosen['PCA']} clusters.")
    shown = {name: (to_host(z), mixtures[name][SHOWN], tables[name][SHOWN]) for name, (_, z) in plane.items()}
    figure = draw(shown, labels, numbers, bic,
                  {name: [tables[name][n].purity for n in numbers] for name in plane}, latents, by_latents)
    figure.suptitle(text.partition(":")[0] + ".", x=0.01, ha="left")
    return Outcome(figure, metrics, text)


def fits(settings, x, n_latent):
    """The three compressions to a few numbers, in the order of the figure."""
    package = settings.package
    epochs = {"max_epochs": QUICK["epochs"]} if settings.quick else {}
    network = {**NETWORK, **epochs, "n_latent": n_latent, "progress": settings.progress}
    return {"PCA": package.representation.pca.fit(x, n_components=n_latent),
            "VAE": package.generative.vae.fit(x, rng=settings.rng(10 + n_latent), **network),
            "autoencoder": package.representation.autoencoder.fit(x, rng=settings.rng(20 + n_latent),
                                                                  **network)}


def standardised(z, *others):
    """All of them, shifted and divided by one number, so that over z the mean is zero and the mean variance
    one."""
    mean = z.mean(axis=0)
    scale = float(((z - mean)**2).mean())**0.5
    return [(a - mean) / scale for a in (z, *others)]


def mixture(settings, z, n_components):
    """The most likely of a few mixtures, from different starts."""
    starts = range(QUICK["starts"] if settings.quick else STARTS)
    found = [settings.package.density.gmm.fit(z, n_components=n_components,
                                              rng=settings.rng(100 * n_components + start), **EM)
             for start in starts]
    return max(found, key=lambda model: float(model.log_likelihood[-1]))


def table(settings, model, z, labels):
    """The cluster table of codes z, each assigned to its most probable component."""
    assignment = to_host(model.responsibilities(z)).argmax(axis=1)
    return settings.package.representation.clusters.cluster_table(
        assignment, labels, n_clusters=len(model.weights), n_classes=N_CLASSES)


def draw(shown, labels, numbers, bic, by_number, latents, by_latents):
    """The three planes with their components, the table of each below; to the right the effect of the number
    of
    clusters and of latents."""
    figure = figures.new(15.5, 9)
    left, right = figure.subfigures(1, 2, width_ratios=(3.6, 1))
    above, below = left.subplots(2, 3, height_ratios=(1.12, 1))
    for plane, grid, (name, (z, model, found)) in zip(above, below, shown.items(), strict=True):
        order = reading_order(to_host(found.counts))
        draw_plane(plane, name, z, labels, model, order)
        draw_table(grid, found, order)
    top, middle, bottom = right.subplots(3, 1)
    rings = {name: int(np.argmin(values)) for name, values in bic.items()}
    draw_curves(top, numbers, {name: np.array(values) - min(values) for name, values in bic.items()}, rings)
    draw_curves(middle, numbers, {name: 100 * np.array(values) for name, values in by_number.items()}, rings)
    draw_curves(bottom, latents, {name: 100 * np.array(values) for name, values in by_latents.items()}, {})
    top.set(title="BIC; circles: lowest value", xlabel="clusters", ylabel="BIC above its minimum")
    middle.set(title="Purity on two numbers", xlabel="clusters", ylabel="% of held-out digits")
    bottom.set(title=f"Purity of {SHOWN} clusters", xlabel="numbers per digit", ylabel="% of held-out digits",
               xticks=latents)
    top.legend()
    return figure


def reading_order(counts):
    """The clusters by their most frequent digit; for one digit, the largest first."""
    digit = counts.argmax(axis=1)
    return sorted(range(len(counts)),
                  key=lambda k: (digit[k] if counts[k].any() else N_CLASSES, -counts[k].max()))


def draw_plane(axes, name, z, labels, model, order):
    """The held-out digits, and the 2σ ellipse of each component with its letter."""
    from matplotlib import colormaps, patheffects
    from matplotlib.patches import Ellipse
    for digit, colour in enumerate(colormaps["tab10"].colors):
        axes.scatter(*z[labels == digit].T, s=26, marker=f"${digit}$", color=colour, linewidths=0)
    means, covariances = to_host(model.means), to_host(model.covariances)
    for letter, k in zip(LETTERS, order, strict=True):
        values, vectors = np.linalg.eigh(covariances[k])
        width, height = 4 * np.sqrt(values)                           # 2σ on either side
        angle = np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0]))
        axes.add_patch(Ellipse(means[k], width, height, angle=angle, fill=False, lw=1.3,
                               ec=figures.COLOURS["grey"]))
        axes.annotate(letter, means[k], fontsize=13, weight="bold", ha="center", va="center",
                      path_effects=[patheffects.withStroke(linewidth=3.5, foreground="white")])
    reach = 1.08 * np.abs(z).max(axis=0)
    axes.set_xlim(-reach[0], reach[0])
    axes.set_ylim(-reach[1], reach[1])
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("held-out digits; 2σ ellipses of the clusters")
    axes.set_title(f"{name}: two numbers per digit")


def draw_table(axes, found, order):
    """Rows: the fraction of each digit in a cluster, in per cent; and to the right the cluster's share of its
    digit."""
    fraction, share = 100 * to_host(found.fraction)[order], 100 * to_host(found.share)[order]
    axes.imshow(np.nan_to_num(fraction), cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for row in range(len(order)):
        for digit in range(N_CLASSES):
            if fraction[row, digit] >= 0.5:
                axes.text(digit, row, f"{fraction[row, digit]:.0f}", ha="center", va="center", fontsize=7.5,
                          color="white" if fraction[row, digit] > 55 else "black")
        if np.isfinite(fraction[row]).all():
            axes.text(N_CLASSES, row, f"{share[row, fraction[row].argmax()]:.0f}", ha="center", va="center",
                      fontsize=7.5)
    axes.text(N_CLASSES, -0.75, "share", ha="center", va="bottom", fontsize=7.5)
    axes.set_xlim(-0.5, N_CLASSES + 0.6)
    axes.set_xticks(range(N_CLASSES))
    axes.set_yticks(range(len(order)), LETTERS)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("cell: % of the cluster; share: % of its digit")
    axes.set_ylabel("cluster")
    axes.set_title(f"Purity {100 * found.purity:.0f} %")


def draw_curves(axes, x, curves, rings):
    for name, heights in curves.items():
        colour = figures.COLOURS[COLOURS[name]]
        axes.plot(x, heights, "o-", ms=4, color=colour, label=name)
        if name in rings:
            axes.plot(x[rings[name]], heights[rings[name]], "o", ms=12, mfc="none", mew=1.8, color=colour)
