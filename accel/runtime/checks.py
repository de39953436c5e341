"""Input checks of public functions: an error names the argument, what was expected and what came.

Shapes and dtypes are checked in every public call, values (finite) once per fit. Inner functions check
nothing. A check of values reduces where the array lives; it looks for the bad rows only when there are any.

Conventions   a shape is a tuple of integers and letters: ("N", 3) is any number of rows of three; a letter
              that occurs twice in one call must stand for the same number.

Example
-------
>>> from accel.runtime import checks
>>> checks.as_array("x", [[1, 2], [3, 4]], ("N", 2)).dtype
dtype('float64')
>>> checks.check_count("n", 2.5)
Traceback (most recent call last):
ValueError: n: expected a whole number of at least 1, got 2.5
"""
from typing import Any

import numpy as np

from accel.runtime._arrays import is_array, isfinite, to_host
from accel.runtime.protocols import Array

__all__ = ["check_shape", "check_finite", "check_count", "check_positive"]
SHARED = ["as_array"]
__all__ += SHARED


def as_array(name: str, value: Any, shape: tuple | None = None) -> Array:
    """The argument as a plain float array.

    float32 stays float32, integers become float64, and the byte order of FITS becomes the machine's. An array
    that needs no change is returned itself, not a copy.

    Parameters
    ----------
    name : str
        The argument's name, with which the error message begins.
    value : array_like
        Numbers. Strings, objects, booleans, complex numbers, float16 and masked entries are refused.
    shape : tuple of int or str, optional
        The expected shape, see `check_shape`.

    Raises
    ------
    ValueError
        If value is not a real array, is ragged, or has another shape.
    """
    try:
        array = value if is_array(value) else np.asarray(value)
    except (ValueError, TypeError) as error:
        kind = type(value).__name__
        raise ValueError(f"{name}: expected an array of numbers, got {kind} ({error})") from None
    if np.ma.is_masked(value):
        n_masked = np.ma.count_masked(value)
        raise ValueError(f"{name}: expected an array without masked entries, got {n_masked} masked")
    if array.dtype.kind in "iu":
        array = array.astype(np.float64)
    elif not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype not in (np.float32, np.float64):
        raise ValueError(f"{name}: expected real numbers in float64 or float32, got dtype {array.dtype}")
    if shape is not None:
        check_shape(name, array, shape)
    return array


def check_shape(name: str, array: Array, shape: tuple) -> None:
    """Raise ValueError unless the array has the shape.

    Parameters
    ----------
    name : str
        The argument's name, with which the error message begins.
    array : array
    shape : tuple of int or str
        A letter stands for any number, and its repetition for the same number.

    Raises
    ------
    ValueError
        If the array has another shape.
    """
    sizes, expected = {}, "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    matches = len(shape) == array.ndim and all(
        actual == (size if isinstance(size, int) else sizes.setdefault(size, actual))
        for size, actual in zip(shape, array.shape))
    if not matches:
        raise ValueError(f"{name}: expected shape {expected}, got {tuple(array.shape)}")


def check_finite(name: str, array: Array) -> None:
    """Raise ValueError if any entry is NaN or infinite.

    Parameters
    ----------
    name : str
        The argument's name, with which the error message begins.
    array : (N, …) float
        The message says how many rows are bad, and which is the first.

    Raises
    ------
    ValueError
        If any entry is NaN or infinite.
    """
    finite = isfinite(array)
    if not bool(finite.all()):
        bad = ~to_host(finite)
        rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1)) if array.ndim else np.zeros(1, int)
        n_rows = max(1, len(np.atleast_1d(bad)))
        raise ValueError(f"{name}: expected finite numbers, got NaN or inf in {len(rows)} of {n_rows} rows "
                         f"(first: row {rows[0]})")


def check_count(name: str, value: Any, *, least: int = 1) -> int:
    """The value as an int, if it is a whole number of at least `least`.

    Parameters
    ----------
    name : str
        The argument's name, with which the error message begins.
    value : int
        Of Python or NumPy; a bool is refused.
    least : int

    Raises
    ------
    ValueError
        If it is no whole number, or smaller.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}: expected a whole number of at least {least}, got {value!r}")
    return int(value)


def check_positive(name: str, value: Any) -> float:
    """The value as a float, if it is one finite number above zero.

    Parameters
    ----------
    name : str
        The argument's name, with which the error message begins.
    value : float
        Or an int; a bool is refused.

    Raises
    ------
    ValueError
        If it is no number, not finite, or not above zero.
    """
    is_number = isinstance(value, (int, float, np.integer, np.floating))
    if isinstance(value, (bool, np.bool_)) or not is_number or not 0 < value < np.inf:
        raise ValueError(f"{name}: expected a positive finite number, got {value!r}")
    return float(value)
