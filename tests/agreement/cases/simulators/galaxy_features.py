from tests.agreement.cases.simulators.galaxy_image import galaxies
from tests.agreement.registry import case, error_of

SIZES = (1, 7, 31)


def images(on, paint, n, name):
    module, anomalies = on.package.simulators.galaxy_features, on.package.simulators.galaxy_anomaly
    kind, theta = getattr(anomalies, name.upper()), galaxies(paint, n)
    s = paint.uniform(kind.prior.low, kind.prior.high, (n, kind.prior.dim))
    bare, wrong = s.copy(), s.copy()
    bare[:, 0], wrong[-1, 0] = 0.0, 1.5
    at, theta = on.put(s), on.put(theta)
    image = getattr(module, name)
    found = [image(theta, at), image(theta, at, fwhm=2.5, beta=3.0), image(theta, on.put(bare)),
             kind.image(theta, at, fwhm=2.5)]
    bad = (theta, on.put(wrong)), (theta, at[:, :2]), (theta[:, :2], at)
    return found, [error_of(image, *arguments) for arguments in bad]


@case("simulators.galaxy_features.ring", sizes=SIZES, terms=100)
def _(on, paint, n):
    return images(on, paint, n, "ring")


@case("simulators.galaxy_features.arc", sizes=SIZES, terms=100)
def _(on, paint, n):
    return images(on, paint, n, "arc")


@case("simulators.galaxy_features.tail", sizes=SIZES, terms=100)
def _(on, paint, n):
    return images(on, paint, n, "tail")


@case("simulators.galaxy_features.merger", sizes=SIZES, terms=100)
def _(on, paint, n):
    return images(on, paint, n, "merger")
