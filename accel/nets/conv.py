"""Convolution layers for images with channels, and their transpose.

The mathematics is in `reference.nets.conv`. Same values; inside, the batch is the last axis, so that every shifted copy runs
over whole batches and a result is already the feature-major input of a dense layer. The pixels under the kernel are gathered
into patches X (C·k², h·w·N), which turns a layer into one matrix product; gathering and scattering are each other's transpose:

    conv2d             X = gather(x),  y = W X + b                  conv2d_transpose   x = scatter(Wᵀ y) + b
        dW = dy Xᵀ,  db = ∑ dy                                          X' = gather(dx),  dW = y X'ᵀ,  db = ∑ dx
        dx = scatter(Wᵀ dy)                                             dy = W X'

with W as a matrix (O, C·k²) and y (O, h·w·N).
"""
import numpy as np

from accel import memory
from accel.device import array_module
from accel.runtime import checks

__all__ = ["init_conv", "init_conv_transpose", "conv2d", "conv2d_vjp", "conv2d_transpose", "conv2d_transpose_vjp"]
SHARED = ["Patches", "forward", "backward", "transpose_forward", "transpose_backward"]
__all__ += SHARED


def init_conv(rng, n_in, n_out, size, *, gain=1.0):
    """A layer for `conv2d`: weights N(0, gain²/(n_in k²)), zero bias, where rng's numbers are born."""
    weight = rng.standard_normal((n_out, n_in, size, size))
    weight *= float(gain / (size * np.sqrt(n_in)))
    return {"weight": weight, "bias": array_module(weight).zeros(n_out, dtype=weight.dtype)}


def init_conv_transpose(rng, n_in, n_out, size, *, stride=1, gain=1.0):
    """A layer for `conv2d_transpose`: weights N(0, gain² s²/(n_in k²)), since (k/s)² terms reach a pixel; zero bias."""
    weight = rng.standard_normal((n_in, n_out, size, size))
    weight *= float(gain * stride / (size * np.sqrt(n_in)))
    return {"weight": weight, "bias": array_module(weight).zeros(n_out, dtype=weight.dtype)}


def conv2d(layer, images, *, stride=1, padding=0):
    """The correlation of images (N, C, H, W) with a layer's kernels: (N, O, h, w)."""
    with _patches_of_conv(layer, images, stride, padding) as work:
        return _batch_first(_convolved(layer, work, images), work.small)


def conv2d_vjp(layer, images, cotangent, *, stride=1, padding=0):
    """The result and the gradients of ⟨cotangent, result⟩: (out (N, O, h, w), dlayer like layer, dimages (N, C, H, W))."""
    with _patches_of_conv(layer, images, stride, padding) as work:
        y = _convolved(layer, work, images)
        out, dlayer = _batch_first(y, work.small), _empty_like(layer)
        dimages = backward(layer, work, _batch_last(cotangent).reshape(y.shape), dlayer, need_dx=True)
        return out, dlayer, _batch_first(dimages)


def conv2d_transpose(layer, images, *, stride=1, padding=0, output_size=None):
    """The transpose of `conv2d`: (N, O, h, w) to (N, C, H, W)."""
    with _patches_of_transpose(layer, images, stride, padding, output_size) as work:
        return _batch_first(transpose_forward(layer, work, _as_matrix(layer, images)))


def conv2d_transpose_vjp(layer, images, cotangent, *, stride=1, padding=0, output_size=None):
    """The result and the gradients of ⟨cotangent, result⟩: (out (N, C, H, W), dlayer like layer, dimages (N, O, h, w))."""
    with _patches_of_transpose(layer, images, stride, padding, output_size) as work:
        y = _as_matrix(layer, images)
        out, dlayer = _batch_first(transpose_forward(layer, work, y)), _empty_like(layer)
        work.image[...] = _batch_last(cotangent)
        dy = transpose_backward(layer, work, y, dlayer, array_module(y).empty_like(y))
        return out, dlayer, _batch_first(dy, work.small)


