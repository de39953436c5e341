"""Convolution layers for images with channels, and their transpose.

A layer is {"weight": W, "bias": b}. The same W maps C channels to O by (1) and O channels to C by (2), its
transpose; the bias has one entry for each channel of the result, so a layer is made for one of the two.

    (1)  yₒ[p, q] = bₒ + ∑_{c,i,j} Wₒ꜀[i, j] · x꜀[sp + i − m, sq + j − m]         x is zero outside the image
    (2)  x꜀[u, v] = b꜀ + ∑ Wₒ꜀[i, j] · yₒ[p, q],   over o, i, j, p, q with sp + i − m = u, sq + j − m = v
    (3)  ⟨conv2d(x), y⟩ = ⟨x, conv2d_transpose(y)⟩     at b = 0: this is what makes (2) the transpose
    (4)  h = ⌊(H + 2m − k)/s⌋ + 1        (5)  H = s(h − 1) + k − 2m + r           heights, and widths likewise

Shapes        N images; x (N, C, H, W), y (N, O, h, w); weight (O, C, k, k); stride s, padding m, size k.
Conventions   (1) is a cross-correlation: the kernel is not flipped. Several H give the same h in (4), which
              loses a remainder r, 0 ≤ r < s; (2) takes the size of its result unless r = 0. Weights start
              as N(0, 1/terms in the sum), biases at zero: a layer keeps the variance of its input.
Source        "A guide to convolution arithmetic for deep learning", Dumoulin and Visin, 2016,
              relationships 6 and 14.

Example
-------
>>> import numpy as np
>>> from reference.nets import conv
>>> layer = {"weight": np.array([[[[0.0, 1.0], [2.0, 3.0]]]]), "bias": np.array([10.0])}
>>> conv.conv2d(layer, np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]]))   # 10 + 1 · 2 + 2 · 4 + 3 · 5, …
array([[[[35., 41.]]]])
"""
import autograd.numpy as np
from autograd import make_vjp

from reference.nets._help import described
from reference.runtime import checks
from reference.runtime.protocols import Array, Params, Rng

__all__ = ["init_conv", "init_conv_transpose", "conv2d", "conv2d_vjp", "conv2d_transpose",
           "conv2d_transpose_vjp"]


PARAMETERS = """
layer : dict
    "weight" (O, C, k, k), and "bias" with a number for each channel of the result.
images : (N, C, H, W) float
    For a transposed convolution (N, O, h, w).
cotangent : float array
    Shaped like the result.
stride : int
    s, how far the kernel moves from one pixel of y to the next.
padding : int
    m, rows and columns of zeros on every side of x.
output_size : (int, int), optional
    H and W; by default the smallest that (5) allows.
rng : Generator
n_in, n_out : int
    Channels of the images that the layer takes, and of the result.
size : int
    k.
gain : float
    Standard deviation of the result where the images have variance one.
"""
documented, checked = described(PARAMETERS), described(
    PARAMETERS, raises="If the images have other channels, or the kernel or output_size does not fit them.")


@documented
def init_conv(rng: Rng, n_in: int, n_out: int, size: int, *, gain: float = 1.0) -> Params:
    """A layer for `conv2d`: weights N(0, gain²/(n_in k²)), zero bias."""
    weight = rng.standard_normal((n_out, n_in, size, size)) * (gain / (size * np.sqrt(n_in)))
    return {"weight": weight, "bias": np.zeros(n_out)}


@documented
def init_conv_transpose(rng: Rng, n_in: int, n_out: int, size: int, *, stride: int = 1,
                        gain: float = 1.0) -> Params:
    """A layer for `conv2d_transpose`: weights N(0, gain² s²/(n_in k²)), as (k/s)² terms reach a pixel."""
    weight = rng.standard_normal((n_in, n_out, size, size)) * (gain * stride / (size * np.sqrt(n_in)))
    return {"weight": weight, "bias": np.zeros(n_out)}


def literal_conv2d(layer, images, *, stride=1, padding=0):
    """The sum (1), term by term."""
    weight, bias, (height, width) = layer["weight"], layer["bias"], images.shape[2:]
    small = output_size(images, weight, stride, padding)
    out = np.zeros((len(images), len(weight), *small)) + bias[:, None, None]
    for n, o, p, q in np.ndindex(*out.shape):
        for c, i, j in np.ndindex(*weight.shape[1:]):
            u, v = stride * p + i - padding, stride * q + j - padding
            if 0 <= u < height and 0 <= v < width:
                out[n, o, p, q] += weight[o, c, i, j] * images[n, c, u, v]                  # (1)
    return out


