"""What all flows share at their door: the shapes of their arguments, and the Gaussian draws that a sample starts from.

The mathematics is in `reference.density.flows`. Same values; here stands, besides, what every flow's loops share: the work
arrays of a chain of networks, kept with the packed parameters, and the walk over blocks of points that fit the cache.
"""
import math

import numpy as np

from accel.runtime import checks
from accel.runtime.tree import Packed, leaves
from accel.device import array_module, check_together

__all__ = ["check_inputs", "draw_base"]

UNASKED = "context: expected none, since the density is unconditional, got one"
COLUMNS = 1024                                                        # evaluated at a time on a CPU: the work stays in cache
COLUMNS_ON_DEVICE = 1 << 16


def check_inputs(x, context, dim, context_dim):
    """x (N, D) and context (N, C), or none where C = 0, as arrays, or a ValueError."""
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
    check_place(params, x=x, context=context)
    return x, context


def check_place(params, **arrays):
    """ValueError unless the arrays are on the device of the parameters: nothing moves on its own."""
    check_together(params=params.flat if isinstance(params, Packed) else leaves(params)[0][1], **arrays)


def draw_base(rng, n, dim, context_dim, context):
    """Standard normal draws, (n, D) or (M·n, D), the context repeated for each, and the shape of the answer."""
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


def chain_of(params):
    """The networks in a tree of parameters, each the list of its layers: one MADE's, or those of a flow's transforms."""
    return params.get("mades") or params.get("couplings") or [params["layers"]]


def work_arrays(params, role, n, context, work_of):
    """The work of every transform for n columns, with the context in place."""
    xp, dtype = array_module(params.flat), params.flat.dtype

    def make():
        works = [work_of(xp, layers, n, dtype) for layers in chain_of(params)]
        for work in works[1:]:
            work.tape.use(works[0].tape.room)
        return works
    works = params.scratch(role, make, size=n)
    if context is not None:
        rows = works[0].context
        rows[...] = context.T
        for work in works[1:]:
            work.context[...] = rows
    return works


def in_blocks(function, params, x, context, work_of, *, each=1):
    """function(works, columns (D, n)) → (D, n), (n,), applied to a block of rows of x at a time: (N, D) and (N,).

    The context has N / each rows, each of which stands for `each` rows of x in a row; every work.each says for how many columns of a
    block one stands, so that what depends on the context alone can be computed once.
    """
    xp, dtype, n = array_module(params.flat), params.flat.dtype, len(x)
    x = xp.asarray(x, dtype=dtype)
    out, log_det = xp.empty(x.shape, dtype), xp.empty(n, dtype)
    for rows in blocks(n, each, COLUMNS if xp is np else COLUMNS_ON_DEVICE):
        columns, repeated = x[rows].T, min(each, rows.stop - rows.start)
        seen = None if context is None else context[rows.start // each:-(-rows.stop // each)]
        seen = seen if repeated == 1 or seen is None else xp.repeat(seen, repeated, axis=0)
        works = work_arrays(params, "evaluate", columns.shape[1], seen, work_of)
        for work in works:
            work.each = repeated
        moved, log_det[rows] = function(works, columns)
        out[rows] = moved.T
    return out, log_det


def blocks(n, each, most):
    """Slices that cut n rows, which come in groups of `each`, into blocks of whole groups, or of a part of one; `most` rows at most."""
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
