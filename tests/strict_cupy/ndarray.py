"""The stand-in's device array: a host buffer behind CuPy's refusals.

What a laptop would let pass and a GPU would not raises here: implicit conversion to NumPy, a host array as
operand, an index out of range (CuPy wraps it around), two values for one place (CuPy keeps either), an
attribute that CuPy lacks. `float(x)`, `if x > 0`, `x.get()` and a boolean mask are counted as
synchronisations.
"""
import sys

import numpy as np

from tests.strict_cupy import indexing, manifest
from tests.strict_cupy.capture import device, poison
from tests.strict_cupy.manifest import StrictError
from tests.strict_cupy.operators import give_operators

__all__ = ["SCALARS", "ndarray", "on_device", "on_host"]

SCALARS = (bool, int, float, complex, np.generic)
NO_CONVERSION = ("Implicit conversion to a NumPy array is not allowed. "
                 "Please use `.get()` to construct a NumPy array explicitly.")


def on_host(value):
    """The value with every device array in it replaced by its buffer."""
    if isinstance(value, ndarray):
        return value._buffer
    if isinstance(value, (tuple, list)):
        return type(value)(map(on_host, value))
    return value


def on_device(result, known=()):
    """The result with every buffer in it as a device array; a buffer of one of the `known` arrays is that
    array again."""
    if isinstance(result, np.ndarray):
        for array in known:
            if array._buffer is result:
                return array
        return ndarray._over(result)
    if isinstance(result, (tuple, list)):
        items = [on_device(item, known) for item in result]
        return type(result)(*items) if hasattr(result, "_fields") else type(result)(items)
    return result


def check_dtype(dtype):
    """CuPy stores booleans, integers, floats up to float64 and complex numbers made of them."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "biufc" or dtype.char in "gG":
        raise ValueError(f"Unsupported dtype {dtype}")
    return dtype


class Flags:
    """The three flags that CuPy's arrays have; no `writeable`, `aligned` or `owndata` setters."""

    def __init__(self, buffer):
        self.c_contiguous, self.f_contiguous = buffer.flags.c_contiguous, buffer.flags.f_contiguous
        self.owndata, self.fnc = buffer.base is None, self.f_contiguous and not self.c_contiguous
        self.forc = self.c_contiguous or self.f_contiguous

    def __getitem__(self, name):
        return getattr(self, name.lower())


