"""Launches the kernels of `density.cu`, `gradient.cu` and `inverse.cu`: a masked autoregressive flow on a
GPU, all its transforms in one launch.

    flow = flow_of(xp, dtype, shapes, bound=S)    the shapes of each MADE's layers; None for array code
    z, log_det = flow.forward(flat, x, context)
    step = flow.step(x, context)                  for training: many batches, models side by side

Sizes, the bound of log σ and the plan are compiled in. A tile is the smallest that gives every multiprocessor
a block, and no larger than shared memory allows; `accel.kernels.plan` defines the words.
"""
import functools
import math
from typing import NamedTuple

import numpy as np

from accel.kernels import cuda
from accel.kernels.philox import launch as philox_kernel
from accel.kernels.plan import LaunchPlan

__all__ = ["Flow", "Step", "flow_of"]

FILES = {"forward": "kernels/maf/density.cu", "gradient": "kernels/maf/gradient.cu",
         "inverse": "kernels/maf/inverse.cu"}
MOST_LAYERS = 4
UNITS = 4                                            # columns of a group, whose units have one degree
PADDING = {"forward": 4, "gradient": 4, "inverse": 2}     # of a row: pitch − tile
TILE, WIDEST_TILE = 8, 64                            # tiles are multiples of the first, up to the second
THREADS = 256
MORE_THREADS, MOST_THREADS, WIDE = 384, 512, 32      # gradients in float32, the second from WIDE on
INVERSE_TILES = (512, 448, 384, 256, 128, 64, 32)
PAIRS = 384                                          # inverse: threads of tiles this large take two samples
FEWEST_SHARING = 8                                   # inverse: samples of a context that share its part


def flow_of(xp, dtype, shapes, *, bound):
    """The flow of MADEs whose layers have these shapes, with |log σ| < bound, or None for array code."""
    return _flow(xp, dtype, shapes, bound) if cuda.wanted(xp) else None


@functools.lru_cache(maxsize=64)
def _flow(xp, dtype, shapes, bound):
    (first, *_, last), hidden = shapes[0], tuple(shape[1] for shape in shapes[0][:-1])
    dim = last[1] // 2
    flow = Flow(xp, dtype, dim, first[0] - 1 - dim, hidden, len(shapes), bound)
    if len(set(shapes)) > 1 or len(hidden) > MOST_LAYERS or dtype.name not in cuda.NAMES or not flow.fits:
        cuda.fall_back(f"a masked autoregressive flow of {dim} dimensions with hidden layers {hidden} "
                       f"in {dtype} is beyond its kernels")
        return None
    return flow


class Place(NamedTuple):
    """Normals that a kernel draws itself: their shape, and their place (seed, block) in the stream."""
    shape: tuple
    place: tuple

    def __len__(self):
        return self.shape[0]


class Places:
    """Stands in for a counter-based generator: its draws are a Place, which moves the generator on."""

    def __init__(self, rng):
        self.rng = rng

    def standard_normal(self, size):
        return Place(size, philox_kernel.place(self.rng, math.prod(size)))


