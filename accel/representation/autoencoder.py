"""Autoencoder: a network that must reproduce its input through a bottleneck, so that the few numbers there say what it saw.

The mathematics is in `reference.representation.autoencoder`. Same values; work arrays are feature-major and allocated once for
each batch size, and the encoder writes its code where the decoder reads it. On a device one kernel (`kernels/mlp/mlp.cu`) does all of
it. Backward through (3), (2) and (1):

    dx̂ = (2/ND)(x̂ − x),    dz = (decoder)ᵀ dx̂,    and the encoder's backward pass starts from dz
"""
from typing import NamedTuple

import numpy as np

from accel import device, memory
from accel.device import array_module
from accel.kernels.mlp import launch as mlp_kernel
from accel.nets import dense, fitted
from accel.preprocessing.scaling import centre_and_scale, scaled
from accel.runtime import checks, persistence
from accel.runtime._vector import empty_like, plain
from accel.runtime.tree import frozen
from accel.training import minibatch, optim

__all__ = ["Autoencoder", "init_params", "encode", "decode", "reconstruct", "loss", "loss_and_grad", "fit", "load"]

BLOCK = 1024                                                          # rows evaluated at a time on a CPU: the work stays in cache
BLOCK_ON_DEVICE = 1 << 16
BOTH = ("encoder", "decoder")


class Autoencoder(NamedTuple):
    """A fitted autoencoder, on the device and in the dtype of the data."""
    params: dict
    mean: np.ndarray
    scale: float
    activation: dense.Activation
    history: dict

    def transform(self, x):
        """The codes of x (N, D): (N, K)."""
        x = checks.as_array("x", x, ("N", len(self.mean)))
        return encode(self.params, scaled(x, self.mean, self.scale), activation=self.activation)

    def inverse_transform(self, z):
        """The reconstruction from codes z (N, K): (N, D)."""
        x = decode(self.params, z, activation=self.activation)
        x *= self.scale
        x += self.mean
        return x

    def save(self, path):
        """Write to a .npz file that either package loads."""
        persistence.save(path, "autoencoder", fitted.describe(self))

    def __reduce__(self):
        return fitted.restore, (Autoencoder, fitted.describe(self))

    def _moved(self, move):
        return self._replace(params=frozen(move(self.params)), mean=move(self.mean))


def load(path):
    """The autoencoder that `Autoencoder.save` wrote."""
    return fitted.restore(Autoencoder, persistence.load(path, "autoencoder"))


def init_params(rng, *, dim, n_latent, hidden=(128, 64)):
    """Encoder and decoder with random weights; hidden = () makes each a single affine layer."""
    for name, counts in {"dim": [dim], "n_latent": [n_latent], "hidden": hidden}.items():
        for count in counts:
            checks.check_count(name, count)
    return {"encoder": dense.init_mlp(rng, (dim, *hidden, n_latent)), "decoder": dense.init_mlp(rng, (n_latent, *hidden[::-1], dim))}


def encode(params, x, *, activation=dense.TANH):
    """The codes, (N, K)."""
    x = checks.as_array("x", x, ("N", len(params["encoder"][0]) - 1))
    if network := mlp_kernel.network_of(params, ("encoder",), x, activation):
        return network.forward(x)

    def block(work, columns):
        work.x[...] = columns
        return dense.forward(params["encoder"], work.encoder, activation)
    return in_blocks(block, params, x, params["encoder"][-1].shape[1])


def decode(params, z, *, activation=dense.TANH):
    """What the codes stand for, (N, D)."""
    z = checks.as_array("z", z, ("N", len(params["decoder"][0]) - 1))
    if network := mlp_kernel.network_of(params, ("decoder",), z, activation):
        return network.forward(z)

    def block(work, columns):
        work.z[...] = columns
        return dense.forward(params["decoder"], work.decoder, activation)
    return in_blocks(block, params, z, params["decoder"][-1].shape[1])


def reconstruct(params, x, *, activation=dense.TANH):
    """x̂, (N, D)."""
    x = checks.as_array("x", x, ("N", len(params["encoder"][0]) - 1))
    if network := mlp_kernel.network_of(params, BOTH, x, activation):
        return network.forward(x)
    return in_blocks(lambda work, columns: forward(params, work, columns, activation), params, x, x.shape[1])


