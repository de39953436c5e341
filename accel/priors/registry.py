"""Priors as plain values, which a file can hold, and back.

    {"name": "Normal", "mean": [0.0], "std": [1.0]}                      the class and its fields
    {"name": "Independent", "parts": [{"name": …}, …]}                   of a product, its parts

Either package restores what the other described.

Example
-------
>>> from accel import priors
>>> description = priors.describe(priors.Normal([0, 1], [1, 2]))
>>> print(description)
{'name': 'Normal', 'mean': [0.0, 1.0], 'std': [1.0, 2.0]}
>>> priors.restore(description).dim
2
"""
from dataclasses import fields
from typing import Any

from accel.priors.independent import PARTS, Independent
from accel.runtime.protocols import Prior

__all__ = ["describe", "restore"]

KINDS = {cls.__name__: cls for cls in (*PARTS, Independent)}


def describe(prior: Prior) -> dict[str, Any]:
    """The prior as plain values.

    Parameters
    ----------
    prior : prior of this package
    """
    if isinstance(prior, Independent):
        return {"name": "Independent", "parts": [describe(part) for part in prior.parts]}
    vectors = {field.name: getattr(prior, field.name).tolist() for field in fields(prior)}
    return {"name": type(prior).__name__, **vectors}


def restore(description: dict[str, Any]) -> Prior:
    """The prior that either package described.

    Parameters
    ----------
    description : dict
        What `describe` returned.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    arguments = dict(description) if isinstance(description, dict) else {}
    name = arguments.pop("name", None)
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None or set(arguments) != {field.name for field in fields(kind)}:
        raise ValueError(f"description: expected what describe returns for one of {', '.join(KINDS)}, "
                         f"got {description!r}")
    if kind is Independent and isinstance(arguments["parts"], (list, tuple)):
        return Independent([restore(part) for part in arguments["parts"]])
    return kind(**arguments)
