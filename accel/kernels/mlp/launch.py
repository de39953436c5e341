"""Launches the kernels of `mlp.cu`: a dense network in one launch, or two in a row, as in an autoencoder.

    network = network_of(params, ("encoder", "decoder"), x, activation)   None where array code is to run
    out = network.forward(x)
    value = network.squared_error(x, grads.flat)                          of an autoencoder, with its gradient
    step = network.step(x)                                                for training, see `kernels.training`

Sizes are compiled in, so each architecture gets its own kernels. A block of threads takes a tile of samples:
the smallest that gives every multiprocessor a block, and no larger than shared memory allows.
"""
import functools
from typing import NamedTuple

import numpy as np

from accel.device import array_module
from accel.kernels import cuda, one_batch
from accel.kernels.plan import LaunchPlan
from accel.runtime._vector import vector, views

__all__ = ["LEAK", "mlp", "mlp_vjp", "network_of"]

ACTIVATIONS = ("identity", "tanh", "relu", "leaky_relu")
LEAK = 0.2
THREADS, COLUMNS = 256, 16                       # of a block; of a layer, as a warp transposes them at a time
TILES, LEAST_TILE = (32, 16, 8, 4), 8            # samples of a block; 4 where shared memory has no room for 8
MOST_PARAMETERS = 1 << 20                        # larger networks are faster as matrix products
MOST_PARTIAL = 1 << 26                           # numbers in the shares of a gradient


