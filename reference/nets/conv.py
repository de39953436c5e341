"""Convolution layers for images with channels, and their transpose.

A layer is {"weight": W, "bias": b}. The same W maps C channels to O by (1) and O channels to C by (2), its transpose; the
bias has one entry for each channel of the result, so a layer is made for one of the two.

    (1)  yₒ[p, q] = bₒ + ∑_{c,i,j} Wₒ꜀[i, j] · x꜀[sp + i − m, sq + j − m]          x is zero outside the image
    (2)  x꜀[u, v] = b꜀ + ∑ Wₒ꜀[i, j] · yₒ[p, q],   over all o, i, j, p, q with sp + i − m = u and sq + j − m = v
    (3)  ⟨conv2d(x), y⟩ = ⟨x, conv2d_transpose(y)⟩                                 at b = 0: what makes (2) the transpose
    (4)  h = ⌊(H + 2m − k)/s⌋ + 1        (5)  H = s(h − 1) + k − 2m + r            heights, and widths likewise

Shapes        N images; x (N, C, H, W), y (N, O, h, w); weight (O, C, k, k); stride s, padding m, kernel size k.
Conventions   (1) is a cross-correlation: the kernel is not flipped. Several H give the same h in (4): the remainder r of that
              division, 0 ≤ r < s, is lost, so (2) takes the size of its result where it is not the smallest one, r = 0.
              Weights start as N(0, 1/terms in the sum), biases at zero, so that a layer keeps the variance of its input.
Source        "A guide to convolution arithmetic for deep learning", Dumoulin and Visin, 2016, relationships 6 and 14.
"""
import autograd.numpy as np
from autograd import make_vjp

from reference.runtime import checks

__all__ = ["init_conv", "init_conv_transpose", "conv2d", "conv2d_vjp", "conv2d_transpose", "conv2d_transpose_vjp"]


def init_conv(rng, n_in, n_out, size, *, gain=1.0):
    """A layer for `conv2d`: weights N(0, gain²/(n_in k²)), zero bias."""
    weight = rng.standard_normal((n_out, n_in, size, size)) * (gain / (size * np.sqrt(n_in)))
    return {"weight": weight, "bias": np.zeros(n_out)}


def init_conv_transpose(rng, n_in, n_out, size, *, stride=1, gain=1.0):
    """A layer for `conv2d_transpose`: weights N(0, gain² s²/(n_in k²)), since (k/s)² terms reach a pixel; zero bias."""
    weight = rng.standard_normal((n_in, n_out, size, size)) * (gain * stride / (size * np.sqrt(n_in)))
    return {"weight": weight, "bias": np.zeros(n_out)}


def literal_conv2d(layer, images, *, stride=1, padding=0):
    """The sum of (1), term by term: the first rung, for reading and for testing the others."""
    weight, bias = layer["weight"], layer["bias"]
    n_images, channels, height, width = images.shape
    h, w = output_size(images, weight, stride, padding)
    out = np.empty((n_images, len(weight), h, w))
    for n, o, p, q in np.ndindex(*out.shape):
        out[n, o, p, q] = bias[o]
        for c, i, j in np.ndindex(*weight.shape[1:]):
            u, v = stride * p + i - padding, stride * q + j - padding
            if 0 <= u < height and 0 <= v < width:
                out[n, o, p, q] += weight[o, c, i, j] * images[n, c, u, v]                  # (1)
    return out


def literal_conv2d_transpose(layer, images, *, stride=1, padding=0, output_size=None):
    """The sum of (2), term by term."""
    weight, bias = layer["weight"], layer["bias"]
    height, width = transposed_size(images, weight, stride, padding, output_size)
    out = np.zeros((len(images), weight.shape[1], height, width)) + bias[:, None, None]
    for n, o, p, q in np.ndindex(*images.shape):
        for c, i, j in np.ndindex(*weight.shape[1:]):
            u, v = stride * p + i - padding, stride * q + j - padding
            if 0 <= u < height and 0 <= v < width:
                out[n, c, u, v] += weight[o, c, i, j] * images[n, o, p, q]                  # (2)
    return out


