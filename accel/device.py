"""Where arrays live: array module, choice of device, transfers, the switch of the kernels.

A function of accel computes where its arguments live and in their dtype; nothing is transferred on its own. A
program chooses its device once, and moves its data there:

    xp = device.module()                                     CuPy if it sees a GPU, else NumPy
    x = device.put(x, xp, "float32")                         one upload
    rng = accel.generators.generator(7, xp, "float32")       draws on that device

The environment variable DIPTYCH_DEVICE=cpu or cuda forces the device; it is read at each call of `module`.
This file imports nothing of accel, so that every other file can import it.

Example
-------
>>> import numpy as np
>>> from accel import device
>>> there = device.put({"x": np.array([1.0, 2.5]), "n": 3}, np, "float32")
>>> print(there["x"].dtype, there["n"])
float32 3
"""
import contextlib
import contextvars
import functools
import os
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

__all__ = ["array_module", "current_place", "module", "put", "to_host", "like", "special", "check_together",
           "kernels", "kernels_enabled", "DeviceCode", "kernel_code"]

_kernels = contextvars.ContextVar("kernels", default=None)


def array_module(*arrays: Any) -> ModuleType:
    """CuPy if any of the arguments is a device array, else NumPy."""
    for array in arrays:
        kind = type(array)
        if kind is not np.ndarray and kind.__module__.partition(".")[0] == "cupy":
            return sys.modules["cupy"]
    return np


def current_place(xp: ModuleType) -> tuple | None:
    """What tells the current device and stream of an array module from others, None on the host."""
    return None if xp is np else (xp.cuda.Device().id, xp.cuda.get_current_stream().ptr)


def module(device: str | None = None) -> ModuleType:
    """The array module of a device: NumPy or CuPy.

    Parameters
    ----------
    device : "cpu" or "cuda", optional
        By default what DIPTYCH_DEVICE says, or else CUDA where CuPy sees a GPU.

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
    """(cupy, None) where it works, (None, the reason) elsewhere."""
    try:
        import cupy
    except Exception as error:                                 # whatever CuPy raises in a broken installation
        install = _both_wheels() or f"install {EXTRAS} to match the driver"
        return None, f"CuPy cannot be imported ({error}); {install}"
    try:
        why_not = _no_compiler(cupy) if cupy.cuda.is_available() else _no_gpu(cupy)
    except Exception as error:
        why_not = f"cannot ask the driver ({error})"
    if why_not is None:
        return cupy, None
    both = _both_wheels()
    return None, f"CuPy {cupy.__version__} {why_not}" + (f"; {both}" if both else "")


EXTRAS = "diptych[cuda12] or diptych[cuda13]"


def _no_gpu(cupy):
    """Why CuPy has no device: no driver, a driver that is older than CuPy's CUDA, or no visible GPU."""
    driver = cupy.cuda.runtime.driverGetVersion()
    if driver == 0:
        return "finds no NVIDIA driver"
    built_for, knows = cupy.cuda.runtime.runtimeGetVersion(), f"CUDA {driver // 1000}.{driver % 1000 // 10}"
    if driver // 1000 < built_for // 1000:
        return (f"is built for CUDA {built_for // 1000}, and the driver knows {knows} at most: "
                f"install diptych[cuda{driver // 1000}] in its place, or a newer driver")
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    hidden = "" if shown is None else f", CUDA_VISIBLE_DEVICES={shown!r}"
    return f"sees no usable GPU (driver for {knows}{hidden})"


def _no_compiler(cupy):
    """Why kernels cannot be compiled where there is a GPU, or None."""
    try:
        cupy.cuda.nvrtc.getVersion()
    except Exception as error:
        extra = f"diptych[cuda{cupy.cuda.runtime.runtimeGetVersion() // 1000}-ctk]"
        return (f"sees a GPU but cannot load NVRTC, with which it compiles ({error}); "
                f"install the CUDA toolkit, or {extra}, which brings it")
    return None


