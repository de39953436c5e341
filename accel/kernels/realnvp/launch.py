"""Launches the kernels of `density.cu` and `gradient.cu`: samples through all couplings in one launch.

    flow = flow_of(xp, dtype, shapes, bound=S)    the shapes of each network's layers; None for array code
    z, log_det = flow.forward(flat, x, context)
    step = flow.step(x, context)                  for training: many batches, models side by side

Array code runs without a device, with kernels switched off, and for networks that exceed a block's shared
memory. `accel.kernels.plan` defines the words.
"""
import functools
from typing import NamedTuple

import numpy as np

from accel.kernels import cuda
from accel.kernels.plan import LaunchPlan

__all__ = ["Flow", "Step", "flow_of"]

FILES = {"density": "kernels/realnvp/density.cu", "gradient": "kernels/realnvp/gradient.cu"}
THREADS = 256
TILES, TRAINING_TILES = (64, 8), (32, 16, 8)         # evaluations have few tiles to compile
PADDING = 4                                          # of a row, as in dense.cuh for multiples of 8
OVERHEAD = 8                                         # the fixed cost of a tile, in samples
MOST_BLOCKS = 8                                      # of a multiprocessor, at the same time


def flow_of(xp, dtype, shapes, *, bound):
    """The flow of couplings whose layers have these shapes, with |s| < bound, or None for array code."""
    return _flow(xp, dtype, shapes, bound) if cuda.wanted(xp) else None


