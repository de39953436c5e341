"""Cases for EM: a few steps from a given start."""
import warnings

import numpy as np

from tests.agreement.cases.density.gaussian_mixture import CENTRES, KINDS, SIZES, data, without_functions
from tests.agreement.registry import case, error_of, painted


def fitted(on, paint, n, kind="FULL", **start):
    """Three steps, each of which gains much more than rounding."""
    gmm, x = on.package.density.gmm, on.put(data(paint, n))
    start = start or {"means": on.put(CENTRES)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = gmm.fit(x, n_components=3, covariance=getattr(gmm, kind), tolerance=0, max_iterations=3,
                        **start)
    return found


for kind in KINDS:
    @case(f"density.gmm.fit#{kind}", sizes=SIZES, terms=lambda n: 20 * n)
    def _(on, paint, n, kind=kind):
        return without_functions(fitted(on, paint, n, kind))

@case("density.gmm.fit#responsibilities", sizes=SIZES, terms=lambda n: 20 * n)
def _(on, paint, n):
    r = painted(paint, (n, 3), 0.1, 1.0) + 3 * np.eye(3)[np.arange(n) % 3]
    return without_functions(fitted(on, paint, n, responsibilities=on.put(r / r.sum(axis=1, keepdims=True))))


@case("density.gmm.fit#rng", sizes=SIZES, terms=lambda n: 20 * n, dtypes=("float64",),
      note="k-means++ compares a draw with a running sum, so that rounding may choose another row")
def _(on, paint, n):
    return without_functions(fitted(on, paint, n, rng=on.rng(4)))


@case("density.gmm.fit#to the end", sizes=(153,), terms=lambda n: 100 * n, dtypes=("float64",),
      note="the number of steps hangs on a comparison")
def _(on, paint, n):
    return without_functions(on.package.density.gmm.fit(on.put(data(paint, n)), n_components=3,
                                                        means=on.put(CENTRES)))


@case("density.gmm.fit#bad input", sizes=(7,))
def _(on, paint, n):
    gmm, x, rng = on.package.density.gmm, data(paint, n), on.rng
    hole, line, same = x.copy(), np.stack((x[:, 0], x[:, 0], x[:, 1]), axis=1), np.repeat(x[:2], 4, axis=0)
    hole[3, 1] = np.nan
    far, halves = np.array([[0.0] * 3, [1e3] * 3]), np.full((n, 2), 0.4)
    calls = [(x, {"n_components": n + 1}), (x, {"n_components": 0}), (hole, {}), (x[0], {}),
             (x, {"covariance": "full"}),
             (x, {"floor": -1.0}), (x, {"tolerance": float("nan")}), (x, {"max_iterations": 0}),
             (x, {"rng": None}),
             (x, {"means": on.put(CENTRES[:2])}), (x, {"rng": None, "means": on.put(CENTRES)}),
             (x, {"rng": None, "means": on.put(CENTRES[:2] + np.inf)}),
             (x, {"rng": None, "means": on.put(far)}),
             (x, {"rng": None, "responsibilities": on.put(halves)}),
             (x, {"rng": None, "responsibilities": on.put(halves[1:])}),
             (line, {"floor": 0}), (same, {"n_components": 3}),
             (same, {"floor": 0, "covariance": gmm.SPHERICAL})]
    return [error_of(gmm.fit, on.put(x), **{"n_components": 2, "rng": rng()} | bad) for x, bad in calls]


@case("density.gmm.kmeans_plus_plus", sizes=SIZES, terms=1, dtypes=("float64",),
      note="a draw is compared with a running sum, so that rounding may choose another row")
def _(on, paint, n):
    seeds, x = on.package.density.gmm.kmeans_plus_plus, data(paint, n)
    hole, same = x.copy(), np.repeat(x[:2], 4, axis=0)
    hole[3, 1] = np.nan
    bad = [(x[0], 2), (hole, 2), (x, 0), (same, 3)]
    return seeds(on.rng(4), on.put(x), 3), [error_of(seeds, on.rng(4), on.put(x), k) for x, k in bad]
