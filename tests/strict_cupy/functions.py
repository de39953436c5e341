"""CuPy's functions, ufuncs and methods, computed by NumPy or SciPy behind CuPy's refusals.

Refused are host arrays and lists where CuPy takes device arrays, arguments that CuPy's signature lacks,
dtypes that it cannot store, writes that a GPU leaves undefined, and failures of a solver that CuPy does not
report.
"""
import re

import numpy as np

from tests.strict_cupy import manifest
from tests.strict_cupy.ndarray import SCALARS, ndarray, on_device, on_host
from tests.strict_cupy.capture import device, leaves, poison
from tests.strict_cupy.manifest import StrictError

__all__ = ["Ufunc", "call_method", "flat", "function"]

# Parameters that must be device arrays, and functions that take a number in the first of them
ARRAYS = frozenset(
    "A a a1 a2 ar ar1 ar2 arr arr1 arr2 array arrays ary b c condition dst element m p prototype tup v val x "
    "x1 x2 y z".split())
TAKE_NUMBERS = {"where", "isclose", "allclose", "searchsorted"}
# Parameters that CuPy uploads in silence, and those that it needs on the host
UPLOADED = {"indices", "ind", "repeats", "q", "operands"}
ON_HOST = {"N", "M", "axes", "axis", "axis1", "axis2", "indices_or_sections", "k", "newshape", "num", "shape"}
VARARGS = {"einsum": "operands", "reshape": "shape", "transpose": "axes"}
# Functions that answer about arrays without touching a number
METADATA = {"shape", "ndim", "size", "result_type", "can_cast", "promote_types", "issubdtype", "isdtype",
            "isscalar", "isfortran", "iscomplexobj", "isrealobj", "broadcast_shapes", "may_share_memory",
            "shares_memory", "min_scalar_type", "common_type"}
IN_PLACE = {"copyto", "put", "place", "putmask", "put_along_axis", "fill_diagonal"}
IN_PLACE_METHODS = {"sort", "partition", "put"}
ONE_VALUE_PER_PLACE = {"put", "put_along_axis"}
# What makes the host wait, besides what the documentation of CuPy says
SYNC = {"argwhere", "trim_zeros", "union1d", "intersect1d", "setdiff1d", "setxor1d", "roots", "save", "savez",
        "savez_compressed", "savetxt", "array_repr", "array_str", "array2string", "tobytes", "tofile", "dump",
        "dumps"}
NUMBERS_ON_HOST = {"arange", "linspace", "logspace"}
# What runs in cuBLAS or cuSOLVER
LIBRARY = {"matmul", "dot", "tensordot", "inner", "vdot", "einsum"}
NO_LIBRARY = {"norm", "cross", "matrix_transpose", "block_diag", "toeplitz", "circulant", "hankel"}


def function(name, entry, host, section):
    """The callable for a name of the manifest; host is NumPy's or SciPy's function of that name."""
    if "ufunc" in entry:
        return Ufunc(name, entry, host)
    solves = section in ("linalg", "scipy_linalg") and name not in NO_LIBRARY

    def public(*args, **kwargs):
        if name in LIBRARY or solves:
            device.library_call(name)
        return call(name, entry, reported(host) if solves else host, args, kwargs)

    public.__name__ = public.__qualname__ = name
    return public


def call(name, entry, host, args, kwargs):
    """Check the call against the manifest, refuse host data, and launch the computation."""
    manifest.check_call(name, entry, args, kwargs)
    if name in METADATA:
        return host(*map(on_host, args), **kwargs)
    bound = manifest.bind(entry, args, kwargs)
    refuse_host_data(name, bound)
    return launch(name, entry, host, args, kwargs)


def call_method(array, name, entry, args, kwargs):
    """A method of the device array, by the same rules."""
    manifest.check_call(name, entry, args, kwargs)
    refuse_host_data(name, [("self", array), *manifest.bind(entry, args, kwargs)])
    if name == "dot":
        device.library_call(name)
    return launch(name, entry, getattr(np.ndarray, name), (array, *args), kwargs,
                  in_place=name in IN_PLACE_METHODS)


