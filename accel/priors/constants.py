"""The constants that define a prior: finite vectors of one length, held read-only in float64.

The checks are those of `reference.priors.constants`. Constants stay on the host in float64, and are brought to the device
and the dtype of the numbers that they meet, at that moment. A float32 cannot hold a float64 bound: it is brought as a head and a
tail, whose difference from a number near it is exact.
"""
from dataclasses import fields

import numpy as np

from accel.runtime import checks
from accel.device import array_module, to_host

__all__ = ["hold"]


def hold(prior, *, positive=None):
    """Check the fields of a frozen dataclass, and replace each by a read-only vector; a number is a vector of one."""
    length = None
    for name in (field.name for field in fields(prior)):
        vector = np.array(to_host(checks.as_array(name, getattr(prior, name))), dtype=np.float64, ndmin=1)
        checks.check_shape(name, vector, ("dim",) if length is None else (length,))
        checks.check_finite(name, vector)
        if len(vector) == 0 or name == positive and not (vector > 0).all():
            raise ValueError(f"{name}: expected one or more {'positive ' if name == positive else ''}numbers, got {vector}")
        length = len(vector)
        vector.setflags(write=False)
        object.__setattr__(prior, name, vector)


def like(array, constant):
    """The constant, a host array or a number, where the array lives and in its dtype."""
    return array_module(array).asarray(constant, dtype=array.dtype)


def head_and_tail(array, constant):
    """Two numbers of the array's dtype that add up to the constant; one, where the dtype holds it."""
    head = constant.astype(array.dtype)
    return [like(array, head)] + ([like(array, constant - head)] if array.dtype != constant.dtype else [])


def special(array):
    """The module of special functions for where the array lives."""
    if array_module(array) is np:
        import scipy.special as functions
    else:
        import cupyx.scipy.special as functions
    return functions
