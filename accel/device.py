"""Where arrays live: array module, device choice, generators and transfers. The only file without a twin.

Computation happens where the arrays live that a function is given, in their dtype; nothing moves on its own. A program
chooses once, at its own door:

    xp = device.module()                       CuPy when it sees a GPU, else NumPy; DIPTYCH_DEVICE=cpu|cuda forces it
    x = device.put(x, xp, "float32")           one upload
    rng = device.generator(7, xp, "float32")   numbers are born on that device

A NumPy Generator gives both packages the same draws; `shared_generator` delivers those very draws to a device, in a dtype.
"""
import contextlib
import contextvars
import functools
import os
import sys
from typing import NamedTuple

import numpy as np

__all__ = ["array_module", "current_place", "module", "put", "like", "to_host", "check_together", "generator", "shared_generator",
           "single_blas_thread", "kernels", "kernels_enabled", "DeviceCode", "kernel_code"]

_kernels = contextvars.ContextVar("kernels", default=None)


def array_module(*arrays):
    """CuPy if any of the arrays is a device array, else NumPy."""
    for array in arrays:
        kind = type(array)
        if kind is not np.ndarray and kind.__module__.partition(".")[0] == "cupy":
            return sys.modules["cupy"]
    return np


def current_place(xp):
    """What tells the current device and stream of an array module from others, None on the host."""
    return None if xp is np else (xp.cuda.Device().id, xp.cuda.get_current_stream().ptr)


def module(device=None):
    """The array module for "cpu" or "cuda"; by default what DIPTYCH_DEVICE says, or CUDA where CuPy sees a GPU.

    Raises
    ------
    ValueError
        If the device is neither "cpu" nor "cuda".
    RuntimeError
        If "cuda" was asked for and CuPy is missing, has no driver, or does not fit the CUDA version.
    """
    source = "device" if device is not None else "DIPTYCH_DEVICE"
    device = device if device is not None else os.environ.get("DIPTYCH_DEVICE", "").strip().lower() or None
    if device not in (None, "cpu", "cuda"):
        raise ValueError(f"{source}: expected 'cpu' or 'cuda', got {device!r}")
    if device == "cpu":
        return np
    cupy, why_not = _cupy()
    if cupy is None and device == "cuda":
        raise RuntimeError(f"{source}: 'cuda' was asked for, but {why_not}")
    chosen = cupy or np
    _announce(f"CUDA through CuPy {cupy.__version__}" if cupy else f"the CPU ({why_not})")
    return chosen


@functools.cache
def _announce(where):
    """Say once where the computation happens."""
    print(f"diptych: computing on {where}", file=sys.stderr)


def _cupy():
    """(cupy, None) where it works, (None, why not) elsewhere."""
    try:
        import cupy
    except Exception as error:                                 # whatever CuPy meets in a broken installation
        return None, f"CuPy cannot be imported ({error}); {_both_wheels() or f'install {EXTRAS} to match the driver'}"
    try:
        why_not = _no_compiler(cupy) if cupy.cuda.is_available() else _no_gpu(cupy)
    except Exception as error:
        why_not = f"cannot ask the driver ({error})"
    if why_not is None:
        return cupy, None
    return None, f"CuPy {cupy.__version__} {why_not}" + "".join(f"; {both}" for both in [_both_wheels()] if both)


EXTRAS = "diptych[cuda12] or diptych[cuda13]"


def _no_gpu(cupy):
    """Why CuPy has no device: no driver, one older than CuPy's CUDA, or none that it shows."""
    driver = cupy.cuda.runtime.driverGetVersion()
    if driver == 0:
        return "finds no NVIDIA driver"
    built_for, knows = cupy.cuda.runtime.runtimeGetVersion(), f"CUDA {driver // 1000}.{driver % 1000 // 10}"
    if driver // 1000 < built_for // 1000:
        return (f"is built for CUDA {built_for // 1000}, and the driver knows {knows} at most: "
                f"install diptych[cuda{driver // 1000}] in its place, or a newer driver")
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    return f"sees no usable GPU (driver for {knows}" + (")" if shown is None else f", CUDA_VISIBLE_DEVICES={shown!r})")


def _no_compiler(cupy):
    """Why kernels cannot be compiled where there is a GPU, or None."""
    try:
        cupy.cuda.nvrtc.getVersion()
    except Exception as error:
        extra = f"diptych[cuda{cupy.cuda.runtime.runtimeGetVersion() // 1000}-ctk]"
        return f"sees a GPU but cannot load NVRTC, with which it compiles ({error}); install the CUDA toolkit, or {extra}, which brings it"
    return None