def launch(name, entry, host, args, kwargs, in_place=None):
    """Compute on the buffers and bring the result back to the device."""
    known = _arrays([*args, *kwargs.values()])
    if _synchronises(name, entry, args, kwargs, known):
        device.sync()
    raw_args = [on_host(a) for a in args]
    raw_kwargs = {key: on_host(v) for key, v in kwargs.items() if key != "blocking"}
    if in_place is None:
        in_place = name in IN_PLACE
    if name in ONE_VALUE_PER_PLACE:
        refuse_duplicates(name, host, raw_args, raw_kwargs)
    out = dict(manifest.bind(entry, args, kwargs)).get("out")
    targets = [on_host(args[0])] if in_place else [on_host(out)] if out is not None else []
    inputs = [array._buffer for array in known]
    result = device.launch(lambda: host(*raw_args, **raw_kwargs), inputs, targets)
    count_upcast(inputs, result)
    if name in ("empty", "empty_like"):
        poison(result)
    return on_device(result, known)


def _synchronises(name, entry, args, kwargs, known):
    if name == "where":
        return len(args) + len(kwargs) == 1
    return entry.get("sync") or name in SYNC or name in NUMBERS_ON_HOST and bool(known)


def refuse_host_data(name, bound):
    """TypeError for a host array, a list of numbers in place of an array, a number in place of the first
    array, a host out."""
    for place, (parameter, value) in enumerate(bound):
        parameter = VARARGS.get(name, parameter) if parameter == "*" else parameter
        if parameter in ON_HOST:
            if any(isinstance(x, ndarray) for x in flat(value)):
                raise TypeError("'ndarray' object cannot be interpreted as an integer")
            continue
        if parameter == "out" and value is not None and not all(isinstance(x, ndarray) for x in flat(value)):
            raise TypeError(f"{name}(): out must be a cupy.ndarray, got {type(value)}")
        if any(isinstance(x, np.ndarray) for x in flat(value)):
            if parameter not in UPLOADED:
                raise TypeError(
                    f"Unsupported type {np.ndarray} (cupy.{name}: no implicit host-to-device copy)")
            device.upload()
        if parameter in ARRAYS and isinstance(value, (list, tuple)) and not all(isinstance(x, ndarray)
                                                                                for x in flat(value)):
            raise TypeError(
                f"Unsupported type {type(value)} of numbers (cupy.{name}: {parameter} must be on the device)")
        if parameter in ARRAYS and place == 0 and isinstance(value, SCALARS) and name not in TAKE_NUMBERS:
            raise TypeError(
                f"Unsupported type {type(value)} (cupy.{name}: {parameter} must be a cupy.ndarray)")


def refuse_duplicates(name, host, args, kwargs):
    """StrictError if the call would write two values to one place: which is kept is undefined on a GPU."""
    array, indices, *rest = args
    if np.size(rest[0] if rest else kwargs.get("v", kwargs.get("values"))) > 1:
        written, marks = np.full(array.shape, -1), np.arange(np.size(indices)).reshape(np.shape(indices))
        host(written, indices, marks, *rest[1:],
             **{key: value for key, value in kwargs.items() if key not in ("v", "values")})
        if np.count_nonzero(written >= 0) < marks.size:
            raise StrictError(f"{name}(): duplicate indices: which value is kept is undefined on a GPU")


def reported(host):
    """The solver, except that a failure which CuPy keeps silent about is a StrictError;
    cupyx.errstate(linalg="raise") reports it."""
    def solve(*args, **kwargs):
        try:
            return host(*args, **kwargs)
        except np.linalg.LinAlgError as error:
            if device.solver_errors == "raise" or not re.search("singular|positive definite|converge",
                                                                str(error), re.I):
                raise
            raise StrictError(
                f"{error}: CuPy reports nothing here and returns numbers that mean nothing") from error
    return solve


def count_upcast(inputs, result):
    """Count a float64 result that comes from a float32 input: a leak in a float32 computation."""
    if any(a.dtype == np.float32 for a in inputs) and any(a.dtype == np.float64 for a in leaves(result)):
        device.counts["upcast"] += 1


