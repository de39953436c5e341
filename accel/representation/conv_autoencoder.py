"""Convolutional autoencoder: an autoencoder for images, whose outer layers combine neighbouring pixels alone.

The mathematics is in `reference.representation.conv_autoencoder`. Same values, where the images live and in
their dtype; inside, the batch is the last axis, (C, H, W, N): a layer is one matrix product, and (2) reads
what (1) wrote, without a copy. Each h and g is kept, (O, h·w·N), for the slope of a. Backward through (5),
(4), (3), (2) and (1):

    dx̂ = (2/NCHW)(x̂ − x),   do = ∑ₙ dx̂
    dgₗ = (conv2d_transpose)ᵀ dgₗ₋₁ ⊙ slope(gₗ)                                     up to dg_L
    dz = (mlp)ᵀ dg_L,   dh_L = (mlp)ᵀ dz ⊙ slope(h_L)
    dhₗ₋₁ = (conv2d)ᵀ dhₗ ⊙ slope(hₗ₋₁)                                             down to l = 1

Example
-------
>>> import numpy as np
>>> from accel.representation import conv_autoencoder
>>> params = conv_autoencoder.init_params(np.random.default_rng(0), shape=(1, 8, 8), n_latent=2)
>>> z = conv_autoencoder.encode(params, np.ones((3, 1, 8, 8)))
>>> z.shape, conv_autoencoder.decode(params, z).shape
((3, 2), (3, 1, 8, 8))
"""
import os
from collections.abc import Callable
from functools import partial


from accel import device, memory
from accel.device import array_module
from accel.nets import conv, dense, fitted
from accel.nets._help import described, documented_load
from accel.preprocessing.scaling import centre_and_scale, scaled
from accel.runtime import checks
from accel.runtime._blocks import blocks
from accel.runtime._vector import empty_like, plain
from accel.runtime.protocols import Array, Params, Rng
from accel.training import minibatch, optim
from accel.training.inputs import Objective

__all__ = ["ConvAutoencoder", "init_params", "encode", "decode", "reconstruct", "loss", "loss_and_grad",
           "fit", "load"]

SIZE, STRIDE, PADDING = 4, 2, 1
BLOCK = 128                                                    # images at a time on a CPU: they stay in cache
BLOCK_ON_DEVICE = 1 << 13

documented = described("""
params : tree
    From `init_params`, or trained.
x : (N, C, H, W) float
z : (N, K) float
    Codes.
activation : Activation
    Between the layers, from `nets.dense`.
""", raises="If an array has another shape.")


class ConvAutoencoder(fitted.FittedNetwork):
    """A fitted convolutional autoencoder; its mean is an image (C, H, W)."""
    __slots__ = ()
    kind = "conv_autoencoder"

    @documented
    def transform(self, x: Array) -> Array:
        """The codes of images, (N, K)."""
        x = checks.as_array("x", x, ("N", *self.mean.shape))
        return encode(self.params, scaled(x, self.mean, self.scale), activation=self.activation)

    @documented
    def inverse_transform(self, z: Array) -> Array:
        """The images that codes stand for, (N, C, H, W), in the units of x."""
        x = decode(self.params, z, activation=self.activation)
        x *= self.scale
        x += self.mean                                                # (6)
        return x


@documented_load
def load(path: str | os.PathLike) -> ConvAutoencoder:
    """The autoencoder that `ConvAutoencoder.save` wrote."""
    return fitted.load(ConvAutoencoder, path)


def init_params(rng: Rng, *, shape: tuple, n_latent: int, channels: tuple = (16, 32),
                hidden: tuple = (128,)) -> Params:
    """Encoder and decoder with random weights.

    Parameters
    ----------
    rng : Generator
    shape : tuple of int
        (C, H, W).
    n_latent : int
        K.
    channels, hidden : tuple of int
        Channels after each convolution of (1), and the hidden layers of (2); the decoder's in reverse.

    Raises
    ------
    ValueError
        If a size is not a whole number of at least 1, or a side cannot be halved for each convolution.
    """
    counts = {"n_latent": [n_latent], "shape": shape, "channels": channels, "hidden": hidden}
    for name, count in ((name, count) for name, several in counts.items() for count in several):
        checks.check_count(name, count)
    if len(shape) != 3 or not channels or min(shape[1:]) < 2**len(channels):
        raise ValueError(f"shape: expected (C, H, W) with sides that {len(channels)} convolutions (one or "
                         f"more) can halve, got {tuple(shape)}")
    pairs = list(zip((shape[0], *channels), channels))
    height, width = sides(shape, len(channels))[-1]
    flat = channels[-1] * height * width
    params = {"encoder": {"convs": [conv.init_conv(rng, n_in, n_out, SIZE) for n_in, n_out in pairs],
                          "layers": dense.init_mlp(rng, (flat, *hidden, n_latent))},
              "decoder": {"layers": dense.init_mlp(rng, (n_latent, *hidden[::-1], flat)),
                          "convs": [conv.init_conv_transpose(rng, n_out, n_in, SIZE, stride=STRIDE)
                                    for n_in, n_out in pairs[::-1]]}}
    last = params["decoder"]["layers"][-1]
    params["decoder"]["offset"] = array_module(last).zeros(shape, dtype=last.dtype)
    return params


