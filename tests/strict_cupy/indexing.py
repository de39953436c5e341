"""Indices of device arrays: what is a view, what is a gather, and where CuPy's answer is undefined."""
import numpy as np

from tests.strict_cupy.capture import device
from tests.strict_cupy.manifest import StrictError

__all__ = ["raw_index", "refuse_duplicates", "is_same_memory", "scatter"]


def raw_index(index):
    """(the index for a host buffer, whether it holds arrays, so that the result is a copy).

    A host array or a list is uploaded, silently but at a cost; a boolean mask makes the host wait for its
    number of true entries. A trailing … turns the single number x[0] into the 0-d view that a device returns.
    """
    parts = index if isinstance(index, tuple) else (index,)
    raw = tuple(getattr(part, "_buffer", part) for part in parts)
    arrays = [np.asarray(part) for part in raw if isinstance(part, (np.ndarray, list, bool, np.bool_))]
    if any(isinstance(part, (np.ndarray, list)) for part in parts):
        device.upload()
    if any(array.dtype == bool for array in arrays):
        device.sync()
    return (raw if any(part is Ellipsis for part in raw) else (*raw, ...)), bool(arrays)


def refuse_duplicates(shape, raw):
    """StrictError if the index names one place twice: which of two values is kept there is undefined on a
    GPU."""
    places = np.arange(np.prod(shape, dtype=int)).reshape(shape)[raw]
    if len(np.unique(places)) < places.size:
        raise StrictError("duplicate indices in a[i] = v: which value is kept is undefined on a GPU")


def is_same_memory(left, right):
    return (left.__array_interface__["data"], left.shape, left.strides, left.dtype) == (
        right.__array_interface__["data"], right.shape, right.strides, right.dtype)


def scatter(ufunc, array, index, value):
    """array[index] = ufunc(array[index], value), one value after the other where an index comes twice."""
    if array.dtype.char not in "ilLqQIefd":
        raise TypeError(f"scatter_{ufunc.__name__} does not support {array.dtype}")
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    raw, _ = raw_index(index)
    raw_value = value._buffer if hasattr(value, "_buffer") else value
    device.launch(lambda: ufunc.at(array._buffer, raw, raw_value), targets=[array._buffer])
