import numpy as np

from tests.agreement.registry import case, error_of

SIZES = (1, 7, 31)


def galaxies(paint, n):
    return paint.uniform([1000.0, 1.5, 0.5, 0.0, 0.0], [3000.0, 5.0, 4.0, 0.7, np.pi], (n, 5))


@case("simulators.galaxy_image.sersic_b", terms=10)
def _(on, paint, n):
    return on.package.simulators.galaxy_image.sersic_b(on.put(paint.uniform(0.4, 8.0, (n, 2))))


@case("simulators.galaxy_image.surface_brightness", terms=50)
def _(on, paint, n):
    module, at = on.package.simulators.galaxy_image, on.put(paint.uniform(-8, 8, (2, 20)))
    theta = on.put(galaxies(paint, n))
    return (module.surface_brightness(theta, at[0], at[1]),
            error_of(module.surface_brightness, theta, at[0], at[1, :3]))


@case("simulators.galaxy_image.image", sizes=SIZES, terms=96)
def _(on, paint, n):
    image, theta = on.package.simulators.galaxy_image.image, galaxies(paint, n)
    centre = on.put(paint.uniform(-7, 9, (n, 2)))
    bad = [np.where(np.arange(5) == column, value, theta)
           for column, value in enumerate((0.0, -1.0, np.nan, 1.0))]
    theta = on.put(theta)
    return ([image(theta), image(theta, fwhm=2.5, beta=3.0), image(theta, centre=centre),
             image(theta, centre=centre, beta=2.5)],
            [error_of(image, on.put(value)) for value in bad], error_of(image, theta[:, :4]),
            error_of(image, theta, centre=centre[:, :1]),
            error_of(image, theta, centre=np.nan * centre), error_of(image, theta, fwhm=0.0))


@case("simulators.galaxy_image.simulate", sizes=SIZES, terms=96)
def _(on, paint, n):
    simulate, theta = on.package.simulators.galaxy_image.simulate, on.put(galaxies(paint, n))
    return (simulate(on.rng(n), theta), simulate(on.rng(n), theta, noise=20.0, fwhm=2.0),
            error_of(simulate, on.rng(n), theta, noise=0.0))


@case("simulators.galaxy_image.log_likelihood", sizes=SIZES, terms=1024)
def _(on, paint, n):
    log_likelihood, theta = on.package.simulators.galaxy_image.log_likelihood, galaxies(paint, n)
    x = on.put(3.0 * paint.standard_normal((n, 1024)))
    theta = on.put(theta)
    return (log_likelihood(theta, x), log_likelihood(theta, x[0], noise=5.0, beta=4.0),
            error_of(log_likelihood, theta, x[:, :1000]),
            error_of(log_likelihood, theta, x, noise=-1.0))
