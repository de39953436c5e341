"""Convolutional autoencoder: an autoencoder for images, whose first and last layers look at neighbouring pixels alone.

The mathematics is in `reference.representation.conv_autoencoder`. Same values; images are kept batch-last, (C, H, W, N), in work
arrays allocated once for each batch size, so that a layer is one matrix product and (2) reads what (1) wrote, without a copy.
Each h and g is kept, (O, h·w·N), since the backward pass asks for a's slope there. Backward through (5), (4), (3), (2), (1):

    dx̂ = (2/NCHW)(x̂ − x),   do = ∑ₙ dx̂,   dgₗ = (conv2d_transpose)ᵀ dgₗ₋₁ ⊙ slope(gₗ)       up to dg_L
    dz = (mlp)ᵀ dg_L,   dh_L = (mlp)ᵀ dz ⊙ slope(h_L),   dhₗ₋₁ = (conv2d)ᵀ dhₗ ⊙ slope(hₗ₋₁)  down to l = 1
"""
from typing import NamedTuple

import numpy as np

from accel import device, memory
from accel.device import array_module
from accel.nets import conv, dense, fitted
from accel.preprocessing.scaling import centre_and_scale, scaled
from accel.runtime import checks, persistence
from accel.runtime._vector import empty_like, plain
from accel.runtime.tree import frozen
from accel.training import minibatch, optim

__all__ = ["ConvAutoencoder", "init_params", "encode", "decode", "reconstruct", "loss", "loss_and_grad", "fit", "load"]

SIZE, STRIDE, PADDING = 4, 2, 1
BLOCK = 128                                                           # images at a time on a CPU: the patches stay in cache
BLOCK_ON_DEVICE = 1 << 13


class ConvAutoencoder(NamedTuple):
    """A fitted convolutional autoencoder, on the device and in the dtype of the images."""
    params: dict
    mean: np.ndarray
    scale: float
    activation: dense.Activation
    history: dict

    def transform(self, x):
        """The codes of images x (N, C, H, W): (N, K)."""
        x = checks.as_array("x", x, ("N", *self.mean.shape))
        return encode(self.params, scaled(x, self.mean, self.scale), activation=self.activation)

    def inverse_transform(self, z):
        """The images that codes z (N, K) stand for: (N, C, H, W)."""
        x = decode(self.params, z, activation=self.activation)
        x *= self.scale
        x += self.mean
        return x

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "conv_autoencoder", fitted.describe(self))

    def __reduce__(self):
        return fitted.restore, (ConvAutoencoder, fitted.describe(self))

    def _moved(self, move):
        return self._replace(params=frozen(move(self.params)), mean=move(self.mean))


def load(path):
    """The autoencoder that `ConvAutoencoder.save` wrote."""
    return fitted.restore(ConvAutoencoder, persistence.load(path, "conv_autoencoder"))


def init_params(rng, *, shape, n_latent, channels=(16, 32), hidden=(128,)):
    """Random weights for images of shape (C, H, W); channels has one entry for each halving, hidden those of the mlp in (2)."""
    for name, counts in {"n_latent": [n_latent], "shape": shape, "channels": channels, "hidden": hidden}.items():
        for count in counts:
            checks.check_count(name, count)
    if len(shape) != 3 or not channels or min(shape[1:]) < 2**len(channels):
        raise ValueError(f"shape: expected (C, H, W) with sides that {len(channels)} convolutions (one or more) can halve, "
                         f"got {tuple(shape)}")
    pairs = list(zip((shape[0], *channels), channels))
    height, width = sides(shape, len(channels))[-1]
    flat = channels[-1] * height * width
    params = {"encoder": {"convs": [conv.init_conv(rng, n_in, n_out, SIZE) for n_in, n_out in pairs],
                          "layers": dense.init_mlp(rng, (flat, *hidden, n_latent))},
              "decoder": {"layers": dense.init_mlp(rng, (n_latent, *hidden[::-1], flat)),
                          "convs": [conv.init_conv_transpose(rng, n_out, n_in, SIZE, stride=STRIDE) for n_in, n_out in pairs[::-1]]}}
    last = params["decoder"]["layers"][-1]
    params["decoder"]["offset"] = array_module(last).zeros(shape, dtype=last.dtype)
    return params


