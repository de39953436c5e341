"""Convolution layers for images with channels, and their transpose.

The mathematics is in `reference.nets.conv`. Same values; inside, the batch is the last axis: each shifted
copy is a copy of whole batches, and a result is the feature-major input of a dense layer as it is. The pixels
under the kernel are gathered into patches X (C·k², h·w·N), which turns a layer into one matrix product;
gathering and scattering are each other's transpose:

    (1)  conv2d             X = gather(x),  y = W X + b        (2)  conv2d_transpose   x = scatter(Wᵀ y) + b
         dW = dy Xᵀ,  db = ∑ dy                                     X' = gather(dx),  dW = y X'ᵀ,  db = ∑ dx
         dx = scatter(Wᵀ dy)                                        dy = W X'

with W as a matrix (O, C·k²) and y (O, h·w·N).

Example
-------
>>> import numpy as np
>>> from accel.nets import conv
>>> layer = {"weight": np.array([[[[0.0, 1.0], [2.0, 3.0]]]]), "bias": np.array([10.0])}
>>> conv.conv2d(layer, np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]]))   # 10 + 1 · 2 + 2 · 4 + 3 · 5, …
array([[[[35., 41.]]]])
"""
import numpy as np

from accel import memory
from accel.device import array_module
from accel.nets._help import described
from accel.runtime import checks
from accel.runtime.protocols import Array, Params, Rng

__all__ = ["init_conv", "init_conv_transpose", "conv2d", "conv2d_vjp", "conv2d_transpose",
           "conv2d_transpose_vjp"]
SHARED = ["Patches", "forward", "backward", "transpose_forward", "transpose_backward"]
__all__ += SHARED


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
    weight = rng.standard_normal((n_out, n_in, size, size))
    weight *= float(gain / (size * np.sqrt(n_in)))
    return {"weight": weight, "bias": array_module(weight).zeros(n_out, dtype=weight.dtype)}


@documented
def init_conv_transpose(rng: Rng, n_in: int, n_out: int, size: int, *, stride: int = 1,
                        gain: float = 1.0) -> Params:
    """A layer for `conv2d_transpose`: weights N(0, gain² s²/(n_in k²)), as (k/s)² terms reach a pixel."""
    weight = rng.standard_normal((n_in, n_out, size, size))
    weight *= float(gain * stride / (size * np.sqrt(n_in)))
    return {"weight": weight, "bias": array_module(weight).zeros(n_out, dtype=weight.dtype)}


@checked
def conv2d(layer: Params, images: Array, *, stride: int = 1, padding: int = 0) -> Array:
    """The correlation (1) as a sum over shifts of the kernel: (N, O, h, w), see (4)."""
    with _patches_of_conv(layer, images, stride, padding) as work:
        return _batch_first(_convolved(layer, work, images), work.small)


@checked
def conv2d_vjp(layer: Params, images: Array, cotangent: Array, *, stride: int = 1, padding: int = 0) -> tuple:
    """The result of `conv2d` (N, O, h, w), and the gradients of ⟨cotangent, result⟩ for layer and images."""
    with _patches_of_conv(layer, images, stride, padding) as work:
        y = _convolved(layer, work, images)
        out, dlayer = _batch_first(y, work.small), _empty_like(layer)
        dimages = backward(layer, work, _batch_last(cotangent).reshape(y.shape), dlayer, need_dx=True)
        return out, dlayer, _batch_first(dimages)


@checked
def conv2d_transpose(layer: Params, images: Array, *, stride: int = 1, padding: int = 0,
                     output_size: tuple[int, int] | None = None) -> Array:
    """The transpose (2): each pixel adds its value times the kernel to the result, (N, C, H, W), see (5)."""
    with _patches_of_transpose(layer, images, stride, padding, output_size) as work:
        return _batch_first(transpose_forward(layer, work, _as_matrix(layer, images)))


@checked
def conv2d_transpose_vjp(layer: Params, images: Array, cotangent: Array, *, stride: int = 1, padding: int = 0,
                         output_size: tuple[int, int] | None = None) -> tuple:
    """The result of `conv2d_transpose` (N, C, H, W), and the gradients of ⟨cotangent, result⟩ for both."""
    with _patches_of_transpose(layer, images, stride, padding, output_size) as work:
        y = _as_matrix(layer, images)
        out, dlayer = _batch_first(transpose_forward(layer, work, y)), _empty_like(layer)
        work.image[...] = _batch_last(cotangent)
        dy = transpose_backward(layer, work, y, dlayer, array_module(y).empty_like(y))
        return out, dlayer, _batch_first(dy, work.small)


