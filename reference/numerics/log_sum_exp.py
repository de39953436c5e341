"""log ∑ exp without overflow, and its gradient, the softmax.

    (1)  log_sum_exp(a) = m + log ∑ₖ exp(aₖ − m),   m = maxₖ aₖ
    (2)  softmaxₖ(a) = exp(aₖ − m)/∑ⱼ exp(aⱼ − m) = ∂ log_sum_exp(a)/∂aₖ

The largest term of the sum in (1) is one, so that the sum neither overflows nor vanishes. A term aₖ = −inf
adds nothing, and its softmax is zero.

Shapes        a of any shape, K numbers along the axis.
Conventions   where m is −inf, +inf or NaN, (1) is m and (2) is NaN: it has no gradient there.
Source        "Accurately computing the log-sum-exp and softmax functions", Blanchard, Higham and Higham,
              2021.

Example
-------
>>> import numpy as np
>>> from reference.numerics.log_sum_exp import log_sum_exp, softmax
>>> a = np.array([[1000.0, 1000.0], [-np.inf, 3.0]])
>>> print(log_sum_exp(a).round(3))
[1000.693    3.   ]
>>> print(softmax(a))
[[0.5 0.5]
 [0.  1. ]]
"""
import autograd.numpy as np
from autograd.extend import defvjp, primitive

from reference.runtime.protocols import Array

__all__ = ["log_sum_exp", "softmax"]


def log_sum_exp(a: Array, axis: int = -1) -> Array:
    """log ∑ exp(a) along one axis, in the shape of a without that axis.

    Parameters
    ----------
    a : (…, K, …) float
        Numbers in nats; −inf, +inf and NaN are allowed.
    axis : int
        The axis of the K terms.
    """
    return _log_sum_exp(a, axis)


def softmax(a: Array, axis: int = -1) -> Array:
    """exp(a) divided by its sum along one axis, in the shape of a.

    Parameters
    ----------
    a, axis
        As in `log_sum_exp`.
    """
    with np.errstate(invalid="ignore"):                               # inf − inf
        e = np.exp(a - np.max(a, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)                    # (2)


@primitive
def _log_sum_exp(a, axis):
    m = np.max(a, axis=axis)
    with np.errstate(invalid="ignore"):
        value = m + np.log(np.sum(np.exp(a - np.expand_dims(m, axis)), axis=axis))                    # (1)
    return np.where(np.isfinite(m), value, m)


defvjp(_log_sum_exp, lambda value, a, axis: lambda g: np.expand_dims(g, axis) * softmax(a, axis))     # (2)