@functools.lru_cache(maxsize=64)
def _flow(xp, dtype, shapes, bound):
    hidden = tuple(shape[1] for shape in shapes[0][:-1])
    dim = sum(network[-1][1] // 2 for network in shapes[:2])
    flow = Flow(xp, dtype, dim, shapes[0][0][0] - 1 - dim // 2, hidden, len(shapes), bound)
    if any(tuple(shape[1] for shape in network[:-1]) != hidden for network in shapes):
        return cuda.fall_back("RealNVP: networks that differ in their hidden units are beyond its kernels")
    if flow.plan(1, training=True) is None:
        units = ", ".join(map(str, hidden))
        return cuda.fall_back(f"RealNVP: networks of {units} hidden units exceed a block's shared memory")
    return flow


class Plan(NamedTuple):
    """A launch, and how many couplings keep a tape (their network's units and outputs): all, or one."""
    launch: LaunchPlan
    n_tapes: int


class Flow(NamedTuple):
    """The sizes of a flow, and the array module and dtype of its arrays."""
    xp: object
    dtype: np.dtype
    dim: int
    context_dim: int
    hidden: tuple
    n_transforms: int
    bound: float

    def numbers(self, n_tapes, training):
        """What a block has in shared memory: rows of its samples, and numbers of staged parameters."""
        lower, upper = self.dim // 2, self.dim - self.dim // 2
        halves = 2 + 2 * self.context_dim + self.dim
        tapes = n_tapes * (sum(1 + width for width in self.hidden) + 2 * upper)
        staged = 0
        for k in range(self.n_transforms):
            kept, moved = (upper, lower) if k % 2 else (lower, upper)
            sizes = (self.context_dim + kept, *self.hidden, 2 * moved)
            staged += sum((1 + n_in) * 4 * (-(-n_out // 4) | 1) for n_in, n_out in zip(sizes, sizes[1:]))
        return halves + tapes + (halves + self.n_transforms * upper if training else 0), staged

    def plan(self, n, n_models=1, *, training=False):
        """The plan for n samples of each model, or None if no tile fits into shared memory.

        All tapes and resident parameters are preferred; of the tiles that fit, that which is done first.
        """
        limit, processors = cuda.shared_limit(self.xp), cuda.multiprocessors(self.xp)
        tiles, n_tapes = (TRAINING_TILES, self.n_transforms) if training else (TILES, 1)
        for tapes, resident in ((n_tapes, True), (n_tapes, False), (1, False)):
            rows, n_staged = self.numbers(tapes, training)
            numbers = {tile: (tile + PADDING) * rows + resident * n_staged for tile in tiles}
            shared = {tile: numbers[tile] * self.dtype.itemsize for tile in tiles}
            fitting = [tile for tile in tiles if shared[tile] <= limit]
            rounds = {tile: -(-(-(-n // tile) * n_models) // processors) for tile in fitting}
            if rounds:
                tile = min(rounds, key=lambda tile: rounds[tile] * (tile + OVERHEAD))
                at_once = processors * min(MOST_BLOCKS, limit // shared[tile])
                blocks = max(1, min(-(-n // tile), at_once // n_models))
                return Plan(LaunchPlan(tile, THREADS, blocks, shared[tile], resident), tapes)
        return None

    def launch(self, file, name, plan, *args, grid=None):
        """Launch one kernel as planned, or in another grid."""
        launch, hidden = plan.launch, ",".join(map(str, self.hidden))
        kernels = cuda.load(FILES[file], self.dtype, DIM=self.dim, CONTEXT=self.context_dim, HIDDEN=hidden,
                            TRANSFORMS=self.n_transforms, BOUND=self.bound, TAPES=plan.n_tapes,
                            TILE=launch.tile, THREADS=launch.threads, RESIDENT=int(launch.resident))
        kernels(name, grid or launch.blocks, launch.threads, *args, shared=launch.shared)

    def _inputs(self, x, context):
        """x and context as the kernels read them; x is a dummy pointer for a missing context."""
        xp, dtype = self.xp, self.dtype
        x = xp.ascontiguousarray(xp.asarray(x, dtype=dtype))
        return x, x if context is None else xp.ascontiguousarray(xp.asarray(context, dtype=dtype))

    def _evaluate(self, file, name, flat, x, context, *widths, each=1):
        """New arrays with the results of one kernel for N rows: (N,) for the width None, else (N, width)."""
        xp, n, (x, context) = self.xp, len(x), self._inputs(x, context)
        out = [xp.empty(n if width is None else (n, width), self.dtype) for width in widths]
        if n:
            plan = self.plan(n, training=file == "gradient")
            self.launch(file, name, plan, flat, x, context, np.int64(n), np.int64(each), *out)
        return out

    def forward(self, flat, x, context):
        """z (N, D) and log|det ∂z/∂x| (N,)."""
        return tuple(self._evaluate("density", "forward", flat, x, context, self.dim, None))

    def inverse(self, flat, z, context, each=1):
        """x (N, D) and log|det ∂x/∂z| (N,); `each` rows of z share a row of the context."""
        return tuple(self._evaluate("density", "inverse", flat, z, context, self.dim, None, each=each))

    def log_prob(self, flat, x, context):
        """log p(x|c), (N,)."""
        return self._evaluate("density", "log_prob", flat, x, context, None)[0]

    def source_of(self, rng):
        """What draws the normals of `inverse`."""
        return rng

    def log_prob_and_grad(self, flat, x, context):
        """log p(x|c) (N,), and its gradients with respect to x (N, D) and c (N, C) or None."""
        widths = None, self.dim, self.context_dim
        value, dx, dcontext = self._evaluate("gradient", "score", flat, x, context, *widths)
        return value, dx, None if context is None else dcontext

    def step(self, x, context=None):
        """The training step of models of this shape, side by side, on rows of x and of the context."""
        return Step(self, *self._inputs(x, context))


class Step(NamedTuple):
    """Loss and gradient of minibatches for E models side by side, see `kernels.training`; there is no noise.

    A model has the same bits alone and beside others, if the tile is the same.
    """
    flow: Flow
    x: object
    context: object

    def n_blocks(self, n, n_models=1):
        """Blocks of each model, for n rows of each: no more than run at the same time."""
        return self.flow.plan(n, n_models, training=True).launch.blocks

    def gradient(self, flat, rows, cursor, noise, partial, losses, dcontext=None):
        """For one model, dcontext (C, B) receives the gradient of the batch's rows of the context."""
        given = dcontext is not None
        outputs = partial, losses, dcontext if given else losses, int(given)
        self._launch("gradient", "gradient", flat, rows, cursor, losses, *outputs)

    def loss(self, flat, rows, cursor, noise, losses):
        """The loss alone."""
        self._launch("density", "loss", flat, rows, cursor, losses, losses)

    def _launch(self, file, name, flat, rows, cursor, losses, *outputs):
        n_models, n_steps, n = rows.shape
        plan = self.flow.plan(n, n_models, training=file == "gradient")
        args = flat, self.x, self.context, rows, cursor, n_steps, n, *outputs
        self.flow.launch(file, name, plan, *args, grid=(losses.shape[1], n_models))
