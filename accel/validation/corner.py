"""Corner plot: every one- and two-dimensional marginal of a posterior, with contours that enclose given masses.

The mathematics is in `reference.validation.corner`. Same values; each sample is put into its bin once for each parameter, where the
literal form does so 2 (D − 1) times more, once for each pair and side. With one more bin below and one above the range, no
sample has to be picked out, and one count over blocks of samples fills all pairs. All levels come from one sort. Everything stays on
the device until there is something to draw; counts, (2) to (4), and only they, are in float64.
"""
from typing import NamedTuple

import numpy as np

from accel.runtime import checks
from accel.device import array_module, to_host
from accel.validation.pit import check_level

__all__ = ["Histograms", "histograms", "plot"]

COLOURS = ("#0072B2", "#000000", "#009E73", "#CC79A7", "#56B4E9")     # told apart without colour vision (Okabe and Ito)
TRUTH = {"color": "#D55E00", "linewidth": 1.3, "linestyle": (0, (4, 2))}
TAIL = 0.001
BLOCK, DEVICE_BLOCK = 1 << 18, 1 << 25


class Histograms(NamedTuple):
    """The edges (D, B + 1) of the bins, p(θ_d) as density (D, B), p(θᵢ, θⱼ) as joint (P, B, B) with the bins of θᵢ along the first
    axis, and t_m as levels (P, K), in the units of joint."""
    edges: np.ndarray
    density: np.ndarray
    joint: np.ndarray
    levels: np.ndarray


def histograms(samples, *, ranges=None, n_bins=40, smoothing=0.0, masses=(0.68, 0.95)):
    """All one- and two-dimensional densities of the samples, and the levels that enclose the masses."""
    samples = check_samples("samples", samples)
    check_settings(n_bins, smoothing, masses)
    xp, (n, dim), dtype = array_module(samples), samples.shape, samples.dtype
    ranges = xp.stack((samples.min(axis=0), samples.max(axis=0)), axis=1) if ranges is None else ranges
    ranges = check_ranges(ranges, dim)
    edges = xp.asarray(np.linspace(ranges[:, 0], ranges[:, 1], n_bins + 1, axis=1))
    width, g = (ranges[:, 1] - ranges[:, 0]) / n_bins, xp.asarray(kernel(n_bins, smoothing))
    density, joint = _count(xp, samples, edges)
    density = (density @ g.T if smoothing else density) / xp.asarray(n * width)[:, None]
    levels = xp.zeros((len(joint), len(masses)))
    if dim > 1:
        area = xp.asarray([n * width[i] * width[j] for i, j in pairs(dim)])[:, None]
        joint = g @ joint @ g.T if smoothing else joint
        levels = _enclosing(xp, joint, [mass * n for mass in masses]) / area
        joint = joint / area[:, :, None]
    return Histograms(*(array.astype(dtype, copy=False) for array in (edges, density, joint, levels)))


