"""Digits in a few numbers: PCA, and autoencoders without activations, with them, and convolutional

Handwritten digits (scikit-learn's 1,797 images of 8 × 8 pixels) are compressed to K numbers and restored, by
PCA and by three autoencoders that are trained on the same images. The linear one is the dense network without
its activation functions, as the lecture asks: its subspace and its error must be those of PCA. The errors are
of digits that no method has seen.
"""
import numpy as np

from experiments.harness import figures
from experiments.harness.arrays import to_host
from experiments.harness.framework import Metric, Outcome

N_HELD_OUT = 360
LATENTS = (1, 2, 4, 8, 16)
SHOWN = 2  # the K of the reconstructions, the planes and the targets
DENSE = {"hidden": (128, 128, 64), "learning_rate": 3e-3, "batch_size": 64, "max_epochs": 200, "patience": 40}
# no validation split: PCA sees all training digits
LINEAR = {**DENSE, "batch_size": 128, "max_epochs": 300, "validation_fraction": 0.0}
CONV = {"channels": (16, 32), "hidden": (128, 64), "learning_rate": 4e-3, "batch_size": 64, "max_epochs": 100,
        "patience": 30}
QUICK_EPOCHS = 3
COLOURS = {"PCA": "black", "linear": "orange", "dense": "blue", "convolutional": "red"}


def run(settings):
    pixels, labels = load()
    training, held_out = settings.put(pixels[N_HELD_OUT:]), settings.put(pixels[:N_HELD_OUT])
    labels = labels[:N_HELD_OUT]
    latents = (SHOWN,) if settings.quick else LATENTS
    fits = {k: fit_all(settings, training, k) for k in latents}
    untold = mean_square(held_out - training.mean(axis=0))            # the error of the mean digit, K = 0
    lost = {name: [mean_square(held_out - restore(fits[k][name], held_out)) / untold for k in latents]
            for name in COLOURS}

    at, angle = latents.index(SHOWN), largest_angle(settings, fits[SHOWN]["PCA"], fits[SHOWN]["linear"])
    below = {name: 1 - losses[at] / lost["PCA"][at] for name, losses in lost.items()}
    excess = max(abs(linear / pca - 1) for linear, pca in zip(lost["linear"], lost["PCA"], strict=True))
    metrics = {
        "linear autoencoder: largest principal angle to PCA's plane": Metric(angle, 1.0, "most",
                                                                             "degrees, 2 latents"),
        "linear autoencoder: error against PCA's": Metric(
            excess, note="largest relative difference over all K, digits held out"),
        "dense autoencoder: error below PCA's": Metric(below["dense"], 0.30, "least",
                                                       "fraction, 2 latents, digits held out"),
        "convolutional autoencoder: error below PCA's": Metric(below["convolutional"],
                                                               note="fraction, 2 latents, digits held out"),
        **{f"variance lost, {name}": Metric(losses[at], note="fraction, 2 latents, digits held out")
           for name, losses in lost.items()}}
    text = (
        "Without activation functions an autoencoder is PCA: the angle between their planes is "
        f"{angle:.2g}°, and their errors agree to {100 * excess:.1g} %. With activation functions and two "
        f"numbers, the error on held-out digits is {100 * below['dense']:.0f} % below that of PCA (dense) "
        f"and {100 * below['convolutional']:.0f} % (convolutional).")
    return Outcome(draw(fits[SHOWN], held_out, labels, latents, lost, text), metrics, text)


def load():
    """Pixels (1797, 64) between 0 and 1, and labels, in one fixed random order: the first N_HELD_OUT are held
    out."""
    from sklearn.datasets import load_digits
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.data))
    return digits.data[order] / 16, digits.target[order]