def sides(shape, n_convs):
    """Height and width of h₀ … h_L."""
    return [(shape[1] // 2**level, shape[2] // 2**level) for level in range(n_convs + 1)]


@documented
def encode(params: Params, x: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """The codes, (N, K)."""
    x = checks.as_array("x", x, ("N", *params["decoder"]["offset"].shape))

    def block(work, images):
        return to_code(params["encoder"], work, images, activation)
    return in_blocks(block, params, x, (params["encoder"]["layers"][-1].shape[1],))


@documented
def decode(params: Params, z: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """The images that the codes stand for, (N, C, H, W)."""
    z = checks.as_array("z", z, ("N", len(params["decoder"]["layers"][0]) - 1))

    def block(work, codes):
        work.z[...] = codes
        return from_code(params["decoder"], work, activation)
    return in_blocks(block, params, z, params["decoder"]["offset"].shape)


@documented
def reconstruct(params: Params, x: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """x̂, (N, C, H, W)."""
    shape = params["decoder"]["offset"].shape
    x = checks.as_array("x", x, ("N", *shape))

    def block(work, images):
        to_code(params["encoder"], work, images, activation)
        return from_code(params["decoder"], work, activation)
    return in_blocks(block, params, x, shape)


@documented
def loss(params: Params, x: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """The mean squared error, over samples, channels and pixels."""
    error = reconstruct(params, x, activation=activation)
    error -= x
    return array_module(error).vdot(error, error) / error.size                                # (5)


@documented
def loss_and_grad(params: Params, x: Array, *,
                  activation: dense.Activation = dense.TANH) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params."""
    grads = empty_like(params)
    return write_grads(params, grads, x, activation=activation), plain(grads)


def write_grads(params, grads, x, *, activation=dense.TANH):
    """The loss; its gradient goes into grads."""
    x = checks.as_array("x", x, ("N", *params["decoder"]["offset"].shape))
    encoder, decoder = params["encoder"], params["decoder"]
    with borrowed(params, len(x)) as work:
        to_code(encoder, work, x.transpose(1, 2, 3, 0), activation)
        xp, dout = array_module(work.z), work.error
        xp.subtract(from_code(decoder, work, activation), work.encoder[0].patches.image, out=dout)
        value = xp.vdot(dout, dout) / dout.size                       # (5)
        dout *= 2 / dout.size
        dz = from_code_backward(decoder, work, dout, grads["decoder"], activation)
        to_code_backward(encoder, work, dz, grads["encoder"], activation)
        return value


class Level:
    """The work arrays of one convolution: patches, and on its small side the values (h or g) and
    cotangents.
    """

    def __init__(self, xp, shape, size, n, dtype, value=None):
        self.patches = conv.Patches(xp, shape, *size, STRIDE, PADDING, n, dtype)
        small = shape[0], self.patches.matrix.shape[1]
        self.value = xp.empty(small, dtype) if value is None else value.reshape(small)
        self.dvalue = xp.empty(small, dtype)
        self.images, self.dimages = (array.reshape(shape[0], *self.patches.small)
                                     for array in (self.value, self.dvalue))


class Work:
    """The work arrays for n images: the encoder's dense layers read h_L, the decoder's write g_L."""

    def __init__(self, xp, encoder, decoder, shape, n, dtype):
        (convs, layers), (back_convs, back_layers) = encoder, decoder
        self.error = xp.empty((*shape, n), dtype)
        self.down, self.up = (dense.Tape(xp, shapes, n, dtype) for shapes in (layers, back_layers))
        self.z = self.down.out = self.up.fed[0]
        lengths, last = sides(shape, len(convs)), len(convs) - 1
        self.encoder = [Level(xp, weight, lengths[k], n, dtype, self.down.fed[0] if k == last else None)
                        for k, weight in enumerate(convs)]
        self.decoder = [Level(xp, weight, lengths[last - k], n, dtype, None if k else self.up.out)
                        for k, weight in enumerate(back_convs)]


def borrowed(params, n):
    """Work arrays for n images, for the length of a block."""
    offset = params["decoder"]["offset"]
    shapes = [(tuple([layer["weight"].shape for layer in part["convs"]]), dense.shapes_of(part["layers"]))
              for part in (params["encoder"], params["decoder"])]
    return memory.borrow(Work, array_module(offset), *shapes, offset.shape, n, offset.dtype)


def to_code(encoder, work, images, activation):
    """z, (K, n), for images (C, H, W, n)."""
    for layer, level in zip(encoder["convs"], work.encoder):
        level.patches.image[...] = images
        conv.forward(layer, level.patches, level.value)
        activation.value(level.value, out=level.value)                # (1)
        images = level.images
    return dense.forward(encoder["layers"], work.down, activation)    # (2)


def from_code(decoder, work, activation):
    """x̂, (C, H, W, n), for the codes in work.z."""
    images = None
    dense.forward(decoder["layers"], work.up, activation)
    for layer, level in zip(decoder["convs"], work.decoder):
        if images is not None:
            level.images[...] = images
        activation.value(level.value, out=level.value)
        images = conv.transpose_forward(layer, level.patches, level.value)                    # (3)
    images += decoder["offset"][..., None]                            # (4)
    return images


def from_code_backward(decoder, work, dimages, dparams, activation):
    """Write the decoder's gradients into dparams; return dz, (K, n)."""
    array_module(dimages).sum(dimages, axis=-1, out=dparams["offset"])
    for k in range(len(work.decoder) - 1, -1, -1):
        level = work.decoder[k]
        level.patches.image[...] = dimages
        conv.transpose_backward(decoder["convs"][k], level.patches, level.value, dparams["convs"][k],
                                level.dvalue)
        level.dvalue *= activation.slope(level.value, out=level.value)
        dimages = level.dimages
    dout = level.dvalue.reshape(work.up.out.shape)
    return dense.backward(decoder["layers"], work.up, dout, dparams["layers"], activation, need_dx=True)


def to_code_backward(encoder, work, dz, dparams, activation):
    """Write the encoder's gradients into dparams."""
    dimages = dense.backward(encoder["layers"], work.down, dz, dparams["layers"], activation, need_dx=True)
    for k in range(len(work.encoder) - 1, -1, -1):
        level = work.encoder[k]
        level.dimages[...] = dimages.reshape(level.dimages.shape)
        level.dvalue *= activation.slope(level.value, out=level.value)
        dimages = conv.backward(encoder["convs"][k], level.patches, level.dvalue, dparams["convs"][k],
                                need_dx=k > 0)


def in_blocks(function, params, rows, shape):
    """function(work, rows with the batch last) → (*shape, n), for a block of rows at a time: (N, *shape)."""
    offset = params["decoder"]["offset"]
    xp = array_module(offset)
    out = xp.empty((len(rows), *shape), offset.dtype)
    for block in blocks(len(rows), xp, cpu=BLOCK, device=BLOCK_ON_DEVICE):
        with borrowed(params, len(rows[block])) as work:
            out[block] = xp.moveaxis(function(work, xp.moveaxis(rows[block], 0, -1)), -1, 0)
    return out


def fit(x: Array, *, n_latent: int, rng: Rng, channels: tuple = (16, 32), hidden: tuple = (128,),
        activation: dense.Activation = dense.TANH, learning_rate: float = 3e-3, batch_size: int = 64,
        max_epochs: int = 200, patience: int = 40, validation_fraction: float = 0.1,
        schedule: Callable = optim.cosine, checkpoint: str | os.PathLike | None = None,
        progress: bool = False) -> ConvAutoencoder:
    """An autoencoder trained on images.

    Parameters
    ----------
    x : (N, C, H, W) float
        At least two images, not all alike, with sides of at least 2 to the number of channels.
    n_latent : int
        K, the width of the bottleneck.
    rng : Generator
        Draws the first weights, then splits and shuffles.
    channels, hidden : tuple of int
        Channels after each convolution, then the hidden dense layers; the decoder has both in reverse.
    activation : Activation
        From `nets.dense`; IDENTITY makes the autoencoder linear.
    learning_rate, batch_size, max_epochs, patience, validation_fraction, schedule, checkpoint, progress
        Those of `training.minibatch.train`.

    Raises
    ------
    ValueError
        If x is not finite, (N, C, H, W), of at least two different images, or a setting is out of range.
    """
    x = checks.as_array("x", x, ("N", "C", "H", "W"))
    mean, scale = centre_and_scale(x)
    params = init_params(rng, shape=x.shape[1:], n_latent=n_latent, channels=channels, hidden=hidden)
    params = device.like(x, params)
    model = Objective(**{function.__name__: partial(function, activation=activation)
                         for function in (loss, loss_and_grad, write_grads)})
    trained = minibatch.train(model, params, (scaled(x, mean, scale),), rng=rng,
                              learning_rate=learning_rate, batch_size=batch_size, max_epochs=max_epochs,
                              patience=patience, validation_fraction=validation_fraction, schedule=schedule,
                              checkpoint=checkpoint, progress=progress)
    return ConvAutoencoder(trained.params, mean, scale, activation, trained.history)
