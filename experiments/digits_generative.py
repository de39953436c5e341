"""Seven generative models on the same digits: samples, and the lecture's table with measured entries

A VAE, a GAN, a WGAN, RealNVP, a masked autoregressive flow, a score model (NCSN) and a Gaussian mixture are
trained on handwritten digits (scikit-learn's 1,797 images of 8 × 8 pixels with 17 levels). The entries of the
lecture's table are measured: the number of network passes for one sample, the log-likelihood of held-out
digits where the model has one, and the fraction of zeros in a Jacobian. Further columns give the time for a
thousand samples, the share of the rarest digit among them, and how well a classifier tells them from held-out
digits.
"""
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from experiments.harness import figures
from experiments.harness.arrays import to_host
from experiments.digits_representation import N_HELD_OUT, load
from experiments.harness.framework import Metric, Outcome
from experiments.inpainting import reader

LEVELS, ALPHA, DIM = 17, 1e-3, 64
N_NOISES, N_HELD_OUT_NOISES, N_IMPORTANCE = 3, 10, 100  # copies of the digits, each with noise of its own
N_TIMED, SHOWN = 1000, (7, 5)
SIZES = {"vae": {"n_latent": 16, "max_epochs": 40, "patience": 40}, "gan": {"n_epochs": 200},
         "wgan": {"n_epochs": 150}, "realnvp": {"max_epochs": 100}, "maf": {"max_epochs": 100},
         "ncsn": {"max_epochs": 200}, "gmm": {"n_components": 10, "max_iterations": 60}}
QUICK = {**dict.fromkeys(("vae", "realnvp", "maf", "ncsn"), {"max_epochs": 1}),
         **dict.fromkeys(("gan", "wgan"), {"n_epochs": 1}), "gmm": {"n_components": 2, "max_iterations": 3}}
ROWS = {"vae": "VAE", "gan": "GAN", "wgan": "WGAN", "realnvp": "RealNVP", "maf": "autoregressive flow (MAF)",
        "ncsn": "score model (NCSN)", "gmm": "Gaussian mixture"}


class Fitted(NamedTuple):
    """One trained model.

    Attributes
    ----------
    sample : callable
        (rng, n) → levels (n, 64).
    log_prob : array or None
        Of the held-out digits or of copies of them, in nats, or a bound on it; None where the model has no
        density.
    is_bound : bool
        Whether log_prob is a bound beyond what the noise that fills the levels costs every density.
    n_passes : int
        Evaluations of a network that one sample takes, one after another.
    layer : callable or None
        The map whose Jacobian is looked at, (n, d) → (n, d′), and d: of the network itself, or of one
        transform of a flow.
    """
    sample: Callable
    log_prob: object
    is_bound: bool
    n_passes: int
    layer: tuple | None


class Measured(NamedTuple):
    """A row of the table: seconds of training, and the numbers that `run` reports."""
    training: float
    bits: float | None
    is_bound: bool
    n_passes: int
    zeros: float | None
    seconds: float
    rarest: float
    c2st: float
    samples: np.ndarray


def run(settings):
    pixels, labels = load()
    x = np.rint((LEVELS - 1) * pixels)
    training, held_out = settings.put(x[N_HELD_OUT:]), settings.put(x[:N_HELD_OUT])
    n = 40 if settings.quick else N_HELD_OUT
    read = reader(x[N_HELD_OUT:], labels[N_HELD_OUT:].astype(int))
    fits = {"vae": fit_vae, "gan": fit_gan, "wgan": fit_gan, "realnvp": fit_flow, "maf": fit_flow,
            "ncsn": fit_ncsn, "gmm": fit_gmm}
    rows = {name: measure(settings, name, fit, training, held_out, n, read) for name, fit in fits.items()}
    floor = rarest(read, x[N_HELD_OUT:]), told_apart(settings, held_out[:n], training[:n])

    nearest = min(rows, key=lambda name: rows[name].c2st)
    text = ("No network has all three: sampling in one pass, an exact likelihood, a free-form Jacobian. The "
            f"classifier has most difficulty with the samples of {ROWS[nearest]}: its accuracy is "
            f"{rows[nearest].c2st:.2f}, for training digits {floor[1]:.2f}.")
    return Outcome(draw(rows, floor, to_host(held_out), n, text), reported(rows, floor, n), text)


