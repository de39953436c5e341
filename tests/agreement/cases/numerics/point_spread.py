import numpy as np

from tests.agreement.registry import case, error_of

SHAPES = ((3.0, np.inf), (2.2, 3.0), (4.0, 1.5), (3.5, 30.0))


@case("numerics.point_spread.psf", terms=30)
def _(on, paint, n):
    psf, r = on.package.numerics.point_spread.psf, on.put(paint.uniform(0, 20, (n, 2)))
    return ([psf(r, fwhm=fwhm, beta=beta) for fwhm, beta in SHAPES], error_of(psf, r, fwhm=0.0),
            error_of(psf, r, fwhm=2.0, beta=1.0),
            error_of(psf, r, fwhm=np.inf, beta=3.0))


@case("numerics.point_spread.gaussians", sizes=(1,), terms=10, dtypes=("float64",),
      note="constants stay on the host, in float64")
def _(on, paint, n):
    gaussians = on.package.numerics.point_spread.gaussians
    return ([on.put(np.stack(gaussians(fwhm=fwhm, beta=beta))) for fwhm, beta in SHAPES],
            error_of(gaussians, fwhm=-1.0))


@case("numerics.point_spread.fractions")
def _(on, paint, n):
    centre, sigma = on.put(paint.uniform(-18, 18, (n, 1))), on.put(np.array([0.3, 1.0, 7.0]))
    return (on.package.numerics.point_spread.fractions(centre, sigma),
            on.package.numerics.point_spread.fractions(centre, sigma[1]))
