"""Launches the kernels of `mlp.cu`: a dense network in one launch, or two dense networks one after another, as in an autoencoder.

    network = network_of(params, ("encoder", "decoder"), x, activation)   None where array code is to run
    out = network.forward(x)
    value = network.squared_error(x, grads.flat)                          of an autoencoder, with its gradient
    step = network.step(x)                                                for training: many batches, models side by side

Sizes are compiled in, so each network gets its own kernels. A block of threads takes a tile of samples: as few as give every
multiprocessor a block, and no more than fit into shared memory.
"""
from typing import NamedTuple

import numpy as np

from accel.kernels import cuda
from accel.runtime.tree import packed, ravel, unravel
from accel.device import array_module

__all__ = ["Network", "Step", "mlp", "mlp_vjp", "network_of"]

ACTIVATIONS = ("identity", "tanh", "relu", "leaky_relu")
LEAK = 0.2
THREADS, COLUMNS = 256, 16                                            # of mlp.cu
TILES, LEAST_TILE = (32, 16, 8, 4), 8                                 # samples that a block takes together; 4 where no more find room
MOST_PARAMETERS = 1 << 20                                             # beyond, matrix products do better
MOST_PARTIAL = 1 << 26                                                # numbers in the shares of a gradient


def network_of(params, names, x, activation):
    """The network that the lists of layers under these names make one after another, for rows x; None where array code is to run."""
    params = packed(params)
    if not cuda.wanted(array_module(params.flat)) or not len(x):
        return None
    return params.scratch(("network", names), lambda: _part(params, names, activation), size=activation.name)


def _part(params, names, activation):
    """The layers must stand one after another in the flat parameters, or there is no such network."""
    keys, first = list(params), list(params).index(names[0])
    if tuple(keys[first:first + len(names)]) != names:
        return None
    sizes = {key: sum(layer.size for layer in layers) for key, layers in params.items()}
    start, size = (sum(sizes[key] for key in some) for some in (keys[:first], names))
    layers = [layer for name in names for layer in params[name]]
    return _network(params.flat[start:start + size], layers, activation, len(params[names[0]]) if len(names) == 2 else 0)


def _network(flat, layers, activation, linear=0):
    widths = (len(layers[0]) - 1, *(layer.shape[1] for layer in layers))
    if any(len(layer) - 1 != n_in for layer, n_in in zip(layers, widths)):
        return None
    network = Network(flat, widths, linear, activation.name)
    if activation.name not in ACTIVATIONS or flat.dtype.name not in cuda.NAMES or not network.fits:
        cuda.fall_back(f"a dense network of {widths} units with {activation.name} in {flat.dtype} is beyond its kernels")
        return None
    return network


def _of_layers(layers, activation, x, *cotangent):
    """The network of these layers, for arrays of their dtype; None where array code is to run."""
    if not cuda.wanted(array_module(x)):
        return None
    arrays, shapes = (x, *cotangent), ((len(x), len(layers[0]) - 1), (len(x), layers[-1].shape[1]))
    plain = all(a.dtype == layers[0].dtype for a in (*layers, *arrays)) and all(a.shape == shape for a, shape in zip(arrays, shapes))
    return _network(ravel(layers), layers, activation) if plain and len(x) else None


def mlp(layers, x, activation):
    """The output of `nets.mlp`, or None where array code is to run."""
    network = _of_layers(layers, activation, x)
    return network and network.forward(x)


def mlp_vjp(layers, x, cotangent, activation):
    """What `nets.mlp_vjp` returns, or None where array code is to run."""
    network = _of_layers(layers, activation, x, cotangent)
    if network is None:
        return None
    out, dflat, dx = network.vjp(x, cotangent)
    return out, unravel(dflat, layers), dx


