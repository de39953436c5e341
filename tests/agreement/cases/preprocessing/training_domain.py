"""The distance from the simulations: features of uneven scales, one of them constant, one said twice."""
import numpy as np

from tests.agreement.registry import case, painted

SIZES = (7, 153, 9001)


def data(paint, n):
    f = painted(paint, (n, 3)) * [0.2, 1.0, 40.0] + [5.0, 0.0, -3.0]
    return np.column_stack((f, f[:, 0] - 0.3 * f[:, 1], np.full(n, 0.5)))


@case("preprocessing.training_domain.fit_training_domain", sizes=SIZES, terms=lambda n: n)
def _(on, paint, n):
    return on.package.preprocessing.training_domain.fit_training_domain(on.put(data(paint, n)[:, :3]))


@case("preprocessing.training_domain.TrainingDomain.distance", sizes=SIZES, terms=10_000)
def _(on, paint, n):
    f = data(paint, n)
    domain = on.package.preprocessing.training_domain.fit_training_domain(on.put(f))
    return domain.distance(on.put(f[:7])), domain.distance(on.put(3 * f[:2] + 1))


@case("preprocessing.training_domain.features", sizes=(7, 153))
def _(on, paint, n):
    domain, x = on.package.preprocessing.training_domain, on.put(painted(paint, (n, 4)))
    pca = [on.package.representation.pca.fit(x, n_components=k) for k in (2, 4)]
    return [domain.features(x, p.transform(x), p) for p in pca], domain.features(x, x, None)