def conv2d(layer, images, *, stride=1, padding=0):
    """The correlation of images with a layer's kernels: one matrix product over channels for each shift of the kernel.

    Parameters
    ----------
    layer : dict
        "weight" (O, C, k, k) and "bias" (O,).
    images : (N, C, H, W) float
    stride : int
        s, how far the kernel moves from one pixel of the result to the next.
    padding : int
        m, rows and columns of zeros on every side.

    Returns
    -------
    (N, O, h, w) float, see (4).

    Raises
    ------
    ValueError
        If the images have another number of channels, or are smaller than the kernel.
    """
    weight, bias = layer["weight"], layer["bias"]
    checks.check_shape("images", images, ("N", weight.shape[1], "H", "W"))
    h, w = output_size(images, weight, stride, padding)
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)), mode="constant")
    out = bias[:, None, None]
    for i, j in np.ndindex(*weight.shape[2:]):
        shifted = padded[:, :, i:i + stride * (h - 1) + 1:stride, j:j + stride * (w - 1) + 1:stride]
        out = out + np.einsum("oc,nchw->nohw", weight[:, :, i, j], shifted)                 # (1)
    return out


def conv2d_vjp(layer, images, cotangent, *, stride=1, padding=0):
    """The result and the gradients of ⟨cotangent, result⟩: (out (N, O, h, w), dlayer like layer, dimages (N, C, H, W))."""
    vjp, out = make_vjp(lambda both: conv2d(both[0], both[1], stride=stride, padding=padding))((layer, images))
    dlayer, dimages = vjp(cotangent)
    return out, dlayer, dimages


def conv2d_transpose(layer, images, *, stride=1, padding=0, output_size=None):
    """The transpose of `conv2d`: every pixel paints the kernel, scaled by its value, s pixels apart; edges m wide are cut off.

    Parameters
    ----------
    layer : dict
        "weight" (O, C, k, k) and "bias" (C,).
    images : (N, O, h, w) float
    stride, padding : int
        s and m of the convolution that this is the transpose of.
    output_size : (int, int), optional
        H and W; by default the smallest that (5) allows.

    Returns
    -------
    (N, C, H, W) float, see (5).

    Raises
    ------
    ValueError
        If the images have another number of channels, or no convolution of images of that size gives images of this one.
    """
    weight, bias = layer["weight"], layer["bias"]
    checks.check_shape("images", images, ("N", weight.shape[0], "h", "w"))
    size, (height, width) = weight.shape[2], transposed_size(images, weight, stride, padding, output_size)
    below, right = (length - smallest for length, smallest in zip((height, width), transposed_size(images, weight, stride, padding)))
    out = 0.0
    for i, j in np.ndindex(size, size):
        painted = spread_out(np.einsum("oc,nohw->nchw", weight[:, :, i, j], images), stride)
        out = out + np.pad(painted, ((0, 0), (0, 0), (i, size - 1 - i + below), (j, size - 1 - j + right)), mode="constant")   # (2)
    return out[:, :, padding:padding + height, padding:padding + width] + bias[:, None, None]


def conv2d_transpose_vjp(layer, images, cotangent, *, stride=1, padding=0, output_size=None):
    """The result and the gradients of ⟨cotangent, result⟩: (out (N, C, H, W), dlayer like layer, dimages (N, O, h, w))."""
    def function(both):
        return conv2d_transpose(both[0], both[1], stride=stride, padding=padding, output_size=output_size)
    vjp, out = make_vjp(function)((layer, images))
    dlayer, dimages = vjp(cotangent)
    return out, dlayer, dimages


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
    size, least = weight.shape[2], weight.shape[2] - 2 * padding
    if min(images.shape[2:]) < max(1, least):
        raise ValueError(f"images: expected at least {max(1, least)} pixels on each side for a kernel of {size} and padding {padding}, "
                         f"got shape {tuple(images.shape)}")
    return tuple((length + 2 * padding - size) // stride + 1 for length in images.shape[2:])


def transposed_size(images, weight, stride, padding, wanted=None):
    """Height and width of a transposed convolution's result, (5): the ones wanted, or the smallest."""
    check_geometry(stride, padding)
    smallest = tuple(stride * (length - 1) + weight.shape[2] - 2 * padding for length in images.shape[2:])
    lengths = smallest if wanted is None else tuple(wanted)
    if len(lengths) != 2 or min(lengths) < 1 or not all(0 <= length - least < stride for length, least in zip(lengths, smallest)):
        raise ValueError(f"output_size: expected at least one pixel on each side, and {smallest} or up to {stride - 1} more, got {lengths}")
    return lengths


def check_geometry(stride, padding):
    checks.check_count("stride", stride)
    checks.check_count("padding", padding, least=0)
