"""cupy.random as far as this library may use it: default_rng and the methods that CuPy's Generator has.

Draws come from another stream than NumPy's for the same seed, as on a GPU. The legacy functions, which draw
from a hidden state and cannot be captured, are refused.
"""
import numpy as np

from tests.strict_cupy import manifest
from tests.strict_cupy.ndarray import ndarray, on_device, on_host
from tests.strict_cupy.capture import device
from tests.strict_cupy.manifest import StrictError

__all__ = ["Generator", "default_rng", "legacy"]

# by NumPy's methods too
TAKE_DTYPE = {"random", "standard_normal", "standard_exponential", "standard_gamma", "integers"}


def default_rng(seed=None):
    """A generator on the device; seeded like NumPy's, with other draws."""
    return seed if isinstance(seed, Generator) else Generator(np.random.Philox(seed))


class Generator:
    """cupy.random.Generator: no normal, choice, permutation, shuffle, standard_t, multivariate_normal,
    laplace, bytes, spawn."""
    __module__ = "cupy.random"

    def __init__(self, bit_generator):
        self._host = np.random.Generator(bit_generator)

    def __reduce__(self):
        raise TypeError("cupy.random.Generator cannot be pickled")

    def __getattr__(self, name):
        entry = manifest.entry("Generator", name)

        def draw(*args, **kwargs):
            manifest.check_call(name, entry, args, kwargs)
            return self._draw(name, dict(manifest.bind(entry, args, kwargs)))

        return draw

    def _draw(self, name, settings):
        if any(isinstance(value, np.ndarray) for value in settings.values()):
            raise TypeError(f"Unsupported type {np.ndarray} (Generator.{name})")
        if name == "uniform":
            device.upload()                                    # of low and high
        out, dtype = settings.pop("out", None), settings.pop("dtype", None)
        if out is not None and not isinstance(out, ndarray):
            raise TypeError("out must be a cupy.ndarray")
        if dtype is not None and name in TAKE_DTYPE:
            settings["dtype"] = np.dtype(dtype)
        settings = {key: on_host(value) for key, value in settings.items()}

        if device.capturing:  # the state lives on the device: only replays advance it
            state = self._host.bit_generator.state
            device.undo.append(lambda: setattr(self._host.bit_generator, "state", state))

        def compute():
            drawn = np.asarray(getattr(self._host, name)(**settings))
            if dtype is not None and name not in TAKE_DTYPE:
                drawn = drawn.astype(dtype)
            if out is None:
                return drawn
            on_host(out)[...] = drawn
            return on_host(out)

        if out is not None:
            settings.setdefault("size", out.shape)
            settings.setdefault("dtype", out.dtype)
        return on_device(device.launch(compute, targets=[] if out is None else [on_host(out)]),
                         [] if out is None else [out])


def legacy(name):
    """In place of cupy.random.normal and its like."""
    def refuse(*args, **kwargs):
        device.library_call(f"random.{name}")
        raise StrictError(f"cupy.random.{name} draws from a hidden state; take a generator as argument")
    return refuse