def reported(rows, floor, n):
    """Every number of the table as a metric."""
    note, filled = f"accuracy, {n} digits each; 0.5 is perfect", "levels filled by noise"
    metrics = {f"{ROWS[name]}: C2ST of samples against held-out digits": Metric(row.c2st, note=note)
               for name, row in rows.items()}
    metrics["training digits: C2ST against held-out digits"] = Metric(floor[1], note=note)
    for name, row in rows.items():
        if row.bits is not None:
            bound = f"at most, by {N_IMPORTANCE} importance samples; {filled}"
            metrics[f"{ROWS[name]}: bits per pixel of held-out digits"] = Metric(row.bits, note=bound
                                                                                 if row.is_bound else filled)
        if row.zeros is not None:
            metrics[f"{ROWS[name]}: zeros of the Jacobian"] = Metric(
                row.zeros, note="fraction of the entries, of one transform")
        metrics[f"{ROWS[name]}: networks in a row for a sample"] = Metric(row.n_passes)
        metrics[f"{ROWS[name]}: time for 1,000 samples"] = Metric(row.seconds, note="seconds")
        metrics[f"{ROWS[name]}: rarest digit among the samples"] = Metric(
            row.rarest, note="fraction, according to a classifier")
    return metrics


def measure(settings, name, fit, training, held_out, n, read):
    """A model's row of the table."""
    sizes, offset = SIZES[name] | (QUICK[name] if settings.quick else {}), 10 * list(ROWS).index(name)
    start = time.perf_counter()
    fitted = fit(settings, name, training, held_out, settings.rng(offset), sizes)
    seconds_of_training = time.perf_counter() - start
    to_host(fitted.sample(settings.rng(offset + 1), 2))               # not timed: the first call prepares
    start = time.perf_counter()
    samples = fitted.sample(settings.rng(offset + 2), 50 if settings.quick else N_TIMED)
    host = to_host(samples)
    seconds = (time.perf_counter() - start) * N_TIMED / len(host)
    bits = None if fitted.log_prob is None else -float(fitted.log_prob.mean()) / (DIM * np.log(2))
    zeros = None if fitted.layer is None else zero_share(settings, *fitted.layer)
    return Measured(seconds_of_training, bits, fitted.is_bound, fitted.n_passes, zeros, seconds,
                    rarest(read, host), told_apart(settings, held_out[:n], samples[:n]), host)


def told_apart(settings, real, samples):
    """The accuracy of the classifier. Both sides get the noise that fills the levels, so that every pixel
    varies."""
    fill = settings.rng(99)
    real, samples = (levels + fill.random(levels.shape) for levels in (real, samples))
    return settings.package.validation.c2st.accuracy(real, samples, **{"n_jobs": 1} | settings.c2st)


def rarest(read, levels):
    """The share of the digit that is recognised least often; a tenth if all are equally frequent."""
    return float(np.bincount(read(levels), minlength=10).min() / len(levels))


def zero_share(settings, function, dim):
    """The fraction of the entries ∂fᵢ/∂xⱼ that are zero, from a step in each xⱼ at one random point.

    Both points are evaluated in a batch of the same size, so that an output that does not depend on xⱼ is the
    same to the last bit."""
    point = settings.xp.repeat(settings.rng(98).standard_normal((1, dim)), dim, axis=0)
    moved = point + settings.put(0.5 * np.eye(dim))
    return float((function(point) == function(moved)).mean())