def _both_wheels():
    """What to do where two of CuPy's wheels are installed, None where at most one is."""
    from importlib import metadata
    wheels = []
    for wheel in ("cupy-cuda12x", "cupy-cuda13x", "cupy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            wheels.append(f"{wheel} {metadata.version(wheel)}")
    if len(wheels) > 1:
        return f"{' and '.join(wheels)} break each other: uninstall them all, then install {EXTRAS}"
    return None


def put(tree: Any, xp: ModuleType, dtype: str | None = None) -> Any:
    """A tree with every array moved to xp.

    An array that is there already, in the dtype, is returned itself, not a copy: the result shares memory
    with the argument. A frozen tree of parameters stays frozen.

    Parameters
    ----------
    tree : array, number, dict, list, tuple, or object with a method `_moved`
        `_moved(move)` returns the object with move(part) in place of each of its parts that hold arrays. A
        posterior and a frozen tree have it. Anything else that has no dtype is returned as it is.
    xp : module
        NumPy or CuPy, see `module`.
    dtype : str, optional
        Floating arrays are converted to it; all others keep their own.
    """
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


def to_host(tree: Any) -> Any:
    """A tree with every device array brought to NumPy; what is on the host is returned itself, not a copy.

    Parameters
    ----------
    tree : array, number, dict, list, tuple, or object with a method `_moved`
        As in `put`.
    """
    if hasattr(tree, "_moved"):
        return tree._moved(to_host)
    if isinstance(tree, dict):
        return {key: to_host(value) for key, value in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*map(to_host, tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)(map(to_host, tree))
    return tree.get() if array_module(tree) is not np else tree


def like(array: Any, value: Any) -> Any:
    """A number, an array or a tree of them, where `array` lives and in its dtype.

    What is there already is returned itself, not a copy. A device array is not brought to the host.

    Parameters
    ----------
    array : array
        Any shape; only its place and dtype count.
    value : number, array, or dict or list of these
    """
    if not isinstance(value, (dict, list, tuple)):
        return array_module(array).asarray(value, dtype=array.dtype)
    if isinstance(value, dict):
        return {key: like(array, sub) for key, sub in value.items()}
    return [like(array, sub) for sub in value]


def special(array: Any) -> ModuleType:
    """The module of special functions for where an array lives: `scipy.special` or `cupyx.scipy.special`."""
    if array_module(array) is np:
        import scipy.special as functions
    else:
        import cupyx.scipy.special as functions
    return functions


def check_together(**arrays: Any) -> None:
    """Raise ValueError unless all arrays are on the device of the first.

    An implicit transfer would cost more than the computation.

    Parameters
    ----------
    **arrays : array or None
        By the names that the error message uses; None is skipped.

    Raises
    ------
    ValueError
        If one is on the host and the first on a device, or the other way round.
    """
    arrays = {name: array for name, array in arrays.items() if array is not None}
    first, *others = arrays
    for name in others:
        there, here = (array_module(arrays[one]) is not np for one in (first, name))
        if there != here:
            places = ("the host", "the device")
            raise ValueError(f"{name}: expected an array on {places[there]}, where {first} is, "
                             f"got one on {places[here]}; accel.device.put moves it")


@contextlib.contextmanager
def kernels(enabled: bool) -> Iterator[None]:
    """Whether fused kernels replace array code on a device, inside the block and in this thread.

    Both compute the same. Outside of any such block kernels do, unless DIPTYCH_KERNELS=off.

    Parameters
    ----------
    enabled : bool
    """
    token = _kernels.set(bool(enabled))
    try:
        yield
    finally:
        _kernels.reset(token)


def kernels_enabled() -> bool:
    """What the innermost `kernels` block says, or else DIPTYCH_KERNELS.

    Raises
    ------
    ValueError
        If DIPTYCH_KERNELS is neither "on" nor "off".
    """
    chosen = _kernels.get()
    if chosen is not None:
        return chosen
    setting = os.environ.get("DIPTYCH_KERNELS", "").strip().lower() or "on"
    if setting not in ("on", "off"):
        raise ValueError(f"DIPTYCH_KERNELS: expected 'on' or 'off', got {setting!r}")
    return setting == "on"


class DeviceCode(NamedTuple):
    """A simulator as device code, with the sizes and draws that a kernel needs; see `kernel_code`."""
    source: str
    theta_dim: int
    x_dim: int
    draws: tuple


def kernel_code(source: str, *, theta_dim: int, x_dim: int, draws: tuple = ()) -> Callable:
    '''A decorator that gives a simulator (rng, θ (n, P)) → x (n, D) the same simulation as a device function.

        @device.kernel_code("""
        __device__ void simulate(const real* theta, const real* noise, real* x) {
          x[0] = theta[0] * theta[0] + real(0.1) * noise[0];
        }""", theta_dim=1, x_dim=1, draws=(("standard_normal", 1),))
        def simulate(rng, theta):
            return theta**2 + 0.1 * rng.standard_normal((len(theta), 1))

    The simulator itself only gains an attribute `device_code`; any callable may have one. Where a simulation
    can run inside a kernel (rejection ABC, with `accel.generators.generator` on a GPU) the kernel calls the
    device function instead.

    Parameters
    ----------
    source : str
        CUDA C++17: the function `simulate`, which reads the P numbers of one θ and the numbers drawn for it,
        and writes the D numbers of x. `real` is float or double; sqrt, exp, log, sin and so on are overloaded
        for both. A failure is a NaN. It may call other functions of the source.
    theta_dim, x_dim : int
        P and D.
    draws : tuple of (name, k)
        What the simulator draws, call by call, in order: rng.random or rng.standard_normal, n rows of k
        numbers. noise holds them one after another.

    Raises
    ------
    ValueError
        If a size is not a whole number above zero, or a draw is neither of the two.
    '''
    for name, value in (("theta_dim", theta_dim), ("x_dim", x_dim)):
        _check_count(name, value)
    for draw in draws:
        if not (isinstance(draw, tuple) and len(draw) == 2 and draw[0] in ("random", "standard_normal")):
            raise ValueError("draws: expected pairs of 'random' or 'standard_normal' and a number, "
                             f"got {draw!r}")
        _check_count("draws: numbers of a simulation", draw[1])

    def give(simulate):
        simulate.device_code = DeviceCode(source, theta_dim, x_dim, tuple(draws))
        return simulate
    return give


def _check_count(name, value):
    """`runtime.checks.check_count`, which this file cannot import."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name}: expected a whole number of at least 1, got {value!r}")
