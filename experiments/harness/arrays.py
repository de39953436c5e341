"""Arrays of an experiment on either backend. Nothing here imports accel: the reference runs without it."""
import numpy as np

__all__ = ["to_host", "on_host"]


def to_host(tree):
    """A tree (dicts, lists, tuples) with every device array brought to NumPy."""
    return _mapped(lambda leaf: leaf.get() if hasattr(leaf, "get") else leaf, tree)


def on_host(tree, dtype="float64"):
    """A tree of NumPy arrays with every floating array in one dtype."""
    def converted(leaf):
        return leaf.astype(dtype, copy=False) if getattr(leaf, "dtype", np.dtype(int)).kind == "f" else leaf
    return _mapped(converted, tree)


def _mapped(function, tree):
    if isinstance(tree, dict):
        return {key: _mapped(function, value) for key, value in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(_mapped(function, value) for value in tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)(_mapped(function, value) for value in tree)
    return function(tree)
