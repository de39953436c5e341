"""log ∑ exp without overflow, and its gradient, the softmax.

The mathematics is in `reference.numerics.log_sum_exp`. Same values; `normalise` computes both at once, in
place, from one exponential for each number: with m = maxₖ aₖ and s = ∑ₖ exp(aₖ − m),

    a ← exp(a − m)/s,   returns m + log s

Example
-------
>>> import numpy as np
>>> from accel.numerics.log_sum_exp import log_sum_exp, softmax
>>> a = np.array([[1000.0, 1000.0], [-np.inf, 3.0]])
>>> print(log_sum_exp(a).round(3))
[1000.693    3.   ]
>>> print(softmax(a))
[[0.5 0.5]
 [0.  1. ]]
"""
import numpy as np

from accel.device import array_module
from accel.runtime.protocols import Array

__all__ = ["log_sum_exp", "softmax"]
SHARED = ["normalise"]
__all__ += SHARED


def log_sum_exp(a: Array, axis: int = -1) -> Array:
    """log ∑ exp(a) along one axis, in the shape of a without that axis.

    Parameters
    ----------
    a : (…, K, …) float
        Numbers in nats; −inf, +inf and NaN are allowed.
    axis : int
        The axis of the K terms.
    """
    xp, m = array_module(a), a.max(axis=axis)
    with np.errstate(invalid="ignore"):                               # inf − inf
        e = a - xp.expand_dims(m, axis)
        value = xp.log(xp.exp(e, out=e).sum(axis=axis))
        value += m
    return xp.where(xp.isfinite(m), value, m)                         # (1)


def softmax(a: Array, axis: int = -1) -> Array:
    """exp(a) divided by its sum along one axis, in the shape of a.

    Parameters
    ----------
    a, axis
        As in `log_sum_exp`.
    """
    xp = array_module(a)
    with np.errstate(invalid="ignore"):
        e = a - a.max(axis=axis, keepdims=True)
        e = xp.exp(e, out=e)
        e /= e.sum(axis=axis, keepdims=True)                          # (2)
    return e


def normalise(a: Array, out: Array | None = None) -> Array:
    """Replace a (K, …) by its softmax along the first axis; returns what log_sum_exp(a, 0) was, in out."""
    xp, m = array_module(a), a.max(axis=0)
    if xp is np and np.isfinite(m).all():                             # the usual case; a device is not asked
        return _normalise(a, m, out)
    with np.errstate(invalid="ignore"):
        value = _normalise(a, m, out)
    xp.copyto(value, m, where=~xp.isfinite(m))
    return value


def _normalise(a, m, out):
    xp = array_module(a)
    a -= m
    xp.exp(a, out=a)
    s = a.sum(axis=0)
    a /= s                                                            # (2)
    return xp.add(m, xp.log(s, out=s), out=out)                       # (1)
