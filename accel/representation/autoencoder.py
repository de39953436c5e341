"""Autoencoder: a network that must reproduce its input through a bottleneck, so that the few numbers there say what it saw.

The mathematics is in `reference.representation.autoencoder`. Same values; work arrays are feature-major and allocated once for
each batch size, and the encoder writes its code where the decoder reads it. On a device one kernel (`kernels/mlp/mlp.cu`) does all of
it. Backward through (3), (2) and (1):

    dx̂ = (2/ND)(x̂ − x),    dz = (decoder)ᵀ dx̂,    and the encoder's backward pass starts from dz
"""
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from accel.kernels.mlp import launch as mlp_kernel
from accel.nets import dense
from accel.runtime import checks, persistence
from accel.training import minibatch, optim
from accel.runtime.tree import empty_like, packed, tree_map
from accel.device import array_module

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
        persistence.save(path, "autoencoder", {**self._asdict(), "activation": self.activation.name})


def load(path):
    """The autoencoder that `Autoencoder.save` wrote."""
    saved = persistence.load(path, "autoencoder")
    return Autoencoder(**{**saved, "activation": dense.activation_named(saved["activation"])})


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
        return dense.forward(work.params["encoder"], work.encoder, activation)
    return in_blocks(block, params, x, params["encoder"][-1].shape[1])


def decode(params, z, *, activation=dense.TANH):
    """What the codes stand for, (N, D)."""
    z = checks.as_array("z", z, ("N", len(params["decoder"][0]) - 1))
    if network := mlp_kernel.network_of(params, ("decoder",), z, activation):
        return network.forward(z)

    def block(work, columns):
        work.z[...] = columns
        return dense.forward(work.params["decoder"], work.decoder, activation)
    return in_blocks(block, params, z, params["decoder"][-1].shape[1])


def reconstruct(params, x, *, activation=dense.TANH):
    """x̂, (N, D)."""
    x = checks.as_array("x", x, ("N", len(params["encoder"][0]) - 1))
    if network := mlp_kernel.network_of(params, BOTH, x, activation):
        return network.forward(x)
    return in_blocks(lambda work, columns: forward(work, columns, activation), params, x, x.shape[1])


def loss(params, x, *, activation=dense.TANH):
    """The mean squared error, over samples and features."""
    if network := mlp_kernel.network_of(params, BOTH, x, activation):
        return network.squared_error(x)
    error = reconstruct(params, x, activation=activation)
    error -= x
    return array_module(error).vdot(error, error) / error.size


def loss_and_grad(params, x, *, activation=dense.TANH):
    """The loss and its gradient, in the tree of params."""
    x, params = checks.as_array("x", x, ("N", len(params["encoder"][0]) - 1)), packed(params)
    grads = params.scratch("grads", lambda: empty_like(params))
    if network := mlp_kernel.network_of(params, BOTH, x, activation):
        return network.squared_error(x, grads.flat), grads
    work = work_arrays(params, "train", len(x))
    xp, dout = array_module(params.flat), forward(work, x.T, activation)
    dout -= work.x
    value = xp.vdot(dout, dout) / dout.size
    dout *= 2 / dout.size
    dz = dense.backward(params["decoder"], work.decoder, dout, grads["decoder"], activation, need_dx=True)
    dense.backward(params["encoder"], work.encoder, dz, grads["encoder"], activation)
    return value, grads


def fused(params, data, batch_size, *, activation=dense.TANH):
    """What `training.minibatch` runs on a device instead of loss_and_grad; None where array code is to run."""
    network = mlp_kernel.network_of(params, BOTH, data[0], activation)
    return network and network.step(data[0])


class Work:
    """The work arrays of both networks for n columns: the encoder's input x and the code z between them are rows of theirs."""

    def __init__(self, xp, params, n, dtype):
        self.params = params
        self.encoder, self.decoder = (dense.Tape(xp, params[name], n, dtype) for name in ("encoder", "decoder"))
        self.x, self.z = self.encoder.inputs[0][1:], self.decoder.inputs[0][1:]
        self.encoder.out = self.z


def forward(work, columns, activation):
    """x̂ for x (D, n), (D, n)."""
    work.x[...] = columns
    dense.forward(work.params["encoder"], work.encoder, activation)
    return dense.forward(work.params["decoder"], work.decoder, activation)


def work_arrays(params, role, n):
    return params.scratch(role, lambda: Work(array_module(params.flat), params, n, params.flat.dtype), size=n)


def in_blocks(function, params, rows, n_out):
    """function(work, columns (n_in, n)) → (n_out, n), applied to a block of rows at a time: (N, n_out)."""
    params = packed(params)
    xp, dtype = array_module(params.flat), params.flat.dtype
    out, step = xp.empty((len(rows), n_out), dtype), BLOCK if xp is np else BLOCK_ON_DEVICE
    for block in (slice(start, start + step) for start in range(0, len(rows), step)):
        columns = rows[block].T
        out[block] = function(work_arrays(params, "evaluate", columns.shape[1]), columns).T
    return out


def fit(x, *, n_latent, rng, hidden=(128, 64), activation=dense.TANH, learning_rate=3e-3, batch_size=64, max_epochs=200,
        patience=40, validation_fraction=0.1, schedule=optim.cosine, checkpoint=None, progress=False):
    """An autoencoder trained on x, which decides the device and the dtype."""
    x = checks.as_array("x", x, ("N", "D"))
    mean, scale = moments(x)
    params = like(x, init_params(rng, dim=x.shape[1], n_latent=n_latent, hidden=hidden))
    model = SimpleNamespace(**{function.__name__: partial(function, activation=activation) for function in (loss, loss_and_grad, fused)})
    trained = minibatch.train(model, params, (scaled(x, mean, scale),), rng=rng, learning_rate=learning_rate, batch_size=batch_size,
                             max_epochs=max_epochs, patience=patience, validation_fraction=validation_fraction, schedule=schedule,
                             checkpoint=checkpoint, progress=progress)
    return Autoencoder(trained.params, mean, scale, activation, trained.history)


def moments(x):
    """m and s of (4): the mean of each feature, and the root of the mean variance as a plain number."""
    checks.check_count("x: number of rows", len(x), least=2)
    checks.check_finite("x", x)
    mean = x.mean(axis=0)
    deviation = x - mean
    variance = array_module(x).vdot(deviation, deviation) / deviation.size
    return mean, checks.check_positive("x: standard deviation", float(variance)**0.5)


def scaled(x, mean, scale):
    """x′ of (4)."""
    x = x - mean
    x /= scale
    return x


def like(x, params):
    """The parameters where x lives and in its dtype, wherever rng made them."""
    xp = array_module(x)
    return tree_map(lambda leaf: xp.asarray(leaf, dtype=x.dtype), params)
