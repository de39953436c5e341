"""What all flows share at their door: the shapes of their arguments, the Gaussian draws that a sample starts
from, gradients by row.

    (1)  z ~ N(0, I),   one for each sample asked for, and for each row of the context
    (2)  ∂/∂xₙ ∑ₘ log p(xₘ|cₘ) = ∂ log p(xₙ|cₙ)/∂xₙ,   and for c alike: rows do not see each other

Shapes        N points, D dimensions, C context; x, z (N, D); context (N, C) beside points, (M, C) for n
              samples of each row.
Conventions   a flow without a context takes None, one with a context takes nothing else.
"""
import numpy as np
from autograd import make_vjp

from reference.runtime import checks

__all__ = ["check_inputs", "draw_base"]

UNASKED = "context: expected none, since the density is unconditional, got one"


def check_inputs(x, context, dim, context_dim):
    """x (N, D) and context (N, C), or None where C = 0, as arrays.

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


def draw_base(rng, n, dim, context_dim, context):
    """Draws z of (1), (n, D) or (M·n, D), the context repeated for each, and the shape of the answer, (n, D)
    or (M, n, D).

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