class Ufunc:
    """A ufunc with CuPy's loops: the first whose input types the arguments cast to; Python numbers adapt to
    the arrays."""

    def __init__(self, name, entry, host):
        self.__name__, self._host, self._scatter = name, host, entry.get("scatter")
        self.nin, self.nout = entry["ufunc"]
        self.types = entry["types"]

    def __call__(self, *args, out=None, dtype=None, casting="same_kind", **wrong):
        if wrong:
            raise TypeError(f"Wrong arguments {wrong}")
        if not self.nin <= len(args) <= self.nin + self.nout:
            raise TypeError(f"Wrong number of arguments for {self.__name__!r}: between {self.nin} and "
                            f"{self.nin + self.nout}, got {len(args)}")
        inputs = args[:self.nin]
        outs = args[self.nin:] or (out if isinstance(out, tuple) else (out,) if out is not None else ())
        for x in inputs:
            if not isinstance(x, (ndarray, *SCALARS)):
                raise TypeError(f"Unsupported type {type(x)}")
        for x in outs:
            if not isinstance(x, ndarray):
                raise TypeError(f"Unsupported type {type(x)}: out must be a cupy.ndarray")
        in_types, out_types = self._loop(inputs, dtype)
        buffers, targets = [on_host(x) for x in inputs if isinstance(x, ndarray)], [on_host(x) for x in outs]

        def compute():
            results = self._host(*(np.asarray(on_host(x), dtype=t) for x, t in zip(inputs, in_types)))
            results = [np.asarray(r).astype(t, copy=False)
                       for r, t in zip(results if self.nout > 1 else (results,), out_types)]
            for target, r in zip(targets, results):
                if target.shape != np.broadcast_shapes(target.shape, r.shape):
                    raise ValueError(
                        f"non-broadcastable output operand with shape {target.shape}, result of shape "
                        f"{r.shape}")
                np.copyto(target, r, casting=casting)
            return tuple(targets or results)

        result = device.launch(compute, [], targets)
        count_upcast(buffers, result)
        results = on_device(result, outs)
        return results if self.nout > 1 else results[0]

    def _loop(self, inputs, dtype):
        """The input and output types of the loop that CuPy picks."""
        loops = [loop.split("->") for loop in self.types]
        if dtype is not None:
            fitting = [loop for loop in loops if all(np.dtype(t) == np.dtype(dtype) for t in loop[1])]
        else:
            strong = [x.dtype for x in inputs if isinstance(x, (ndarray, np.generic))]
            weak = _adapts(inputs, strong)
            fitting = [loop
                       for loop in loops if all(_fits(x, np.dtype(t), weak) for x, t in zip(inputs, loop[0]))]
        if not fitting:
            raise TypeError(
                f"Wrong type ({dtype or [getattr(x, 'dtype', type(x)) for x in inputs]}) of arguments for "
                f"{self.__name__}")
        return fitting[0]

    def outer(self, a, b, **kwargs):
        if not (isinstance(a, ndarray) and isinstance(b, ndarray)):
            raise TypeError("Unsupported type: outer takes cupy.ndarray")
        return self(a.reshape(a.shape + (1,) * b.ndim), b, **kwargs)

    def at(self, a, indices, b=None):
        if self._scatter is None:
            raise NotImplementedError(f"`{self.__name__}.at` is not supported yet")
        from tests.strict_cupy.indexing import scatter
        scatter(self._host, a, indices, b)

    def reduce(self, array, axis=0, dtype=None, out=None, keepdims=False):
        return self._whole("reduce", {"add": "sum", "multiply": "prod"}, array)(axis, dtype, out, keepdims)

    def accumulate(self, array, axis=0, dtype=None, out=None):
        return self._whole("accumulate", {"add": "cumsum", "multiply": "cumprod"}, array)(axis, dtype, out)

    def _whole(self, method, known, array):
        if self.__name__ not in known:
            raise NotImplementedError(f"`{self.__name__}.{method}` is not supported yet")
        return getattr(array, known[self.__name__])


def _adapts(inputs, strong):
    """Whether Python numbers take the type of the arrays: only when no number is of a higher kind than every
    array."""
    order = {bool: 0, int: 1, float: 2, complex: 2}
    kinds = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 2}
    numbers = [order[type(x)] for x in inputs if type(x) in order]
    return bool(strong and numbers) and max(kinds[dtype.kind] for dtype in strong) >= max(numbers)


def _fits(x, loop_type, weak):
    """Whether an argument casts safely to a loop's type, or is a Python number that adapts to it."""
    if hasattr(x, "dtype"):
        return np.can_cast(x.dtype, loop_type)
    return np.can_cast(np.dtype(type(x)), loop_type) or (weak and np.result_type(type(x)(0), loop_type)
                                                         == loop_type)


def flat(value):
    """What a list or tuple holds at any depth, or the value itself."""
    return [leaf for item in value for leaf in flat(item)] if isinstance(value, (list, tuple)) else [value]


def _arrays(values):
    return [leaf for leaf in flat(list(values)) if isinstance(leaf, ndarray)]
