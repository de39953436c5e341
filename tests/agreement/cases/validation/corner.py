import numpy as np

from tests.agreement.cases.validation.marginals import samples
from tests.agreement.registry import case, error_of


def panels(figure):
    """What stands in each panel, as numbers and words."""
    return [{"lines": [list(map(float, line.get_ydata())) for line in axis.lines],
             "names": axis.get_xlabel() + "|" + axis.get_ylabel(),
             "limits": list(map(float, (*axis.get_xlim(), *axis.get_ylim()))),
             "contours": len(axis.collections)} for axis in figure.axes]


@case("validation.corner.plot", sizes=(153,), terms=500)
def _(on, paint, n):
    posteriors = {"NPE": on.put(samples(paint, n)), "exact": on.put(samples(paint, n + 20))}
    figure = on.package.validation.corner.plot(posteriors, truths=on.put(np.array([0.1, 0.2, 3.0])), n_bins=9,
                                               labels=("a", "b [K]", "c"))
    return panels(figure)


@case("validation.corner.plot#refused", sizes=(7,))
def _(on, paint, n):
    plot, good = on.package.validation.corner.plot, on.put(samples(paint, n))
    return ([error_of(plot, bad) for bad in ({}, {"a": good, "b": good[:, :2]}, {"a": good * np.nan})],
            error_of(plot, good, truths=on.put(np.zeros(2))), error_of(plot, good, labels=("a", "b")))
