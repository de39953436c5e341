"""Autoencoder: a network that must reproduce its input through a bottleneck of a few numbers.

The mathematics is in `reference.representation.autoencoder`. Same values, where the data live and in their
dtype; inside, arrays are feature-major, and the encoder writes its code where the decoder reads it. On a
device one kernel (`kernels/mlp`) computes both networks. Backward through (3), (2) and (1):

    dx̂ = (2/ND)(x̂ − x)
    dz = (decoder)ᵀ dx̂              and the encoder's backward pass starts from dz

Example
-------
>>> import numpy as np
>>> from accel.nets.dense import IDENTITY
>>> from accel.representation import autoencoder
>>> x = np.outer(np.linspace(-1, 1, 40), [1.0, 2.0, 3.0])              # one number tells the rows apart
>>> settings = {"hidden": (), "activation": IDENTITY, "learning_rate": 0.05, "max_epochs": 100}
>>> model = autoencoder.fit(x, n_latent=1, rng=np.random.default_rng(0), **settings)
>>> bool(np.abs(model.inverse_transform(model.transform(x)) - x).max() < 0.05)
True
"""
import os
from collections.abc import Callable
from functools import partial


from accel import device, memory
from accel.device import array_module
from accel.kernels.mlp import launch as mlp_kernel
from accel.nets import dense, fitted
from accel.nets._help import described, documented_load
from accel.preprocessing.scaling import centre_and_scale, scaled
from accel.runtime import checks
from accel.runtime._blocks import blocks
from accel.runtime._vector import empty_like, plain
from accel.runtime.protocols import Array, Params, Rng
from accel.training import minibatch, optim
from accel.training.inputs import Objective

__all__ = ["Autoencoder", "init_params", "encode", "decode", "reconstruct", "loss", "loss_and_grad", "fit",
           "load"]

BLOCK = 1024                                                     # rows at a time on a CPU: they stay in cache
BLOCK_ON_DEVICE = 1 << 16
BOTH = ("encoder", "decoder")

documented = described("""
params : tree
    From `init_params`, or trained.
x : (N, D) float
z : (N, K) float
    Codes.
activation : Activation
    Between the layers, from `nets.dense`.
""", raises="If an array has another shape.")


class Autoencoder(fitted.FittedNetwork):
    """A fitted autoencoder."""
    __slots__ = ()
    kind = "autoencoder"

    @documented
    def transform(self, x: Array) -> Array:
        """The codes of x, (N, K)."""
        x = checks.as_array("x", x, ("N", len(self.mean)))
        return encode(self.params, scaled(x, self.mean, self.scale), activation=self.activation)

    @documented
    def inverse_transform(self, z: Array) -> Array:
        """The reconstruction from codes, (N, D), in the units of x."""
        x = decode(self.params, z, activation=self.activation)
        x *= self.scale
        x += self.mean                                                # (4)
        return x


@documented_load
def load(path: str | os.PathLike) -> Autoencoder:
    """The autoencoder that `Autoencoder.save` wrote."""
    return fitted.load(Autoencoder, path)


def init_params(rng: Rng, *, dim: int, n_latent: int, hidden: tuple = (128, 64)) -> Params:
    """Encoder and decoder with random weights.

    Parameters
    ----------
    rng : Generator
    dim, n_latent : int
        D and K.
    hidden : tuple of int
        The encoder's hidden layers, the decoder's in reverse; () makes each a single affine layer.

    Raises
    ------
    ValueError
        If a size is not a whole number of at least 1.
    """
    for name, counts in {"dim": [dim], "n_latent": [n_latent], "hidden": hidden}.items():
        for count in counts:
            checks.check_count(name, count)
    return {"encoder": dense.init_mlp(rng, (dim, *hidden, n_latent)),
            "decoder": dense.init_mlp(rng, (n_latent, *hidden[::-1], dim))}


