"""Fused CUDA kernels: where they are found, when they are chosen, how they are compiled and launched.

A kernel stands beside the page that it speeds up, in a file `_name.cu`, and computes what that page's array code computes; a file
`_name.py` launches it. Sizes are compiled in, so that loops have known lengths:

    kernels = _kernels.load("kernels/maf/density.cu", np.float32, DIM=3, CONTEXT=10)       compiled once for each set of constants
    kernels("log_prob", blocks, threads, x, out, n, shared=n_bytes)                 on the current stream

In the source, `real` is the dtype, `#include "…"` names a file of this package, and DYN_SHARED(T, name) is the dynamic shared memory.
Arguments are C-contiguous device arrays, Python ints (passed as int), floats (as real) and NumPy scalars (as what they are).
"""
import functools
import pathlib
import re
import warnings

import numpy as np

from accel import device

__all__ = ["Kernels", "load", "source", "wanted", "shared_limit", "multiprocessors", "fall_back"]

ROOT = pathlib.Path(__file__).resolve().parents[1]
NAMES = {"float32": "float", "float64": "double"}
STATIC_SHARED = 48 << 10                                              # what a block has without asking for more


def wanted(xp):
    """Whether kernels are to be used for arrays of this module: on a device, unless `device.kernels` says otherwise."""
    return xp is not np and device.kernels_enabled()


@functools.cache
def fall_back(what):
    """Say once that array code runs where a kernel could not."""
    warnings.warn(f"{what}; array code is used instead, which launches many small kernels", RuntimeWarning, stacklevel=3)


def shared_limit(xp):
    """The most bytes of shared memory that a block can have on the current device."""
    return _attributes(xp, xp.cuda.Device().id)["MaxSharedMemoryPerBlockOptin"]


def multiprocessors(xp):
    return _attributes(xp, xp.cuda.Device().id)["MultiProcessorCount"]


@functools.cache
def _attributes(xp, number):
    """What the device can, asked once: CuPy asks the driver for each of a hundred attributes."""
    return dict(xp.cuda.Device(number).attributes)


def load(path, dtype, *, code="", **constants):
    """The kernels of one file for one dtype and one set of constants, compiled when first launched; code stands before the file's."""
    return _load(path, np.dtype(dtype).name, code, tuple(sorted(constants.items())))


@functools.lru_cache(maxsize=256)
def _load(path, dtype, code, constants):
    import cupy
    if dtype not in NAMES:
        raise ValueError(f"dtype: expected float32 or float64, got {dtype}")
    defines = [f"-DREAL={NAMES[dtype]}", *(f"-D{name}={value}" for name, value in constants)]
    return Kernels(cupy.RawModule(code=source(path, code), options=("--std=c++17", *defines)), np.dtype(dtype))


@functools.cache
def source(path, code=""):
    """The text of one file of this package, what it includes in the place where it is first included, after code that knows `real`."""
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
    """The compiled kernels of one file."""

    def __init__(self, module, dtype):
        self._function, self.dtype = functools.cache(module.get_function), dtype

    def __call__(self, name, grid, block, *args, shared=0):
        """Launch one of them on the current stream; grid and block are ints or tuples, shared is in bytes."""
        function = self._function(name)
        if shared > STATIC_SHARED and function.max_dynamic_shared_size_bytes < shared:
            function.max_dynamic_shared_size_bytes = shared
        function(_three(grid), _three(block), tuple(self._argument(a) for a in args), shared_mem=shared)

    def _argument(self, value):
        if isinstance(value, np.generic):
            return value
        if isinstance(value, float):
            return self.dtype.type(value)
        if isinstance(value, int):
            return np.int32(value)
        assert value.flags.c_contiguous, "a kernel takes C-contiguous arrays"
        return value


def _three(size):
    return size if isinstance(size, tuple) else (size,)