def sides(shape, n_convs):
    """Height and width of h₀ … h_L."""
    return [(shape[1] // 2**level, shape[2] // 2**level) for level in range(n_convs + 1)]


def encode(params, x, *, activation=dense.TANH):
    """The codes, (N, K)."""
    x = checks.as_array("x", x, ("N", *params["decoder"]["offset"].shape))
    return in_blocks(lambda work, images: to_code(params["encoder"], work, images, activation), params, x,
                     (params["encoder"]["layers"][-1].shape[1],))


def decode(params, z, *, activation=dense.TANH):
    """What the codes stand for, (N, C, H, W)."""
    z = checks.as_array("z", z, ("N", len(params["decoder"]["layers"][0]) - 1))

    def block(work, codes):
        work.z[...] = codes
        return from_code(params["decoder"], work, activation)
    return in_blocks(block, params, z, params["decoder"]["offset"].shape)


def reconstruct(params, x, *, activation=dense.TANH):
    """x̂, (N, C, H, W)."""
    shape = params["decoder"]["offset"].shape
    x = checks.as_array("x", x, ("N", *shape))

    def block(work, images):
        to_code(params["encoder"], work, images, activation)
        return from_code(params["decoder"], work, activation)
    return in_blocks(block, params, x, shape)


def loss(params, x, *, activation=dense.TANH):
    """The mean squared error, over samples, channels and pixels."""
    error = reconstruct(params, x, activation=activation)
    error -= x
    return array_module(error).vdot(error, error) / error.size


def loss_and_grad(params, x, *, activation=dense.TANH):
    """The loss and its gradient, in the tree of params."""
    grads = empty_like(params)
    return write_grads(params, grads, x, activation=activation), plain(grads)


def write_grads(params, grads, x, *, activation):
    """The loss; its gradient goes into grads."""
    x = checks.as_array("x", x, ("N", *params["decoder"]["offset"].shape))
    encoder, decoder = params["encoder"], params["decoder"]
    with borrowed(params, len(x)) as work:
        to_code(encoder, work, x.transpose(1, 2, 3, 0), activation)
        xp, dout = array_module(work.z), work.error
        xp.subtract(from_code(decoder, work, activation), work.encoder[0].patches.image, out=dout)
        value = xp.vdot(dout, dout) / dout.size
        dout *= 2 / dout.size
        dz = from_code_backward(decoder, work, dout, grads["decoder"], activation)
        to_code_backward(encoder, work, dz, grads["encoder"], activation)
        return value


class Level:
    """The work arrays of one convolution: its patches, what stands on its small side (h or g), and that value's cotangent."""

    def __init__(self, xp, shape, size, n, dtype, value=None):
        self.patches = conv.Patches(xp, shape, *size, STRIDE, PADDING, n, dtype)
        small = shape[0], self.patches.matrix.shape[1]
        self.value = xp.empty(small, dtype) if value is None else value.reshape(small)
        self.dvalue = xp.empty(small, dtype)
        self.images, self.dimages = (array.reshape(shape[0], *self.patches.small) for array in (self.value, self.dvalue))


class Work:
    """The work arrays for n images. h_L is the input of the encoder's dense layers, g_L the output of the decoder's."""

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
        activation.value(level.value, out=level.value)
        images = level.images
    return dense.forward(encoder["layers"], work.down, activation)


def from_code(decoder, work, activation):
    """x̂, (C, H, W, n), for the codes in work.z."""
    images = None
    dense.forward(decoder["layers"], work.up, activation)
    for layer, level in zip(decoder["convs"], work.decoder):
        if images is not None:
            level.images[...] = images
        activation.value(level.value, out=level.value)
        images = conv.transpose_forward(layer, level.patches, level.value)
    images += decoder["offset"][..., None]
    return images


def from_code_backward(decoder, work, dimages, dparams, activation):
    """Write the decoder's gradients into dparams; return dz, (K, n)."""
    array_module(dimages).sum(dimages, axis=-1, out=dparams["offset"])
    for k in range(len(work.decoder) - 1, -1, -1):
        level = work.decoder[k]
        level.patches.image[...] = dimages
        conv.transpose_backward(decoder["convs"][k], level.patches, level.value, dparams["convs"][k], level.dvalue)
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
        dimages = conv.backward(encoder["convs"][k], level.patches, level.dvalue, dparams["convs"][k], need_dx=k > 0)


def in_blocks(function, params, rows, shape):
    """function(work, rows with the batch last) → (*shape, n), applied to a block of rows at a time: (N, *shape)."""
    offset = params["decoder"]["offset"]
    xp = array_module(offset)
    out, step = xp.empty((len(rows), *shape), offset.dtype), BLOCK if xp is np else BLOCK_ON_DEVICE
    for block in (slice(start, start + step) for start in range(0, len(rows), step)):
        with borrowed(params, len(rows[block])) as work:
            out[block] = xp.moveaxis(function(work, xp.moveaxis(rows[block], 0, -1)), -1, 0)
    return out


class Objective(NamedTuple):
    """The loss with its activation, as training calls it."""
    activation: dense.Activation

    def loss(self, params, x):
        return loss(params, x, activation=self.activation)

    def loss_and_grad(self, params, x):
        return loss_and_grad(params, x, activation=self.activation)

    def write_grads(self, params, grads, x):
        return write_grads(params, grads, x, activation=self.activation)


def fit(x, *, n_latent, rng, channels=(16, 32), hidden=(128,), activation=dense.TANH, learning_rate=3e-3, batch_size=64,
        max_epochs=200, patience=40, validation_fraction=0.1, schedule=optim.cosine, checkpoint=None, progress=False):
    """An autoencoder trained on images, which decide the device and the dtype."""
    x = checks.as_array("x", x, ("N", "C", "H", "W"))
    mean, scale = centre_and_scale(x)
    params = device.like(x, init_params(rng, shape=x.shape[1:], n_latent=n_latent, channels=channels, hidden=hidden))
    trained = minibatch.train(Objective(activation), params, (scaled(x, mean, scale),), rng=rng, learning_rate=learning_rate,
                              batch_size=batch_size, max_epochs=max_epochs, patience=patience, validation_fraction=validation_fraction,
                              schedule=schedule, checkpoint=checkpoint, progress=progress)
    return ConvAutoencoder(trained.params, mean, scale, activation, trained.history)