def _both_wheels():
    """What to do where two of CuPy's wheels are installed, None where at most one is."""
    from importlib import metadata
    wheels = []
    for wheel in ("cupy-cuda12x", "cupy-cuda13x", "cupy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            wheels.append(f"{wheel} {metadata.version(wheel)}")
    return f"{' and '.join(wheels)} break each other: uninstall them all, then install {EXTRAS}" if len(wheels) > 1 else None


def check_together(**arrays):
    """Raise ValueError unless all the arrays, by name, are on the device of the first; None is passed over.

    Nothing moves on its own: a transfer that nobody asked for would cost more than what it is for.
    """
    arrays = {name: array for name, array in arrays.items() if array is not None}
    first, *others = arrays
    for name in others:
        there, here = (array_module(arrays[one]) is not np for one in (first, name))
        if there != here:
            places = ("the host", "the device")
            raise ValueError(f"{name}: expected an array on {places[there]}, where {first} is, got one on {places[here]}; "
                             "accel.device.put moves it")


def put(tree, xp, dtype=None):
    """The tree, or a posterior, with every array moved to xp; floating arrays become dtype when one is given."""
    if hasattr(tree, "_moved"):
        return tree._moved(lambda part: put(part, xp, dtype))
    if isinstance(tree, dict):
        return {key: put(value, xp, dtype) for key, value in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(put(value, xp, dtype) for value in tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)(put(value, xp, dtype) for value in tree)
    if not hasattr(tree, "dtype"):
        return tree
    array = to_host(tree) if xp is np else xp.asarray(tree)
    return array if dtype is None or array.dtype.kind != "f" else array.astype(dtype, copy=False)


def like(x, tree):
    """The tree where x lives and in its dtype."""
    return put(tree, array_module(x), x.dtype)


def to_host(tree):
    """The tree with every device array brought to NumPy; host arrays are returned as they are."""
    if isinstance(tree, dict):
        return {key: to_host(value) for key, value in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*map(to_host, tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)(map(to_host, tree))
    return tree.get() if array_module(tree) is not np else tree


def generator(seed, xp, dtype="float64"):
    """A generator whose numbers are born on xp in dtype: NumPy's on the CPU, `runtime.philox`'s on a GPU, whichever GPU it is."""
    if xp is np:
        return _Generator(np.random.default_rng(seed), np, np.dtype(dtype), native=True)
    from accel.runtime.philox import CounterGenerator
    return CounterGenerator(seed, like=xp.empty(0, dtype=dtype))


def shared_generator(rng, xp, dtype="float64"):
    """The draws of a NumPy Generator, number by number, delivered to xp in dtype: what the agreement tests use."""
    return _Generator(rng, xp, np.dtype(dtype), native=False)


class _Generator:
    """random, standard_normal and integers of a NumPy Generator, drawn in one dtype or delivered to one device in it."""
    bit_generator = property(lambda self: self._rng.bit_generator)

    def __init__(self, rng, xp, dtype, native):
        self._rng, self._xp, self._dtype, self._native = rng, xp, dtype, native

    def _deliver(self, draw, size):
        if self._native:
            return draw(size, dtype=self._dtype)
        return self._xp.asarray(np.asarray(draw(size)), dtype=self._dtype)

    def random(self, size=None):
        return self._deliver(self._rng.random, size)

    def standard_normal(self, size=None):
        return self._deliver(self._rng.standard_normal, size)

    def integers(self, low, high=None, size=None):
        drawn = self._rng.integers(low, high, size=size)
        return drawn if self._native or size is None else self._xp.asarray(drawn)


@contextlib.contextmanager
def single_blas_thread():
    """One BLAS thread inside the block: small matrices gain nothing from more, and lose much on a busy machine.

    Uses threadpoolctl where it is installed (extra `test` or `experiments`); without it the block changes nothing.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(limits=1, user_api="blas"):
        yield


@contextlib.contextmanager
def kernels(enabled):
    """Whether fused kernels stand in for array code on a device, inside the block: both compute the same.

    Outside of any such block they do, unless DIPTYCH_KERNELS=off.
    """
    token = _kernels.set(bool(enabled))
    try:
        yield
    finally:
        _kernels.reset(token)


def kernels_enabled():
    """What the innermost `kernels` block says, or DIPTYCH_KERNELS."""
    chosen = _kernels.get()
    if chosen is not None:
        return chosen
    setting = os.environ.get("DIPTYCH_KERNELS", "").strip().lower() or "on"
    if setting not in ("on", "off"):
        raise ValueError(f"DIPTYCH_KERNELS: expected 'on' or 'off', got {setting!r}")
    return setting == "on"


class DeviceCode(NamedTuple):
    """What lets a simulator run inside a kernel, see `kernel_code`."""
    source: str
    theta_dim: int
    x_dim: int
    draws: tuple


def kernel_code(source, *, theta_dim, x_dim, draws=()):
    '''A decorator that gives a simulator (rng, θ (n, P)) → x (n, D) the same simulation as a device function.

        @device.kernel_code("""
        __device__ void simulate(const real* theta, const real* noise, real* x) {
          x[0] = theta[0] * theta[0] + real(0.1) * noise[0];
        }""", theta_dim=1, x_dim=1, draws=(("standard_normal", 1),))
        def simulate(rng, theta):
            return theta**2 + 0.1 * rng.standard_normal((len(theta), 1))

    What it decorates is left as it is but for an attribute `device_code`; any callable may have one. Where a simulation can run
    inside a kernel (rejection ABC, with `device.generator` on a GPU) the device function is called in its place.

    Parameters
    ----------
    source : str
        CUDA C++17: the function `simulate`, which reads the P numbers of one θ and those drawn for it, and writes the D numbers of
        x. `real` is float or double; sqrt, exp, log, sin and so on are overloaded for both. A failure is a NaN. It may call other
        functions of the source.
    theta_dim, x_dim : int
        P and D.
    draws : tuple of (name, k)
        What the simulator draws, call by call, in order: rng.random or rng.standard_normal, of n rows of k numbers. noise holds
        them one after another.

    Raises
    ------
    ValueError
        If a size is not a whole number above zero, or a draw not one of the two.
    '''
    from accel.runtime import checks
    for name, value in (("theta_dim", theta_dim), ("x_dim", x_dim)):
        checks.check_count(name, value)
    for draw in draws:
        if not (isinstance(draw, tuple) and len(draw) == 2 and draw[0] in ("random", "standard_normal")):
            raise ValueError(f"draws: expected pairs of 'random' or 'standard_normal' and a number, got {draw!r}")
        checks.check_count("draws: numbers of a simulation", draw[1])

    def give(simulate):
        simulate.device_code = DeviceCode(source, theta_dim, x_dim, tuple(draws))
        return simulate
    return give
