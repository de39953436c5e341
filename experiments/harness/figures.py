"""The style of every figure: legible at page width, distinguishable without colour vision, light grids.

    figure = figures.new(9, 4)                             inches; saved at 150 dots per inch
    left, right = figure.subplots(1, 2)
    left.plot(x, y, color=figures.COLOURS["blue"])

The framework runs every experiment inside `style()`; elsewhere enter it yourself.
"""
import contextlib

__all__ = ["COLOURS", "CYCLE", "style", "new"]

# Okabe and Ito, "Color universal design", 2008: eight colours that stay distinct in the common forms of
# colour blindness.
COLOURS = {"blue": "#0072B2", "orange": "#E69F00", "green": "#009E73", "red": "#D55E00", "purple": "#CC79A7",
           "sky": "#56B4E9", "yellow": "#F0E442", "black": "#000000", "grey": "#6B6B6B"}
CYCLE = [COLOURS[name] for name in ("blue", "orange", "green", "red", "purple", "sky", "black")]

_STYLE = {"figure.dpi": 150, "savefig.dpi": 150, "figure.facecolor": "white", "savefig.facecolor": "white",
          "font.family": "DejaVu Sans", "font.size": 11, "axes.titlesize": 12, "axes.labelsize": 11,
          "legend.fontsize": 10, "xtick.labelsize": 10, "ytick.labelsize": 10, "figure.titlesize": 13,
          "axes.titlelocation": "left", "axes.grid": True, "axes.axisbelow": True, "grid.color": "#D9D9D9",
          "grid.linewidth": 0.6, "axes.spines.top": False, "axes.spines.right": False,
          "axes.edgecolor": "#6B6B6B", "axes.linewidth": 0.8, "lines.linewidth": 1.8, "lines.markersize": 5,
          "legend.framealpha": 0.85, "legend.edgecolor": "none", "image.cmap": "viridis",
          "axes.unicode_minus": True, "svg.hashsalt": "diptych"}


@contextlib.contextmanager
def style():
    """The style inside the block, without a display."""
    import matplotlib
    from cycler import cycler
    with matplotlib.rc_context({**_STYLE, "axes.prop_cycle": cycler(color=CYCLE)}):
        matplotlib.use("Agg")
        yield


def new(width=8.0, height=4.5):
    """An empty figure of this size in inches, whose layout keeps labels from being cut."""
    from matplotlib.figure import Figure
    return Figure(figsize=(width, height), layout="constrained")
