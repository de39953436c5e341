"""Launches the kernels of `density.cu`, `gradient.cu` and `inverse.cu`: a masked autoregressive flow on a GPU, in one launch for
all its transforms.

    flow = flow_of(xp, dtype, shapes)                 None where array code is to run; shapes are those of each MADE's layers
    z, log_det = flow.forward(params, x, context)
    step = flow.step(x, context)                      for training: many batches, models side by side, replayed from a graph

A block of threads takes a tile of samples: as few as give every multiprocessor a block, and no more than fit into shared memory.
"""
import functools
import math
from typing import NamedTuple

import numpy as np

from accel.kernels import cuda
from accel.kernels.philox import launch as philox_kernel

__all__ = ["Flow", "Step", "flow_of"]

FILES = {"forward": "kernels/maf/density.cu", "gradient": "kernels/maf/gradient.cu", "inverse": "kernels/maf/inverse.cu"}
THREADS, MORE_THREADS, MOST_THREADS = 256, 384, 512                   # of a block; the latter two for gradients in float32,
WIDE = 32                                                             # the last for tiles that wide
TILE, WIDEST_TILE = 8, 64                                             # samples that a block takes together: multiples of the former
INVERSE_TILES, PAIRS = (512, 448, 384, 256, 128, 64, 32), 384         # the same for the inverse; from PAIRS on a thread takes two
FEWEST_SHARING = 8                                                    # samples of one context for which it pays to share what it gives
UNITS = 4                                                             # columns of a group, as in maf.cuh
MOST_LAYERS = 4


def flow_of(xp, dtype, shapes):
    """The flow of a chain of MADEs whose layers have these shapes, or None where array code is to run."""
    return _flow(xp, dtype, shapes) if cuda.wanted(xp) else None


@functools.lru_cache(maxsize=64)
def _flow(xp, dtype, shapes):
    (first, *_, last), hidden = shapes[0], tuple(shape[1] for shape in shapes[0][:-1])
    dim = last[1] // 2
    flow = Flow(xp, dtype, dim, first[0] - 1 - dim, hidden, len(shapes))
    if len(set(shapes)) > 1 or len(hidden) > MOST_LAYERS or dtype.name not in cuda.NAMES or not flow.fits:
        cuda.fall_back(f"a masked autoregressive flow of {dim} dimensions with hidden layers {hidden} in {dtype} "
                       "is beyond its kernels")
        return None
    return flow


class Place(NamedTuple):
    """Normals that a kernel draws for itself: their shape, and where in the generator's stream they lie."""
    shape: tuple
    place: tuple

    def __len__(self):
        return self.shape[0]


class Places:
    """In place of a generator that counts: its draws are a Place."""

    def __init__(self, rng):
        self.rng = rng

    def standard_normal(self, size):
        return Place(size, philox_kernel.place(self.rng, math.prod(size)))


class Plan(NamedTuple):
    """Samples and threads of a block, whether all parameters stay in its shared memory, the blocks of a model, and bytes of that memory."""
    tile: int
    threads: int
    resident: bool
    blocks: int
    shared: int


