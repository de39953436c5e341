"""Convolutional autoencoder: an autoencoder for images, whose first and last layers look at neighbouring pixels alone.

    (1)  h₀ = x,   hₗ = a(conv2d(hₗ₋₁))                        encoder: each layer halves the sides
    (2)  z = mlp(h_L)                                          all pixels of all channels → K numbers
    (3)  g_L = a(mlp(z)),   gₗ₋₁ = a(conv2d_transpose(gₗ))     decoder: each layer doubles the sides, back to those of (1)
    (4)  x̂ = conv2d_transpose(g₁) + o                          no activation at the end; o is one image, the offset
    (5)  loss = (1/NCHW) ∑ₙ ‖xₙ − x̂ₙ‖²                        the mean over samples, channels and pixels
    (6)  x = m + s·x′                                          what the networks see is x′, see `representation.autoencoder`

Shapes        N images of C channels; x (N, C, H, W); z (N, K); o, m (C, H, W); conv layers as in `nets.conv`, with kernels of
              4 × 4, stride 2 and padding 1, so that a side of n pixels becomes ⌊n/2⌋; dense layers as in `nets.dense`.
Conventions   as for the dense autoencoder. o gives each pixel a bias, as a dense decoder has, and the images their size.
Source        "Stacked convolutional auto-encoders for hierarchical feature extraction", Masci, Meier, Cireşan and
              Schmidhuber, 2011; lectures S2 and S4, slides "Autoencoder".
Departures    strides in place of max-pooling, transposed convolutions in place of up-sampling (Dumoulin and Visin, 2016).
"""
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import autograd.numpy as np
from autograd import value_and_grad

from reference.nets import conv, dense
from reference.runtime import checks, persistence
from reference.training import minibatch, optim
from reference.representation.autoencoder import moments

__all__ = ["ConvAutoencoder", "init_params", "encode", "decode", "reconstruct", "loss", "loss_and_grad", "fit", "load"]

SIZE, STRIDE, PADDING = 4, 2, 1


class ConvAutoencoder(NamedTuple):
    """A fitted convolutional autoencoder.

    Attributes
    ----------
    params : dict
    mean : (C, H, W) float
    scale : float
        m and s of (6), in the units of x.
    activation : Activation
        From `nets.dense`.
    history : dict of list of float
        The losses of each epoch, see `training.minibatch`.
    """
    params: dict
    mean: np.ndarray
    scale: float
    activation: dense.Activation
    history: dict

    def transform(self, x):
        """The codes of images x (N, C, H, W): (N, K)."""
        x = checks.as_array("x", x, ("N", *self.mean.shape))
        return encode(self.params, (x - self.mean) / self.scale, activation=self.activation)

    def inverse_transform(self, z):
        """The images that codes z (N, K) stand for: (N, C, H, W)."""
        return self.mean + self.scale * decode(self.params, z, activation=self.activation)       # (6)

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "conv_autoencoder", {**self._asdict(), "activation": self.activation.name})


def load(path):
    """The autoencoder that `ConvAutoencoder.save` wrote."""
    saved = persistence.load(path, "conv_autoencoder")
    return ConvAutoencoder(**{**saved, "activation": dense.activation_named(saved["activation"])})


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
    return {"encoder": {"convs": [conv.init_conv(rng, n_in, n_out, SIZE) for n_in, n_out in pairs],
                        "layers": dense.init_mlp(rng, (flat, *hidden, n_latent))},
            "decoder": {"layers": dense.init_mlp(rng, (n_latent, *hidden[::-1], flat)),
                        "convs": [conv.init_conv_transpose(rng, n_out, n_in, SIZE, stride=STRIDE) for n_in, n_out in pairs[::-1]],
                        "offset": np.zeros(shape)}}


def sides(shape, n_convs):
    """Height and width of h₀ … h_L."""
    return [(shape[1] // 2**level, shape[2] // 2**level) for level in range(n_convs + 1)]


def encode(params, x, *, activation=dense.TANH):
    """The codes, (N, K)."""
    h = checks.as_array("x", x, ("N", *params["decoder"]["offset"].shape))
    for layer in params["encoder"]["convs"]:
        h = activation.value(conv.conv2d(layer, h, stride=STRIDE, padding=PADDING))              # (1)
    return dense.mlp(params["encoder"]["layers"], np.reshape(h, (len(x), -1)), activation=activation)       # (2)


def decode(params, z, *, activation=dense.TANH):
    """What the codes stand for, (N, C, H, W)."""
    layers, convs, offset = params["decoder"]["layers"], params["decoder"]["convs"], params["decoder"]["offset"]
    z = checks.as_array("z", z, ("N", len(layers[0]) - 1))
    *larger, smallest = sides(offset.shape, len(convs))
    h = np.reshape(dense.mlp(layers, z, activation=activation), (len(z), -1, *smallest))
    for layer, size in zip(convs, larger[::-1]):
        h = conv.conv2d_transpose(layer, activation.value(h), stride=STRIDE, padding=PADDING, output_size=size)      # (3)
    return h + offset                                                                            # (4)


def reconstruct(params, x, *, activation=dense.TANH):
    """x̂, (N, C, H, W)."""
    return decode(params, encode(params, x, activation=activation), activation=activation)


def loss(params, x, *, activation=dense.TANH):
    """The mean squared error, over samples, channels and pixels."""
    return np.mean((x - reconstruct(params, x, activation=activation))**2)                       # (5)


def loss_and_grad(params, x, *, activation=dense.TANH):
    """The loss and its gradient, in the tree of params."""
    return value_and_grad(loss)(params, x, activation=activation)


def fit(x, *, n_latent, rng, channels=(16, 32), hidden=(128,), activation=dense.TANH, learning_rate=3e-3, batch_size=64,
        max_epochs=200, patience=40, validation_fraction=0.1, schedule=optim.cosine, checkpoint=None, progress=False):
    """An autoencoder trained on images; what the settings mean is in `training.minibatch.train`.

    Parameters
    ----------
    x : (N, C, H, W) float
        At least two images, not all alike, with sides of at least 2 to the number of channels.
    n_latent : int
        K, the width of the bottleneck.
    rng : Generator
        Draws the first weights, then splits and shuffles.
    channels, hidden : tuple of int
        Channels after each convolution, then the sizes of the hidden dense layers; the decoder has both in reverse.
    activation : Activation
        From `nets.dense`; IDENTITY makes the autoencoder linear.

    Raises
    ------
    ValueError
        If x is not a finite (N, C, H, W) array of at least two different images, or a setting is out of range.
    """
    x = checks.as_array("x", x, ("N", "C", "H", "W"))
    mean, scale = moments(x)
    params = init_params(rng, shape=x.shape[1:], n_latent=n_latent, channels=channels, hidden=hidden)
    model = SimpleNamespace(loss=partial(loss, activation=activation), loss_and_grad=partial(loss_and_grad, activation=activation))
    trained = minibatch.train(model, params, ((x - mean) / scale,), rng=rng, learning_rate=learning_rate, batch_size=batch_size,
                             max_epochs=max_epochs, patience=patience, validation_fraction=validation_fraction, schedule=schedule,
                             checkpoint=checkpoint, progress=progress)
    return ConvAutoencoder(trained.params, mean, scale, activation, trained.history)
