"""What counts as an array here: the part of the checks and of saving that the two packages do not share.

    is_array(value)      whether it is an array already: NumPy's or, inside a gradient, autograd's
    isfinite(array)      entry by entry
    to_host(tree)        the tree itself: all arrays of this package are NumPy's
"""
import numpy as np
from autograd.extend import Box

__all__ = ["is_array", "isfinite", "to_host"]


def is_array(value):
    """Whether it is an array already, and not one of a subclass."""
    return type(value) is np.ndarray or isinstance(value, Box)


def isfinite(array):
    """Whether each entry is finite."""
    return np.isfinite(array)


def to_host(tree):
    """The tree itself."""
    return tree