class Network(NamedTuple):
    """The shape of a network, and its parameters; `linear` counts the layers up to a value that no activation follows."""
    flat: object
    widths: tuple
    linear: int
    activation: str

    @property
    def xp(self):
        return array_module(self.flat)

    @property
    def fits(self):
        return self.flat.size <= MOST_PARAMETERS and self.bytes(True, TILES[-1]) <= cuda.shared_limit(self.xp)

    def bytes(self, kept, tile):
        """Shared memory of a block: values of all layers, ones and what `back` turns; or of two layers, and the sums of a loss."""
        size = self.flat.dtype.itemsize
        rows = sum(self.widths) + 1 if kept else max(self.widths[::2]) + max(self.widths[1::2])
        return size * ((tile + 16 // size) * rows + (THREADS * (COLUMNS + 1) if kept else THREADS))

    def plan(self, kept, n, n_models=1):
        """(tile, blocks for each model) for n samples of each of n_models."""
        processors, limit = cuda.multiprocessors(self.xp), cuda.shared_limit(self.xp)
        tiles = [tile for tile in TILES if self.bytes(kept, tile) <= limit]
        enough = [tile for tile in tiles if tile >= LEAST_TILE and n_models * -(-n // tile) <= processors]
        tile = min(enough, default=tiles[0])
        most = min(processors, MOST_PARTIAL // self.flat.size) if kept else 2 * processors
        n_tiles, together = -(-n // tile), max(1, most // n_models)
        return tile, -(-n_tiles // -(-n_tiles // together))           # as few as take no longer

    def launch(self, name, n, n_blocks, n_models, *args):
        """Launch a kernel for n samples of each model."""
        kept = name in ("vjp", "gradient")
        tile, _ = self.plan(kept, n, n_models)
        kernels = cuda.load("kernels/mlp/mlp.cu", self.flat.dtype, WIDTHS=",".join(map(str, self.widths)), LINEAR=self.linear,
                                ACTIVATION=self.activation.upper(), TILE=tile, THREADS=THREADS, LEAK=LEAK)
        kernels(name, (n_blocks, n_models), THREADS, *args, shared=self.bytes(kept, tile))

    def forward(self, x):
        """The output for x (N, D), (N, n_out)."""
        out = self.xp.empty((len(x), self.widths[-1]), self.flat.dtype)
        self.launch("forward", len(x), self.plan(False, len(x))[1], 1, self.flat, self._as_read(x), out, np.int64(len(x)))
        return out

    def vjp(self, x, cotangent):
        """The output, and the gradients of ⟨cotangent, output⟩: (out (N, n_out), dflat (P,), dx (N, D))."""
        xp, x, cotangent = self.xp, self._as_read(x), self._as_read(cotangent)
        out, dx = xp.empty_like(cotangent), xp.empty_like(x)
        partial = xp.empty((self.plan(True, len(x))[1], self.flat.size), x.dtype)
        self.launch("vjp", len(x), len(partial), 1, self.flat, x, cotangent, out, dx, partial, np.int64(len(x)))
        return out, partial.sum(axis=0), dx

    def squared_error(self, x, dflat=None):
        """The mean of (x̂ − x)² over samples and features, and its gradient into dflat (P,) where that is given."""
        xp, n_blocks = self.xp, self.plan(dflat is not None, len(x))[1]
        losses, unused = xp.empty((1, n_blocks), self.flat.dtype), xp.empty(1, np.int32)
        given = self.flat, unused, unused, 0, len(x)                  # all rows in their order
        if dflat is None:
            self.step(x).launch("loss", *given, losses)
        else:
            partial = xp.empty((n_blocks, self.flat.size), self.flat.dtype)
            self.step(x).launch("gradient", *given, partial, losses)
            xp.sum(partial, axis=0, out=dflat)
        return losses.sum()

    def step(self, x):
        """What trains autoencoders of this shape, side by side, on rows of x."""
        return Step(self, self._as_read(x))

    def _as_read(self, x):
        return self.xp.ascontiguousarray(x, dtype=self.flat.dtype)


class Step(NamedTuple):
    """Loss and gradient of batches of rows, for E autoencoders side by side: the protocol of `kernels.training`. The noise is empty."""
    network: Network
    x: object

    def n_blocks(self, n, n_models=1):
        return self.network.plan(True, n, n_models)[1]

    def gradient(self, flat, rows, cursor, noise, partial, losses):
        """Each block's share of the gradients in partial (E, G, P), and of the mean losses in losses (E, G)."""
        self.launch("gradient", flat, rows, cursor, *rows.shape[1:], partial, losses)

    def loss(self, flat, rows, cursor, noise, losses):
        self.launch("loss", flat, rows, cursor, *rows.shape[1:], losses)

    def launch(self, name, flat, rows, cursor, n_steps, n, *out):
        n_models, n_blocks = out[-1].shape
        self.network.launch(name, n, n_blocks, n_models, flat, self.x, rows, cursor, n_steps, n, *out)
