"""Compiles CUDA kernels and launches them, and decides whether they are used.

A kernel computes what the array code of a page computes. Its source is in `kernels/<name>/*.cu`, and
`kernels/<name>/launch.py` launches it. Sizes are compiled in, so that loops have known lengths:

    kernels = cuda.load("kernels/maf/density.cu", np.float32, DIM=3)   compiled once for each set of constants
    kernels("log_prob", blocks, threads, x, out, n, shared=n_bytes)    on the current stream

In the source, `real` is the dtype, `#include "…"` names a file of this package, and DYN_SHARED(T, name)
declares the dynamic shared memory. Arguments are C-contiguous device arrays, Python ints (passed as int),
Python floats (passed as real) and NumPy scalars (passed with their own type).
"""
import functools
import pathlib
import re
import warnings

import numpy as np

from accel import device

__all__ = ["NAMES", "Kernels", "load", "source", "wanted", "shared_limit", "multiprocessors", "fall_back"]

ROOT = pathlib.Path(__file__).resolve().parents[1]
NAMES = {"float32": "float", "float64": "double"}
DEFAULT_SHARED = 48 << 10                            # bytes of a block for which a kernel needs no attribute


def wanted(xp):
    """Whether kernels are used for arrays of this module: on a device, unless `device.kernels` forbids it."""
    return xp is not np and device.kernels_enabled()


@functools.cache
def fall_back(what):
    """Warn once that array code runs in place of a kernel."""
    message = f"{what}; array code is used instead, which launches many small kernels"
    warnings.warn(message, RuntimeWarning, stacklevel=3)


def shared_limit(xp):
    """The largest shared memory of a block on the current device, in bytes."""
    return _attributes(xp, xp.cuda.Device().id)["MaxSharedMemoryPerBlockOptin"]


def multiprocessors(xp):
    """The number of multiprocessors of the current device."""
    return _attributes(xp, xp.cuda.Device().id)["MultiProcessorCount"]


@functools.cache
def _attributes(xp, number):
    """The device's attributes, queried once: CuPy asks the driver for each of about a hundred."""
    return dict(xp.cuda.Device(number).attributes)


def load(path, dtype, *, code="", **constants):
    """The kernels of one file for one dtype and one set of constants, compiled at their first launch.

    `code` is inserted before the text of the file.
    """
    return _load(path, np.dtype(dtype).name, code, tuple(sorted(constants.items())))


@functools.lru_cache(maxsize=256)
def _load(path, dtype, code, constants):
    import cupy
    if dtype not in NAMES:
        raise ValueError(f"dtype: expected float32 or float64, got {dtype}")
    defines = [f"-DREAL={NAMES[dtype]}", *(f"-D{name}={value}" for name, value in constants)]
    module = cupy.RawModule(code=source(path, code), options=("--std=c++17", *defines))
    return Kernels(module, np.dtype(dtype))


@functools.cache
def source(path, code=""):
    """The text of a file of this package, each include expanded once, after `code` (which may use `real`)."""
    seen = set()

    def expanded(text):
        return re.sub(r'^#include "(.+)"$', lambda found: file(found[1]), text, flags=re.MULTILINE)

    def file(name):
        if name in seen:
            return ""
        seen.add(name)
        return expanded((ROOT / name).read_text())
    return expanded(f'#include "kernels/common/real.cuh"\n{code}\n') + file(path) if code else file(path)


class Kernels:
    """The kernels of one compiled file."""

    def __init__(self, module, dtype):
        self._function, self.dtype = functools.cache(module.get_function), dtype

    def __call__(self, name, grid, block, *args, shared=0):
        """Launch a kernel on the current stream; grid and block are ints or tuples, shared is in bytes."""
        function = self._function(name)
        if shared > DEFAULT_SHARED and function.max_dynamic_shared_size_bytes < shared:
            function.max_dynamic_shared_size_bytes = shared
        function(_sizes(grid), _sizes(block), tuple(self._argument(a) for a in args), shared_mem=shared)

    def _argument(self, value):
        if isinstance(value, np.generic):
            return value
        if isinstance(value, float):
            return self.dtype.type(value)
        if isinstance(value, int):
            return np.int32(value)
        assert value.flags.c_contiguous, "a kernel takes C-contiguous arrays"
        return value


def _sizes(size):
    return size if isinstance(size, tuple) else (size,)
