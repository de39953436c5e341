"""Input checks and base draws shared by all flows, and how a flow in array code takes its arguments through
its transforms.

The mathematics is in `reference.density.flows`. Same values. `Flow` holds what every flow's functions have in
common: blocks of points that fit the cache, work arrays that are borrowed for a block, and loss and gradients
from one walk through the transforms and one back. A page's subclass has the walks, feature-major:

    walk          x (D, n) → z (D, n); what the way back needs stays in the work arrays
    log_det_of    log|det ∂z/∂x| (n,) of the last walk, there or back again
    walk_back     dz → dx, and the gradients of layers and context
    walk_inverse  z → x

Example
-------
>>> import numpy as np
>>> from accel.density import flows
>>> z, context, shape = flows.draw_base(np.random.default_rng(0), 2, 3, 1, np.array([[0.5], [1.5]]))
>>> z.shape, context[:, 0].tolist(), shape
((4, 3), [0.5, 0.5, 1.5, 1.5], (2, 2, 3))
"""
import functools
import math

import numpy as np

from accel import memory
from accel.device import array_module, check_together
from accel.kernels import one_batch
from accel.runtime import checks
from accel.runtime._vector import empty_like, plain
from accel.runtime.protocols import Array, Rng

__all__ = []
SHARED = ["check_inputs", "draw_base", "COLUMNS", "COLUMNS_ON_DEVICE", "Flow", "InKernels",
          "draw", "inputs", "check_place",
          "base_loss", "base_log_prob"]
__all__ += SHARED

UNASKED = "context: expected none, since the density is unconditional, got one"
COLUMNS = 1024                                       # evaluated at a time on a CPU: the work stays in cache
COLUMNS_ON_DEVICE = 1 << 16


def check_inputs(x: Array, context: Array | None, dim: int, context_dim: int) -> tuple[Array, Array | None]:
    """x (N, D) and context (N, C), or None where C = 0, as arrays.

    Parameters
    ----------
    x : (N, D) array_like
        Points.
    context : (N, C) array_like or None
        What the density is conditioned on.
    dim, context_dim : int
        D and C.

    Raises
    ------
    ValueError
        If x is not (N, D), or the context is missing, not asked for, or not (N, C).
    """
    x = checks.as_array("x", x, ("N", dim))
    if context_dim == 0:
        if context is not None:
            raise ValueError(UNASKED)
        return x, None
    if context is None:
        raise ValueError(f"context: expected shape ({x.shape[0]}, {context_dim}), got none")
    return x, checks.as_array("context", context, (x.shape[0], context_dim))


def inputs(params, x, context, dim, context_dim):
    """The same, and a ValueError unless both are on the device of the parameters."""
    x, context = check_inputs(x, context, dim, context_dim)
    check_together(params=params.flat, x=x, context=context)
    return x, context


def check_place(params, **arrays):
    """ValueError unless the arrays are on the device of the parameters: nothing moves on its own."""
    check_together(params=params.flat, **arrays)


def draw_base(rng: Rng, n: int, dim: int, context_dim: int,
              context: Array | None) -> tuple[Array, Array | None, tuple]:
    """Standard normal draws, (n, D) or (M·n, D), the context repeated for each, and the shape of the answer.

    Parameters
    ----------
    rng : Generator
        Draws the normals.
    n : int
        Draws, for each row of the context where there is one.
    dim, context_dim : int
        D and C.
    context : (M, C) array_like or None
        What the density is conditioned on.

    Raises
    ------
    ValueError
        If n is no count, or the context is missing, not asked for, or not (M, C).
    """
    z, context, shape = draw(rng, n, dim, context_dim, context)
    return z, context if context is None else array_module(context).repeat(context, n, axis=0), shape


def draw(rng, n, dim, context_dim, context):
    """The same, the context as it is, (M, C)."""
    checks.check_count("n", n, least=0)
    if context_dim == 0:
        if context is not None:
            raise ValueError(UNASKED)
        return rng.standard_normal((n, dim)), None, (n, dim)
    if context is None:
        raise ValueError(f"context: expected shape (M, {context_dim}), got none")
    context = checks.as_array("context", context, ("M", context_dim))
    m = len(context)
    return rng.standard_normal((m * n, dim)), context, (m, n, dim)


