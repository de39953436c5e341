"""The constants that define a prior: finite vectors of one length, held read-only in float64 on the host.

Example
-------
>>> from accel.priors import Normal
>>> prior = Normal(0, 2)
>>> prior.std, prior.std.flags.writeable
(array([2.]), False)
"""
from dataclasses import fields

import numpy as np

from accel.runtime import checks
from accel.runtime._arrays import to_host
from accel.runtime.protocols import Array, Prior

__all__ = []
SHARED = ["hold", "rebuilt", "inside_cube"]
__all__ += SHARED


def hold(prior: Prior, *, positive: str | None = None) -> None:
    """Check the fields of a frozen dataclass, and replace each by a read-only vector.

    A number becomes a vector of one.

    Parameters
    ----------
    prior : dataclass instance
        Its fields are array_like.
    positive : str, optional
        The field whose entries must be above zero.

    Raises
    ------
    ValueError
        If a field is not a finite vector, is empty, differs in length from the first, or is not positive
        where it must be.
    """
    length = None
    for name in (field.name for field in fields(prior)):
        given = to_host(checks.as_array(name, getattr(prior, name)))
        vector = np.array(given, dtype=np.float64, ndmin=1)
        checks.check_shape(name, vector, ("dim",) if length is None else (length,))
        checks.check_finite(name, vector)
        if len(vector) == 0 or name == positive and not (vector > 0).all():
            kind = "positive numbers" if name == positive else "numbers"
            raise ValueError(f"{name}: expected one or more {kind}, got {vector}")
        length = len(vector)
        vector.setflags(write=False)
        object.__setattr__(prior, name, vector)


def rebuilt(prior: Prior) -> tuple:
    """The class and the fields, from which a copy or a pickle is made: its vectors are then read-only too."""
    return type(prior), tuple(getattr(prior, field.name) for field in fields(prior))


def inside_cube(v: Array) -> Array:
    """v, with numbers at or beyond 0 and 1 moved strictly between them; NaN stays."""
    number = np.finfo(v.dtype)
    return v.clip(float(number.tiny), 1 - float(number.epsneg))
