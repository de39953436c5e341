"""Convolution layers: the literal sums against SciPy, the fast forms against the sums, and the transpose
against the definition of one."""
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

import accel
import reference
from reference.nets import conv
from tests.agreement.comparator import assert_close
from tests.agreement.registry import error_of, painted

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
# size, stride, padding
GEOMETRIES = [(3, 1, 0), (3, 1, 1), (1, 1, 0), (4, 2, 1), (3, 2, 1), (2, 3, 0), (5, 3, 2)]
GEOMETRY = pytest.mark.parametrize(("size", "stride", "padding"), GEOMETRIES)
N, C, O, H, W = 3, 2, 4, 7, 6


def layer(seed, size, n_bias):
    paint = np.random.default_rng(seed)
    return {"weight": painted(paint, (O, C, size, size)), "bias": painted(paint, (n_bias,))}


def images(seed, *shape):
    return painted(np.random.default_rng(seed), shape)


@GEOMETRY
def test_literal_sum_is_scipys_correlation(size, stride, padding):
    kernels, x = layer(0, size, O), images(1, N, C, H, W)
    padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    padded[:, :, padding:padding + H, padding:padding + W] = x

    def plane(n, o):
        return sum(scipy.signal.correlate(padded[n, c], kernels["weight"][o, c], mode="valid",
                                          method="direct") for c in range(C))
    expected = np.array([[kernels["bias"][o] + plane(n, o)[::stride, ::stride] for o in range(O)]
                         for n in range(N)])
    assert_close(conv.literal_conv2d(kernels, x, stride=stride, padding=padding), expected, terms=C * size**2)


@BOTH
@GEOMETRY
def test_fast_form_is_the_literal_sum(package, size, stride, padding):
    kernels, x = layer(0, size, O), images(1, N, C, H, W)
    assert_close(package.nets.conv.conv2d(kernels, x, stride=stride, padding=padding),
                 conv.literal_conv2d(kernels, x, stride=stride, padding=padding), terms=C * size**2)


@BOTH
@GEOMETRY
def test_fast_transpose_is_the_literal_sum(package, size, stride, padding):
    kernels, y = layer(0, size, C), images(1, N, O, 3, 4)
    smallest = conv.literal_conv2d_transpose(kernels, y, stride=stride, padding=padding)
    assert_close(package.nets.conv.conv2d_transpose(kernels, y, stride=stride, padding=padding), smallest,
                 terms=O * size**2)
    geometry = {"stride": stride, "padding": padding,
                "output_size": (smallest.shape[2] + stride - 1, smallest.shape[3])}
    assert_close(package.nets.conv.conv2d_transpose(kernels, y, **geometry),
                 conv.literal_conv2d_transpose(kernels, y, **geometry), terms=O * size**2)


@BOTH
def test_one_channel_is_ndimages_correlation(package):
    """A "same" convolution of an odd kernel, whose centre ndimage puts on the pixel, and zeros outside."""
    rng = np.random.default_rng(2)
    kernel, x = rng.standard_normal((5, 5)), rng.standard_normal((1, 1, 9, 8))
    expected = scipy.ndimage.correlate(x[0, 0], kernel, mode="constant")
    got = package.nets.conv.conv2d({"weight": kernel[None, None], "bias": np.zeros(1)}, x, padding=2)
    assert_close(got[0, 0], expected, terms=25)
    flipped = scipy.ndimage.convolve(x[0, 0], kernel, mode="constant")
    assert np.abs(got[0, 0] - flipped).max() > 0.1, "a flipped kernel must not pass"


def test_transpose_is_scipys_full_convolution():
    """With stride 1 and no padding, painting the kernel at every pixel is the full convolution."""
    kernels, y = layer(0, 3, C), images(1, 1, O, 4, 5)

    def plane(c):
        return sum(scipy.signal.convolve(y[0, o], kernels["weight"][o, c], mode="full", method="direct")
                   for o in range(O))
    expected = np.array([kernels["bias"][c] + plane(c) for c in range(C)])
    assert_close(conv.literal_conv2d_transpose(kernels, y)[0], expected, terms=O * 9)


@BOTH
@GEOMETRY
def test_transpose_is_the_adjoint(package, size, stride, padding):
    """⟨conv2d(x), y⟩ = ⟨x, conv2d_transpose(y)⟩, also where the stride leaves a remainder, different for rows
    and columns."""
    kernels, x = layer(0, size, O), images(1, N, C, H, W)
    forth, back = kernels | {"bias": np.zeros(O)}, kernels | {"bias": np.zeros(C)}
    result = package.nets.conv.conv2d(forth, x, stride=stride, padding=padding)
    y = images(3, *result.shape)

    def transpose(weight):
        return package.nets.conv.conv2d_transpose(back | {"weight": weight}, y, stride=stride,
                                                  padding=padding, output_size=(H, W))
    assert_close(np.vdot(x, transpose(kernels["weight"])), np.vdot(result, y), terms=y.size * size**2)
    flipped = transpose(kernels["weight"][:, :, ::-1])
    assert size == 1 or abs(np.vdot(x, flipped) - np.vdot(result, y)) > 1e-3, "a flipped kernel is no adjoint"


