"""What counts as an array here: the part of the checks and of saving that the two packages do not share.

    is_array(value)      whether it is an array already: NumPy's or, on a device, CuPy's
    isfinite(array)      entry by entry, where the array lives
    to_host(tree)        the tree with every device array brought to NumPy, see `accel.device`
"""
import numpy as np

from accel.device import array_module, to_host

__all__ = ["is_array", "isfinite", "to_host"]


def is_array(value):
    """Whether it is an array already, and not one of a subclass."""
    return type(value) is np.ndarray or array_module(value) is not np


def isfinite(array):
    """Whether each entry is finite."""
    return array_module(array).isfinite(array)
