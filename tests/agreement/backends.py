"""Where a case runs: a package, an array module and a dtype.

Accel runs on NumPy, on the strict stand-in for CuPy and, where the tests were told to (DIPTYCH_TEST_CUDA=1), on CuPy itself.
The stand-in and CuPy share a name, so one process has the one or the other.
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
    name: str
    package: object
    xp: object
    dtype: str

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
    """Every place where accel is compared: name → Backend."""
    if uses_cuda():
        modules = {"numpy": np, "cuda": device.module("cuda")}
    else:
        from tests import strict_cupy
        modules = {"numpy": np, "strict": strict_cupy.install()}
    return {f"{name}-{dtype}": Backend(f"{name}-{dtype}", accel, xp, dtype)
            for name, xp in modules.items() for dtype in ("float64", "float32")}
