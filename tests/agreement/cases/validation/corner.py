import numpy as np

from tests.agreement.registry import case, error_of, painted

SIZES = (2, 7, 153)
RANGES = np.array([[-1.0, 1.5], [-1.25, 2.0], [-1.0, 3.0]])
MASSES = (0.393, 0.865, 0.999)


def samples(paint, n):
    return painted(paint, (n, 3)) @ np.array([[1.0, 0.6, 0.0], [0.0, 0.8, -0.5], [0.0, 0.0, 0.9]])


for name, settings in {"counts": {}, "smoothed": {"smoothing": 1.3}, "ranges": {"ranges": RANGES, "smoothing": 0.7}}.items():
    @case(f"validation.corner.histograms#{name}", sizes=SIZES, terms=500)
    def _(on, paint, n, settings=settings):
        return on.package.validation.corner.histograms(on.put(samples(paint, n)), n_bins=9, masses=MASSES, **settings)


@case("validation.corner.histograms#one parameter", sizes=SIZES, terms=30)
def _(on, paint, n):
    return on.package.validation.corner.histograms(on.put(samples(paint, n)[:, :1]), n_bins=9, smoothing=0.5)


@case("validation.corner.plot", sizes=(153,), terms=500)
def _(on, paint, n):
    posteriors = {"NPE": on.put(samples(paint, n)), "exact": on.put(samples(paint, n + 20))}
    figure = on.package.validation.corner.plot(posteriors, truths=on.put(np.array([0.1, 0.2, 3.0])), labels=("a", "b [K]", "c"), n_bins=9)
    return [{"lines": [list(map(float, line.get_ydata())) for line in axis.lines], "names": axis.get_xlabel() + "|" + axis.get_ylabel(),
             "limits": list(map(float, (*axis.get_xlim(), *axis.get_ylim()))), "contours": len(axis.collections)} for axis in figure.axes]


@case("validation.corner.histograms#refused", sizes=(7,))
def _(on, paint, n):
    histograms, good = on.package.validation.corner.histograms, samples(paint, n)
    return ([error_of(histograms, on.put(bad)) for bad in (good[:, 0], good[:1], good[:, :0], good * np.nan, good * [1, 0, 1])],
            [error_of(histograms, on.put(good), ranges=bad) for bad in (RANGES[:2], RANGES[:, ::-1], RANGES * np.nan)],
            [error_of(histograms, on.put(good), n_bins=bad) for bad in (1, 2.5)],
            [error_of(histograms, on.put(good), **bad) for bad in ({"smoothing": -1.0}, {"masses": (0.5, 1.0)}, {"masses": (0,)})])


@case("validation.corner.plot#refused", sizes=(7,))
def _(on, paint, n):
    plot, good = on.package.validation.corner.plot, on.put(samples(paint, n))
    return ([error_of(plot, bad) for bad in ({}, {"a": good, "b": good[:, :2]}, {"a": good * np.nan})],
            error_of(plot, good, truths=on.put(np.zeros(2))), error_of(plot, good, labels=("a", "b")))