class Architecture(NamedTuple):
    """The sizes of a network, which are compiled in.

    Attributes
    ----------
    widths : tuple of int
        Units of the input, of each hidden layer, and of the output.
    linear : int
        The number of layers up to a value without an activation (the code of an autoencoder); 0 for none.
    activation : str
    dtype : np.dtype
    """
    widths: tuple
    linear: int
    activation: str
    dtype: np.dtype

    @property
    def size(self):
        """Parameters."""
        return sum((1 + n_in) * n_out for n_in, n_out in zip(self.widths, self.widths[1:]))

    def bytes(self, kept, tile):
        """Shared memory of a block: values of all layers, ones, room for `back`; or of two layers, sums."""
        size = self.dtype.itemsize
        rows = sum(self.widths) + 1 if kept else max(self.widths[::2]) + max(self.widths[1::2])
        return size * (self.pitch(tile) * rows + (THREADS * (COLUMNS + 1) if kept else THREADS))

    def pitch(self, tile):
        """Numbers from one row of shared memory to the next, so that rows start in different banks."""
        return tile + 16 // self.dtype.itemsize

    def fits(self, limit):
        """Whether the kernels can compute it, with that many bytes of shared memory to a block."""
        return (self.activation in ACTIVATIONS and self.dtype.name in cuda.NAMES
                and self.size <= MOST_PARAMETERS and self.bytes(True, TILES[-1]) <= limit)

    def plan(self, kept, n, n_models, processors, limit):
        """How n samples of each of n_models are taken; kept: with the values of all layers, for gradients."""
        tiles = [tile for tile in TILES if self.bytes(kept, tile) <= limit]
        enough = [tile for tile in tiles
                  if tile >= LEAST_TILE and n_models * -(-n // tile) <= processors]
        tile = min(enough, default=tiles[0])
        most = min(processors, MOST_PARTIAL // self.size) if kept else 2 * processors
        n_tiles, together = -(-n // tile), max(1, most // n_models)
        blocks = -(-n_tiles // -(-n_tiles // together))               # the fewest that need no more rounds
        return LaunchPlan(tile, THREADS, blocks, self.bytes(kept, tile))

    def launch(self, xp, name, n, n_models, *args, n_blocks=None):
        """Launch a kernel for n samples of each model, in the blocks of the plan or in n_blocks."""
        plan = self.plan_on(xp, name in ("vjp", "gradient"), n, n_models)
        kernels = cuda.load("kernels/mlp/mlp.cu", self.dtype, WIDTHS=",".join(map(str, self.widths)),
                            LINEAR=self.linear, ACTIVATION=self.activation.upper(), TILE=plan.tile,
                            PITCH=self.pitch(plan.tile), THREADS=plan.threads, COLUMNS=COLUMNS, LEAK=LEAK)
        kernels(name, (n_blocks or plan.blocks, n_models), plan.threads, *args, shared=plan.shared)

    def plan_on(self, xp, kept, n, n_models=1):
        """The plan for the current device."""
        return self.plan(kept, n, n_models, cuda.multiprocessors(xp), cuda.shared_limit(xp))


@functools.lru_cache(maxsize=256)
def _architecture(shapes, linear, activation, dtype):
    """The architecture of layers of these shapes; None where one layer's output is no input of the next."""
    widths = (shapes[0][0] - 1, *(n_out for _, n_out in shapes))
    if any(n_in - 1 != width for (n_in, _), width in zip(shapes, widths)):
        return None
    return Architecture(widths, linear, activation, dtype)


def _usable(xp, layers, linear, activation, dtype):
    """The architecture of the layers, or None, with a warning where it is beyond the kernels."""
    found = _architecture(tuple([layer.shape for layer in layers]), linear, activation.name, np.dtype(dtype))
    if found is not None and not found.fits(cuda.shared_limit(xp)):
        cuda.fall_back(f"a dense network of {found.widths} units with {activation.name} in {found.dtype} is "
                       "beyond its kernels")
        return None
    return found


def network_of(params, names, x, activation):
    """The network of the layers under these names, in a row, for rows x; None where array code is to run."""
    xp = array_module(params[names[0]][0])
    if not cuda.wanted(xp) or not len(x):
        return None
    keys = list(params)
    first = keys.index(names[0])
    if tuple(keys[first:first + len(names)]) != names:                # the order of the vector
        return None
    layers = [layer for name in names for layer in params[name]]
    linear = len(params[names[0]]) if len(names) == 2 else 0
    architecture = _usable(xp, layers, linear, activation, layers[0].dtype)
    if architecture is None:
        return None
    if len(names) == len(keys):
        return Network(architecture, vector(params))
    if (flat := getattr(params, "flat", None)) is None:
        return Network(architecture, vector(layers))
    start = sum(layer.size for key in keys[:first] for layer in params[key])
    return Network(architecture, flat[start:start + architecture.size])


def _of_layers(layers, activation, x, *cotangent):
    """The network of these layers, for arrays of their dtype; None where array code is to run."""
    xp = array_module(x)
    if not cuda.wanted(xp):
        return None
    arrays, shapes = (x, *cotangent), ((len(x), len(layers[0]) - 1), (len(x), layers[-1].shape[1]))
    fit = (all(a.dtype == layers[0].dtype for a in (*layers, *arrays))
           and all(a.shape == shape for a, shape in zip(arrays, shapes)))
    if not fit or not len(x):
        return None
    architecture = _usable(xp, layers, 0, activation, x.dtype)
    return architecture and Network(architecture, vector(layers))


def mlp(layers, x, activation):
    """The output of `nets.dense.mlp`, or None where array code is to run."""
    network = _of_layers(layers, activation, x)
    return network and network.forward(x)


def mlp_vjp(layers, x, cotangent, activation):
    """What `nets.dense.mlp_vjp` returns, or None where array code is to run."""
    network = _of_layers(layers, activation, x, cotangent)
    if network is None:
        return None
    out, dflat, dx = network.vjp(x, cotangent)
    return out, views(dflat, layers), dx


class Network(NamedTuple):
    """An architecture with its parameters, flat (P,)."""
    architecture: Architecture
    flat: object

    def forward(self, x):
        """The output for x (N, D), (N, n_out)."""
        xp, x = array_module(self.flat), self._as_read(x)
        out = xp.empty((len(x), self.architecture.widths[-1]), x.dtype)
        self.architecture.launch(xp, "forward", len(x), 1, self.flat, x, out, np.int64(len(x)))
        return out

    def vjp(self, x, cotangent):
        """The output, and the gradients of ⟨cotangent, output⟩: (out (N, n_out), dflat (P,), dx (N, D))."""
        xp, n, x, cotangent = array_module(self.flat), len(x), self._as_read(x), self._as_read(cotangent)
        out, dx = xp.empty_like(cotangent), xp.empty_like(x)
        partial = xp.empty((self.architecture.plan_on(xp, True, n).blocks, self.flat.size), x.dtype)
        self.architecture.launch(xp, "vjp", n, 1, self.flat, x, cotangent, out, dx, partial, np.int64(n))
        return out, partial.sum(axis=0), dx

    def squared_error(self, x, dflat=None):
        """The mean of (x̂ − x)² over samples and features; its gradient into dflat (P,) if that is given."""
        if dflat is None:
            return one_batch.loss(self.flat, self.step(x), len(x))
        return one_batch.write_grads(self.flat, dflat, self.step(x), len(x))

    def step(self, x):
        """What trains autoencoders of this architecture, side by side, on rows of x."""
        return Step(self.architecture, self._as_read(x))

    def _as_read(self, x):
        return array_module(self.flat).ascontiguousarray(x, dtype=self.flat.dtype)


class Step(NamedTuple):
    """Loss and gradient of batches of rows, for E autoencoders side by side, as `kernels.training` has them.

    The noise is empty.
    """
    architecture: Architecture
    x: object

    def n_blocks(self, n, n_models=1):
        return self.architecture.plan_on(array_module(self.x), True, n, n_models).blocks

    def gradient(self, flat, rows, cursor, noise, partial, losses):
        """Each block's share of the gradients, in partial (E, G, P), and of the losses, in losses (E, G)."""
        self._launch("gradient", flat, rows, cursor, partial, losses)

    def loss(self, flat, rows, cursor, noise, losses):
        """Each block's share of the mean losses in losses (E, G)."""
        self._launch("loss", flat, rows, cursor, losses)

    def _launch(self, name, flat, rows, cursor, *out):
        (n_models, n_blocks), (n_steps, n) = out[-1].shape, rows.shape[1:]
        self.architecture.launch(array_module(flat), name, n, n_models, flat, self.x, rows, cursor, n_steps,
                                 n, *out, n_blocks=n_blocks)