def loss(params, x, *, activation=dense.TANH):
    """The mean squared error, over samples and features."""
    if network := mlp_kernel.network_of(params, BOTH, x, activation):
        return network.squared_error(x)
    error = reconstruct(params, x, activation=activation)
    error -= x
    return array_module(error).vdot(error, error) / error.size


def loss_and_grad(params, x, *, activation=dense.TANH):
    """The loss and its gradient, in the tree of params."""
    grads = empty_like(params)
    return write_grads(params, grads, x, activation=activation), plain(grads)


def write_grads(params, grads, x, *, activation):
    """The loss; its gradient goes into grads."""
    x = checks.as_array("x", x, ("N", len(params["encoder"][0]) - 1))
    if network := mlp_kernel.network_of(params, BOTH, x, activation):
        return network.squared_error(x, grads.flat)
    with borrowed(params, len(x)) as work:
        xp, dout = array_module(work.x), forward(params, work, x.T, activation)
        dout -= work.x
        value = xp.vdot(dout, dout) / dout.size
        dout *= 2 / dout.size
        dz = dense.backward(params["decoder"], work.decoder, dout, grads["decoder"], activation, need_dx=True)
        dense.backward(params["encoder"], work.encoder, dz, grads["encoder"], activation)
        return value


def fused(params, data, batch_size, *, activation=dense.TANH):
    """What `training.minibatch` runs on a device instead of loss_and_grad; None where array code is to run."""
    network = mlp_kernel.network_of(params, BOTH, data[0], activation)
    return network and network.step(data[0])


class Work:
    """The work arrays of both networks for n columns: the encoder's input x and the code z between them are rows of theirs."""

    def __init__(self, xp, encoder, decoder, n, dtype):
        self.encoder, self.decoder = (dense.Tape(xp, shapes, n, dtype) for shapes in (encoder, decoder))
        self.x, self.z = self.encoder.fed[0], self.decoder.fed[0]
        self.encoder.out = self.z


def borrowed(params, n):
    """Work arrays for n samples, for the length of a block."""
    first = params["encoder"][0]
    return memory.borrow(Work, array_module(first), *(dense.shapes_of(params[name]) for name in BOTH), n, first.dtype)


def forward(params, work, columns, activation):
    """x̂ for x (D, n), (D, n)."""
    work.x[...] = columns
    dense.forward(params["encoder"], work.encoder, activation)
    return dense.forward(params["decoder"], work.decoder, activation)


def in_blocks(function, params, rows, n_out):
    """function(work, columns (n_in, n)) → (n_out, n), applied to a block of rows at a time: (N, n_out)."""
    first = params["encoder"][0]
    xp = array_module(first)
    out, step = xp.empty((len(rows), n_out), first.dtype), BLOCK if xp is np else BLOCK_ON_DEVICE
    for block in (slice(start, start + step) for start in range(0, len(rows), step)):
        columns = rows[block].T
        with borrowed(params, columns.shape[1]) as work:
            out[block] = function(work, columns).T
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

    def fused(self, params, data, batch_size):
        return fused(params, data, batch_size, activation=self.activation)


def fit(x, *, n_latent, rng, hidden=(128, 64), activation=dense.TANH, learning_rate=3e-3, batch_size=64, max_epochs=200,
        patience=40, validation_fraction=0.1, schedule=optim.cosine, checkpoint=None, progress=False):
    """An autoencoder trained on x, which decides the device and the dtype."""
    x = checks.as_array("x", x, ("N", "D"))
    mean, scale = centre_and_scale(x)
    params = device.like(x, init_params(rng, dim=x.shape[1], n_latent=n_latent, hidden=hidden))
    trained = minibatch.train(Objective(activation), params, (scaled(x, mean, scale),), rng=rng, learning_rate=learning_rate,
                              batch_size=batch_size, max_epochs=max_epochs, patience=patience, validation_fraction=validation_fraction,
                              schedule=schedule, checkpoint=checkpoint, progress=progress)
    return Autoencoder(trained.params, mean, scale, activation, trained.history)
