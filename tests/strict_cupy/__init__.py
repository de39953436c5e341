"""A strict stand-in for CuPy that runs on a laptop: same names, types and refusals, CUDA-graph semantics.

    xp = strict_cupy.install()          in sys.modules as cupy and cupyx from here on; xp is the module cupy
    with strict_cupy.counted() as spent:
        …                               then {"launch": …, "sync": …, "upload": …, "kernel": …, "bytes": …}

Its names and signatures are frozen from the real wheel (manifest.json, written by make_manifest.py). What
CuPy does differently from NumPy without a word, or leaves undefined, is refused (StrictError) rather than
imitated. It says nothing about races, memory that outlives its graph, the order of sums, or speed. Kernels of
our own run through g++ (kernels.py); there is no ElementwiseKernel and no ReductionKernel.
"""
import contextlib
import sys
import types

import numpy as np

from tests.strict_cupy import functions, generator, kernels, manifest, streams
from tests.strict_cupy.ndarray import check_dtype, ndarray, on_device, on_host
from tests.strict_cupy.capture import counted, device, poison
from tests.strict_cupy.kernels import COMPILER
from tests.strict_cupy.manifest import StrictError

__all__ = ["COMPILER", "StrictError", "counted", "install"]

CONSTANTS = ("pi", "e", "inf", "nan", "newaxis", "euler_gamma")
HOST_CLASSES = (np.generic, np.dtype, np.finfo, np.iinfo, Exception)


class Namespace(types.ModuleType):
    """A module of CuPy: the names of one section of the manifest, computed by a host module; and what is its
    own."""

    def __init__(self, name, section, host, **own):
        super().__init__(name, "Strict stand-in.")
        self.__dict__.update(own, _section=section, _host=host)

    def __getattr__(self, name):
        entry = manifest.entry(self._section, name)
        host = getattr(self._host, name, None)
        if self._section == "random":
            value = generator.legacy(name)
        elif entry.get("class") and isinstance(host, type) and issubclass(host, HOST_CLASSES):
            value = host
        elif host is None or entry.get("class"):
            raise AttributeError(f"the stand-in does not imitate {self.__name__}.{name}")
        else:
            value = functions.function(name, entry, host, self._section)
        setattr(self, name, value)
        return value


def install():
    """Put the stand-in into sys.modules as cupy and cupyx; return the module cupy.

    Raises
    ------
    RuntimeError
        If the real CuPy was imported before: one process has the one or the other.
    """
    here = sys.modules.get("cupy")
    if isinstance(here, Namespace):
        return here
    if here is not None:
        raise RuntimeError("the real CuPy is imported in this process")
    modules = {**_cupy(), **_cupyx()}
    for name, module in modules.items():
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
    sys.modules.update(modules)
    return modules["cupy"]


def _cupy():
    own = {name: getattr(np, name) for name in CONSTANTS}
    own.update({f.__name__: f for f in (array, asarray, asanyarray, asarray_chkfinite, asnumpy,
                                        get_array_module, fuse, ndarray)})
    own["RawModule"] = kernels.RawModule
    own["get_default_memory_pool"] = own["get_default_pinned_memory_pool"] = streams.MemoryPool
    cuda = types.ModuleType("cupy.cuda")
    cuda.__dict__.update({name: getattr(streams, name) for name in streams.__all__})
    return {"cupy": Namespace("cupy", "cupy", np, __version__=manifest.VERSION, **own),
            "cupy.linalg": Namespace("cupy.linalg", "linalg", np.linalg),
            "cupy.fft": Namespace("cupy.fft", "fft", np.fft),
            "cupy.random": Namespace("cupy.random", "random", np.random, Generator=generator.Generator,
                                     default_rng=generator.default_rng),
            "cupy.exceptions": Namespace("cupy.exceptions", "exceptions", np.exceptions), "cupy.cuda": cuda}


def _cupyx():
    import scipy.linalg
    import scipy.special
    scatters = {f"scatter_{name}": _method(f"scatter_{name}") for name in ("add", "max", "min")}
    rsqrt = functions.Ufunc("rsqrt", manifest.entry("cupyx", "rsqrt"), lambda x: 1 / np.sqrt(x))
    return {"cupyx": Namespace("cupyx", "cupyx", None, rsqrt=rsqrt, errstate=errstate,
                               empty_pinned=empty_pinned, **scatters),
            "cupyx.scipy": types.ModuleType("cupyx.scipy"),
            "cupyx.scipy.special": Namespace("cupyx.scipy.special", "special", scipy.special),
            "cupyx.scipy.linalg": Namespace("cupyx.scipy.linalg", "scipy_linalg", scipy.linalg)}


def _method(name):
    return lambda array, slices, value: getattr(array, name)(slices, value)


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    """cupy.array: a copy on the device of a device array, of a sequence of device arrays, or, uploaded, of
    anything on the host."""
    if subok:
        raise NotImplementedError("subok")
    if isinstance(obj, ndarray):
        if not copy and dtype in (None, obj.dtype) and obj.ndim >= ndmin:
            return obj
        if copy is False and dtype not in (None, obj.dtype):
            raise ValueError("Unable to avoid copy while creating an array as requested")
        return on_device(device.launch(lambda: np.array(on_host(obj), dtype, order=order, ndmin=ndmin)))
    pieces = functions.flat(obj)
    if any(isinstance(piece, ndarray) for piece in pieces):
        if not all(isinstance(piece, ndarray) for piece in pieces):
            raise TypeError(
                "device and host values in one sequence: implicit conversion to a NumPy array is not allowed")
        return on_device(device.launch(lambda: np.array(on_host(obj), dtype, order=order, ndmin=ndmin)))
    uploaded = np.array(obj, dtype, order=order, ndmin=ndmin)      # an upload never aliases host memory
    check_dtype(uploaded.dtype)
    device.upload()
    return on_device(uploaded)


def asarray(a, dtype=None, order=None, *, copy=None, blocking=False):
    return array(a, dtype, copy, order or "K", blocking=blocking)


def asanyarray(a, dtype=None, order=None, *, copy=None, blocking=False):
    return asarray(a, dtype, order, copy=copy, blocking=blocking)


def asarray_chkfinite(a, dtype=None, order=None):
    """asarray, after the host has waited for a check that every number is finite."""
    result = asarray(a, dtype, order)
    np.asarray_chkfinite(result.get())
    return result


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    return a.get(stream, order, out) if isinstance(a, ndarray) else np.asarray(a, order=order)


def get_array_module(*args):
    return sys.modules["cupy"] if any(isinstance(a, ndarray) for a in args) else np


def fuse(*args, **kwargs):
    """cupy.fuse without the fusing."""
    return args[0] if args and callable(args[0]) else lambda function: function


def empty_pinned(shape, dtype=float, order="C"):
    """cupyx.empty_pinned: a host array, of whatever numbers, that a device can copy from and to on its
    own."""
    pinned = np.empty(shape, check_dtype(dtype), order)
    poison(pinned)
    return pinned


@contextlib.contextmanager
def errstate(*, divide=None, over=None, under=None, invalid=None, linalg=None):
    """cupyx.errstate: linalg="raise" makes failing solvers say so, at the cost of a synchronisation each."""
    if any(setting is not None for setting in (divide, over, under, invalid)) or linalg not in (None,
                                                                                                "ignore",
                                                                                                "raise"):
        raise NotImplementedError("CuPy has errstate for linalg alone")
    before = device.solver_errors
    device.solver_errors = linalg or before
    try:
        yield
    finally:
        device.solver_errors = before
