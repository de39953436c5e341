"""Cases for everything that a Gaussian mixture can do, of every kind of covariance."""
import tempfile

import numpy as np

from tests.agreement.registry import case, error_of, painted

KINDS = ("FULL", "DIAGONAL", "SPHERICAL")
SIZES = (31, 153, 3000)                                       # the last takes several blocks of rows
CENTRES = np.array([[0.0, 0.0, 0.0], [2.0, -1.5, 0.5], [-2.5, 1.0, 1.5]])


def data(paint, n):
    """Three groups of unequal shape; every row has one of them, so that no component is empty."""
    return painted(paint, (n, 3)) @ painted(paint, (3, 3)) + CENTRES[np.arange(n) % 3]


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


@case("density.gmm.load", sizes=(31,))
def _(on, paint, n):
    return error_of(on.package.density.gmm.load, "no such file")
