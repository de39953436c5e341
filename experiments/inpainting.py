"""Inpainting: the outer pixels of a digit from its central ones, and the centre from the rest

A conditional flow is trained as p(outer pixels | central pixels) on handwritten digits (scikit-learn's 1,797
images of 8 × 8 pixels with 17 levels), as in the lecture: given the centre of a zero, its samples should be
zeros. A second flow is trained as p(centre | rest). Both are compared, on held-out digits, with the same flow
without the context and with a Gaussian, whose conditional is known in closed form.
"""
import numpy as np

from experiments.harness import figures
from experiments.harness.arrays import to_host
from experiments.digits_representation import N_HELD_OUT, load
from experiments.harness.framework import Metric, Outcome

LEVELS, ALPHA = 17, 1e-3
FLOW = {"levels": LEVELS, "alpha": ALPHA, "hidden": (128,), "learning_rate": 1e-3, "max_epochs": 150}
QUICK = {"max_epochs": 3}
N_DRAWS, N_NOISES, N_SHOWN = 100, 10, 6
ROW, COLUMN = np.divmod(np.arange(64), 8)
CENTRE = np.flatnonzero((ROW // 2 % 3 > 0) & (COLUMN // 2 % 3 > 0))   # rows and columns 2 to 5
REST = np.setdiff1d(np.arange(64), CENTRE)
TASKS = {"the rest given the centre": (REST, CENTRE), "the centre given the rest": (CENTRE, REST)}
NAMES = {"flow": "flow", "gaussian": "Gaussian", "alone": "flow that is given nothing"}


def run(settings):
    pixels, labels = load()
    x = np.rint((LEVELS - 1) * pixels)
    training, held_out, labels = x[N_HELD_OUT:], x[:N_HELD_OUT], labels.astype(int)
    n_draws = 20 if settings.quick else N_DRAWS
    found = {task: compare(settings, training, held_out, *parts, n_draws, offset)
             for offset, (task, parts) in enumerate(TASKS.items())}

    pit = settings.package.validation.pit
    truths = settings.put(held_out[:, REST])
    first = found["the rest given the centre"]
    transforms = {name: pit.values(settings.rng(20), first["draws"][name], truths)
                  for name in ("flow", "gaussian")}
    away = {name: float(abs(np.sort(to_host(v).ravel()) - np.linspace(0, 1, v.size)).max())
            for name, v in transforms.items()}
    uniform = {name: float(np.mean(np.array(pit.neyman_p_values(v)) > 0.01))
               for name, v in transforms.items()}
    read = reader(training, labels[N_HELD_OUT:])
    zeros = {name: as_zeros(read, held_out, labels[:N_HELD_OUT], first["draws"][name]) for name in transforms}

    metrics = {f"bits per pixel, {task}: {NAMES[name]}": Metric(bits, note="digits held out")
               for task, answer in found.items() for name, bits in answer["bits"].items()}
    for task, (hidden, _) in TASKS.items():
        gain = (found[task]["bits"]["gaussian"] - found[task]["bits"]["flow"]) * len(hidden) * np.log(2)
        metrics[f"log-likelihood, {task}: flow above Gaussian"] = Metric(gain, note="nats per digit held out")
    for name in transforms:
        metrics |= {
            f"P–P curve of all pixels, {NAMES[name]}: largest distance from the diagonal": Metric(
                away[name], note="digits held out"),
            f"pixels with a uniform PIT, {NAMES[name]}": Metric(uniform[name],
                                                                note="fraction with p > 0.01, Neyman's test"),
            f"zeros completed, {NAMES[name]}: read as a zero": Metric(
                    zeros[name], note="fraction of draws, by a classifier of digits")}
    metrics["zeros as they are: read as a zero"] = Metric(
        float(np.mean(read(held_out[labels[:N_HELD_OUT] == 0]) == 0)))
    bits = first["bits"]
    text = (
        "A conditional flow completes a digit from its centre better than a Gaussian does. Held-out digits "
        f"cost {bits['flow']:.2f} bits per pixel with the centre given, {bits['alone']:.2f} without it, and "
        f"{bits['gaussian']:.2f} under the Gaussian. A classifier labels {100 * zeros['flow']:.0f} % of the "
        "completions of a zero as zeros.")
    return Outcome(draw(held_out, labels[:N_HELD_OUT], found, transforms, text), metrics, text)


def compare(settings, training, held_out, hidden, given, n_draws, offset):
    """The bits per hidden pixel of the two flows and the Gaussian, and draws of the hidden pixels, (M, n,
    D)."""
    pixel_flow, put = settings.package.density.pixel_flow, settings.put
    chosen = FLOW | {"order": order_of(settings, hidden), "progress": settings.progress} | (
        QUICK if settings.quick else {})
    x, context, held, held_context = (put(part[:, columns]) for part in (training, held_out)
                                      for columns in (hidden, given))
    flow = pixel_flow.fit(x, context=context, rng=settings.rng(offset), **chosen)
    alone = pixel_flow.fit(x, rng=settings.rng(10 + offset), **chosen)
    gaussian = Gaussian(np.random.default_rng([settings.seed, offset]), training[:, hidden],
                        training[:, given])
    log_p = {"flow": flow.bound(settings.rng(30), held, held_context, n_draws=N_NOISES),
             "alone": alone.bound(settings.rng(31), held, n_draws=N_NOISES),
             "gaussian": gaussian.bound(np.random.default_rng(settings.seed), held_out[:, hidden],
                                        held_out[:, given])}
    draws = {"flow": flow.sample(settings.rng(40), n_draws, held_context),
             "gaussian": put(gaussian.sample(np.random.default_rng(settings.seed), n_draws,
                                             held_out[:, given]))}
    return {"bits": {name: -float(log_p[name].mean()) / (len(hidden) * np.log(2)) for name in NAMES},
            "draws": draws}


def order_of(settings, hidden):
    """The checkerboard order, restricted to the hidden pixels."""
    order = settings.package.preprocessing.pixels.checkerboard(8, 8)
    return np.searchsorted(hidden, order[np.isin(order, hidden)])


class Gaussian:
    """The baseline: hidden pixels on the real line and given levels as one normal distribution.

    From its mean (m_h, m_g) and covariance Σ follows p(h|g) = N(m_h + K(g − m_g), Σ_hh − K Σ_gh) with
    K = Σ_hg Σ_gg⁻¹. The logit and its log-determinant are written out here, so that the baseline does not use
    the code of the flow.
    """

    def __init__(self, rng, hidden, given):
        y, _ = logit(rng, np.repeat(hidden, 5, axis=0))
        both = np.concatenate((y, np.repeat(given, 5, axis=0)), axis=1)
        n, covariance = hidden.shape[1], np.cov(both.T)
        self.mean, self.given_mean = both[:, :n].mean(axis=0), both[:, n:].mean(axis=0)
        self.gain = covariance[:n, n:] @ np.linalg.pinv(covariance[n:, n:], rcond=1e-9, hermitian=True)
        self.covariance = covariance[:n, :n] - self.gain @ covariance[n:, :n]

    def bound(self, rng, hidden, given):
        """The mean over the noise of log p(h|g), with the log-determinant and the size of a level, in nats
        (N,)."""
        from scipy import stats
        normal = stats.multivariate_normal(np.zeros(len(self.mean)), self.covariance)
        found = []
        for _ in range(N_NOISES):
            y, log_det = logit(rng, hidden)
            found.append(normal.logpdf(y - self.predicted(given)) + log_det
                         - hidden.shape[1] * np.log(LEVELS))
        return np.mean(found, axis=0)

    def sample(self, rng, n, given):
        """n draws of the hidden levels for each row, (M, n, D)."""
        y = (self.predicted(given)[:, None]
             + rng.standard_normal((len(given), n, len(self.mean))) @ np.linalg.cholesky(self.covariance).T)
        u = (1 / (1 + np.exp(-y)) - ALPHA) / (1 - 2 * ALPHA)
        return np.clip(np.floor(LEVELS * u), 0, LEVELS - 1)

    def predicted(self, given):
        return self.mean + (given - self.given_mean) @ self.gain.T


def logit(rng, levels):
    """Levels on the real line, after noise, and the log-determinant of the map from the unit cube."""
    v = ALPHA + (1 - 2 * ALPHA) * (levels + rng.random(levels.shape)) / LEVELS
    return np.log(v / (1 - v)), np.log((1 - 2 * ALPHA) / (v * (1 - v))).sum(axis=1)


def reader(x, labels):
    """A classifier of whole digits: levels (N, 64) → labels (N,)."""
    from sklearn.svm import SVC
    return SVC(gamma=0.001).fit(x, labels).predict


def as_zeros(read, x, labels, draws):
    """The fraction of the completions of held-out zeros that the classifier labels as zeros."""
    return float(
        np.mean(read(completed(x[labels == 0], REST, to_host(draws)[labels == 0]).reshape(-1, 64)) == 0))


def completed(x, hidden, draws):
    """Whole digits (M, n, 64): the hidden pixels from draws (M, n, D), the others from x (M, 64)."""
    whole = np.repeat(x[:, None], draws.shape[1], axis=1)
    whole[..., hidden] = draws
    return whole


def draw(x, labels, found, transforms, text):
    """For each digit the given pixels, the truth, the mean and draws; the P–P curve; the bits per pixel."""
    figure = figures.new(13.5, 7.1)
    left, right = figure.subfigures(1, 2, width_ratios=(2.55, 1))
    chosen = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
    for axes, (task, answer) in zip(left.subplots(1, 2, width_ratios=(9, 7)), found.items(), strict=True):
        n_shown = N_SHOWN if task == "the rest given the centre" else N_SHOWN - 2
        draw_digits(axes, task, x[chosen], to_host(answer["draws"]["flow"])[chosen], n_shown)
    above, below = right.subplots(2, 1, height_ratios=(1.1, 1))
    draw_curves(above, transforms)
    draw_bits(below, found)
    figure.suptitle(text.partition(". ")[0] + ".", x=0.01, ha="left")
    return figure


def draw_digits(axes, task, x, draws, n_shown):
    """A row for each digit: what is given in blue, what is hidden or drawn in grey."""
    hidden, _ = TASKS[task]
    mask, n_columns = np.isin(np.arange(64), hidden), 3 + n_shown
    tiles = np.ones((9 * len(x) - 1, 9 * n_columns - 1, 3))
    for i, (truth, samples) in enumerate(zip(x, draws, strict=True)):
        whole = completed(truth[None], hidden, samples[None])[0]
        columns = [coloured(truth, mask), np.where(mask[:, None], 0.93, coloured(truth, mask)),
                   coloured(whole.mean(axis=0), mask), *(coloured(one, mask) for one in whole[:n_shown])]
        columns[1][mask & ((ROW + COLUMN) % 2 == 0)] = 0.86           # a chessboard pattern for hidden pixels
        for j, column in enumerate(columns):
            tiles[9 * i:9 * i + 8, 9 * j:9 * j + 8] = column.reshape(8, 8, 3)
    axes.imshow(tiles, interpolation="nearest")
    axes.set_xticks([3.5, 12.5, 21.5, 30.5 + 4.5 * (n_shown - 1)],
                    ["truth", "given", "mean", f"{n_shown} draws"])
    axes.set_yticks([])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_title(task[0].upper() + task[1:], pad=8)


def coloured(levels, mask):
    """Ink on white, (64, 3): grey where the mask is, blue elsewhere."""
    ink = (levels / (LEVELS - 1))[:, None]
    return np.where(mask[:, None], 1 - ink * np.ones(3), 1 - ink * np.array([1.0, 0.62, 0.30]))


def draw_curves(axes, transforms):
    p = np.linspace(0, 1, 201)
    axes.plot((0, 1), (0, 0), color=figures.COLOURS["grey"], lw=1)
    for (name, values), colour in zip(transforms.items(), ("blue", "orange"), strict=True):
        share = np.searchsorted(np.sort(to_host(values).ravel()), p, side="right") / values.size
        axes.plot(p, share - p, color=figures.COLOURS[colour],
                  label=f"{NAMES[name]}, the rest given the centre")
    axes.set_xlabel("p")
    axes.set_ylabel("share of PIT values below p, minus p")
    axes.set_title("Above zero, draws have too much ink")
    axes.set_ylim(None, 1.35 * axes.get_ylim()[1])
    axes.legend(loc="upper left", fontsize=9)


def draw_bits(axes, found):
    for j, (name, colour) in enumerate({"flow": "blue", "gaussian": "orange", "alone": "grey"}.items()):
        bits = [answer["bits"][name] for answer in found.values()]
        bars = axes.bar(np.arange(2) + 0.27 * (j - 1), bits, 0.25, color=figures.COLOURS[colour],
                        label=NAMES[name])
        axes.bar_label(bars, fmt="%.2f", fontsize=9)
    axes.set_xticks([0, 1], [task.replace(" given", "\ngiven") for task in found])
    axes.set_ylim(0, 1.45 * max(max(answer["bits"].values()) for answer in found.values()))
    axes.grid(False, axis="x")
    axes.set_ylabel("bits per hidden pixel")
    axes.set_title("Bits per pixel of held-out digits")
    axes.legend(loc="upper left", fontsize=9)
