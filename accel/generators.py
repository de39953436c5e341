"""Random generators: on a device, or with the draws of a NumPy Generator.

    rng = generators.generator(7, xp, "float32")            draws on xp, for speed
    rng = generators.shared_generator(rng, xp, "float32")   NumPy's draws, delivered to xp, for comparisons

A NumPy Generator itself serves as rng too: it gives both packages the same draws, on the host in float64. All
of them have `random`, `standard_normal` and `integers`, and a `bit_generator` whose `state` a checkpoint
keeps.

Example
-------
>>> import numpy as np
>>> from accel import generators
>>> rng = generators.generator(7, np, "float32")
>>> print(rng.random(3).dtype)
float32
"""
from types import ModuleType

import numpy as np

from accel.runtime.philox import PhiloxGenerator
from accel.runtime.protocols import Rng

__all__ = ["generator", "shared_generator"]


def generator(seed: int, xp: ModuleType, dtype: str = "float64") -> Rng:
    """A generator that draws on xp in one dtype: NumPy's on the CPU, `runtime.philox`'s on a GPU.

    The draws are the same on any GPU.

    Parameters
    ----------
    seed : int
        In [0, 2⁶⁴) on a GPU; anything that NumPy's default_rng takes on the CPU.
    xp : module
        NumPy or CuPy, see `accel.device.module`.
    dtype : str
        "float64" or "float32", of uniforms and normals.
    """
    if xp is np:
        return _Generator(np.random.default_rng(seed), np, np.dtype(dtype), native=True)
    return PhiloxGenerator(seed, like=xp.empty(0, dtype=dtype))


def shared_generator(rng: np.random.Generator, xp: ModuleType, dtype: str = "float64") -> Rng:
    """The draws of a NumPy Generator, number by number, delivered to xp in a dtype.

    Parameters
    ----------
    rng : numpy.random.Generator
        It draws in float64 on the host.
    xp : module
        NumPy or CuPy, see `accel.device.module`.
    dtype : str
        "float64" or "float32", of uniforms and normals.
    """
    return _Generator(rng, xp, np.dtype(dtype), native=False)


class _Generator:
    """The draws of a NumPy Generator, made in a dtype or delivered to a device in it."""
    bit_generator = property(lambda self: self._rng.bit_generator)

    def __init__(self, rng, xp, dtype, native):
        self._rng, self._xp, self._dtype, self._native = rng, xp, dtype, native

    def _deliver(self, draw, size):
        if self._native:
            return draw(size, dtype=self._dtype)
        return self._xp.asarray(np.asarray(draw(size)), dtype=self._dtype)

    def random(self, size=None):
        """Uniform numbers in [0, 1)."""
        return self._deliver(self._rng.random, size)

    def standard_normal(self, size=None):
        """Standard normal numbers."""
        return self._deliver(self._rng.standard_normal, size)

    def integers(self, low, high=None, size=None):
        """Whole numbers in [low, high), or in [0, low) without high."""
        drawn = self._rng.integers(low, high, size=size)
        return drawn if self._native or size is None else self._xp.asarray(drawn)