def on_the_line(settings, levels, rng):
    """Levels on the real line after dequantisation (N, D), and the log-determinant of the way back in nats
    (N,)."""
    pixels = settings.package.preprocessing.pixels
    y, log_det = pixels.to_real(pixels.dequantise(levels, rng.random(levels.shape), levels=LEVELS),
                                alpha=ALPHA)
    return y, log_det - levels.shape[1] * np.log(LEVELS)


def from_the_line(settings, y):
    pixels = settings.package.preprocessing.pixels
    return pixels.quantise(pixels.from_real(y, alpha=ALPHA)[0], levels=LEVELS)


def training_copies(settings, training, rng):
    """The training digits on the real line, N_NOISES times, each copy with other noise."""
    return on_the_line(settings, settings.xp.concatenate([training] * N_NOISES), rng)[0]


def held_out_copies(settings, held_out):
    """The held-out digits on the real line, N_HELD_OUT_NOISES times, and the log-determinant of each. The
    noise
    is the same for every model."""
    return on_the_line(settings, settings.xp.concatenate([held_out] * N_HELD_OUT_NOISES), settings.rng(97))


def nearest_levels(settings, x):
    return settings.xp.clip(settings.xp.rint(x), 0, LEVELS - 1)


def fit_vae(settings, name, training, held_out, rng, sizes):
    generative = settings.package.generative
    model = generative.vae.fit(training_copies(settings, training, rng), rng=rng, progress=settings.progress,
                               **sizes)
    y, added = held_out_copies(settings, held_out)
    return Fitted(lambda rng, n: from_the_line(settings, model.sample(rng, n)),
                  model.bound(rng, N_IMPORTANCE, y) + added, True, 1,
                  (lambda z: generative.elbo.decode(model.params, z), sizes["n_latent"]))


def fit_gan(settings, name, training, held_out, rng, sizes):
    gan = settings.package.generative.gan
    model = getattr(settings.package.generative, name).fit(training, rng=rng, progress=settings.progress,
                                                           **sizes)
    return Fitted(lambda rng, n: nearest_levels(settings, model.sample(rng, n)), None, False, 1,
                  (lambda z: gan.generate(model.params, z, activation=model.activation),
                   len(model.params["generator"][0]) - 1))


def fit_flow(settings, name, training, held_out, rng, sizes):
    density, pixels = getattr(settings.package.density, name), settings.package.preprocessing.pixels
    flow = settings.package.density.pixel_flow.fit(training, rng=rng, levels=LEVELS, alpha=ALPHA,
                                                   order=pixels.checkerboard(8, 8), density=density,
                                                   progress=settings.progress, **sizes)
    if name == "maf":
        n_passes, one = DIM * len(flow.params["mades"]), {"mades": flow.params["mades"][:1]}
    else:
        first, second, *_ = flow.params["couplings"]
        n_passes, one = len(flow.params["couplings"]), {"couplings": [first, [0 * layer for layer in second]]}
    log_prob = flow.bound(settings.rng(97), held_out, n_draws=N_HELD_OUT_NOISES)
    return Fitted(flow.sample, log_prob, False, n_passes, (lambda x: density.forward(one, x)[0], DIM))