@BOTH
@pytest.mark.parametrize("name", ["conv2d", "conv2d_transpose"])
@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 1, 1), (4, 2, 1), (2, 3, 0)])
def test_gradients_are_central_differences(package, name, size, stride, padding):
    """Every entry of every gradient; the functions are bilinear, so a central difference is exact up to
    rounding."""
    function, vjp = getattr(package.nets.conv, name), getattr(package.nets.conv, name + "_vjp")
    channels, n_bias = (C, O) if name == "conv2d" else (O, C)
    kernels, x = layer(4, size, n_bias), images(5, 2, channels, 4, 5)
    cotangent = images(6, *function(kernels, x, stride=stride, padding=padding).shape)
    out, dlayer, dx = vjp(kernels, x, cotangent, stride=stride, padding=padding)
    assert_close(out, function(kernels, x, stride=stride, padding=padding), terms=50)

    def inner(weight, bias, x):
        return np.vdot(cotangent,
                       function({"weight": weight, "bias": bias}, x, stride=stride, padding=padding))
    at = [kernels["weight"], kernels["bias"], x]
    for k, gradient in enumerate((dlayer["weight"], dlayer["bias"], dx)):
        assert gradient.shape == at[k].shape
        for index in np.ndindex(*at[k].shape):
            step = np.zeros(at[k].shape)
            step[index] = 0.5
            up, down = (inner(*(a + sign * step if i == k else a for i, a in enumerate(at)))
                        for sign in (1, -1))
            assert abs(gradient[index] - (up - down)) < 1e-10 * (1 + np.abs(gradient).max())


@BOTH
def test_sizes_are_those_of_the_formulas(package):
    """Sizes worked by hand: 8 → 4 → 8 under a kernel of 4 with stride 2 and padding 1; 28 → 14; a remainder
    is dropped."""
    def shape(length, size, **geometry):
        kernels = package.nets.conv.init_conv(np.random.default_rng(0), 1, 1, size)
        return package.nets.conv.conv2d(kernels, np.zeros((1, 1, length, length)), **geometry).shape[2]
    assert (shape(8, 4, stride=2, padding=1), shape(28, 4, stride=2, padding=1), shape(5, 3),
            shape(8, 3, stride=2)) == (4, 14, 3, 3)
    kernels = package.nets.conv.init_conv_transpose(np.random.default_rng(0), 1, 1, 4, stride=2)
    assert package.nets.conv.conv2d_transpose(kernels, np.zeros((1, 1, 4, 7)), stride=2,
                                              padding=1).shape == (1, 1, 8, 14)


@BOTH
def test_layers_keep_the_variance_of_their_input(package):
    """Unit noise in, unit variance out, within 5 %; without its stride's factor the transpose would give a
    quarter."""
    rng = np.random.default_rng(7)
    y = package.nets.conv.conv2d(package.nets.conv.init_conv(rng, 64, 128, 3),
                                 rng.standard_normal((8, 64, 9, 9)))
    assert abs(y.var() - 1) < 0.05
    up, images = (package.nets.conv.init_conv_transpose(rng, 128, 64, 4, stride=2),
                  rng.standard_normal((16, 128, 6, 6)))
    x = package.nets.conv.conv2d_transpose(up, images, stride=2, padding=1)[:, :, 2:-2, 2:-2]
    assert abs(x.var() - 1) < 0.05
    plain = package.nets.conv.init_conv_transpose(rng, 128, 64, 4)
    assert package.nets.conv.conv2d_transpose(plain, images, stride=2, padding=1).var() < 0.3
    assert (up["bias"] == 0).all() and up["bias"].shape == (64,)


@BOTH
def test_bad_input_is_refused(package):
    kernels, conv2d, back = layer(0, 3, O), package.nets.conv.conv2d, package.nets.conv.conv2d_transpose
    assert error_of(conv2d, kernels, np.zeros((2, 5, 8, 8))) == (
        "ValueError: images: expected shape (N, 2, H, W), got (2, 5, 8, 8)")
    assert "at least 3 pixels on each side" in error_of(conv2d, kernels, np.zeros((2, C, 2, 8)))
    assert ("stride: expected a whole number of at least 1" in error_of(conv2d, kernels,
                                                                        np.zeros((2, C, 8, 8)), stride=0))
    assert ("padding: expected a whole number of at least 0" in error_of(conv2d, kernels,
                                                                         np.zeros((2, C, 8, 8)), padding=-1))
    assert "images: expected shape (N, 4, h, w)" in error_of(back, layer(0, 3, C), np.zeros((2, C, 8, 8)))
    assert ("output_size: expected at least one pixel on each side" in error_of(
        back, layer(0, 3, C), np.zeros((2, O, 1, 8)), padding=2))
    for size in ((8, 8), (6, 10), (5, 8), (6,)):
        assert ("and (6, 8) or up to 1 more" in error_of(back, layer(0, 2, C), np.zeros((2, O, 3, 4)),
                                                         stride=2, output_size=size))


def test_arguments_survive_in_accel():
    """Work arrays are overwritten inside; what the caller passed is not."""
    kernels, x = layer(0, 3, O), images(1, N, C, H, W)
    cotangent = images(2, N, O, H, W)
    before = [a.copy() for a in (kernels["weight"], kernels["bias"], x, cotangent)]
    accel.nets.conv.conv2d_vjp(kernels, x, cotangent, padding=1)
    accel.nets.conv.conv2d_transpose_vjp(layer(0, 3, C), cotangent, x, padding=1)
    assert all(np.array_equal(a, b)
               for a, b in zip(before, (kernels["weight"], kernels["bias"], x, cotangent), strict=True))
