"""Input checks for the public door: a bad argument is named, with what was expected and what came.

The rules are in `reference.runtime.checks`. Same errors on host and device arrays; a finite check on a device reduces there and
fetches one number, and looks for the bad rows only when there are any.
"""
import numpy as np

from accel.device import array_module, to_host

__all__ = ["as_array", "check_shape", "check_finite", "check_count", "check_positive"]


def as_array(name, value, shape=None):
    """The argument as a plain float array; float32 stays float32, integers become float64, FITS's byte order the machine's.

    Parameters
    ----------
    name : str
        What the caller knows the argument as; it opens the error message.
    value : array_like
        Numbers. Strings, objects, booleans, complex numbers, float16 and masked entries are refused.
    shape : tuple of int or str, optional
        Expected shape, see `check_shape`.

    Raises
    ------
    ValueError
        If value is not a real array, is ragged, or has another shape.
    """
    try:
        array = value if type(value) is np.ndarray or array_module(value) is not np else np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: expected an array of numbers, got {type(value).__name__} ({error})") from None
    if np.ma.is_masked(value):
        raise ValueError(f"{name}: expected an array without masked entries, got {np.ma.count_masked(value)} masked")
    if array.dtype.kind in "iu":
        array = array.astype(np.float64)
    elif not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype not in (np.float32, np.float64):
        raise ValueError(f"{name}: expected real numbers in float64 or float32, got dtype {array.dtype}")
    if shape is not None:
        check_shape(name, array, shape)
    return array


def check_shape(name, array, shape):
    """Raise ValueError unless array has the shape, in which a letter stands for any number and its repeat for the same."""
    sizes, expected = {}, "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    matches = len(shape) == array.ndim and all(
        actual == (size if isinstance(size, int) else sizes.setdefault(size, actual))
        for size, actual in zip(shape, array.shape))
    if not matches:
        raise ValueError(f"{name}: expected shape {expected}, got {tuple(array.shape)}")


def check_finite(name, array):
    """Raise ValueError if any entry is NaN or infinite, with how many rows are bad and the first of them."""
    xp = array_module(array)
    good = xp.isfinite(array)
    if not bool(good.all()):
        bad = ~to_host(good)
        rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1)) if array.ndim else np.zeros(1, int)
        raise ValueError(f"{name}: expected finite numbers, got NaN or inf in {len(rows)} of {max(1, len(np.atleast_1d(bad)))} rows "
                         f"(first: row {rows[0]})")


def check_count(name, value, *, least=1):
    """Raise ValueError unless value is a whole number of at least `least`; return it as an int."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}: expected a whole number of at least {least}, got {value!r}")
    return int(value)


def check_positive(name, value):
    """Raise ValueError unless value is one finite number above zero; return it as a float."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)) or not 0 < value < np.inf:
        raise ValueError(f"{name}: expected a positive finite number, got {value!r}")
    return float(value)
