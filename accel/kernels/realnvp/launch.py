"""Launches the kernels of `density.cu` and `gradient.cu`, which take samples through the whole chain of couplings at once.

`flow_of` gives them for networks of some shapes, or None where array code is to run: no device, kernels switched off, or networks
too large for a block's shared memory. `Flow.step` gives what a training step needs, over minibatches that the device gathers.
"""
import functools
from typing import NamedTuple

import numpy as np

from accel.kernels import cuda
from accel.device import array_module

__all__ = ["Flow", "Step", "flow_of"]

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
    """The architecture, which is compiled in, and where it is computed."""
    xp: object
    dtype: np.dtype
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

    def arrays(self, x, context):
        """x (N, D) and the context as the kernels read them."""
        xp, dtype = self.xp, self.dtype
        x = xp.ascontiguousarray(xp.asarray(x, dtype=dtype))
        return x, x if context is None else xp.ascontiguousarray(xp.asarray(context, dtype=dtype))

    def evaluate(self, name, flat, x, context, *outputs, each=1):
        """What one kernel says of N rows, in new arrays: (N,) where the output is None, else (N, so many columns)."""
        xp, (x, context) = self.xp, self.arrays(x, context)
        n, out = len(x), [xp.empty(len(x) if width is None else (len(x), width), flat.dtype) for width in outputs]
        if n:
            layout = self.layout(xp, flat.dtype, n, training=name == "score")
            self.launch(name, layout.blocks, flat, layout, x, context, np.int64(n), np.int64(each), *out)
        return out

    def forward(self, flat, x, context):
        """z (N, D) and log|det ∂z/∂x| (N,)."""
        return tuple(self.evaluate("forward", flat, x, context, self.dim, None))

    def inverse(self, flat, z, context, each=1):
        """x (N, D) and log|det ∂x/∂z| (N,), a row of the context standing for `each` rows of z."""
        return tuple(self.evaluate("inverse", flat, z, context, self.dim, None, each=each))

    def log_prob(self, flat, x, context):
        """log p(x|c), (N,)."""
        return self.evaluate("log_prob", flat, x, context, None)[0]

    def source_of(self, rng):
        """What draws the normals that `inverse` takes."""
        return rng

    def log_prob_and_grad(self, flat, x, context):
        """log p(x|c) (N,), and its gradients with respect to x (N, D) and c (N, C), None where there is no context."""
        value, dx, dcontext = self.evaluate("score", flat, x, context, None, self.dim, self.context_dim)
        return value, dx, None if context is None else dcontext

    def step(self, x, context=None):
        """What trains models of this shape, side by side, on rows of x and, where there is one, of the context."""
        return Step(self, *self.arrays(x, context))


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


def flow_of(xp, dtype, shapes):
    """The flow of a chain of couplings whose layers have these shapes, or None where array code is to run."""
    return _flow(xp, dtype, shapes) if cuda.wanted(xp) else None


@functools.lru_cache(maxsize=64)
def _flow(xp, dtype, shapes):
    hidden = tuple(shape[1] for shape in shapes[0][:-1])
    dim = sum(network[-1][1] // 2 for network in shapes[:2])
    flow = Flow(xp, dtype, dim, shapes[0][0][0] - 1 - dim // 2, hidden, len(shapes))
    if any(tuple(shape[1] for shape in network[:-1]) != hidden for network in shapes):
        return cuda.fall_back("RealNVP: networks that differ in their hidden units are beyond its kernels")
    if flow.layout(xp, dtype, 1, training=True) is None:
        return cuda.fall_back(f"RealNVP: networks of {', '.join(map(str, hidden))} hidden units exceed a block's shared memory")
    return flow