class Patches:
    """The work arrays of one layer for N images: the large images, and the patches under the kernel.

    `gather` reads `image`, which lies inside a border that stays zero; `scatter` writes `canvas`, whose
    inside, without the border, is `painted`.
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
        rows, columns = ([slice(i, i + stride * (length - 1) + 1, stride) for i in range(size)]
                         for length in (h, w))
        self.windows = [(i, j, rows[i], columns[j]) for i in range(size) for j in range(size)]

    def gather(self):
        """The patches of `image`, (C·k², h·w·N)."""
        for i, j, rows, columns in self.windows:
            self.patches[:, i, j] = self.padded[:, rows, columns]
        return self.matrix

    def scatter(self):
        """The sum of all patches, each at its place, (C, H, W, N): the transpose of `gather`."""
        self.canvas.fill(0)
        for i, j, rows, columns in self.windows:
            self.canvas[:, rows, columns] += self.patches[:, i, j]
        return self.painted


def forward(layer, work, y):
    """Write the convolution of work.image into y, (O, h·w·N), and return it."""
    array_module(y).matmul(_matrix(layer), work.gather(), out=y)
    y += layer["bias"][:, None]                                       # (1)
    return y


def backward(layer, work, dy, dlayer, *, need_dx=False):
    """Write the gradients into dlayer; return that of the images, (C, H, W, N), or None without need_dx."""
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
    x += layer["bias"][:, None, None, None]                           # (2)
    return x


def transpose_backward(layer, work, y, dlayer, dy=None):
    """With the cotangent in work.image: write the gradients into dlayer and, where it is given, into dy."""
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
    xp, shape, dtype = array_module(images), layer["weight"].shape, layer["weight"].dtype
    checks.check_shape("images", images, ("N", shape[1], "H", "W"))
    check_sides(images, shape, stride, padding)
    height, width = images.shape[2:]
    return memory.borrow(Patches, xp, shape, height, width, stride, padding, len(images), dtype)


def _patches_of_transpose(layer, images, stride, padding, output_size):
    """The work arrays of a transposed convolution."""
    xp, shape, dtype = array_module(images), layer["weight"].shape, layer["weight"].dtype
    checks.check_shape("images", images, ("N", shape[0], "h", "w"))
    height, width = transposed_size(images, shape, stride, padding, output_size)
    return memory.borrow(Patches, xp, shape, height, width, stride, padding, len(images), dtype)


def _convolved(layer, work, images):
    """The convolution of the images as a matrix, (O, h·w·N)."""
    weight = layer["weight"]
    work.image[...] = _batch_last(images)
    y = array_module(images).empty((len(weight), work.matrix.shape[1]), weight.dtype)
    return forward(layer, work, y)


def _as_matrix(layer, images):
    """The images of a transposed convolution as a matrix, (O, h·w·N)."""
    return _batch_last(images).reshape(len(layer["weight"]), -1)


def _batch_last(images):
    return images.transpose(1, 2, 3, 0)


def _batch_first(images, small=None):
    """A new (N, C, H, W) from (C, H, W, N), or from (O, h·w·N) when small = (h, w, N) is given."""
    images = images if small is None else images.reshape(len(images), *small)
    return images.transpose(3, 0, 1, 2).copy()


def _empty_like(layer):
    return {name: array_module(leaf).empty(leaf.shape, leaf.dtype) for name, leaf in layer.items()}


def check_sides(images, shape, stride, padding):
    """Raise ValueError unless the kernel fits into the padded images."""
    check_geometry(stride, padding)
    size, least = shape[2], max(1, shape[2] - 2 * padding)
    if min(images.shape[2:]) < least:
        raise ValueError(f"images: expected at least {least} pixels on each side for a kernel of {size} and "
                         f"padding {padding}, got shape {tuple(images.shape)}")


def transposed_size(images, shape, stride, padding, wanted=None):
    """Height and width of a transposed convolution's result, (5): those wanted, or the smallest."""
    check_geometry(stride, padding)
    smallest = tuple(stride * (length - 1) + shape[2] - 2 * padding for length in images.shape[2:])
    lengths = smallest if wanted is None else tuple(wanted)
    possible = len(lengths) == 2 and all(0 <= big - least < stride for big, least in zip(lengths, smallest))
    if not possible or min(lengths) < 1:
        raise ValueError(f"output_size: expected at least one pixel on each side, and {smallest} or up to "
                         f"{stride - 1} more, got {lengths}")
    return lengths


def check_geometry(stride, padding):
    checks.check_count("stride", stride)
    checks.check_count("padding", padding, least=0)
