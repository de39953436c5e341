"""Launches the kernels of `ratio.cu`: the ratio's logits, and its training, all pairs of a row side by side.

    classifier = classifier_of(xp, dtype, shapes)     of layers of these shapes; None if they are too large
    f = classifier.log_ratio(flat, theta_rows, x_rows)
    training = step(classifier, flat, theta_rows, x_rows, n_contrastive=…, balance=…)

Array code runs where a network is too large for the shared memory of a block. A step gathers the rows of its
minibatches on the device.
"""
from typing import NamedTuple

import numpy as np

from accel.device import array_module, check_together
from accel.kernels import cuda
from accel.kernels.plan import LaunchPlan
from accel.runtime import checks

__all__ = ["Classifier", "Step", "classifier_of", "step"]

THREADS = 256
TILES, ROWS = (64, 8), (16, 4)                         # pairs of a block; rows of x, each with all its pairs
OVERHEAD = 8                                                          # what a tile costs besides, in pairs


class Classifier(NamedTuple):
    """The architecture, which is compiled in."""
    dim: int
    context_dim: int
    hidden: tuple

    def plan(self, xp, dtype, n, n_pairs=1, n_models=1):
        """How n rows of each model are taken; a tile counts rows of x. None if nothing fits shared memory.

        Of the tiles that fit, it is the one with least work in turn, with parameters resident if they can be.
        """
        processors, limit = cuda.multiprocessors(xp), cuda.shared_limit(xp)
        choices = TILES if n_pairs == 1 else ROWS
        sizes = (2 * self.dim + self.context_dim, *self.hidden, 1 + self.context_dim)
        kept = 1 + sum(sizes) + len(self.hidden) + 1 + (1 + sizes[0] if n_pairs == 1 else 0)
        parameters = sum((1 + n_in) * 4 * (-(-n_out // 4) | 1) for n_in, n_out in zip(sizes, sizes[1:]))
        for staged in (1, 0):
            shared = {tile: ((tile * n_pairs + 4) * kept + staged * parameters) * dtype.itemsize
                      for tile in choices}
            turns = {tile: -(-(-(-n // tile) * n_models) // processors)
                     for tile in choices if shared[tile] <= limit}
            if turns:
                tile = min(turns, key=lambda tile: turns[tile] * (tile * n_pairs + OVERHEAD))
                together = processors * min(8, limit // shared[tile])         # blocks that run at one time
                blocks = max(1, min(-(-n // tile), together // n_models))
                return LaunchPlan(tile, THREADS, blocks, shared[tile], bool(staged))
        return None

    def check(self, flat, theta_rows, x_rows, n_x):
        """ValueError unless there is what a kernel is going to read."""
        check_together(params=flat, theta_rows=theta_rows, x_rows=x_rows)
        checks.check_shape("theta_rows", theta_rows, ("N", 2 * self.dim + 1))
        checks.check_shape("x_rows", x_rows, (n_x, self.context_dim + self.dim))

    def launch(self, name, grid, flat, plan, n_pairs, *args):
        kernels = cuda.load("kernels/ratio/ratio.cu", flat.dtype, P=self.dim, CONTEXT=self.context_dim,
                            HIDDEN=",".join(map(str, self.hidden)), PAIRS=n_pairs, ROWS=plan.tile,
                            STAGED=int(plan.resident), THREADS=plan.threads)
        kernels(name, grid, plan.threads, flat, *args, shared=plan.shared)

    def log_ratio(self, flat, theta_rows, x_rows):
        """The logit of each pair, (N,)."""
        return self.evaluate("log_ratio", flat, theta_rows, x_rows)[0]

    def log_ratio_and_grad(self, flat, theta_rows, x_rows):
        """The same, and its gradient in theta_rows, (N, 2P + 1)."""
        return self.evaluate("log_ratio_and_grad", flat, theta_rows, x_rows, 2 * self.dim + 1)

    def evaluate(self, name, flat, theta_rows, x_rows, *widths):
        """What a kernel writes: (N,) and then (N, width)."""
        xp, n = array_module(flat), len(theta_rows)
        self.check(flat, theta_rows, x_rows, 1 if len(x_rows) == 1 else n)
        theta_rows, x_rows = (xp.ascontiguousarray(rows, dtype=flat.dtype) for rows in (theta_rows, x_rows))
        out = [xp.empty(shape, flat.dtype) for shape in (n, *((n, width) for width in widths))]
        plan = self.plan(xp, flat.dtype, n)
        if n:
            self.launch(name, plan.blocks, flat, plan, 1, theta_rows, x_rows, np.int64(n), len(x_rows), *out)
        return tuple(out)


class Step(NamedTuple):
    """The loss and gradient of E models side by side, for rows (E, S, B) of the data, at the step in cursor.

    Alone, a model has the bits that it has beside others, where as many samples make a tile.
    """
    classifier: Classifier
    theta_rows: object
    x_rows: object
    n_contrastive: int

    def plan(self, n, n_models):
        """The launch, and the number of pairs of each row, as `_ratio_rows.count_pairs`."""
        n_pairs = min(self.n_contrastive + 1, checks.check_count("u: number of rows", n, least=2))
        xp, dtype = array_module(self.x_rows), self.x_rows.dtype
        return self.classifier.plan(xp, dtype, n, n_pairs, n_models), n_pairs

    def n_blocks(self, n, n_models=1):
        return self.plan(n, n_models)[0].blocks

    def gradient(self, flat, rows, cursor, noise, partial, losses):
        """Each block's sum into partial (E, G, P) and losses (E, G)."""
        self.launch("gradient", flat, rows, cursor, losses, partial, losses)

    def loss(self, flat, rows, cursor, noise, losses):
        self.launch("loss", flat, rows, cursor, losses, losses)

    def launch(self, name, flat, rows, cursor, losses, *outputs):
        n_models, n_steps, n = rows.shape
        plan, n_pairs = self.plan(n, n_models)
        self.classifier.launch(name, (losses.shape[1], n_models), flat, plan, n_pairs, self.theta_rows,
                               self.x_rows, rows, cursor, n_steps, n, *outputs)


def classifier_of(xp, dtype, shapes):
    """The kernels of a network whose layers have these shapes, or None where it is too large for them."""
    hidden, context_dim = tuple(n_out for _, n_out in shapes[:-1]), shapes[-1][1] - 1
    classifier = Classifier((shapes[0][0] - 1 - context_dim) // 2, context_dim, hidden)
    if classifier.plan(xp, dtype, 1) is None:
        units = ", ".join(map(str, hidden))
        return cuda.fall_back(f"ratio: a network of {units} hidden units exceeds a block's shared memory")
    return classifier


def step(classifier, flat, theta_rows, x_rows, *, n_contrastive, balance):
    """A Step over theta_rows (N, 2P + 1) and x_rows (N, C + P); None where array code is to run."""
    xp, dtype = array_module(flat), flat.dtype
    classifier.check(flat, theta_rows, x_rows, len(theta_rows))
    if balance:
        return cuda.fall_back("ratio: a balance couples all rows of a minibatch, which its kernels divide")
    if classifier.plan(xp, dtype, 1, n_contrastive + 1) is None:
        return cuda.fall_back(f"ratio: {n_contrastive + 1} pairs for each row exceed a block's shared memory")
    data = (xp.ascontiguousarray(rows, dtype=dtype) for rows in (theta_rows, x_rows))
    return Step(classifier, *data, n_contrastive)
