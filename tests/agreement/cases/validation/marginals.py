import numpy as np

from tests.agreement.registry import case, error_of, painted

SIZES = (2, 7, 153)
RANGES = np.array([[-1.0, 1.5], [-1.25, 2.0], [-1.0, 3.0]])
MASSES = (0.393, 0.865, 0.999)


def samples(paint, n):
    return painted(paint, (n, 3)) @ np.array([[1.0, 0.6, 0.0], [0.0, 0.8, -0.5], [0.0, 0.0, 0.9]])


for page in ("marginals", "corner"):                          # where the function is, and where users find it
    for name, settings in {"counts": {}, "smoothed": {"smoothing": 1.3},
                           "ranges": {"ranges": RANGES, "smoothing": 0.7}}.items():
        @case(f"validation.{page}.histograms#{name}", sizes=SIZES, terms=500)
        def _(on, paint, n, page=page, settings=settings):
            histograms = getattr(on.package.validation, page).histograms
            return histograms(on.put(samples(paint, n)), n_bins=9, masses=MASSES, **settings)


@case("validation.marginals.histograms#one parameter", sizes=SIZES, terms=30)
def _(on, paint, n):
    return on.package.validation.marginals.histograms(on.put(samples(paint, n)[:, :1]), n_bins=9,
                                                      smoothing=0.5)


@case("validation.marginals.histograms#refused", sizes=(7,))
def _(on, paint, n):
    histograms, good = on.package.validation.marginals.histograms, samples(paint, n)
    return ([error_of(histograms, on.put(bad))
             for bad in (good[:, 0], good[:1], good[:, :0], good * np.nan, good * [1, 0, 1])],
            [error_of(histograms, on.put(good), ranges=bad)
             for bad in (RANGES[:2], RANGES[:, ::-1], RANGES * np.nan)],
            [error_of(histograms, on.put(good), n_bins=bad) for bad in (1, 2.5)],
            [error_of(histograms, on.put(good), **bad)
             for bad in ({"smoothing": -1.0}, {"masses": (0.5, 1.0)}, {"masses": (0,)})])
