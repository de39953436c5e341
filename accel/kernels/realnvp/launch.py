"""Launches the kernels of `density.cu` and `gradient.cu`, which take samples through the whole chain of couplings at once.

`flow_of` gives them for one tree of parameters, or None where array code is to run: no device, kernels switched off, or networks too
large for a block's shared memory. `step` gives what a training step needs, over minibatches that the device gathers.
"""
from typing import NamedTuple

import numpy as np

from accel.kernels import cuda, one_batch
from accel.density import flows
from accel.device import array_module

__all__ = ["Flow", "Step", "flow_of", "step", "write_grads"]

THREADS = 256
TILES, TRAINING_TILES = (64, 8), (32, 16, 8)                          # samples of a block; evaluations have few tiles to compile
OVERHEAD = 8                                                          # what a tile costs besides, in samples


class Layout(NamedTuple):
    """Samples of a block, whether all tapes are kept, whether parameters are staged in shared memory, its bytes, and the grid's blocks."""
    tile: int
    keep: int
    staged: int
    shared: int
    blocks: int


class Flow(NamedTuple):
    """The architecture, which is compiled in."""
    dim: int
    context_dim: int
    hidden: tuple
    n_transforms: int

    def numbers(self, keep, training):
        """Rows of a block's samples, and what its staged parameters take, as the source lays them out in shared memory."""
        lower, upper = self.dim // 2, self.dim - self.dim // 2
        halves = 2 + 2 * self.context_dim + self.dim
        tapes = (self.n_transforms if keep else 1) * (sum(1 + width for width in self.hidden) + 2 * upper)
        staged = 0
        for k in range(self.n_transforms):
            kept, moved = (upper, lower) if k % 2 else (lower, upper)
            sizes = (self.context_dim + kept, *self.hidden, 2 * moved)
            staged += sum((1 + n_in) * 4 * (-(-n_out // 4) | 1) for n_in, n_out in zip(sizes, sizes[1:]))
        return halves + tapes + (halves + self.n_transforms * upper if training else 0), staged

    def layout(self, xp, dtype, n, n_models=1, *, training=False):
        """For n samples of each model: of the tiles that fit that with least work in turn, if possible with all in shared memory."""
        n_processors, limit, tiles = cuda.multiprocessors(xp), cuda.shared_limit(xp), TRAINING_TILES if training else TILES
        for keep, staged in ((1, 1), (1, 0), (0, 0)) if training else ((0, 1), (0, 0)):
            rows, n_staged = self.numbers(keep, training)
            shared = {tile: ((tile + 4) * rows + staged * n_staged) * dtype.itemsize for tile in tiles}
            turns = {tile: -(-(-(-n // tile) * n_models) // n_processors) for tile in tiles if shared[tile] <= limit}
            if turns:
                tile = min(turns, key=lambda tile: turns[tile] * (tile + OVERHEAD))
                together = n_processors * min(8, limit // shared[tile])       # blocks that run at the same time
                return Layout(tile, keep, staged, shared[tile], max(1, min(-(-n // tile), together // n_models)))
        return None

    def launch(self, name, grid, flat, layout, *args):
        file = "kernels/realnvp/gradient.cu" if name in ("gradient", "score") else "kernels/realnvp/density.cu"
        hidden = ",".join(map(str, self.hidden))
        kernels = cuda.load(file, flat.dtype, DIM=self.dim, CONTEXT=self.context_dim, HIDDEN=hidden, TRANSFORMS=self.n_transforms,
                                TILE=layout.tile, KEEP=layout.keep, STAGED=layout.staged, THREADS=THREADS)
        kernels(name, grid, THREADS, flat, *args, shared=layout.shared)

    def arrays(self, flat, x, context, each=1):
        """x (N, D), and the context, a row of which stands for `each` of x, as the kernels read them."""
        xp = array_module(flat)
        if each == 1:
            x, context = flows.check_inputs(x, context, self.dim, self.context_dim)
        x = xp.ascontiguousarray(xp.asarray(x, dtype=flat.dtype))
        return x, x if context is None else xp.ascontiguousarray(xp.asarray(context, dtype=flat.dtype))

    def evaluate(self, name, flat, x, context, *outputs, each=1):
        """What one kernel says of N rows, in new arrays: (N,) where the output is None, else (N, so many columns)."""
        xp, (x, context) = array_module(flat), self.arrays(flat, x, context, each)
        n, out = len(x), [xp.empty(len(x) if width is None else (len(x), width), flat.dtype) for width in outputs]
        if n:
            layout = self.layout(xp, flat.dtype, n, training=name == "score")
            self.launch(name, layout.blocks, flat, layout, x, context, np.int64(n), np.int64(each), *out)
        return out

    def forward(self, flat, x, context):
        return tuple(self.evaluate("forward", flat, x, context, self.dim, None))

    def inverse(self, flat, z, context, each=1):
        return tuple(self.evaluate("inverse", flat, z, context, self.dim, None, each=each))

    def log_prob(self, flat, x, context):
        return self.evaluate("log_prob", flat, x, context, None)[0]

    def log_prob_and_grad(self, flat, x, context):
        value, dx, dcontext = self.evaluate("score", flat, x, context, None, self.dim, self.context_dim)
        return value, dx, None if context is None else dcontext


class Step(NamedTuple):
    """The loss and gradient of E models side by side, for the rows (E, S, B) of x and the context, at the step that cursor says.

    Alone, a model has the bits that it has beside others, where as many samples make a tile.
    """
    flow: Flow
    x: object
    context: object

    def n_blocks(self, n, n_models=1):
        """Blocks for n rows of each model: no more than run at the same time, each of which takes one tile after another."""
        return self.flow.layout(array_module(self.x), self.x.dtype, n, n_models, training=True).blocks

    def gradient(self, flat, rows, cursor, noise, partial, losses, dcontext=None):
        """Each block's sum into partial (E, G, P) and losses (E, G); the context's gradient into dcontext (C, B), where it is given."""
        asked = dcontext is not None
        self.launch("gradient", flat, rows, cursor, losses, partial, losses, dcontext if asked else losses, int(asked))

    def loss(self, flat, rows, cursor, noise, losses):
        self.launch("loss", flat, rows, cursor, losses, losses)

    def launch(self, name, flat, rows, cursor, losses, *outputs):
        n_models, n_steps, n = rows.shape
        layout = self.flow.layout(array_module(flat), flat.dtype, n, n_models, training=name == "gradient")
        self.flow.launch(name, (losses.shape[1], n_models), flat, layout, self.x, self.context, rows, cursor, n_steps, n, *outputs)


def flow_of(params):
    """The kernels' architecture for a packed tree, or None where array code is to run."""
    xp = array_module(params.flat)
    return params.scratch("kernels", lambda: supported(xp, params)) if cuda.wanted(xp) else None


def supported(xp, params):
    chain = params["couplings"]
    hidden = tuple(layer.shape[1] for layer in chain[0][:-1])
    dim = sum(layers[-1].shape[1] // 2 for layers in chain[:2])
    flow = Flow(dim, len(chain[0][0]) - 1 - dim // 2, hidden, len(chain))
    if any(tuple(layer.shape[1] for layer in layers[:-1]) != hidden for layers in chain):
        return cuda.fall_back("RealNVP: networks that differ in their hidden units are beyond its kernels")
    if flow.layout(xp, params.flat.dtype, 1, training=True) is None:
        return cuda.fall_back(f"RealNVP: networks of {', '.join(map(str, hidden))} hidden units exceed a block's shared memory")
    return flow


def step(params, arrays):
    """A Step over x (N, D) and, where the density is conditional, the context (N, C); None where array code is to run."""
    flow = flow_of(params)
    return None if flow is None else Step(flow, *flow.arrays(params.flat, *arrays, *(None,) * (2 - len(arrays))))


def write_grads(params, grads, x, context, dcontext):
    """One step for all rows: `realnvp.write_grads` by the kernels, their blocks' shares summed in a fixed order."""
    return one_batch.write_grads(params, grads, step(params, (x, context)), len(x), dcontext=dcontext)
