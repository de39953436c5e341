"""Corner plot: every one- and two-dimensional marginal of a posterior, with contours that enclose given masses.

    (1)  h_b = #{n : e_b ≤ θₙ < e_{b+1}}          the last bin holds its upper edge too; likewise h_{bc} for two parameters
    (2)  h ← G h  and  h ← G h Gᵀ                 G: a Gaussian of s bins, reflected at both ends, ∑_b G_{bc} = 1, so that no
                                                  mass is lost, a flat density stays flat, and a hard edge keeps its height
    (3)  p(θ) = h / (N w),  p(θᵢ, θⱼ) = h / (N wᵢ wⱼ)      w: width of a bin
    (4)  t_m: the highest level for which the bins with p ≥ t_m hold at least the mass m

Shapes        N samples, D parameters, B bins, K masses, P = D (D − 1)/2 pairs i > j, in the order (1, 0), (2, 0), (2, 1), …:
              row by row as the plot shows them; samples (N, D).
Conventions   masses are probabilities, by default 0.68 and 0.95. In two dimensions they are not the ellipses of one and two
              standard deviations, which enclose 0.393 and 0.865 of a Gaussian: ask for those if you mean them. N counts the
              samples outside the ranges too, so p integrates to the fraction inside, and a level of 0 says that the ranges hold
              less than the mass. Counts are whole numbers; (2) to (4) are computed in float64, whatever the dtype of samples.
Source        lecture S1, slide "Corner Plot"; "corner.py: Scatterplot matrices in Python", Foreman-Mackey, 2016.
"""
from typing import NamedTuple

import numpy as np

from reference.runtime import checks
from reference.validation.pit import check_level

__all__ = ["Histograms", "histograms", "plot"]

COLOURS = ("#0072B2", "#000000", "#009E73", "#CC79A7", "#56B4E9")     # told apart without colour vision (Okabe and Ito)
TRUTH = {"color": "#D55E00", "linewidth": 1.3, "linestyle": (0, (4, 2))}
TAIL = 0.001


class Histograms(NamedTuple):
    """The edges (D, B + 1) of the bins, p(θ_d) as density (D, B), p(θᵢ, θⱼ) as joint (P, B, B) with the bins of θᵢ along the first
    axis, and t_m as levels (P, K), in the units of joint."""
    edges: np.ndarray
    density: np.ndarray
    joint: np.ndarray
    levels: np.ndarray


def histograms(samples, *, ranges=None, n_bins=40, smoothing=0.0, masses=(0.68, 0.95)):
    """All one- and two-dimensional densities of the samples, and the levels that enclose the masses.

    Parameters
    ----------
    samples : (N, D) float
    ranges : (D, 2) float, optional
        Lowest and highest edge for each parameter; by default its smallest and largest sample.
    n_bins : int
        B.
    smoothing : float
        s of (2), in bins; 0 leaves the counts as they are. It widens every density by as much.
    masses : sequence of K float

    Raises
    ------
    ValueError
        If samples are not finite or not (N, D), a range is empty, or a mass is not a probability.
    """
    samples = check_samples("samples", samples)
    check_settings(n_bins, smoothing, masses)
    n, dim = samples.shape
    ranges = np.stack((samples.min(axis=0), samples.max(axis=0)), axis=1) if ranges is None else ranges
    ranges = check_ranges(ranges, dim)
    edges, g = np.linspace(ranges[:, 0], ranges[:, 1], n_bins + 1, axis=1), kernel(n_bins, smoothing)
    width = (ranges[:, 1] - ranges[:, 0]) / n_bins
    density = np.stack([g @ np.histogram(samples[:, d], edges[d])[0] / (n * width[d]) for d in range(dim)])
    joint, levels = np.zeros((dim * (dim - 1) // 2, n_bins, n_bins)), np.zeros((dim * (dim - 1) // 2, len(masses)))
    for p, (i, j) in enumerate(pairs(dim)):
        counts, _, _ = np.histogram2d(samples[:, i], samples[:, j], bins=(edges[i], edges[j]))          # (1)
        counts = g @ counts @ g.T                                     # (2)
        area = n * width[i] * width[j]
        joint[p], levels[p] = counts / area, [enclosing(counts, mass * n) / area for mass in masses]    # (3), (4)
    return Histograms(edges, density, joint, levels)


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


def enclosing(counts, total):
    """The count of the last bin needed, from the fullest down, to hold `total` samples; 0 if all bins hold fewer."""
    ordered = np.sort(counts, axis=None)[::-1]
    held = np.cumsum(ordered)
    return ordered[np.argmax(held >= total)] if held[-1] >= total else 0.0


def plot(samples, *, truths=None, labels=None, ranges=None, n_bins=40, smoothing=1.0, masses=(0.68, 0.95), figure=None):
    """The corner plot of one posterior, or of several on top of each other.

    Parameters
    ----------
    samples : (N, D) float, or dict of name: (N, D) float
        Of several posteriors the first is filled in colour, the second drawn over it in black lines, further ones in other
        colours: `{"NPE": …, "exact": …}`. Each may have its own N.
    truths : (D,) float, optional
        Marked in every panel.
    labels : sequence of D str, optional
        Of the parameters, with their units.
    ranges : (D, 2) float, optional
        What the axes show; by default all but the outermost 0.1 % of the samples on each side, and the truths.
    n_bins, smoothing, masses
        As for `histograms`, for every posterior alike.
    figure : matplotlib Figure or SubFigure, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Write it with `savefig(path)`; nothing is shown, and no display is needed.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    posteriors, truths, labels = check_plot(samples, truths, labels)
    ranges = _ranges(posteriors.values(), truths) if ranges is None else ranges
    found = [histograms(theta, ranges=ranges, n_bins=n_bins, smoothing=smoothing, masses=masses) for theta in posteriors.values()]
    return _figure(found, list(posteriors), truths, labels, masses, figure)


def _ranges(posteriors, truths):
    """What all posteriors need without their outermost tails, widened to the truths and by a margin, (D, 2)."""
    quantiles = np.stack([np.quantile(theta, (TAIL, 1 - TAIL), axis=0) for theta in posteriors])        # (posteriors, 2, D)
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
        truths = checks.as_array("truths", truths, (dim,))
        checks.check_finite("truths", truths)
    labels = [f"$\\theta_{{{k}}}$" for k in range(1, dim + 1)] if labels is None else list(labels)
    if len(labels) != dim:
        raise ValueError(f"labels: expected one for each of {dim} parameters, got {len(labels)}")
    return posteriors, truths, labels