class Flow(NamedTuple):
    """The sizes of a flow, and the array module and dtype of its arrays."""
    xp: object
    dtype: np.dtype
    dim: int
    context_dim: int
    hidden: tuple
    n_transforms: int
    bound: float

    @property
    def fits(self):
        """Whether the smallest tiles fit into shared memory."""
        least = max(self.bytes("gradient", TILE, False), self.inverse_bytes(INVERSE_TILES[-1], False, 0))
        return least <= cuda.shared_limit(self.xp)

    def bytes(self, kind, tile, resident):
        """Shared memory of a block: the rows of a tile, and the parameters of one transform or of all."""
        widths, n_staged = _staged(self.dim, self.context_dim, self.hidden)
        dim, n_hidden, n_transforms = self.dim, sum(self.hidden), self.n_transforms
        if kind == "gradient":
            kept = dim * (2 + 3 * n_transforms) + n_transforms * n_hidden
            rows = 2 + 2 * self.context_dim + kept + sum(widths) + widths[-1]
        else:
            rows = 2 + self.context_dim + 3 * dim + n_hidden
        n_staged *= n_transforms if resident else 1
        return self.dtype.itemsize * ((tile + PADDING[kind]) * rows + n_staged)

    def plan(self, kind, n, n_models=1):
        """The plan for n samples of each of n_models."""
        n, limit, processors = max(n, 1), cuda.shared_limit(self.xp), cuda.multiprocessors(self.xp)
        widest = next(tile for tile in range(WIDEST_TILE, 0, -TILE) if self.bytes(kind, tile, False) <= limit)
        rounds = -(-n * n_models // (widest * processors))    # tiles that a multiprocessor takes in turn
        tile = TILE * -(-n * n_models // (TILE * processors * rounds))
        if kind == "forward":                                 # n varies between calls: compile few kernels
            tile = min(widest, 1 << (tile - 1).bit_length())
        blocks, threads = -(-n // tile), THREADS
        one_round = kind == "gradient" or blocks * n_models <= processors
        resident = one_round and self.bytes(kind, tile, True) <= limit
        if kind == "gradient":                                # a block fills a multiprocessor
            blocks = min(blocks, max(1, processors // n_models))
            threads = THREADS if self.dtype.itemsize > 4 else MORE_THREADS if tile < WIDE else MOST_THREADS
        return LaunchPlan(tile, threads, blocks, self.bytes(kind, tile, resident), resident)

    def inverse_bytes(self, tile, resident, each):
        """The same for the inverse; `each` samples share a row of the context, or 0 if each has its own."""
        _, n_staged = _staged(self.dim, self.context_dim, self.hidden)
        rows = self.dim + sum(self.hidden) + (0 if each else self.context_dim)
        known = ((tile + each - 2) // each + 1) * (self.context_dim + sum(self.hidden) + 2) if each else 0
        n_staged *= self.n_transforms if resident else 1
        return self.dtype.itemsize * ((tile + PADDING["inverse"]) * rows + known + n_staged)

    def inverse_plan(self, n, each):
        """The plan for n samples of the inverse; `each` as in inverse_bytes."""
        limit, processors = cuda.shared_limit(self.xp), cuda.multiprocessors(self.xp)
        fitting = [tile for tile in INVERSE_TILES if self.inverse_bytes(tile, False, each) <= limit]
        tile = min((tile for tile in fitting if tile * processors >= n), default=fitting[0])
        blocks = -(-n // tile)
        resident = blocks <= processors and self.inverse_bytes(tile, True, each) <= limit
        threads = tile // 2 if tile >= PAIRS else tile
        return LaunchPlan(tile, threads, blocks, self.inverse_bytes(tile, resident, each), resident)

    def launch(self, kind, name, plan, *args, grid=None, **constants):
        """Launch one kernel as planned, or in another grid."""
        sizes = {"DIM": self.dim, "CONTEXT": self.context_dim, "TRANSFORMS": self.n_transforms,
                 **{f"HIDDEN_{k}": n for k, n in enumerate(self.hidden)}}
        layout = {"TILE": plan.tile, "PITCH": plan.tile + PADDING[kind], "THREADS": plan.threads,
                  "RESIDENT": int(plan.resident), "UNITS": UNITS}
        kernels = cuda.load(FILES[kind], self.dtype, BOUND=self.bound, **sizes, **layout, **constants)
        kernels(name, grid or plan.blocks, plan.threads, *args, shared=plan.shared)

    def _inputs(self, x, context):
        """x and context as the kernels read them; x is a dummy pointer for a missing context."""
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
            plan = self.plan("forward", len(x))
            self.launch("forward", name, plan, flat, x, context, *out, np.int64(len(x)))

    def log_prob_and_grad(self, flat, x, context):
        """log p(x|c) (N,), and its gradients with respect to x (N, D) and c (N, C) or None."""
        xp, n, (x, given) = self.xp, len(x), self._inputs(x, context)
        log_p, dx, dcontext = xp.empty(n, self.dtype), xp.empty_like(x), xp.empty_like(given)
        if n:
            plan = self.plan("gradient", n)
            self.launch("gradient", "score", plan, flat, x, given, log_p, dx, dcontext, np.int64(n))
        return log_p, dx, None if context is None else dcontext

    def source_of(self, rng):
        """What draws the normals of `inverse`: a Places where the kernel can draw them itself, else rng."""
        return Places(rng) if philox_kernel.inside(rng, self.xp) and rng.dtype == self.dtype else rng

    def inverse(self, flat, z, context, each=1):
        """x (N, D) and log|det ∂x/∂z| (N,); `each` rows of z share a row of the context; z may be a Place."""
        xp, n, place = self.xp, len(z), z.place if isinstance(z, Place) else None
        each, shared = (each, each >= FEWEST_SHARING) if self.context_dim else (max(n, 1), True)
        # flat is a dummy pointer for an array that the kernel does not read; z may be on the host
        z = flat if place else xp.ascontiguousarray(xp.asarray(z, dtype=self.dtype))
        context = flat if context is None else xp.ascontiguousarray(context, dtype=self.dtype)
        x, log_det = xp.empty((n, self.dim), self.dtype), xp.empty(n, self.dtype)
        if n:
            plan, seed_and_block = self.inverse_plan(n, each if shared else 0), place or (np.uint64(0),) * 2
            self.launch("inverse", "inverse", plan, flat, z, context, x, log_det, np.int64(n), np.int64(each),
                        int(place is not None), *seed_and_block, CONTEXTS_SHARED=int(shared))
        return x, log_det

    def step(self, x, context=None):
        """The training step of models of this shape, side by side, on rows of x and of the context."""
        return Step(self, *self._inputs(x, context))


class Step(NamedTuple):
    """Loss and gradient of minibatches for E models side by side, see `kernels.training`; there is no noise.

    Masked weights have no gradient.
    """
    flow: Flow
    x: object
    context: object

    def n_blocks(self, n, n_models=1):
        """Blocks of each model, for n rows of each."""
        return self.flow.plan("gradient", n, n_models).blocks

    def gradient(self, flat, rows, cursor, noise, partial, losses, dcontext=None):
        """For one model, dcontext (C, B) receives the gradient of the batch's rows of the context."""
        self._launch("gradient", "gradient", flat, rows, cursor, losses, partial,
                     after=(losses, losses if dcontext is None else dcontext, int(dcontext is not None)))

    def loss(self, flat, rows, cursor, noise, losses):
        """The loss alone."""
        self._launch("loss", "forward", flat, rows, cursor, losses, after=(losses,))

    def _launch(self, name, kind, flat, rows, cursor, losses, *partial, after):
        n_models, n_steps, n = rows.shape
        args = flat, self.x, self.context, rows, cursor, n_steps, n, *partial, *after
        plan = self.flow.plan(kind, n, n_models)
        self.flow.launch(kind, name, plan, *args, grid=(losses.shape[1], n_models))


@functools.cache
def _staged(dim, context_dim, hidden):
    """The columns of each staged layer, in groups of UNITS of one degree, and the numbers of all layers."""
    lowest = 0 if context_dim or dim == 1 else 1
    widths = []
    for n in hidden:
        degrees = lowest + np.arange(n) * (dim - lowest) // n
        widths.append(int(sum(-(-np.bincount(degrees) // UNITS) * UNITS)))
    widths.append(-(-2 * dim // UNITS) * UNITS)
    return tuple(widths), sum((1 + n_in) * width for n_in, width in zip((context_dim + dim, *hidden), widths))
