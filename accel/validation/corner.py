"""Corner plot: every one- and two-dimensional marginal of a posterior, with contours of given masses.

The rules are in `reference.validation.corner`. Same figure; everything stays on the device until there is
something to draw.

Example

    >>> import numpy as np
    >>> from accel.validation import corner
    >>> samples = np.random.default_rng(0).standard_normal((1000, 3))
    >>> posteriors = {"NPE": samples, "exact": samples[:500]}
    >>> figure = corner.plot(posteriors, truths=np.zeros(3), labels=("a", "b", "c"))
    >>> len(figure.axes)
    6
"""
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from accel.runtime import checks
from accel.runtime.protocols import Array
from accel.device import array_module, to_host
from accel.validation import corner_plot
from accel.validation.marginals import Histograms, check_draws, histograms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Histograms", "histograms", "plot"]

TAIL = 0.001


def plot(samples: Array | dict[str, Array], *, truths: Array | None = None,
         labels: Sequence[str] | None = None, ranges: Array | None = None, n_bins: int = 40,
         smoothing: float = 1.0, masses: Sequence[float] = (0.68, 0.95),
         figure: "Figure | None" = None) -> "Figure":
    """The corner plot of one posterior, or of several on top of each other.

    Parameters
    ----------
    samples : (N, D) float, or dict of name: (N, D) float
        Of several posteriors the first is filled in colour, the second drawn over it in black lines, further
        ones in other colours: `{"NPE": …, "exact": …}`. Each may have its own N.
    truths : (D,) float, optional
        Marked in every panel.
    labels : sequence of D str, optional
        Of the parameters, with their units.
    ranges : (D, 2) float, optional
        What the axes show; by default all but the outermost 0.1 % of the samples on each side, and the
        truths.
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
    ValueError
        If an argument does not fit, see `histograms`.
    ImportError
        If matplotlib is not installed.
    """
    posteriors, truths, labels = check_plot(samples, truths, labels)
    ranges = plot_ranges(posteriors.values(), truths) if ranges is None else ranges
    found = [to_host(histograms(theta, ranges=ranges, n_bins=n_bins, smoothing=smoothing, masses=masses))
             for theta in posteriors.values()]
    return corner_plot.draw(found, list(posteriors), truths, labels, masses, figure)


def plot_ranges(posteriors: Iterable[Array], truths: Array | None) -> Array:
    """The ranges of all posteriors without their tails, widened to the truths and by a margin, (D, 2)."""
    quantiles = np.stack([to_host(array_module(theta).quantile(theta, (TAIL, 1 - TAIL), axis=0))
                          for theta in posteriors])
    low, high = quantiles[:, 0].min(axis=0), quantiles[:, 1].max(axis=0)
    if truths is not None:
        low, high = np.minimum(low, truths), np.maximum(high, truths)
    margin = 0.06 * (high - low)
    return np.stack((low - margin, high + margin), axis=1)


def check_plot(samples: Array | dict[str, Array], truths: Array | None,
               labels: Sequence[str] | None) -> tuple[dict[str, Array], Array | None, list[str]]:
    """{name: samples}, truths or None, and D labels, that fit each other, or ValueError."""
    posteriors = samples if isinstance(samples, dict) else {"": samples}
    posteriors = {name: check_draws(f"samples[{name!r}]" if name else "samples", theta)
                  for name, theta in posteriors.items()}
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
