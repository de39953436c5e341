"""Sérsic profiles against quadrature and published expansions; images against SciPy's convolution."""
import numpy as np
import pytest
from scipy import integrate, signal, special, stats

import accel
import reference
from reference.simulators import galaxy_image

BOTH = pytest.mark.parametrize("package", [reference, accel])
GALAXIES = {"disc": [1000.0, 3.0, 1.0, 0.5, 0.4], "bulge": [2000.0, 2.5, 4.0, 0.3, 2.0],
            "flat": [1500.0, 5.0, 0.5, 0.7, 1.1],
            "small": [3000.0, 1.5, 2.0, 0.0, 0.0]}
EACH = pytest.mark.parametrize("theta", GALAXIES.values(), ids=GALAXIES)
STD = 3.0 / np.sqrt(8 * np.log(2))                                    # of the default point spread function


def moments(image):
    """The flux, the centre (X, Y), and the second moments about it (XX, YY, XY), of images (…, 32, 32)."""
    at = np.arange(32) - 15.5
    flux = image.sum()
    x, y = (image.sum(axis=0) @ at) / flux, (image.sum(axis=1) @ at) / flux
    products = (at - x)**2, ((at - y)**2)[:, None], np.outer(at - y, at - x)
    second = [np.sum(image * product) / flux for product in products]
    return flux, (x, y), second


def radial_flux(theta, upto):
    """The flux within an elliptical radius, by quadrature along the major axis; r = u⁴ resolves the cusp."""
    along = [*theta[:4], 0.0]
    q = 1 - theta[3]

    def light(u):
        radius = u**4
        bright = galaxy_image.surface_brightness([along], np.array([radius / np.sqrt(q)]), np.zeros(1))[0, 0]
        return bright * 2 * np.pi * radius * 4 * u**3
    return integrate.quad(light, 0, upto**0.25, limit=400, epsabs=1e-9)[0]


def test_b_halves_the_light_and_follows_the_published_expansions():
    """b is the median of a Gamma distribution of shape 2n: Ciotti and Bertin, 1999, eq. 18; Choi, 1994."""
    n = np.linspace(0.5, 8, 40)
    b = galaxy_image.sersic_b(n)
    np.testing.assert_allclose(special.gammainc(2 * n, b), 0.5, rtol=1e-13)
    ciotti = 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2)
    choi = ciotti + 2248 / (3444525 * (2 * n)**3) - 19006408 / (15345358875 * (2 * n)**4)
    assert (np.abs(b - ciotti) * n**3 < 1e-4).all() and (np.abs(b - choi) * n**5 < 1e-4).all()
    assert galaxy_image.sersic_b(np.array(0.5)) == pytest.approx(np.log(2), rel=1e-14)            # a Gaussian


@EACH
def test_half_of_the_flux_is_within_the_half_light_radius(theta):
    flux, radius = theta[:2]
    assert radial_flux(theta, radius) == pytest.approx(flux / 2, rel=1e-8)
    assert radial_flux(theta, 3000 * radius) == pytest.approx(flux, rel=1e-7)


def test_isophotes_are_turned_ellipses():
    """In the frame of the axes, points (a cos t, a q sin t) are equally bright; φ turns from X towards Y."""
    q, angle = 0.4, 0.7
    t = np.linspace(0, 2 * np.pi, 13)
    u, v = 3 * np.cos(t), 3 * q * np.sin(t)
    x, y = np.cos(angle) * u - np.sin(angle) * v, np.sin(angle) * u + np.cos(angle) * v
    bright = galaxy_image.surface_brightness([[1.0, 2.0, 1.7, 1 - q, angle]], x, y)[0]
    np.testing.assert_allclose(bright, bright[0], rtol=1e-12)
    other = galaxy_image.surface_brightness([[1.0, 2.0, 1.7, 1 - q, -angle]], x, y)[0]
    assert np.ptp(other) > 0.1 * bright[0]