def _count(xp, samples, edges):
    """The counts h of (1) in float64, (D, B) and (P, B, B)."""
    dim, side = len(edges), edges.shape[1] + 1
    panels = pairs(dim)
    rows, columns = (xp.asarray([pair[k] for pair in panels], dtype=np.int64) for k in (0, 1))
    single, joint = xp.zeros(dim * side), xp.zeros(len(panels) * side * side)
    block = max(1, (BLOCK if xp is np else DEVICE_BLOCK) // max(1, len(panels)))
    for start in range(0, len(samples), block):
        theta = samples[start:start + block].T.astype(np.float64)
        bins = xp.stack([xp.searchsorted(edges[d], theta[d], side="right") for d in range(dim)])       # 0: below, B + 1: above
        bins -= theta == edges[:, -1:]                                 # the last bin holds its upper edge
        single += xp.bincount((bins + side * xp.arange(dim)[:, None]).ravel(), minlength=len(single))
        if panels:
            cells = bins[rows] * side
            cells += bins[columns]
            cells += side * side * xp.arange(len(panels))[:, None]
            joint += xp.bincount(cells.ravel(), minlength=len(joint))
    return single.reshape(dim, side)[:, 1:-1], joint.reshape(len(panels), side, side)[:, 1:-1, 1:-1]


def _enclosing(xp, joint, totals):
    """For each pair, the count of the last bin needed, from the fullest down, to hold each total, (P, K); 0 if all hold fewer."""
    ordered = xp.sort(joint.reshape(len(joint), -1), axis=1)[:, ::-1]
    held, last, found = ordered.cumsum(axis=1), ordered.shape[1] - 1, []
    for total in totals:
        place = (held < total).sum(axis=1)
        at_place = xp.take_along_axis(ordered, xp.minimum(place, last)[:, None], axis=1)[:, 0]
        found.append(xp.where(place <= last, at_place, 0.0))
    return xp.stack(found, axis=1)


def pairs(dim):
    """(i, j) of the P panels below the diagonal, row by row."""
    return [(i, j) for i in range(dim) for j in range(i)]


def kernel(n_bins, smoothing):
    """G of (2), (B, B); the identity if nothing is smoothed."""
    if smoothing == 0:
        return np.eye(n_bins)
    b, c = np.ogrid[:n_bins, :n_bins]
    g = sum(np.exp(-0.5 * (distance / smoothing)**2) for distance in (b - c, b + c + 1, b + c + 1 - 2 * n_bins))
    return g / g.sum(axis=0)


def plot(samples, *, truths=None, labels=None, ranges=None, n_bins=40, smoothing=1.0, masses=(0.68, 0.95), figure=None):
    """The corner plot of one posterior, or of several on top of each other."""
    posteriors, truths, labels = check_plot(samples, truths, labels)
    ranges = _ranges(posteriors.values(), truths) if ranges is None else ranges
    found = [to_host(histograms(theta, ranges=ranges, n_bins=n_bins, smoothing=smoothing, masses=masses)) for theta in posteriors.values()]
    return _figure(found, list(posteriors), truths, labels, masses, figure)


def _ranges(posteriors, truths):
    """What all posteriors need without their outermost tails, widened to the truths and by a margin, (D, 2), on the host."""
    quantiles = np.stack([to_host(array_module(theta).quantile(theta, (TAIL, 1 - TAIL), axis=0)) for theta in posteriors])
    low, high = quantiles[:, 0].min(axis=0), quantiles[:, 1].max(axis=0)
    if truths is not None:
        low, high = np.minimum(low, truths), np.maximum(high, truths)
    margin = 0.06 * (high - low)
    return np.stack((low - margin, high + margin), axis=1)


def _figure(found, names, truths, labels, masses, figure):
    """Draw every posterior's `Histograms`, all over the same edges."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("corner.plot needs matplotlib, which is not installed: pip install 'diptych[experiments]'") from None
    dim, edges = len(labels), found[0].edges
    centres = (edges[:, 1:] + edges[:, :-1]) / 2
    figure = Figure(figsize=(max(4.4, 1.0 + 1.8 * dim),) * 2, layout="constrained") if figure is None else figure
    axes = figure.subplots(dim, dim, squeeze=False, sharex="col")
    looks = [(COLOURS[k % len(COLOURS)], k == 0) for k in range(len(found))]                           # the first alone is filled
    for densities, (colour, filled) in zip(found, looks):
        for d in range(dim):
            axes[d, d].plot(centres[d], densities.density[d], color=colour, linewidth=1.5)
            axes[d, d].fill_between(centres[d], densities.density[d], color=colour, alpha=0.3 if filled else 0, linewidth=0)
        for (i, j), joint, levels in zip(pairs(dim), densities.joint, densities.levels):
            _draw_joint(axes[i, j], centres[j], centres[i], joint, levels, colour, filled)
    _dress(axes, edges, truths, labels)
    _legend(figure, zip(names, looks), truths, masses if dim > 1 else (), dim)
    return figure


def _draw_joint(axis, x, y, joint, levels, colour, filled):
    from matplotlib.colors import to_rgba
    levels = np.unique(levels[levels > 0])                            # ascending; coarse bins may give two masses one level
    if filled and len(levels):
        shades = [to_rgba(colour, alpha) for alpha in np.linspace(0.3, 0.65, len(levels))]
        axis.contourf(x, y, joint, levels=[*levels, 1.01 * joint.max()], colors=shades)
    if len(levels):
        axis.contour(x, y, joint, levels=levels, colors=colour, linewidths=1.3)


def _dress(axes, edges, truths, labels):
    """Limits, a few ticks, names on the outer panels, and the truths."""
    from matplotlib.ticker import MaxNLocator
    for i, row in enumerate(axes):
        for j, axis in enumerate(row):
            if j > i:
                axis.remove()
                continue
            axis.grid(False)
            axis.set_xlim(edges[j, 0], edges[j, -1])
            axis.set_ylim(*((0, None) if i == j else (edges[i, 0], edges[i, -1])))
            axis.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
            axis.yaxis.set_major_locator(MaxNLocator(4, prune="both"))
            axis.tick_params(labelsize=9, labelbottom=i == len(axes) - 1, left=i != j, labelleft=j == 0 and i != j)
            if truths is not None:
                axis.axvline(truths[j], **TRUTH)
            if truths is not None and i != j:
                axis.axhline(truths[i], **TRUTH)
        axes[-1, i].set_xlabel(labels[i])
        axes[i, 0].set_ylabel(labels[i] if i else "")


def _legend(figure, looks, truths, masses, dim):
    """What is what, in the empty upper right; below the names, the masses that the contours enclose."""
    from matplotlib.lines import Line2D
    handles = [Line2D([], [], color=colour, linewidth=5 if filled else 1.5, label=name)
               for name, (colour, filled) in looks if name]
    if truths is not None:
        handles.append(Line2D([], [], **TRUTH, label="truth"))
    if masses:
        handles.append(Line2D([], [], linewidth=0, label="contours: " + ", ".join(f"{100 * mass:g} %" for mass in sorted(masses))))
    figure.legend(handles=handles, loc="upper right", frameon=False, fontsize=min(16, max(9, 7 + dim)), handlelength=1.4)


def check_settings(n_bins, smoothing, masses):
    checks.check_count("n_bins", n_bins, least=2)
    if smoothing != 0:
        checks.check_positive("smoothing", smoothing)
    for mass in masses:
        check_level("masses", mass)


def check_samples(name, samples):
    samples = checks.as_array(name, samples, ("N", "D"))
    checks.check_count(f"{name}: number of rows", len(samples), least=2)
    checks.check_count(f"{name}: number of columns", samples.shape[1])
    checks.check_finite(name, samples)
    return samples


def check_ranges(ranges, dim):
    ranges = checks.as_array("ranges", ranges, (dim, 2))
    checks.check_finite("ranges", ranges)
    ranges = to_host(ranges)
    for d, (low, high) in enumerate(ranges):
        if not low < high:
            raise ValueError(f"ranges: expected low < high, got {low:g} and {high:g} for parameter {d}")
    return ranges.astype(np.float64)


def check_plot(samples, truths, labels):
    """{name: samples}, truths or None, and D labels, that fit each other, or ValueError."""
    posteriors = samples if isinstance(samples, dict) else {"": samples}
    posteriors = {name: check_samples(f"samples[{name!r}]" if name else "samples", theta) for name, theta in posteriors.items()}
    if not posteriors:
        raise ValueError("samples: expected at least one posterior, got an empty dict")
    dim = next(iter(posteriors.values())).shape[1]
    for name, theta in posteriors.items():
        checks.check_shape(f"samples[{name!r}]", theta, (len(theta), dim))
    if truths is not None:
        truths = to_host(checks.as_array("truths", truths, (dim,)))
        checks.check_finite("truths", truths)
    labels = [f"$\\theta_{{{k}}}$" for k in range(1, dim + 1)] if labels is None else list(labels)
    if len(labels) != dim:
        raise ValueError(f"labels: expected one for each of {dim} parameters, got {len(labels)}")
    return posteriors, truths, labels
