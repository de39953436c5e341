"""Cases for the Gaussian mixture: a few steps of EM from a given start, and everything that a fitted one can
do."""
import tempfile
import warnings

import numpy as np

from tests.agreement.registry import case, error_of, painted

KINDS = ("FULL", "DIAGONAL", "SPHERICAL")
SIZES = (31, 153, 3000)                                       # the last takes several blocks of rows
CENTRES = np.array([[0.0, 0.0, 0.0], [2.0, -1.5, 0.5], [-2.5, 1.0, 1.5]])


def data(paint, n):
    """Three groups of unequal shape; every row has one of them, so that no component is empty."""
    return painted(paint, (n, 3)) @ painted(paint, (3, 3)) + CENTRES[np.arange(n) % 3]


def fitted(on, paint, n, kind="FULL", **start):
    """Three steps, each of which gains much more than rounding."""
    gmm, x = on.package.density.gmm, on.put(data(paint, n))
    start = start or {"means": on.put(CENTRES)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = gmm.fit(x, n_components=3, covariance=getattr(gmm, kind), tolerance=0, max_iterations=3,
                        **start)
    return found


def known(on, kind):
    """A mixture with parameters that nobody fitted."""
    gmm, paint = on.package.density.gmm, np.random.default_rng(5)
    roots = painted(paint, (3, 3, 3)) + 2 * np.eye(3)
    covariances = {"FULL": roots @ roots.transpose(0, 2, 1), "DIAGONAL": roots[:, 0]**2 + 0.1,
                   "SPHERICAL": np.full((3, 3), 0.7)}[kind]
    return on.put(gmm.GaussianMixture(np.array([0.5, 0.2, 0.3]), CENTRES, covariances, getattr(gmm, kind),
                                      np.zeros(1), True))


def without_functions(found):
    return found._replace(covariance=found.covariance.name)


for kind in KINDS:
    @case(f"density.gmm.fit#{kind}", sizes=SIZES, terms=lambda n: 20 * n)
    def _(on, paint, n, kind=kind):
        return without_functions(fitted(on, paint, n, kind))

    @case(f"density.gmm.GaussianMixture.log_prob#{kind}", sizes=(1, *SIZES), terms=60)
    def _(on, paint, n, kind=kind):
        found, x = known(on, kind), on.put(data(paint, n))
        return found.log_prob(x), found.log_prob(2 * x[:1]), error_of(found.log_prob, x[:, :2])

    @case(f"density.gmm.GaussianMixture.responsibilities#{kind}", sizes=(1, *SIZES), terms=60)
    def _(on, paint, n, kind=kind):
        found, x = known(on, kind), on.put(data(paint, n))
        return found.responsibilities(x), error_of(found.responsibilities, x[0])

    @case(f"density.gmm.GaussianMixture.sample#{kind}", sizes=(1, 31), terms=20)
    def _(on, paint, n, kind=kind):
        found = known(on, kind)
        return found.sample(on.rng(2), n), error_of(found.sample, on.rng(), -1)

    @case(f"density.gmm.GaussianMixture.bic#{kind}", sizes=SIZES, terms=lambda n: 20 * n)
    def _(on, paint, n, kind=kind):
        found, x = known(on, kind), on.put(data(paint, n))
        return found.bic(x)

    @case(f"density.gmm.GaussianMixture.save#{kind}", sizes=(1,))
    def _(on, paint, n, kind=kind):
        with tempfile.TemporaryDirectory() as folder:
            known(on, kind).save(folder + "/gmm.npz")
            return on.put(without_functions(on.package.density.gmm.load(folder + "/gmm.npz")))


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
             (x, {"covariance": "full"}), (x, {"floor": -1.0}), (x, {"tolerance": float("nan")}),
             (x, {"max_iterations": 0}), (x, {"rng": None}), (x, {"means": on.put(CENTRES[:2])}),
             (x, {"rng": None, "means": on.put(CENTRES)}),
             (x, {"rng": None, "means": on.put(CENTRES[:2] + np.inf)}),
             (x, {"rng": None, "means": on.put(far)}), (x, {"rng": None, "responsibilities": on.put(halves)}),
             (x, {"rng": None, "responsibilities": on.put(halves[1:])}), (line, {"floor": 0}),
             (same, {"n_components": 3}), (same, {"floor": 0, "covariance": gmm.SPHERICAL})]
    return [error_of(gmm.fit, on.put(x), **{"n_components": 2, "rng": rng()} | bad) for x, bad in calls]


@case("density.gmm.load", sizes=(31,))
def _(on, paint, n):
    return error_of(on.package.density.gmm.load, "no such file")
