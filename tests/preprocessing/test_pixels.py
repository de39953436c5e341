"""Pixels on the real line against autodiff Jacobians, quadrature, SciPy's logistic density, and by hand."""
import numpy as np
import pytest
from autograd import jacobian
from scipy import integrate, special, stats

import accel
import reference
from tests.agreement.comparator import assert_close

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
ALPHA = pytest.mark.parametrize("alpha", [0.05, 1e-6])


def cube(n, dim, seed=0):
    return np.random.default_rng(seed).random((n, dim))


@ALPHA
def test_log_det_is_that_of_the_autodiff_jacobian(alpha):
    pixels, u = reference.preprocessing.pixels, cube(5, 3)
    y, log_det = pixels.to_real(u, alpha=alpha)
    back_log_det = pixels.from_real(y, alpha=alpha)[1]
    for i in range(5):
        there = jacobian(lambda v: pixels.to_real(v[None], alpha=alpha)[0][0])(u[i])
        back = jacobian(lambda v: pixels.from_real(v[None], alpha=alpha)[0][0])(y[i])
        assert abs(np.linalg.slogdet(there)[1] - log_det[i]) < 1e-10
        assert abs(np.linalg.slogdet(back)[1] - back_log_det[i]) < 1e-9


@BOTH
@ALPHA
def test_the_map_is_scipys_logit_and_its_inverse_undoes_it(package, alpha):
    u = cube(200, 4)
    y, log_det = package.preprocessing.pixels.to_real(u, alpha=alpha)
    assert_close(y, special.logit(alpha + (1 - 2 * alpha) * u), terms=10)
    back, back_log_det = package.preprocessing.pixels.from_real(y, alpha=alpha)
    assert np.abs(back - u).max() < 1e-9 and np.abs(back_log_det + log_det).max() < 1e-9


@BOTH
def test_far_out_on_the_real_line_nothing_overflows(package):
    y = np.array([[-1e4, -800.0], [50.0, 1e4], [0.0, 0.0]])
    with np.errstate(all="raise", under="ignore"):
        u, log_det = package.preprocessing.pixels.from_real(y, alpha=0.1)
    assert_close(u, np.array([[-0.125, -0.125], [1.125, 1.125], [0.5, 0.5]]), terms=10)
    assert_close(log_det, np.array([-10800.0, -10050.0, 2 * np.log(0.25)]) - 2 * np.log(0.8), terms=10)


@BOTH
@ALPHA
def test_a_density_on_the_line_is_one_on_the_unit_interval_less_what_lies_beyond(package, alpha):
    """∫₀¹ p(u) du is the mass of a normal between the images of 0 and 1; without the log-det it is not."""
    pixels = package.preprocessing.pixels
    low, high = special.logit(alpha), special.logit(1 - alpha)

    def p(u, with_log_det=1):
        y, log_det = pixels.to_real(np.array([[u]]), alpha=alpha)
        return float(np.exp(stats.norm.logpdf(y[0, 0], 0.3, 1.7) + with_log_det * log_det[0]))
    mass = stats.norm.cdf(high, 0.3, 1.7) - stats.norm.cdf(low, 0.3, 1.7)
    assert abs(integrate.quad(p, 0, 1, limit=200)[0] - mass) < 1e-7
    assert abs(integrate.quad(p, 0, 1, args=(0,), limit=200)[0] - mass) > 0.1


@BOTH
def test_uniform_noise_is_logistic_on_the_line(package):
    """With α near zero, y of uniform u has the logistic density, whose negative logarithm is the log-det."""
    y, log_det = package.preprocessing.pixels.to_real(cube(50, 1), alpha=1e-12)
    assert np.abs(log_det + stats.logistic.logpdf(y[:, 0])).max() < 1e-9


@BOTH
def test_levels_go_to_the_unit_cube_and_back(package):
    pixels, x = package.preprocessing.pixels, np.arange(17.0).repeat(3).reshape(17, 3)
    u = pixels.dequantise(x, cube(17, 3), levels=17)
    assert (u >= x / 17).all() and (u < (x + 1) / 17).all()
    assert np.array_equal(pixels.quantise(u, levels=17), x)
    assert np.array_equal(pixels.quantise(np.array([[-0.3, 1.0, 1.2, 0.25]]), levels=4), [[0, 3, 3, 1]])


@BOTH
def test_bits_of_uniform_noise_by_hand(package):
    """p(u) = 1 on the unit cube: each of 16 levels costs 4 bits, whatever the number of pixels."""
    bound = 0.0 - 5 * np.log(16)
    assert_close(package.preprocessing.pixels.bits_per_dim(bound, dim=5), 4.0, terms=5)
    assert_close(package.preprocessing.pixels.bits_per_dim(np.array([0.0, -3 * np.log(2)]), dim=3),
                 np.array([0.0, 1.0]), terms=5)


@BOTH
@pytest.mark.parametrize("height, width", [(1, 1), (3, 3), (4, 6), (1, 5)])
def test_neighbours_on_a_checkerboard_are_in_different_halves(package, height, width):
    order = package.preprocessing.pixels.checkerboard(height, width)
    assert np.array_equal(np.sort(order), np.arange(height * width))
    half = np.zeros((height, width), bool)
    half.ravel()[order[:height * width // 2]] = True
    assert (half[1:] != half[:-1]).all() and (half[:, 1:] != half[:, :-1]).all() and not half[0, 0]


@BOTH
def test_bad_input_is_refused(package):
    pixels, u = package.preprocessing.pixels, cube(3, 2)
    for call, name in ((lambda: pixels.dequantise(u, u[:, :1], levels=4), "noise"),
                       (lambda: pixels.dequantise(u[0], u[0], levels=4), "x"),
                       (lambda: pixels.dequantise(u, u, levels=1), "levels"),
                       (lambda: pixels.quantise(u, levels=2.0), "levels"),
                       (lambda: pixels.to_real(u, alpha=0.5), "alpha"),
                       (lambda: pixels.from_real(u, alpha=0.0), "alpha"),
                       (lambda: pixels.to_real(u > 0.5, alpha=0.1), "u"),
                       (lambda: pixels.from_real(u[0], alpha=0.1), "y"),
                       (lambda: pixels.bits_per_dim(u, dim=0), "dim"),
                       (lambda: pixels.checkerboard(0, 3), "height")):
        with pytest.raises(ValueError, match=f"^{name}: expected"):
            call()
