"""Convolutional autoencoder: an autoencoder for images, whose outer layers combine neighbouring pixels alone.

    (1)  h₀ = x,   hₗ = a(conv2d(hₗ₋₁))                       encoder: each layer halves the sides
    (2)  z = mlp(h_L)                                         all pixels of all channels → K numbers
    (3)  g_L = a(mlp(z)),   gₗ₋₁ = a(conv2d_transpose(gₗ))    decoder: each layer doubles the sides again
    (4)  x̂ = conv2d_transpose(g₁) + o                         no activation at the end; o: an offset image
    (5)  loss = (1/NCHW) ∑ₙ ‖xₙ − x̂ₙ‖²                       the mean over samples, channels and pixels
    (6)  x = m + s·x′                                         the networks see x′, as in `autoencoder`

Shapes        N images of C channels; x (N, C, H, W); z (N, K); o, m (C, H, W); conv layers as in `nets.conv`,
              kernels of 4 × 4, stride 2, padding 1: n pixels become ⌊n/2⌋; dense layers as in `nets.dense`.
Conventions   as in `autoencoder`. o gives each pixel a bias, as a dense decoder has, and the images' sides.
Source        "Stacked convolutional auto-encoders for hierarchical feature extraction", Masci, Meier, Cireşan
              and Schmidhuber, 2011; lectures S2 and S4, slides "Autoencoder".
Departures    strides in place of max-pooling, transposed convolutions in place of up-sampling.

Example
-------
>>> import numpy as np
>>> from reference.representation import conv_autoencoder
>>> params = conv_autoencoder.init_params(np.random.default_rng(0), shape=(1, 8, 8), n_latent=2)
>>> z = conv_autoencoder.encode(params, np.ones((3, 1, 8, 8)))
>>> z.shape, conv_autoencoder.decode(params, z).shape
((3, 2), (3, 1, 8, 8))
"""
import os
from collections.abc import Callable
from functools import partial

import autograd.numpy as np
from autograd import value_and_grad

from reference.nets import conv, dense, fitted
from reference.nets._help import described, documented_load
from reference.preprocessing.scaling import centre_and_scale, scaled
from reference.runtime import checks
from reference.runtime.protocols import Array, Params, Rng
from reference.training import minibatch, optim
from reference.training.inputs import Objective

__all__ = ["ConvAutoencoder", "init_params", "encode", "decode", "reconstruct", "loss", "loss_and_grad",
           "fit", "load"]

SIZE, STRIDE, PADDING = 4, 2, 1

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
        return self.mean + self.scale * decode(self.params, z, activation=self.activation)       # (6)


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
    return {"encoder": {"convs": [conv.init_conv(rng, n_in, n_out, SIZE) for n_in, n_out in pairs],
                        "layers": dense.init_mlp(rng, (flat, *hidden, n_latent))},
            "decoder": {"layers": dense.init_mlp(rng, (n_latent, *hidden[::-1], flat)),
                        "convs": [conv.init_conv_transpose(rng, n_out, n_in, SIZE, stride=STRIDE)
                                  for n_in, n_out in pairs[::-1]],
                        "offset": np.zeros(shape)}}


def sides(shape, n_convs):
    """Height and width of h₀ … h_L."""
    return [(shape[1] // 2**level, shape[2] // 2**level) for level in range(n_convs + 1)]


@documented
def encode(params: Params, x: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """The codes, (N, K)."""
    h = checks.as_array("x", x, ("N", *params["decoder"]["offset"].shape))
    for layer in params["encoder"]["convs"]:
        h = activation.value(conv.conv2d(layer, h, stride=STRIDE, padding=PADDING))              # (1)
    layers = params["encoder"]["layers"]
    return dense.mlp(layers, np.reshape(h, (len(x), -1)), activation=activation)                 # (2)


@documented
def decode(params: Params, z: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """The images that the codes stand for, (N, C, H, W)."""
    layers, convs, offset = (params["decoder"][name] for name in ("layers", "convs", "offset"))
    z = checks.as_array("z", z, ("N", len(layers[0]) - 1))
    *larger, smallest = sides(offset.shape, len(convs))
    h = np.reshape(dense.mlp(layers, z, activation=activation), (len(z), -1, *smallest))
    for layer, size in zip(convs, larger[::-1]):
        h = conv.conv2d_transpose(layer, activation.value(h), stride=STRIDE, padding=PADDING,
                                  output_size=size)                                              # (3)
    return h + offset                                                                            # (4)


@documented
def reconstruct(params: Params, x: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """x̂, (N, C, H, W)."""
    return decode(params, encode(params, x, activation=activation), activation=activation)


@documented
def loss(params: Params, x: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """The mean squared error, over samples, channels and pixels."""
    return np.mean((x - reconstruct(params, x, activation=activation))**2)                       # (5)


@documented
def loss_and_grad(params: Params, x: Array, *,
                  activation: dense.Activation = dense.TANH) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params."""
    return value_and_grad(loss)(params, x, activation=activation)


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
    mean, scale = centre_and_scale(x)                                                            # (6)
    params = init_params(rng, shape=x.shape[1:], n_latent=n_latent, channels=channels, hidden=hidden)
    model = Objective(partial(loss, activation=activation), partial(loss_and_grad, activation=activation))
    trained = minibatch.train(model, params, (scaled(x, mean, scale),), rng=rng, learning_rate=learning_rate,
                              batch_size=batch_size, max_epochs=max_epochs, patience=patience,
                              validation_fraction=validation_fraction, schedule=schedule,
                              checkpoint=checkpoint, progress=progress)
    return ConvAutoencoder(trained.params, mean, scale, activation, trained.history)