class ndarray:
    """An array that lives on the device."""
    __module__ = "cupy"
    __slots__ = ("_buffer",)
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, shape, dtype=float, memptr=None, strides=None, order="C"):
        if memptr is not None or strides is not None:
            raise NotImplementedError("the stand-in's arrays own their memory: no memptr, no strides")
        self._buffer = np.empty(shape, check_dtype(dtype), order)
        poison(self._buffer)

    @classmethod
    def _over(cls, buffer):
        check_dtype(buffer.dtype)
        array = object.__new__(cls)
        array._buffer = buffer
        return array

    # What the host may know without asking the device

    dtype = property(lambda self: self._buffer.dtype)
    shape = property(lambda self: self._buffer.shape)
    size = property(lambda self: self._buffer.size)
    ndim = property(lambda self: self._buffer.ndim)
    itemsize = property(lambda self: self._buffer.itemsize)
    nbytes = property(lambda self: self._buffer.nbytes)
    strides = property(lambda self: self._buffer.strides)
    T = property(lambda self: self._over(self._buffer.T))
    mT = property(lambda self: self._over(self._buffer.mT))
    real = property(lambda self: self._over(self._buffer.real))
    imag = property(lambda self: self._over(self._buffer.imag))
    base = property(lambda self: None if self._buffer.base is None else self._over(self._buffer.base))
    flags = property(lambda self: Flags(self._buffer))

    def __len__(self):
        return len(self._buffer)

    def __iter__(self):
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    # Leaving the device

    def __array__(self, dtype=None, copy=None):
        raise TypeError(NO_CONVERSION)

    def get(self, stream=None, order="C", out=None, blocking=True):
        device.sync()
        if out is None:
            return self._buffer.copy(order)
        if out.dtype != self.dtype:
            raise TypeError(f"{out.dtype} array cannot be obtained from {self.dtype} array")
        if out.shape != self.shape:
            raise ValueError(f"Shape mismatch. Expected shape: {self.shape}, actual shape: {out.shape}")
        out[...] = self._buffer
        return out

    def item(self):
        return self.get().item()

    def tolist(self):
        return self.get().tolist()

    def __bool__(self):
        return bool(self.get())

    def __int__(self):
        return int(self.get())

    def __float__(self):
        return float(self.get())

    def __complex__(self):
        return complex(self.get())

    def __repr__(self):
        return repr(self.get())

    def __str__(self):
        return str(self.get())

    def __format__(self, spec):
        return format(self.get(), spec)

    def __reduce__(self):
        return sys.modules["cupy"].array, (self.get(),)

    # Arriving and staying there

    def set(self, array, stream=None):
        if not isinstance(array, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if array.dtype != self.dtype:
            raise TypeError(f"{array.dtype} array cannot be set to {self.dtype} array")
        if array.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {array.shape}")
        if not (self.flags.c_contiguous or self.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        device.upload()
        self._buffer[...] = array

    def fill(self, value):
        if not isinstance(value, (ndarray, *SCALARS)):
            raise ValueError(f"non-scalar {type(value).__name__} cannot be used for fill")
        device.launch(lambda: self._buffer.fill(on_host(value)), targets=[self._buffer])

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        if casting is not None or subok is not None:
            raise TypeError("casting and subok are not supported yet")
        if not copy and check_dtype(dtype) == self.dtype:
            return self
        return on_device(device.launch(lambda: self._buffer.astype(check_dtype(dtype), order)))

    def copy(self, order="C"):
        return on_device(device.launch(lambda: self._buffer.copy(order)))

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def view(self, dtype=None, type=None):
        if isinstance(dtype, sys.modules["builtins"].type) and issubclass(dtype,
                                                                          (np.ndarray,
                                                                           ndarray)) or type is not None:
            raise StrictError("x.view(numpy.ndarray): CuPy reinterprets the bytes as dtype object")
        return self._over(self._buffer.view() if dtype is None else self._buffer.view(check_dtype(dtype)))

    def __getitem__(self, index):
        raw, copies = indexing.raw_index(index)
        if not copies:
            return self._over(self._buffer[raw])
        # IndexError where CuPy would wrap around
        return on_device(device.launch(lambda: np.array(self._buffer[raw])))

    def __setitem__(self, index, value):
        raw, copies = indexing.raw_index(index)
        if not isinstance(value, ndarray) and np.ndim(value) > 0:
            raise ValueError(
                f"non-scalar {type(value).__module__}.{type(value).__name__} cannot be used for fill")
        raw_value = on_host(value)
        if copies and np.size(raw_value) > 1:
            indexing.refuse_duplicates(self._buffer.shape, raw)
        if not copies and isinstance(value, ndarray) and indexing.is_same_memory(self._buffer[raw],
                                                                                 raw_value):
            return  # what x[…] += v ends with: the view is already written
        device.launch(lambda: self._buffer.__setitem__(raw, raw_value), targets=[self._buffer])

    def scatter_add(self, slices, value):
        indexing.scatter(np.add, self, slices, value)

    def scatter_max(self, slices, value):
        indexing.scatter(np.maximum, self, slices, value)

    def scatter_min(self, slices, value):
        indexing.scatter(np.minimum, self, slices, value)

    # NumPy's own functions, called with a device array

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        ours = getattr(sys.modules["cupy"], ufunc.__name__, None)
        if "out" in kwargs and len(kwargs["out"]) == 1:
            kwargs["out"], = kwargs["out"]
        operands = inputs[:1] + inputs[2:] if method == "at" else inputs  # `at` takes an index between them
        if ours is None or not all(isinstance(x, (ndarray, np.ndarray, *SCALARS)) for x in operands):
            return NotImplemented
        return (ours if method == "__call__" else getattr(ours, method))(*inputs, **kwargs)

    def __array_function__(self, function, kinds, args, kwargs):
        ours = sys.modules["cupy"]
        try:
            for name in (*function.__module__.split(".")[1:], function.__name__):
                ours = getattr(ours, name)
        except AttributeError:
            return NotImplemented
        return (ours(*args, **kwargs) if all(kind in (ndarray, np.ndarray) for kind in kinds)
                else NotImplemented)

    def __getattr__(self, name):
        entry = manifest.entry("ndarray", name)
        if entry.get("attribute"):
            raise AttributeError(f"the stand-in does not imitate cupy.ndarray.{name}")
        if not hasattr(np.ndarray, name):
            raise AttributeError(
                f"numpy.ndarray has no attribute {name!r}, which code for both devices must not use")
        from tests.strict_cupy.functions import call_method
        return lambda *args, **kwargs: call_method(self, name, entry, args, kwargs)


give_operators(ndarray)
