"""Where a case runs: a package, an array module and a dtype.

Accel runs on NumPy, on the strict stand-in for CuPy and, where the tests were told to (DIPTYCH_TEST_CUDA=1),
on CuPy itself. The stand-in and CuPy share a name, so one process has the one or the other.
"""
import functools
import os
from typing import NamedTuple

import numpy as np

import accel
import reference
from accel import device

__all__ = ["Backend", "REFERENCE", "baseline", "accel_backends", "uses_cuda"]


class Backend(NamedTuple):
    """kernels says whether fused kernels stand in for array code there."""
    name: str
    package: object
    xp: object
    dtype: str
    kernels: bool = False

    def put(self, tree):
        """The tree of host arrays, there, in this dtype."""
        return device.put(tree, self.xp, self.dtype)

    def rng(self, seed=0):
        """The same draws on every backend, delivered there in this dtype."""
        return device.shared_generator(np.random.default_rng(seed), self.xp, self.dtype)


REFERENCE = Backend("reference-float64", reference, np, "float64")


def baseline(dtype):
    """The reference fed the dtype, whose own error sets the budget; none for float64."""
    return Backend(f"reference-{dtype}", reference, np, dtype) if dtype == "float32" else None


def uses_cuda():
    return os.environ.get("DIPTYCH_TEST_CUDA") == "1"


@functools.cache
def accel_backends():
    """Every place where accel is compared: name → Backend. On a device each case runs in array code, and
    those that say so run once more with fused kernels, which the stand-in executes through g++ where that is
    installed."""
    if uses_cuda():
        places = {"numpy": (np, False), "cuda": (device.module("cuda"), False),
                  "cuda-kernels": (device.module("cuda"), True)}
    else:
        from tests import strict_cupy
        xp = strict_cupy.install()
        places = {"numpy": (np, False), "strict": (xp, False)} | ({"strict-kernels": (xp, True)}
                                                                  if strict_cupy.COMPILER else {})
    return {f"{name}-{dtype}": Backend(f"{name}-{dtype}", accel, xp, dtype, kernels)
            for name, (xp, kernels) in places.items() for dtype in ("float64", "float32")}
