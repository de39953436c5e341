"""The constants that define a prior: finite vectors of one length, held read-only in float64."""
from dataclasses import fields

import numpy as np

from reference.runtime import checks

__all__ = ["hold"]


def hold(prior, *, positive=None):
    """Check the fields of a frozen dataclass, and replace each by a read-only vector; a number is a vector of one.

    Parameters
    ----------
    prior : dataclass instance
        Its fields are array_like.
    positive : str, optional
        The field whose entries must be above zero.

    Raises
    ------
    ValueError
        If a field is not a finite vector, is empty, differs in length from the first, or is not positive where it must be.
    """
    length = None
    for name in (field.name for field in fields(prior)):
        vector = np.array(checks.as_array(name, getattr(prior, name)), dtype=np.float64, ndmin=1)
        checks.check_shape(name, vector, ("dim",) if length is None else (length,))
        checks.check_finite(name, vector)
        if len(vector) == 0 or name == positive and not (vector > 0).all():
            raise ValueError(f"{name}: expected one or more {'positive ' if name == positive else ''}numbers, got {vector}")
        length = len(vector)
        vector.setflags(write=False)
        object.__setattr__(prior, name, vector)