def fit_ncsn(settings, name, training, held_out, rng, sizes):
    model = settings.package.generative.score_matching.fit(training, rng=rng, progress=settings.progress,
                                                           **sizes)
    n_steps, middle = 2 if settings.quick else 100, float(model.sigmas[len(model.sigmas) // 2])
    vary = to_host(training).std(axis=0) > 0  # a pixel that is always empty takes no part in the score

    def layer(x):
        whole = settings.xp.zeros((len(x), DIM), x.dtype)
        whole[:, settings.put(vary)] = x
        return model.score(whole, middle)[:, settings.put(vary)]
    return Fitted(lambda rng, n: nearest_levels(settings, model.sample(rng, n, n_steps=n_steps)), None, False,
                  n_steps * len(model.sigmas) + 1, (layer, int(vary.sum())))


def fit_gmm(settings, name, training, held_out, rng, sizes):
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convergence is not needed
        model = settings.package.density.gmm.fit(training_copies(settings, training, rng), rng=rng,
                                                 floor=1e-2, **sizes)
    y, added = held_out_copies(settings, held_out)
    return Fitted(lambda rng, n: from_the_line(settings, model.sample(rng, n)), model.log_prob(y) + added,
                  False, 0, None)


def draw(rows, floor, held_out, n, text):
    """A panel of samples for each model, and the table below them."""
    figure = figures.new(13.5, 7.3)
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1.4))
    panels = {"held-out digits": held_out,
              **{ROWS[name].partition(" (")[0]: row.samples for name, row in rows.items()}}
    for axes, (name, images) in zip(above.subplots(1, len(panels)), panels.items(), strict=True):
        draw_samples(axes, name, images)
    draw_table(below.subplots(), rows, floor, n)
    figure.suptitle(text.partition(". ")[0] + ".", x=0.01, ha="left")
    return figure


def draw_samples(axes, name, images):
    n_rows, n_columns = SHOWN
    tiles = np.full((9 * n_rows - 1, 9 * n_columns - 1), np.nan)
    for i, image in enumerate(images[:n_rows * n_columns].reshape(-1, 8, 8)):
        row, column = divmod(i, n_columns)
        tiles[9 * row:9 * row + 8, 9 * column:9 * column + 8] = image
    axes.imshow(tiles, cmap="gray_r", vmin=0, vmax=LEVELS - 1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_title(name, fontsize=11, loc="center")


def draw_table(axes, rows, floor, n):
    """The lecture's table: a tick for yes, with the measured number."""
    head = ["", "trained in", "one-pass sampling\n(networks in a row)",
            "exact log-likelihood\n(bits per pixel)", "free-form Jacobian\n(share of zeros)",
            "time for\n1,000 samples", "rarest\ndigit", f"C2ST\n(n = {n} each)"]
    cells = [[ROWS[name], f"{row.training:.1f} s", passes(row), likelihood(row), jacobian(row),
              f"{1000 * row.seconds:,.0f} ms", f"{100 * row.rarest:.1f} %", f"{row.c2st:.2f}"]
             for name, row in rows.items()] + [["training digits", *[""] * 5, f"{100 * floor[0]:.1f} %",
                                                f"{floor[1]:.2f}"]]
    axes.axis("off")
    table = axes.table(cells, colLabels=head, cellLoc="center", bbox=(0, 0, 1, 1),
                       colWidths=[1.4, 0.65, 1.15, 1.25, 1.15, 0.8, 0.6, 0.85])
    table.auto_set_font_size(False)
    table.set_fontsize(11)
    for (row, column), cell in table.get_celld().items():
        cell.visible_edges = "B"
        cell.set_edgecolor("#D9D9D9" if row else figures.COLOURS["grey"])
        if row == 0:
            cell.set_height(1.6 * cell.get_height())
            cell.get_text().set_weight("bold")
        elif column == 0:
            cell.get_text().set_ha("left")
        elif cell.get_text().get_text()[:1] in "✓✗":
            cell.get_text().set_color(figures.COLOURS["green" if cell.get_text().get_text()[:1] == "✓"
                                                      else "red"])


def passes(row):
    """A tick for fewer passes than pixels: a coupling flow needs a few networks, an autoregressive flow or a
    chain one for each pixel or step."""
    mark = "✓" if row.n_passes < DIM else "✗"
    return f"{mark}  {row.n_passes:,}"


def likelihood(row):
    if row.bits is None:
        return "✗  none"
    return f"✗  bound, ≤ {row.bits:.2f}" if row.is_bound else f"✓  {row.bits:.2f}"


def jacobian(row):
    if row.zeros is None:
        return "no network"
    return f"{'✓' if row.zeros < 0.01 else '✗'}  {100 * row.zeros:.0f} %"