def literal_conv2d_transpose(layer, images, *, stride=1, padding=0, output_size=None):
    """The sum (2), term by term."""
    weight, bias = layer["weight"], layer["bias"]
    height, width = transposed_size(images, weight, stride, padding, output_size)
    out = np.zeros((len(images), weight.shape[1], height, width)) + bias[:, None, None]
    for n, o, p, q in np.ndindex(*images.shape):
        for c, i, j in np.ndindex(*weight.shape[1:]):
            u, v = stride * p + i - padding, stride * q + j - padding
            if 0 <= u < height and 0 <= v < width:
                out[n, c, u, v] += weight[o, c, i, j] * images[n, o, p, q]                  # (2)
    return out


@checked
def conv2d(layer: Params, images: Array, *, stride: int = 1, padding: int = 0) -> Array:
    """The correlation (1) as a sum over shifts of the kernel: (N, O, h, w), see (4)."""
    weight, bias = layer["weight"], layer["bias"]
    checks.check_shape("images", images, ("N", weight.shape[1], "H", "W"))
    h, w = output_size(images, weight, stride, padding)
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)), mode="constant")
    out = bias[:, None, None]
    for i, j in np.ndindex(*weight.shape[2:]):
        shifted = padded[:, :, i:i + stride * (h - 1) + 1:stride, j:j + stride * (w - 1) + 1:stride]
        out = out + np.einsum("oc,nchw->nohw", weight[:, :, i, j], shifted)                 # (1)
    return out


@checked
def conv2d_vjp(layer: Params, images: Array, cotangent: Array, *, stride: int = 1, padding: int = 0) -> tuple:
    """The result of `conv2d` (N, O, h, w), and the gradients of ⟨cotangent, result⟩ for layer and images."""
    vjp, out = make_vjp(lambda args: conv2d(*args, stride=stride, padding=padding))((layer, images))
    return out, *vjp(cotangent)


@checked
def conv2d_transpose(layer: Params, images: Array, *, stride: int = 1, padding: int = 0,
                     output_size: tuple[int, int] | None = None) -> Array:
    """The transpose (2): each pixel adds its value times the kernel to the result, (N, C, H, W), see (5)."""
    weight, bias = layer["weight"], layer["bias"]
    checks.check_shape("images", images, ("N", weight.shape[0], "h", "w"))
    size, (height, width) = weight.shape[2], transposed_size(images, weight, stride, padding, output_size)
    (below, right), out = np.subtract((height, width), transposed_size(images, weight, stride, padding)), 0.0
    for i, j in np.ndindex(size, size):
        shifted = spread_out(np.einsum("oc,nohw->nchw", weight[:, :, i, j], images), stride)
        border = (0, 0), (0, 0), (i, size - 1 - i + below), (j, size - 1 - j + right)
        out = out + np.pad(shifted, border, mode="constant")                                # (2)
    return out[:, :, padding:padding + height, padding:padding + width] + bias[:, None, None]


@checked
def conv2d_transpose_vjp(layer: Params, images: Array, cotangent: Array, *, stride: int = 1, padding: int = 0,
                         output_size: tuple[int, int] | None = None) -> tuple:
    """The result of `conv2d_transpose` (N, C, H, W), and the gradients of ⟨cotangent, result⟩ for both."""
    def function(args):
        return conv2d_transpose(*args, stride=stride, padding=padding, output_size=output_size)
    vjp, out = make_vjp(function)((layer, images))
    return out, *vjp(cotangent)


def spread_out(images, stride):
    """The images with s − 1 zeros between neighbouring pixels, (N, O, s(h − 1) + 1, s(w − 1) + 1)."""
    n, channels, h, w = images.shape
    corner = np.zeros((stride, 1, stride), images.dtype)
    corner[0, 0, 0] = 1
    spread = np.reshape(images[:, :, :, None, :, None] * corner, (n, channels, stride * h, stride * w))
    return spread[:, :, :stride * (h - 1) + 1, :stride * (w - 1) + 1]


def output_size(images, weight, stride, padding):
    """Height and width of a convolution's result, (4)."""
    check_geometry(stride, padding)
    size, least = weight.shape[2], max(1, weight.shape[2] - 2 * padding)
    if min(images.shape[2:]) < least:
        raise ValueError(f"images: expected at least {least} pixels on each side for a kernel of {size} and "
                         f"padding {padding}, got shape {tuple(images.shape)}")
    return tuple((length + 2 * padding - size) // stride + 1 for length in images.shape[2:])


def transposed_size(images, weight, stride, padding, wanted=None):
    """Height and width of a transposed convolution's result, (5): those wanted, or the smallest."""
    check_geometry(stride, padding)
    smallest = tuple(stride * (length - 1) + weight.shape[2] - 2 * padding for length in images.shape[2:])
    lengths = smallest if wanted is None else tuple(wanted)
    possible = len(lengths) == 2 and all(0 <= big - least < stride for big, least in zip(lengths, smallest))
    if not possible or min(lengths) < 1:
        raise ValueError(f"output_size: expected at least one pixel on each side, and {smallest} or up to "
                         f"{stride - 1} more, got {lengths}")
    return lengths


def check_geometry(stride, padding):
    checks.check_count("stride", stride)
    checks.check_count("padding", padding, least=0)
