"""Diptych's experiments: one script per result, run by `python -m experiments`."""
import importlib

__all__ = ["BACKENDS", "backend"]

BACKENDS = ("reference", "accel")


def backend(name):
    """The package of that name: the one switch between the two packages.

    Raises
    ------
    ValueError
        If the name is neither "reference" nor "accel".
    """
    if name not in BACKENDS:
        raise ValueError(f"backend: expected one of {', '.join(BACKENDS)}, got {name!r}")
    return importlib.import_module(name)