class Patches:
    """The work arrays of one layer for N images: the large images, and the patches that the kernel sees in them.

    `image` is what is gathered from, inside a border that stays zero; `painted` is what is scattered into, its border cut off.
    """

    def __init__(self, xp, shape, height, width, stride, padding, n, dtype):
        _, channels, size, _ = shape
        h, w = ((length + 2 * padding - size) // stride + 1 for length in (height, width))
        padded = (channels, height + 2 * padding, width + 2 * padding, n)
        inside = slice(padding, padding + height), slice(padding, padding + width)
        self.padded, self.canvas = xp.zeros(padded, dtype), xp.empty(padded, dtype)
        self.image, self.painted = self.padded[:, *inside], self.canvas[:, *inside]
        self.patches = xp.empty((channels, size, size, h, w, n), dtype)
        self.matrix = self.patches.reshape(channels * size**2, h * w * n)
        self.small = (h, w, n)
        self.windows = [(i, j, slice(i, i + stride * (h - 1) + 1, stride), slice(j, j + stride * (w - 1) + 1, stride))
                        for i in range(size) for j in range(size)]

    def gather(self):
        """The patches of `image`, (C·k², h·w·N)."""
        for i, j, rows, columns in self.windows:
            self.patches[:, i, j] = self.padded[:, rows, columns]
        return self.matrix

    def scatter(self):
        """The patches added where they came from, (C, H, W, N): the transpose of `gather`."""
        self.canvas.fill(0)
        for i, j, rows, columns in self.windows:
            self.canvas[:, rows, columns] += self.patches[:, i, j]
        return self.painted


def forward(layer, work, y):
    """Write the convolution of work.image into y, (O, h·w·N), and return it."""
    array_module(y).matmul(_matrix(layer), work.gather(), out=y)
    y += layer["bias"][:, None]
    return y


def backward(layer, work, dy, dlayer, *, need_dx=False):
    """Write the gradients into dlayer; return the images', (C, H, W, N), or None where nobody needs it."""
    xp = array_module(dy)
    xp.matmul(dy, work.matrix.T, out=_matrix(dlayer))
    xp.sum(dy, axis=1, out=dlayer["bias"])
    if not need_dx:
        return None
    xp.matmul(_matrix(layer).T, dy, out=work.matrix)
    return work.scatter()


def transpose_forward(layer, work, y):
    """The transposed convolution of y (O, h·w·N): (C, H, W, N), a view of work."""
    array_module(y).matmul(_matrix(layer).T, y, out=work.matrix)
    x = work.scatter()
    x += layer["bias"][:, None, None, None]
    return x


def transpose_backward(layer, work, y, dlayer, dy=None):
    """With the cotangent in work.image: write the gradients into dlayer and, where it is given, dy (O, h·w·N), which is returned."""
    xp = array_module(y)
    xp.matmul(y, work.gather().T, out=_matrix(dlayer))
    xp.sum(work.image, axis=(1, 2, 3), out=dlayer["bias"])
    return None if dy is None else xp.matmul(_matrix(layer), work.matrix, out=dy)


def _matrix(layer):
    """The weight as a matrix, (O, C·k²), a view."""
    weight = layer["weight"]
    return weight.reshape(len(weight), -1)


def _patches_of_conv(layer, images, stride, padding):
    """The work arrays of a convolution."""
    weight = layer["weight"]
    checks.check_shape("images", images, ("N", weight.shape[1], "H", "W"))
    check_sides(images, weight, stride, padding)
    return memory.borrow(Patches, array_module(images), weight.shape, *images.shape[2:], stride, padding, len(images), weight.dtype)


def _patches_of_transpose(layer, images, stride, padding, output_size):
    """The work arrays of a transposed convolution."""
    weight = layer["weight"]
    checks.check_shape("images", images, ("N", weight.shape[0], "h", "w"))
    height, width = transposed_size(images, weight, stride, padding, output_size)
    return memory.borrow(Patches, array_module(images), weight.shape, height, width, stride, padding, len(images), weight.dtype)


def _convolved(layer, work, images):
    """The convolution of the images as a matrix, (O, h·w·N)."""
    weight = layer["weight"]
    work.image[...] = _batch_last(images)
    return forward(layer, work, array_module(images).empty((len(weight), work.matrix.shape[1]), weight.dtype))


def _as_matrix(layer, images):
    """The images of a transposed convolution as its (O, h·w·N)."""
    return _batch_last(images).reshape(len(layer["weight"]), -1)


def _batch_last(images):
    return images.transpose(1, 2, 3, 0)


def _batch_first(images, small=None):
    """A new (N, C, H, W) from (C, H, W, N), or from (O, h·w·N) when small = (h, w, N) is given."""
    images = images if small is None else images.reshape(len(images), *small)
    return images.transpose(3, 0, 1, 2).copy()


def _empty_like(layer):
    return {name: array_module(leaf).empty(leaf.shape, leaf.dtype) for name, leaf in layer.items()}


def check_sides(images, weight, stride, padding):
    """Raise ValueError unless the kernel fits into the padded images."""
    check_geometry(stride, padding)
    size, least = weight.shape[2], weight.shape[2] - 2 * padding
    if min(images.shape[2:]) < max(1, least):
        raise ValueError(f"images: expected at least {max(1, least)} pixels on each side for a kernel of {size} and padding {padding}, "
                         f"got shape {tuple(images.shape)}")


def transposed_size(images, weight, stride, padding, wanted=None):
    """Height and width of a transposed convolution's result: the ones wanted, or the smallest."""
    check_geometry(stride, padding)
    smallest = tuple(stride * (length - 1) + weight.shape[2] - 2 * padding for length in images.shape[2:])
    lengths = smallest if wanted is None else tuple(wanted)
    if len(lengths) != 2 or min(lengths) < 1 or not all(0 <= length - least < stride for length, least in zip(lengths, smallest)):
        raise ValueError(f"output_size: expected at least one pixel on each side, and {smallest} or up to {stride - 1} more, got {lengths}")
    return lengths


def check_geometry(stride, padding):
    checks.check_count("stride", stride)
    checks.check_count("padding", padding, least=0)
