import numpy as np

from tests.agreement.registry import case, error_of


def scores(paint, n):
    """Scores on steps of 1/8, so that ties occur, and exactly so in float32; a few are infinite."""
    ordinary, anomalous = (np.round(8 * paint.normal(mean, 1.0, size)) / 8
                           for mean, size in ((0.0, n), (0.8, n + 2)))
    anomalous[-2:] = np.inf, -np.inf
    return ordinary, anomalous


@case("validation.roc.curve")
def _(on, paint, n):
    curve, (ordinary, anomalous) = on.package.validation.roc.curve, map(on.put, scores(paint, n))
    return curve(ordinary, anomalous), curve(ordinary, ordinary)


@case("validation.roc.area")
def _(on, paint, n):
    area, (ordinary, anomalous) = on.package.validation.roc.area, map(on.put, scores(paint, n))
    return area(ordinary, anomalous), area(anomalous, ordinary), area(ordinary, anomalous[:1])


@case("validation.roc.area#refused", sizes=(5,))
def _(on, paint, n):
    roc, (ordinary, _) = on.package.validation.roc, scores(paint, n)
    bads = [on.put(bad) for bad in (ordinary[:0], ordinary[:, None], np.where(ordinary > 0, np.nan, np.nan))]
    ordinary = on.put(ordinary)
    return [[error_of(function, ordinary, bad), error_of(function, bad, ordinary)]
            for function in (roc.area, roc.curve) for bad in bads]
