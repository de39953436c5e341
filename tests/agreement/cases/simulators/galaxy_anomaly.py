from tests.agreement.cases.simulators.galaxy_image import galaxies
from tests.agreement.registry import case, error_of

SIZES = (1, 7, 31)


def features(module, kind, paint, n):
    return paint.uniform(kind.prior.low, kind.prior.high, (n, kind.prior.dim))


def images(on, paint, n, name):
    module = on.package.simulators.galaxy_anomaly
    kind, theta = getattr(module, name.upper()), galaxies(paint, n)
    s = features(module, kind, paint, n)
    bare, wrong = s.copy(), s.copy()
    bare[:, 0], wrong[-1, 0] = 0.0, 1.5
    at, theta = on.put(s), on.put(theta)
    image = getattr(module, name)
    return ([image(theta, at), image(theta, at, fwhm=2.5, beta=3.0), image(theta, on.put(bare)), kind.image(theta, at, fwhm=2.5)],
            error_of(image, theta, on.put(wrong)), error_of(image, theta, at[:, :2]), error_of(image, theta[:, :2], at))


@case("simulators.galaxy_anomaly.ring", sizes=SIZES, terms=100)
def _(on, paint, n):
    return images(on, paint, n, "ring")


@case("simulators.galaxy_anomaly.arc", sizes=SIZES, terms=100)
def _(on, paint, n):
    return images(on, paint, n, "arc")


@case("simulators.galaxy_anomaly.tail", sizes=SIZES, terms=100)
def _(on, paint, n):
    return images(on, paint, n, "tail")


@case("simulators.galaxy_anomaly.merger", sizes=SIZES, terms=100)
def _(on, paint, n):
    return images(on, paint, n, "merger")


@case("simulators.galaxy_anomaly.simulate", sizes=SIZES, terms=100)
def _(on, paint, n):
    module = on.package.simulators.galaxy_anomaly
    found = [module.simulate(on.rng(n), n, kind) for kind in (module.RING, module.MERGER)]
    return (found, module.simulate(on.rng(n), n, module.ARC, noise=30.0, fwhm=2.0, beta=3.0),
            error_of(module.simulate, on.rng(n), n, "ring"),
            error_of(module.simulate, on.rng(n), 0, module.TAIL), error_of(module.simulate, on.rng(n), n, module.TAIL, noise=0))
