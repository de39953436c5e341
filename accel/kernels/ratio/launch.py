"""Launches the kernels of `ratio.cu`: the ratio's logits, and its training, all pairs of a row side by side.

`classifier_of` gives them for one tree of parameters, or None where array code is to run: no device, kernels switched off, or a network
too large for a block's shared memory. `step` gives what a training step needs, over minibatches that the device gathers.
"""
from typing import NamedTuple

import numpy as np

from accel.kernels import cuda
from accel.runtime import checks
from accel.device import array_module, check_together

__all__ = ["Classifier", "Step", "classifier_of", "step"]

THREADS = 256
TILES, ROWS = (64, 8), (16, 4)                                        # pairs of a block, and rows of x, each with all its pairs
OVERHEAD = 8                                                          # what a tile costs besides, in pairs


class Layout(NamedTuple):
    """Rows of a block, whether parameters are staged in shared memory, its bytes, and the grid's blocks for each model."""
    rows: int
    staged: int
    shared: int
    blocks: int


class Classifier(NamedTuple):
    """The architecture, which is compiled in."""
    dim: int
    context_dim: int
    hidden: tuple

    def layout(self, xp, dtype, n, n_pairs=1, n_models=1):
        """For n rows of each model: of the tiles that fit that with least work in turn, with the parameters staged if they can be."""
        n_processors, limit, choices = cuda.multiprocessors(xp), cuda.shared_limit(xp), TILES if n_pairs == 1 else ROWS
        sizes = (2 * self.dim + self.context_dim, *self.hidden, 1 + self.context_dim)
        kept = 1 + sum(sizes) + len(self.hidden) + 1 + (1 + sizes[0] if n_pairs == 1 else 0)
        parameters = sum((1 + n_in) * 4 * (-(-n_out // 4) | 1) for n_in, n_out in zip(sizes, sizes[1:]))
        for staged in (1, 0):
            shared = {rows: ((rows * n_pairs + 4) * kept + staged * parameters) * dtype.itemsize for rows in choices}
            turns = {rows: -(-(-(-n // rows) * n_models) // n_processors) for rows in choices if shared[rows] <= limit}
            if turns:
                rows = min(turns, key=lambda rows: turns[rows] * (rows * n_pairs + OVERHEAD))
                together = n_processors * min(8, limit // shared[rows])       # blocks that run at the same time
                return Layout(rows, staged, shared[rows], max(1, min(-(-n // rows), together // n_models)))
        return None

    def check(self, flat, theta_rows, x_rows, n_x):
        """ValueError unless there is what a kernel is going to read."""
        check_together(params=flat, theta_rows=theta_rows, x_rows=x_rows)
        checks.check_shape("theta_rows", theta_rows, ("N", 2 * self.dim + 1))
        checks.check_shape("x_rows", x_rows, (n_x, self.context_dim + self.dim))

    def launch(self, name, grid, flat, layout, n_pairs, *args):
        hidden = ",".join(map(str, self.hidden))
        kernels = cuda.load("kernels/ratio/ratio.cu", flat.dtype, P=self.dim, CONTEXT=self.context_dim, HIDDEN=hidden, PAIRS=n_pairs,
                                ROWS=layout.rows, STAGED=layout.staged, THREADS=THREADS)
        kernels(name, grid, THREADS, flat, *args, shared=layout.shared)

    def log_ratio(self, flat, theta_rows, x_rows):
        """The logit of each pair, (N,)."""
        return self.evaluate("log_ratio", flat, theta_rows, x_rows)[0]

    def log_ratio_and_grad(self, flat, theta_rows, x_rows):
        """And its gradient with respect to its own theta_rows, (N, 2P + 1)."""
        return self.evaluate("log_ratio_and_grad", flat, theta_rows, x_rows, 2 * self.dim + 1)

    def evaluate(self, name, flat, theta_rows, x_rows, *columns):
        """(N,) and then (N, so many columns)."""
        xp, n = array_module(flat), len(theta_rows)
        self.check(flat, theta_rows, x_rows, 1 if len(x_rows) == 1 else n)
        theta_rows, x_rows = (xp.ascontiguousarray(rows, dtype=flat.dtype) for rows in (theta_rows, x_rows))
        out, layout = [xp.empty(shape, flat.dtype) for shape in (n, *((n, width) for width in columns))], self.layout(xp, flat.dtype, n)
        if n:
            self.launch(name, layout.blocks, flat, layout, 1, theta_rows, x_rows, np.int64(n), len(x_rows), *out)
        return tuple(out)


class Step(NamedTuple):
    """The loss and gradient of E models side by side, for the rows (E, S, B) of theta_rows and x_rows, at the step that cursor says.

    Alone, a model has the bits that it has beside others, where as many samples make a tile.
    """
    classifier: Classifier
    theta_rows: object
    x_rows: object
    n_contrastive: int

    def layout(self, n, n_models):
        """And the number of pairs of each row, as `ratio.count_pairs`."""
        n_pairs = min(self.n_contrastive + 1, checks.check_count("theta_rows: number of rows", n, least=2))
        return self.classifier.layout(array_module(self.x_rows), self.x_rows.dtype, n, n_pairs, n_models), n_pairs

    def n_blocks(self, n, n_models=1):
        return self.layout(n, n_models)[0].blocks

    def gradient(self, flat, rows, cursor, noise, partial, losses):
        """Each block's sum into partial (E, G, P) and losses (E, G)."""
        self.launch("gradient", flat, rows, cursor, losses, partial, losses)

    def loss(self, flat, rows, cursor, noise, losses):
        self.launch("loss", flat, rows, cursor, losses, losses)

    def launch(self, name, flat, rows, cursor, losses, *outputs):
        n_models, n_steps, n = rows.shape
        layout, n_pairs = self.layout(n, n_models)
        self.classifier.launch(name, (losses.shape[1], n_models), flat, layout, n_pairs, self.theta_rows, self.x_rows, rows, cursor,
                               n_steps, n, *outputs)


def classifier_of(params):
    """The kernels' architecture for a packed tree, or None where array code is to run."""
    xp = array_module(params.flat)
    return params.scratch("kernels", lambda: supported(xp, params)) if cuda.wanted(xp) else None


def supported(xp, params):
    layers = params["layers"]
    hidden, context_dim = tuple(layer.shape[1] for layer in layers[:-1]), layers[-1].shape[1] - 1
    classifier = Classifier((len(layers[0]) - 1 - context_dim) // 2, context_dim, hidden)
    if classifier.layout(xp, params.flat.dtype, 1) is None:
        return cuda.fall_back(f"ratio: a network of {', '.join(map(str, hidden))} hidden units exceeds a block's shared memory")
    return classifier


def step(params, theta_rows, x_rows, *, n_contrastive, balance):
    """A Step over theta_rows (N, 2P + 1) and x_rows (N, C + P); None where array code is to run."""
    classifier, xp = classifier_of(params), array_module(params.flat)
    if classifier is None:
        return None
    classifier.check(params.flat, theta_rows, x_rows, len(theta_rows))
    if balance:
        return cuda.fall_back("ratio: a balance couples all rows of a minibatch, which its kernels take apart")
    if classifier.layout(xp, params.flat.dtype, 1, n_contrastive + 1) is None:
        return cuda.fall_back(f"ratio: {n_contrastive + 1} pairs for each row exceed a block's shared memory")
    return Step(classifier, *(xp.ascontiguousarray(rows, dtype=params.flat.dtype) for rows in (theta_rows, x_rows)), n_contrastive)