@documented
def encode(params: Params, x: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """The codes, (N, K)."""
    x = checks.as_array("x", x, ("N", len(params["encoder"][0]) - 1))
    if network := mlp_kernel.network_of(params, ("encoder",), x, activation):
        return network.forward(x)

    def block(work, columns):
        work.x[...] = columns
        return dense.forward(params["encoder"], work.encoder, activation)                     # (1)
    return in_blocks(block, params, x, params["encoder"][-1].shape[1])


@documented
def decode(params: Params, z: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """The samples that the codes stand for, (N, D)."""
    z = checks.as_array("z", z, ("N", len(params["decoder"][0]) - 1))
    if network := mlp_kernel.network_of(params, ("decoder",), z, activation):
        return network.forward(z)

    def block(work, columns):
        work.z[...] = columns
        return dense.forward(params["decoder"], work.decoder, activation)                     # (2)
    return in_blocks(block, params, z, params["decoder"][-1].shape[1])


@documented
def reconstruct(params: Params, x: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """x̂, (N, D)."""
    x = checks.as_array("x", x, ("N", len(params["encoder"][0]) - 1))
    if network := mlp_kernel.network_of(params, BOTH, x, activation):
        return network.forward(x)

    def block(work, columns):
        return forward(params, work, columns, activation)
    return in_blocks(block, params, x, x.shape[1])


@documented
def loss(params: Params, x: Array, *, activation: dense.Activation = dense.TANH) -> Array:
    """The mean squared error, over samples and features."""
    if network := mlp_kernel.network_of(params, BOTH, x, activation):
        return network.squared_error(x)
    error = reconstruct(params, x, activation=activation)
    error -= x
    return array_module(error).vdot(error, error) / error.size                                # (3)


@documented
def loss_and_grad(params: Params, x: Array, *,
                  activation: dense.Activation = dense.TANH) -> tuple[Array, Params]:
    """The loss and its gradient, in the tree of params."""
    grads = empty_like(params)
    return write_grads(params, grads, x, activation=activation), plain(grads)


def write_grads(params, grads, x, *, activation=dense.TANH):
    """The loss; its gradient goes into grads."""
    x = checks.as_array("x", x, ("N", len(params["encoder"][0]) - 1))
    if network := mlp_kernel.network_of(params, BOTH, x, activation):
        return network.squared_error(x, grads.flat)
    with borrowed(params, len(x)) as work:
        xp, dout = array_module(work.x), forward(params, work, x.T, activation)
        dout -= work.x
        value = xp.vdot(dout, dout) / dout.size                       # (3)
        dout *= 2 / dout.size
        dz = dense.backward(params["decoder"], work.decoder, dout, grads["decoder"], activation, need_dx=True)
        dense.backward(params["encoder"], work.encoder, dz, grads["encoder"], activation)
        return value


def fused(params, data, batch_size, *, activation=dense.TANH):
    """What `training.minibatch` runs on a device in place of write_grads; None where array code is to run."""
    network = mlp_kernel.network_of(params, BOTH, data[0], activation)
    return network and network.step(data[0])


class Work:
    """The work arrays of both networks for n columns; x and the code z are what the two read."""

    def __init__(self, xp, encoder, decoder, n, dtype):
        self.encoder, self.decoder = (dense.Tape(xp, shapes, n, dtype) for shapes in (encoder, decoder))
        self.x, self.z = self.encoder.fed[0], self.decoder.fed[0]
        self.encoder.out = self.z


def borrowed(params, n):
    """Work arrays for n samples, for the length of a block."""
    first = params["encoder"][0]
    shapes = [dense.shapes_of(params[name]) for name in BOTH]
    return memory.borrow(Work, array_module(first), *shapes, n, first.dtype)


def forward(params, work, columns, activation):
    """x̂ for x (D, n), (D, n)."""
    work.x[...] = columns
    dense.forward(params["encoder"], work.encoder, activation)
    return dense.forward(params["decoder"], work.decoder, activation)


def in_blocks(function, params, rows, n_out):
    """function(work, columns (n_in, n)) → (n_out, n), applied to a block of rows at a time: (N, n_out)."""
    first = params["encoder"][0]
    xp = array_module(first)
    out = xp.empty((len(rows), n_out), first.dtype)
    for block in blocks(len(rows), xp, cpu=BLOCK, device=BLOCK_ON_DEVICE):
        columns = rows[block].T
        with borrowed(params, columns.shape[1]) as work:
            out[block] = function(work, columns).T
    return out


def fit(x: Array, *, n_latent: int, rng: Rng, hidden: tuple = (128, 64),
        activation: dense.Activation = dense.TANH, learning_rate: float = 3e-3, batch_size: int = 64,
        max_epochs: int = 200, patience: int = 40, validation_fraction: float = 0.1,
        schedule: Callable = optim.cosine, checkpoint: str | os.PathLike | None = None,
        progress: bool = False) -> Autoencoder:
    """An autoencoder trained on x.

    Parameters
    ----------
    x : (N, D) float
        At least two samples, not all alike.
    n_latent : int
        K, the width of the bottleneck.
    rng : Generator
        Draws the first weights, then splits and shuffles.
    hidden : tuple of int
        The encoder's hidden layers; the decoder has them in reverse.
    activation : Activation
        From `nets.dense`; IDENTITY makes the autoencoder linear.
    learning_rate, batch_size, max_epochs, patience, validation_fraction, schedule, checkpoint, progress
        Those of `training.minibatch.train`.

    Raises
    ------
    ValueError
        If x is not a finite (N, D) array of at least two different rows, or a setting is out of range.
    """
    x = checks.as_array("x", x, ("N", "D"))
    mean, scale = centre_and_scale(x)
    params = device.like(x, init_params(rng, dim=x.shape[1], n_latent=n_latent, hidden=hidden))
    model = Objective(**{function.__name__: partial(function, activation=activation)
                         for function in (loss, loss_and_grad, write_grads, fused)})
    trained = minibatch.train(model, params, (scaled(x, mean, scale),), rng=rng,
                              learning_rate=learning_rate, batch_size=batch_size, max_epochs=max_epochs,
                              patience=patience, validation_fraction=validation_fraction, schedule=schedule,
                              checkpoint=checkpoint, progress=progress)
    return Autoencoder(trained.params, mean, scale, activation, trained.history)
