"""How a network that was fitted to scaled data is written down: plain values, from which it can be made again.

A fitted model is a NamedTuple with the fields `params`, a tree, and `activation`, one of `nets.dense`; its other fields are
plain values and arrays. Files, copies and pickles all go through its description.
"""
from accel.nets import dense
from accel.runtime.tree import frozen

__all__ = []
SHARED = ["describe", "restore"]
__all__ += SHARED


def describe(model):
    """The fields of a fitted model, its activation by name."""
    return {**model._asdict(), "activation": dense.activation_named(model.activation.name).name}


def restore(kind, description):
    """The model of class `kind` that was described: its parameters frozen, its activation found by name."""
    return kind(**{**description, "params": frozen(description["params"]),
                   "activation": dense.activation_named(description["activation"])})
