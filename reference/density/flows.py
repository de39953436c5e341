"""Input checks and base draws shared by all flows, and gradients row by row.

    (1)  z ~ N(0, I),   one for each sample asked for, and for each row of the context
    (2)  ∂/∂xₙ ∑ₘ log p(xₘ|cₘ) = ∂ log p(xₙ|cₙ)/∂xₙ,   and for c alike: rows do not depend on each other

Shapes        N points, D dimensions, C context; x, z (N, D); context (N, C) beside points, (M, C) for n
              samples of each row.
Conventions   a flow without a context takes None, one with a context takes nothing else.

Example
-------
>>> import numpy as np
>>> from reference.density import flows
>>> z, context, shape = flows.draw_base(np.random.default_rng(0), 2, 3, 1, np.array([[0.5], [1.5]]))
>>> z.shape, context[:, 0].tolist(), shape
((4, 3), [0.5, 0.5, 1.5, 1.5], (2, 2, 3))
"""
import numpy as np
from autograd import make_vjp

from reference.runtime import checks
from reference.runtime.protocols import Array, Rng

__all__ = []
SHARED = ["check_inputs", "draw_base", "value_and_row_gradients"]
__all__ += SHARED

UNASKED = "context: expected none, since the density is unconditional, got one"


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


def draw_base(rng: Rng, n: int, dim: int, context_dim: int,
              context: Array | None) -> tuple[Array, Array | None, tuple]:
    """Draws z of (1), (n, D) or (M·n, D), the context repeated for each, and the shape of the answer, (n, D)
    or (M, n, D).

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
    checks.check_count("n", n, least=0)
    if context_dim == 0:
        if context is not None:
            raise ValueError(UNASKED)
        return rng.standard_normal((n, dim)), None, (n, dim)
    if context is None:
        raise ValueError(f"context: expected shape (M, {context_dim}), got none")
    context = checks.as_array("context", context, ("M", context_dim))
    m = len(context)
    return rng.standard_normal((m * n, dim)), np.repeat(context, n, axis=0), (m, n, dim)             # (1)


def value_and_row_gradients(log_prob, params, x, context):
    """log p(x|c) (N,), and its gradients with respect to x (N, D) and c (N, C), None where there is no
    context.
    """
    if context is None:
        vjp, value = make_vjp(lambda x: log_prob(params, x))(x)
        return value, vjp(np.ones(len(x), x.dtype)), None
    vjp, value = make_vjp(lambda both: log_prob(params, *both))((x, context))
    return value, *vjp(np.ones(len(x), x.dtype))                      # (2)