def fit_all(settings, x, k):
    """The four methods with K latents, trained on x (N, 64)."""
    package, epochs = settings.package.representation, {"max_epochs": QUICK_EPOCHS} if settings.quick else {}
    common = {"n_latent": k, "progress": settings.progress}
    return {"PCA": package.pca.fit(x, n_components=k),
            "linear": package.autoencoder.fit(x, rng=settings.rng(k),
                                              activation=settings.package.nets.dense.IDENTITY, **common,
                                              **{**LINEAR, **epochs}),
            "dense": package.autoencoder.fit(x, rng=settings.rng(100 + k), **common, **{**DENSE, **epochs}),
            "convolutional": package.conv_autoencoder.fit(as_images(x), rng=settings.rng(200 + k), **common,
                                                          **{**CONV, **epochs})}


def as_images(x):
    return x.reshape(-1, 1, 8, 8)


def codes(model, x):
    """The latents of x (N, 64), reshaped to what the model takes."""
    return model.transform(as_images(x) if len(model.mean.shape) == 3 else x)


def restore(model, x):
    """The reconstruction of x (N, 64)."""
    return model.inverse_transform(codes(model, x)).reshape(x.shape)


def mean_square(x):
    return float((x * x).mean())


def largest_angle(settings, pca, linear):
    """Degrees between PCA's plane and the plane that the linear decoder spans."""
    from scipy.linalg import subspace_angles
    origin, *ends = to_host(linear.inverse_transform(settings.put(np.vstack((np.zeros(SHOWN),
                                                                             np.eye(SHOWN))))))
    return float(np.degrees(subspace_angles(to_host(pca.components).T,
                                            np.column_stack([end - origin for end in ends]))).max())


def draw(models, x, labels, latents, lost, text):
    """Originals and reconstructions, the error against K, and the four latent planes."""
    figure = figures.new(12, 8.4)
    above, below = figure.subfigures(2, 1, height_ratios=(1.1, 1))
    left, right = above.subplots(1, 2, width_ratios=(1.75, 1))
    draw_digits(left, models, x, labels)
    draw_errors(right, latents, lost)
    for axes, (name, model) in zip(below.subplots(1, len(models)), models.items(), strict=True):
        draw_plane(axes, name, to_host(codes(model, x)), labels)
    figure.suptitle(text.partition(". ")[0] + ".", x=0.01, ha="left")
    return figure


def draw_digits(axes, models, x, labels):
    """One held-out digit of each class in a row, and its reconstruction by each method below."""
    chosen = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
    rows = {"original": x, **{name: restore(model, x) for name, model in models.items()}}
    tiles = np.full((9 * len(rows) - 1, 9 * 10 - 1), np.nan)
    for i, images in enumerate(rows.values()):
        for j, image in enumerate(to_host(images)[chosen].reshape(-1, 8, 8)):
            tiles[9 * i:9 * i + 8, 9 * j:9 * j + 8] = image
    axes.imshow(tiles, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    axes.set_yticks(9 * np.arange(len(rows)) + 3.5, rows)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_title(f"Held-out digits, restored from {SHOWN} numbers")


def draw_errors(axes, latents, lost):
    marks = {"PCA": "o-", "linear": "x--", "dense": "s-", "convolutional": "^-"}
    for name, losses in lost.items():
        axes.plot(latents, 100 * np.array(losses), marks[name], color=figures.COLOURS[COLOURS[name]], ms=7,
                  mew=1.8, label="linear: no activations" if name == "linear" else name)
    axes.set_xscale("log", base=2)
    axes.set_xticks(latents, latents)
    axes.set_ylim(0, None)
    axes.set_xlabel("numbers per digit, K")
    axes.set_ylabel("variance lost on held-out digits, %")
    axes.set_title("The linear autoencoder has the error of PCA at every K")
    axes.legend()


def draw_plane(axes, name, z, labels):
    """The latent plane, a colour for each digit, with the digit written at the median of its class."""
    from matplotlib import colormaps, patheffects
    for digit, colour in enumerate(colormaps["tab10"].colors):
        axes.scatter(*z[labels == digit].T, s=9, color=colour, linewidths=0)
        axes.annotate(str(digit), np.median(z[labels == digit], axis=0), color=colour, fontsize=15,
                      weight="bold", ha="center", va="center",
                      path_effects=[patheffects.withStroke(linewidth=3, foreground="white")])
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(f"{name}: the {SHOWN} numbers")