@pytest.mark.parametrize("beta", [np.inf, 3.0])
@EACH
def test_image_is_scipys_convolution_on_a_fine_grid(theta, beta):
    """Eleven cells to a pixel, the profile at their middles (20 × 20 points a cell in the inner two pixels),
    SciPy's Student t, summed over pixels. The tolerance is the error of that brute force."""
    fine, half, tolerance = 11, 24, 3e-4
    at = (np.arange(2 * half * fine) + 0.5) / fine - half
    bright = lambda x, y: galaxy_image.surface_brightness([theta], x.ravel(), y.ravel()).reshape(x.shape)
    light = bright(*np.meshgrid(at, at)) / fine**2
    inner = np.flatnonzero(np.abs(at) < 1)
    finer = (at[inner][:, None] + ((np.arange(20) + 0.5) / 20 - 0.5) / fine).ravel()
    cells = bright(*np.meshgrid(finer, finer)) / (20 * fine)**2
    light[np.ix_(inner, inner)] = cells.reshape(len(inner), 20, len(inner), 20).sum(axis=(1, 3))
    reach = np.arange(-40 * fine, 40 * fine + 1) / fine
    grid = np.stack(np.meshgrid(reach, reach), axis=-1)
    if beta == np.inf:
        kernel = stats.multivariate_normal([0, 0], np.eye(2) * STD**2).pdf(grid) / fine**2
    else:
        scale = (3.0 / 2)**2 / (2**(1 / beta) - 1) / (2 * (beta - 1))
        kernel = stats.multivariate_t([0, 0], np.eye(2) * scale, df=2 * (beta - 1)).pdf(grid) / fine**2
    blurred = signal.fftconvolve(light, kernel, mode="same")
    inner = slice(half - 16, half + 16)
    expected = blurred.reshape(2 * half, fine, 2 * half, fine).sum(axis=(1, 3))[inner, inner]
    found = galaxy_image.image([theta], beta=beta).reshape(32, 32)
    assert np.abs(found - expected).max() < tolerance * expected.max()


def test_stated_accuracy_of_the_quadrature(monkeypatch):
    """Against four times as many nodes along each axis: the worst galaxies, and draws from the prior."""
    worst = np.array([[1.0, r, 4.0, 0.7, angle] for r in (1.0, 1.5) for angle in (0.0, 0.4, np.pi / 4)])
    usual = galaxy_image.prior.sample(np.random.default_rng(3), 20)

    def images():
        return [galaxy_image.image(worst, fwhm=2.0), galaxy_image.image(worst), galaxy_image.image(usual)]
    found = images()
    monkeypatch.setattr(galaxy_image, "N_NODES", 4 * galaxy_image.N_NODES)
    sharp, seeing, usual = (np.abs(ours - exact).max(axis=1) / exact.max(axis=1)
                            for ours, exact in zip(found, images(), strict=True))
    assert max(sharp.max(), seeing.max()) < 1e-4 and np.quantile(usual, 0.95) < 3e-6


def test_flux_is_conserved():
    """Small discs lose nothing; the middle two rows and columns hold the same light, by symmetry."""
    theta = np.array([[1000.0, 1.5, 0.5, 0.0, 0.0], [2000.0, 1.5, 1.0, 0.3, 0.5]])
    np.testing.assert_allclose(galaxy_image.image(theta).sum(axis=1), theta[:, 0], rtol=1e-6)
    image = galaxy_image.image(theta).reshape(-1, 32, 32)
    np.testing.assert_allclose(image, image[:, ::-1, ::-1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 0.6, 2.2])
def test_moments_tell_ellipticity_and_angle(angle):
    """n = ½ is a Gaussian, half of its light within √(2 log 2) σ; pixels blur it by a variance of 1/12."""
    radius, e = 2.6, 0.4
    flux, centre, (xx, yy, xy) = moments(galaxy_image.image([[500.0, radius, 0.5, e, angle]]).reshape(32, 32))
    blur = STD**2 + 1 / 12
    variance, vectors = np.linalg.eigh([[xx - blur, xy], [xy, yy - blur]])
    minor, major = np.sqrt(variance)
    assert flux == pytest.approx(500, rel=1e-6) and np.abs(centre).max() < 1e-9
    assert minor / major == pytest.approx(1 - e, rel=1e-4)
    assert np.sqrt(minor * major) == pytest.approx(radius / np.sqrt(2 * np.log(2)), rel=1e-4)
    assert np.abs(vectors[:, 1] @ [np.cos(angle), np.sin(angle)]) == pytest.approx(1, abs=1e-6)