class Flow(NamedTuple):
    """The shape of a flow, and where it is computed."""
    xp: object
    dtype: np.dtype
    dim: int
    context_dim: int
    hidden: tuple
    n_transforms: int

    @property
    def size(self):
        """Parameters."""
        sizes = (self.context_dim + self.dim, *self.hidden, 2 * self.dim)
        return self.n_transforms * sum((1 + n_in) * n_out for n_in, n_out in zip(sizes, sizes[1:]))

    @property
    def fits(self):
        least = max(self.bytes("gradient", TILE, False), self.inverse_bytes(INVERSE_TILES[-1], False, 0))
        return least <= cuda.shared_limit(self.xp)

    def bytes(self, kind, tile, resident):
        """Shared memory of a block: the rows of a tile, and the parameters of one transform or of all."""
        widths, staged = _staged(self.dim, self.context_dim, self.hidden)
        dim, n_hidden, n_transforms = self.dim, sum(self.hidden), self.n_transforms
        if kind == "gradient":
            rows = 2 + 2 * self.context_dim + dim * (2 + 3 * n_transforms) + n_transforms * n_hidden + sum(widths) + widths[-1]
        else:
            rows = 2 + self.context_dim + 3 * dim + n_hidden
        return self.dtype.itemsize * ((tile + 4) * rows + (n_transforms if resident else 1) * staged)

    def plan(self, kind, n, n_models=1):
        """How n samples of each of n_models are taken."""
        n, limit, processors = max(n, 1), cuda.shared_limit(self.xp), cuda.multiprocessors(self.xp)
        widest = next(tile for tile in range(WIDEST_TILE, 0, -TILE) if self.bytes(kind, tile, False) <= limit)
        rounds = -(-n * n_models // (widest * processors))            # tiles that a multiprocessor takes in turn
        tile = TILE * -(-n * n_models // (TILE * processors * rounds))
        if kind == "forward":                                         # whose n changes from call to call: few kernels to compile
            tile = min(widest, 1 << (tile - 1).bit_length())
        blocks, threads = -(-n // tile), THREADS
        resident = (kind == "gradient" or blocks * n_models <= processors) and self.bytes(kind, tile, True) <= limit
        if kind == "gradient":                                        # a block fills a multiprocessor: no more of them than run at once
            blocks = min(blocks, max(1, processors // n_models))
            threads = THREADS if self.dtype.itemsize > 4 else MORE_THREADS if tile < WIDE else MOST_THREADS
        return Plan(tile, threads, resident, blocks, self.bytes(kind, tile, resident))

    def inverse_bytes(self, tile, resident, each):
        """The same for the inverse, where each row of the context stands for `each` samples, or 0 for one of its own."""
        _, staged = _staged(self.dim, self.context_dim, self.hidden)
        rows = self.dim + sum(self.hidden) + (0 if each else self.context_dim)
        known = ((tile + each - 2) // each + 1) * (self.context_dim + sum(self.hidden) + 2) if each else 0
        return self.dtype.itemsize * ((self.n_transforms if resident else 1) * staged + (tile + 2) * rows + known)

    def inverse_plan(self, n, each):
        """How n samples are taken by the inverse; `each` as there."""
        limit, processors = cuda.shared_limit(self.xp), cuda.multiprocessors(self.xp)
        fitting = [tile for tile in INVERSE_TILES if self.inverse_bytes(tile, False, each) <= limit]
        tile = min((tile for tile in fitting if tile * processors >= n), default=fitting[0])
        blocks = -(-n // tile)
        resident = blocks <= processors and self.inverse_bytes(tile, True, each) <= limit
        return Plan(tile, tile // 2 if tile >= PAIRS else tile, resident, blocks, self.inverse_bytes(tile, resident, each))

    def launch(self, kind, name, plan, *args, blocks=None, **more):
        """One kernel as planned; blocks says how many others than those of the plan."""
        sizes = {"DIM": self.dim, "CONTEXT": self.context_dim, "TRANSFORMS": self.n_transforms,
                 **{f"HIDDEN_{k}": n for k, n in enumerate(self.hidden)}}
        kernels = cuda.load(FILES[kind], self.dtype, TILE=plan.tile, THREADS=plan.threads, RESIDENT=int(plan.resident), **sizes, **more)
        kernels(name, blocks or plan.blocks, plan.threads, *args, shared=plan.shared)

    def _inputs(self, x, context):
        """x and context as the kernels read them; without a context, x in its place."""
        x = self.xp.ascontiguousarray(x, dtype=self.dtype)
        return x, x if context is None else self.xp.ascontiguousarray(context, dtype=self.dtype)

    def forward(self, flat, x, context):
        """z (N, D) and log|det ∂z/∂x| (N,)."""
        x, context = self._inputs(x, context)
        z, log_det = self.xp.empty_like(x), self.xp.empty(len(x), self.dtype)
        self._evaluate("forward", flat, x, context, z, log_det)
        return z, log_det

    def log_prob(self, flat, x, context):
        """log p(x|c), (N,)."""
        x, context = self._inputs(x, context)
        out = self.xp.empty(len(x), self.dtype)
        self._evaluate("log_prob", flat, x, context, out)
        return out

    def _evaluate(self, name, flat, x, context, *out):
        if len(x):
            self.launch("forward", name, self.plan("forward", len(x)), flat, x, context, *out, np.int64(len(x)))

    def log_prob_and_grad(self, flat, x, context):
        """log p(x|c) (N,), and its gradients with respect to x (N, D) and c (N, C), None where there is no context."""
        xp, n, (x, given) = self.xp, len(x), self._inputs(x, context)
        log_p, dx, dcontext = xp.empty(n, self.dtype), xp.empty_like(x), xp.empty_like(given)
        if n:
            self.launch("gradient", "score", self.plan("gradient", n), flat, x, given, log_p, dx, dcontext, np.int64(n))
        return log_p, dx, None if context is None else dcontext

    def source_of(self, rng):
        """What draws the normals that `inverse` takes: a Places where the kernel can draw them itself, else rng."""
        return Places(rng) if philox_kernel.inside(rng, self.xp) and rng.dtype == self.dtype else rng

    def inverse(self, flat, z, context, each=1):
        """x (N, D) and log|det ∂x/∂z| (N,), a row of the context standing for `each` rows of z; z may be a Place."""
        xp, (each, shared) = self.xp, (each, each >= FEWEST_SHARING) if self.context_dim else (max(len(z), 1), True)
        n, place = len(z), z.place if isinstance(z, Place) else None
        z = flat if place else xp.ascontiguousarray(xp.asarray(z, dtype=self.dtype))  # flat: a dummy pointer; z may be on the host
        context = flat if context is None else xp.ascontiguousarray(context, dtype=self.dtype)
        x, log_det = xp.empty((n, self.dim), self.dtype), xp.empty(n, self.dtype)
        if n:
            self.launch("inverse", "inverse", self.inverse_plan(n, each if shared else 0), flat, z, context, x, log_det,
                        np.int64(n), np.int64(each), int(place is not None), *(place or (np.uint64(0), np.uint64(0))),
                        CONTEXTS_SHARED=int(shared))
        return x, log_det

    def step(self, x, context=None):
        """What trains models of this shape, side by side, on rows of x and, where there is one, of the context."""
        return Step(self, *self._inputs(x, context))


class Step(NamedTuple):
    """Loss and gradient of batches of rows, for E models side by side; masked weights have no gradient.

    flat (E, P) holds the parameters, rows (E, S, B) int32 the row numbers of S batches, cursor (1,) int32 on the device says which
    of them is meant. Each of G = n_blocks(B, E) blocks for a model writes its share of the mean loss into losses (E, G), and of the
    gradient into partial (E, G, P): their sums over G are the batch's. The noise is empty.
    """
    flow: Flow
    x: object
    context: object

    def n_blocks(self, n, n_models=1):
        return self.flow.plan("gradient", n, n_models).blocks

    def gradient(self, flat, rows, cursor, noise, partial, losses, dcontext=None):
        """dcontext (C, B), where it is given, receives the gradient of the batch's rows of the context, for one model."""
        self._launch("gradient", "gradient", flat, rows, cursor, losses, partial,
                     after=(losses, losses if dcontext is None else dcontext, int(dcontext is not None)))

    def loss(self, flat, rows, cursor, noise, losses):
        self._launch("loss", "forward", flat, rows, cursor, losses, after=(losses,))

    def _launch(self, name, kind, flat, rows, cursor, losses, *partial, after):
        n_models, n_steps, n = rows.shape
        self.flow.launch(kind, name, self.flow.plan(kind, n, n_models), flat, self.x, self.context, rows, cursor, n_steps, n, *partial,
                         *after, blocks=(losses.shape[1], n_models))


@functools.cache
def _staged(dim, context_dim, hidden):
    """The columns that each layer takes in shared memory, and the numbers of all layers: groups of UNITS of one degree."""
    lowest = 0 if context_dim or dim == 1 else 1
    widths = []
    for n in hidden:
        degrees = lowest + np.arange(n) * (dim - lowest) // n
        widths.append(int(sum(-(-np.bincount(degrees) // UNITS) * UNITS)))
    widths.append(-(-2 * dim // UNITS) * UNITS)
    return tuple(widths), sum((1 + n_in) * width for n_in, width in zip((context_dim + dim, *hidden), widths))
