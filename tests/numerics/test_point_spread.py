"""Point spread functions and their sums of Gaussians against quadrature, Student's t, and pixels by hand."""
import numpy as np
import pytest
from scipy import integrate, special, stats

import accel
import reference
from reference.numerics import point_spread

BOTH = pytest.mark.parametrize("package", [reference, accel])
SHAPES = pytest.mark.parametrize(("fwhm", "beta"),
                                 [(3.0, np.inf), (2.0, 3.0), (3.5, 2.5), (5.0, 1.5), (3.0, 40.0)])


@SHAPES
def test_psf_is_normalised_and_has_its_width(fwhm, beta):
    def light(r):
        return 2 * np.pi * r * point_spread.psf(np.array(r), fwhm=fwhm, beta=beta)
    total = integrate.quad(light, 0, 10)[0] + integrate.quad(light, 10, np.inf)[0]
    assert total == pytest.approx(1, abs=1e-7)
    centre, half = point_spread.psf(np.array([0.0, fwhm / 2]), fwhm=fwhm, beta=beta)
    assert half / centre == pytest.approx(0.5, rel=1e-12)


def test_moffat_is_students_t():
    """In two dimensions it is Student's t with 2(β − 1) degrees of freedom and scale² = α²/(2(β − 1))."""
    fwhm, beta = 3.0, 3.2
    square = (fwhm / 2)**2 / (2**(1 / beta) - 1)
    student = stats.multivariate_t([0, 0], np.eye(2) * square / (2 * (beta - 1)), df=2 * (beta - 1))
    r = np.linspace(0, 30, 50)
    np.testing.assert_allclose(point_spread.psf(r, fwhm=fwhm, beta=beta),
                               student.pdf(np.column_stack((r, 0 * r))), rtol=1e-11)


@pytest.mark.parametrize("beta", [1.1, 1.5, 2.0, 3.0, 4.765, 10.0, 100.0, 1e4])
def test_the_sum_of_gaussians_is_the_moffat(beta):
    r = np.linspace(0, 60, 2000)
    sigma, weight = point_spread.gaussians(fwhm=3.0, beta=beta)
    found = sum(w * stats.norm.pdf(r, 0, s) * stats.norm.pdf(0, 0, s) for s, w in zip(sigma, weight))
    exact = point_spread.psf(r, fwhm=3.0, beta=beta)
    assert np.abs(found - exact).max() < 1e-5 * exact[0]
    assert (weight > 0).all() and abs(weight.sum() - 1) < 1e-14
    assert len(sigma) < 30 or beta < 2


def test_large_beta_is_the_gaussian():
    r = np.linspace(0, 6, 50)
    np.testing.assert_allclose(point_spread.psf(r, fwhm=3.0, beta=1e7), point_spread.psf(r, fwhm=3.0),
                               rtol=1e-5)


def test_fractions_are_integrals_over_pixels():
    centre, sigma = np.array([[0.3], [-4.0]]), np.array([0.7, 2.0])
    found = point_spread.fractions(centre, sigma)
    assert found.shape == (2, 2, 32)
    for i, c in enumerate(centre[:, 0]):
        for j, s in enumerate(sigma):
            for p in (0, 13, 16, 31):
                exact = integrate.quad(lambda t, c=c, s=s: stats.norm.pdf(t, c, s), p - 16, p - 15)[0]
                assert found[i, j, p] == pytest.approx(exact, abs=1e-12)
    assert found[0, 0, 16] == pytest.approx(special.ndtr(1.0) - special.ndtr(-0.3 / 0.7), rel=1e-12)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-8)


@BOTH
@pytest.mark.parametrize(("call", "message"), [
    (lambda m: m.psf(np.zeros(2), fwhm=0.0), "fwhm: expected a positive"),
    (lambda m: m.psf(np.zeros(2), fwhm=np.nan, beta=3.0), "fwhm: expected a positive"),
    (lambda m: m.gaussians(fwhm=2.0, beta=1.0), "beta: expected a number above 1"),
    (lambda m: m.gaussians(fwhm=2.0, beta=np.nan), "beta: expected a positive finite"),
    (lambda m: m.psf("wide", fwhm=2.0), "r: expected"),
])
def test_bad_input_is_named(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(package.numerics.point_spread)