def test_a_moved_galaxy_is_centred_where_it_was_put():
    theta, centre = [[500.0, 1.5, 0.6, 0.3, 1.0]], np.array([[2.3, -1.7]])
    _, found, second = moments(galaxy_image.image(theta, centre=centre).reshape(32, 32))
    np.testing.assert_allclose(found, centre[0], atol=1e-3)
    np.testing.assert_allclose(second, moments(galaxy_image.image(theta).reshape(32, 32))[2], rtol=1e-3)
    whole = galaxy_image.image(theta, centre=np.array([[3.0, -2.0]])).reshape(32, 32)
    shifted = np.roll(galaxy_image.image(theta).reshape(32, 32), (-2, 3), axis=(0, 1))
    np.testing.assert_allclose(whole, shifted, atol=1e-3)


def test_noise_and_likelihood_are_scipys():
    rng = np.random.default_rng(1)
    theta = galaxy_image.prior.sample(rng, 40)
    mean = galaxy_image.image(theta, beta=3.0)
    x = galaxy_image.simulate(rng, theta, noise=2.0, beta=3.0)
    assert stats.kstest((x - mean).ravel() / 2, stats.norm.cdf).pvalue > 1e-3
    expected = stats.norm.logpdf(x, mean, 2.0).sum(axis=1)
    np.testing.assert_allclose(galaxy_image.log_likelihood(theta, x, noise=2.0, beta=3.0), expected,
                               rtol=1e-11)
    np.testing.assert_allclose(galaxy_image.log_likelihood(theta[:1], x[0], noise=2.0, beta=3.0),
                               expected[:1], rtol=1e-11)


@BOTH
@pytest.mark.parametrize(("call", "message"), [
    (lambda m, rng: m.simulate(rng, np.zeros((3, 4))), r"theta: expected shape \(N, 5\)"),
    (lambda m, rng: m.image([[0.0, 2.0, 1.0, 0.1, 0.0]]),
     "theta: expected a positive flux in column 0, got 0"),
    (lambda m, rng: m.image([[1.0, -2.0, 1.0, 0.1, 0.0]]),
     "theta: expected a positive half-light radius in column 1, got -2"),
    (lambda m, rng: m.image([[1.0, 2.0, 0.0, 0.1, 0.0]]),
     "theta: expected a positive Sérsic index in column 2"),
    (lambda m, rng: m.image([[1.0, 2.0, 1.0, 1.0, 0.0]]),
     r"theta: expected an ellipticity in \[0, 1\) in column 3"),
    (lambda m, rng: m.image([[1.0, np.nan, 1.0, 0.0, 0.0]]), "theta: expected finite"),
    (lambda m, rng: m.image([[1.0, 2.0, 1.0, 0.0, 0.0]], centre=np.zeros(2)),
     r"centre: expected shape \(1, 2\)"),
    (lambda m, rng: m.image([[1.0, 2.0, 1.0, 0.0, 0.0]], fwhm=-1.0), "fwhm: expected a positive"),
    (lambda m, rng: m.image([[1.0, 2.0, 1.0, 0.0, 0.0]], beta=0.5), "beta: expected a number above 1"),
    (lambda m, rng: m.simulate(rng, [[1.0, 2.0, 1.0, 0.0, 0.0]], noise=0.0), "noise: expected a positive"),
    (lambda m, rng: m.log_likelihood([[1.0, 2.0, 1.0, 0.0, 0.0]], np.zeros(1000)),
     r"x: expected shape \(1024,\)"),
])
def test_bad_input_is_named(package, call, message):
    with pytest.raises(ValueError, match=message):
        call(package.simulators.galaxy_image, np.random.default_rng(0))