class Flow:
    """A flow of given sizes, dtype and place, in array code. It holds no parameters: one serves all threads.

    A page's subclass has `make_works(xp, n)`, which makes the work arrays of all transforms (each with
    `context`, the rows of its network's input that hold it, and `each`; the last with `dx`, room for (D, n)),
    `chain(params)`, a context manager that gives the layers to compute with, and walk, log_det_of, walk_back
    and walk_inverse.
    """

    def __init__(self, xp, dtype, shapes, dim, context_dim):
        self.xp, self.dtype, self.shapes, self.dim, self.context_dim = xp, dtype, shapes, dim, context_dim

    def works(self, n, context):
        """Borrowed work arrays for n columns, with the context (n, C) in place."""
        return _Works(self, n, context)

    def forward(self, params, x, context):
        """z (N, D) and log|det ∂z/∂x| (N,)."""
        with self.chain(params) as chain:
            return self._in_blocks(functools.partial(self.walk, chain), 1, x, context)

    def invert(self, params, z, context, each=1):
        """x (N, D) and log|det ∂x/∂z| (N,), a row of the context standing for `each` rows of z."""
        with self.chain(params) as chain:
            return self._in_blocks(functools.partial(self.walk_inverse, chain), -1, z, context, each)

    def log_prob(self, params, x, context):
        """log p(x|c) (N,)."""
        x, context = inputs(params, x, context, self.dim, self.context_dim)
        return base_log_prob(*self.forward(params, x, context))

    def sample(self, params, rng, n, context):
        """n draws, (n, D), or for each row of the context, (M, n, D)."""
        check_place(params, context=context)
        z, context, shape = draw(rng, n, self.dim, self.context_dim, context)
        return self.invert(params, z, context, n)[0].reshape(shape)

    def log_prob_and_grad(self, params, x, context):
        """log p(x|c) (N,), and its gradients with respect to x (N, D) and c (N, C), None where there is no
        context.
        """
        x, context = inputs(params, x, context, self.dim, self.context_dim)
        with self.chain(params) as chain, self.works(len(x), context) as works:
            z = self.walk(chain, works, x.T)
            value = base_log_prob(z.T, self.log_det_of(works))
            dcontext = self.xp.zeros((self.context_dim, len(x)), z.dtype)
            dx = self.walk_back(chain, works, self.xp.negative(z, out=works[-1].dx), 1, None, dcontext)
            return value, dx.T.copy(), None if context is None else dcontext.T

    def loss_and_grad(self, params, x, context):
        """The loss, and its gradient as a plain tree."""
        grads = empty_like(params)
        return self.write_grads(params, grads, x, context), plain(grads)

    def write_grads(self, params, grads, x, context, dcontext=None):
        """The loss; its gradient goes into grads and, where it is given, the context's into dcontext, (C,
        N).
        """
        x, context = inputs(params, x, context, self.dim, self.context_dim)
        n = len(x)
        with self.chain(params) as chain, self.works(n, context) as works:
            z = self.walk(chain, works, x.T)
            value = base_loss(z, -self.sum_log_det(works))
            if dcontext is not None:
                dcontext[...] = 0
            self.walk_back(chain, works, self.xp.multiply(z, 1 / n, out=works[-1].dx),
                           -1 / n, grads, dcontext)
        return value

    def sum_log_det(self, works):
        """The sum of log|det ∂z/∂x| over the columns of the last walk."""
        return self.log_det_of(works).sum()

    def _in_blocks(self, function, sign, x, context, each=1):
        """function(works, columns (D, n)) → (D, n), applied to a block of rows of x at a time: (N, D), and
        sign · log_det, (N,).

        The context has N / each rows, each of which stands for `each` rows of x in a row; every work.each
        says for how many columns of a block one stands, so that what depends on the context alone can be
        computed once.
        """
        xp, n = self.xp, len(x)
        x = xp.asarray(x, dtype=self.dtype)
        out, log_det = xp.empty(x.shape, self.dtype), xp.empty(n, self.dtype)
        for rows in blocks(n, each, COLUMNS if xp is np else COLUMNS_ON_DEVICE):
            columns, repeated = x[rows].T, min(each, rows.stop - rows.start)
            seen = None if context is None else context[rows.start // each:-(-rows.stop // each)]
            seen = seen if repeated == 1 or seen is None else xp.repeat(seen, repeated, axis=0)
            with self.works(columns.shape[1], seen) as works:
                for work in works:
                    work.each = repeated
                out[rows] = function(works, columns).T
                log_det[rows] = sign * self.log_det_of(works)
        return out, log_det


class InKernels:
    """A flow whose walks a kernel takes: arguments are checked here. The kernel's functions take a vector
    of parameters.
    """

    def __init__(self, kernel):
        self.kernel, self.dim, self.context_dim = kernel, kernel.dim, kernel.context_dim

    def forward(self, params, x, context):
        """z (N, D) and log|det ∂z/∂x| (N,)."""
        return self.kernel.forward(params.flat, *check_inputs(x, context, self.dim, self.context_dim))

    def invert(self, params, z, context, each=1):
        """x (N, D) and log|det ∂x/∂z| (N,), a row of the context standing for `each` rows of z."""
        check_inputs(z[::each] if self.context_dim else z, context, self.dim, self.context_dim)
        return self.kernel.inverse(params.flat, z, context, each)

    def log_prob(self, params, x, context):
        """log p(x|c) (N,)."""
        return self.kernel.log_prob(params.flat, *inputs(params, x, context, self.dim, self.context_dim))

    def sample(self, params, rng, n, context):
        """n draws, (n, D), or for each row of the context, (M, n, D); drawn inside the kernel where it can
        draw rng's numbers.
        """
        check_place(params, context=context)
        z, context, shape = draw(self.kernel.source_of(rng), n, self.dim, self.context_dim, context)
        return self.kernel.inverse(params.flat, z, context, n)[0].reshape(shape)

    def log_prob_and_grad(self, params, x, context):
        """log p(x|c) (N,), and its gradients with respect to x (N, D) and c (N, C), None where there is no
        context.
        """
        return self.kernel.log_prob_and_grad(params.flat,
                                             *inputs(params, x, context, self.dim, self.context_dim))

    def loss_and_grad(self, params, x, context):
        """The loss, and its gradient as a plain tree."""
        grads = empty_like(params)
        return self.write_grads(params, grads, x, context), plain(grads)

    def write_grads(self, params, grads, x, context, dcontext=None):
        """The loss; its gradient goes into grads and, where it is given, the context's into dcontext, (C,
        N).
        """
        step = self.step(*inputs(params, x, context, self.dim, self.context_dim))
        return one_batch.write_grads(params.flat, grads.flat, step, len(x), dcontext=dcontext)

    def step(self, x, context=None):
        """What trains models of this shape side by side, on rows of x and, where there is one, of the
        context.
        """
        return self.kernel.step(*check_inputs(x, context, self.dim, self.context_dim))


class _Works:
    """The borrowed work arrays of a flow, as a context manager that puts the context in place."""
    __slots__ = ("borrowed", "context")

    def __init__(self, flow, n, context):
        self.borrowed = memory.borrow(flow.make_works, flow.xp, n)
        self.context = context

    def __enter__(self):
        works = self.borrowed.__enter__()
        if self.context is not None:
            rows = works[0].context
            rows[...] = self.context.T
            for work in works[1:]:
                work.context[...] = rows
        return works

    def __exit__(self, *error):
        self.borrowed.__exit__(*error)


def blocks(n, each, most):
    """Slices that cut n rows, which come in groups of `each`, into blocks of whole groups, or of a part of
    one; `most` rows at most.
    """
    step, group = (most, each) if each > most else (most - most % max(each, 1), max(n, 1))
    starts = [(first, start) for first in range(0, n, group) for start in range(first, first + group, step)]
    return [slice(start, min(start + step, first + group)) for first, start in starts]


def base_loss(z, sum_log_sigma):
    """−mean(log N(z; 0, I) − ∑ log σ) for z (D, n)."""
    dim, n = z.shape
    return (0.5 * array_module(z).vdot(z, z) + sum_log_sigma) / n + 0.5 * dim * math.log(2 * math.pi)


def base_log_prob(z, log_det):
    """log N(z; 0, I) + log_det, (N,)."""
    return log_det - 0.5 * (z * z).sum(axis=1) - 0.5 * z.shape[1] * math.log(2 * math.pi)
