"""Drawing of a corner plot with matplotlib: panels, contours, truths and legend.

Shapes        D parameters, B bins, K masses, P pairs, as in `marginals`.

Example

    >>> import numpy as np
    >>> from reference.validation import corner_plot, marginals
    >>> samples = np.random.default_rng(0).standard_normal((1000, 2))
    >>> figure = corner_plot.draw([marginals.histograms(samples)], [""], None, ["a", "b"], (0.68, 0.95), None)
    >>> [axis.get_xlabel() for axis in figure.axes]
    ['', 'a', 'b']
"""
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reference.runtime.protocols import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw"]

COLOURS = ("#0072B2", "#000000", "#009E73", "#CC79A7", "#56B4E9")     # the palette of Okabe and Ito
TRUTH = {"color": "#D55E00", "linewidth": 1.3, "linestyle": (0, (4, 2))}


def draw(found: Sequence[Any], names: Sequence[str], truths: Array | None, labels: Sequence[str],
         masses: Sequence[float], figure: "Figure | None") -> "Figure":
    """Draw the marginals of one posterior or several.

    Parameters
    ----------
    found : sequence of marginals.Histograms
        On the host, one for each posterior, all over the same edges.
    names : sequence of str
        Of the posteriors, for the legend; an empty name is left out.
    truths : (D,) float or None
        Marked in every panel.
    labels : sequence of D str
        Of the parameters.
    masses : sequence of K float
        Enclosed by the contours.
    figure : matplotlib Figure or SubFigure or None
        Where to draw; a new figure if None.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("corner.plot needs matplotlib, which is not installed: "
                          "pip install 'diptych[experiments]'") from None
    dim, edges = len(labels), found[0].edges
    centres, pairs = (edges[:, 1:] + edges[:, :-1]) / 2, [(i, j) for i in range(dim) for j in range(i)]
    if figure is None:
        figure = Figure(figsize=(max(4.4, 1.0 + 1.8 * dim),) * 2, layout="constrained")
    axes = figure.subplots(dim, dim, squeeze=False, sharex="col")
    looks = [(COLOURS[k % len(COLOURS)], k == 0) for k in range(len(found))]       # the first alone is filled
    for densities, (colour, filled) in zip(found, looks):
        for d in range(dim):
            axes[d, d].plot(centres[d], densities.density[d], color=colour, linewidth=1.5)
            axes[d, d].fill_between(centres[d], densities.density[d], color=colour, linewidth=0,
                                    alpha=0.3 if filled else 0)
        for (i, j), joint, levels in zip(pairs, densities.joint, densities.levels):
            draw_joint(axes[i, j], centres[j], centres[i], joint, levels, colour, filled)
    decorate(axes, edges, truths, labels)
    add_legend(figure, zip(names, looks), truths, masses if dim > 1 else (), dim)
    return figure


def draw_joint(axis: Any, x: Array, y: Array, joint: Array, levels: Array, colour: str, filled: bool) -> None:
    """The contours of one pair, filled or as lines."""
    from matplotlib.colors import to_rgba
    levels = np.unique(levels[levels > 0])              # ascending; in coarse bins two may be equal
    if filled and len(levels):
        shades = [to_rgba(colour, alpha) for alpha in np.linspace(0.3, 0.65, len(levels))]
        axis.contourf(x, y, joint, levels=[*levels, 1.01 * joint.max()], colors=shades)
    if len(levels):
        axis.contour(x, y, joint, levels=levels, colors=colour, linewidths=1.3)


def decorate(axes: Any, edges: Array, truths: Array | None, labels: Sequence[str]) -> None:
    """Limits, a few ticks, labels on the outer panels, and the truths."""
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
            axis.tick_params(labelsize=9, labelbottom=i == len(axes) - 1, left=i != j,
                             labelleft=j == 0 and i != j)
            if truths is not None:
                axis.axvline(truths[j], **TRUTH)
            if truths is not None and i != j:
                axis.axhline(truths[i], **TRUTH)
        axes[-1, i].set_xlabel(labels[i])
        axes[i, 0].set_ylabel(labels[i] if i else "")


def add_legend(figure: "Figure", looks: Iterable[tuple[str, tuple[str, bool]]], truths: Array | None,
               masses: Sequence[float], dim: int) -> None:
    """The names, in the empty upper right; below them, the masses that the contours enclose."""
    from matplotlib.lines import Line2D
    handles = [Line2D([], [], color=colour, linewidth=5 if filled else 1.5, label=name)
               for name, (colour, filled) in looks if name]
    if truths is not None:
        handles.append(Line2D([], [], **TRUTH, label="truth"))
    if masses:
        enclosed = ", ".join(f"{100 * mass:g} %" for mass in sorted(masses))
        handles.append(Line2D([], [], linewidth=0, label=f"contours: {enclosed}"))
    figure.legend(handles=handles, loc="upper right", frameon=False, fontsize=min(16, max(9, 7 + dim)),
                  handlelength=1.4)
