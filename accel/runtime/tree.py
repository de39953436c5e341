"""Trees of parameters: dicts and lists whose leaves are arrays, and the one flat vector that an optimiser
walks.

The definitions are in `reference.runtime.tree`. Same values; the vector behind a frozen tree is what kernels
and array code read, without a copy (`accel.runtime._vector`). CuPy has no read-only arrays: on a device the
containers alone refuse.

Example
-------
>>> import numpy as np
>>> from accel.runtime import tree
>>> params = {"layers": [np.zeros((2, 2)), np.ones(3)]}
>>> print(tree.ravel(params))
[0. 0. 0. 0. 1. 1. 1.]
>>> tree.frozen(params)["layers"][1].flags.writeable
False
"""
from collections.abc import Callable

import numpy as np

from accel.device import array_module
from accel.runtime._vector import views
from accel.runtime.protocols import Array, Params

__all__ = ["Tree", "tree_map", "ravel", "unravel", "frozen"]
SHARED = ["leaves"]
__all__ += SHARED


class Tree(dict):
    """A frozen tree: a dict that refuses assignment. `flat` is the vector (P,) behind its leaves,
    read-only too.
    """
    __slots__ = ("flat",)

    def _refuse(self, *args, **kwargs):
        raise TypeError("this tree of parameters is frozen; make a new one: runtime.tree.tree_map(function, "
                        "params)")

    __setitem__ = __delitem__ = __ior__ = update = setdefault = pop = popitem = clear = _refuse

    def __reduce__(self):
        """A copy or a pickle is frozen anew, so that its leaves view its own vector."""
        return frozen, (_plain(self),)

    def __deepcopy__(self, memo):
        return frozen(self)

    def _moved(self, move):
        """The frozen tree with its vector moved, in one transfer; `device.put` and `to_host` call it."""
        flat = move(self.flat)
        return self if flat is self.flat else _frozen_views(flat, self)


def leaves(tree: Params, path: str = "") -> list[tuple[str, Array]]:
    """A list of (path, array), depth first: [("mades/0/1", W), …].

    Parameters
    ----------
    tree : tree
    path : str
        Stands before each path.
    """
    if isinstance(tree, dict):
        pairs = tree.items()
    elif isinstance(tree, (list, tuple)):
        pairs = enumerate(tree)
    else:
        return [(path, tree)]
    return [leaf for key, sub in pairs for leaf in leaves(sub, f"{path}/{key}" if path else str(key))]


def tree_map(function: Callable, tree: Params, *others: Params) -> Params:
    """A new tree of function(leaf, leaf of the second tree, …), of plain dicts and lists.

    Parameters
    ----------
    function : callable
        Of as many leaves as there are trees.
    tree, others : tree
        Of one shape.
    """
    if isinstance(tree, dict):
        return {key: tree_map(function, tree[key], *(other[key] for other in others)) for key in tree}
    if isinstance(tree, (list, tuple)):
        return [tree_map(function, *subs) for subs in zip(tree, *others, strict=True)]
    return function(tree, *others)


def ravel(tree: Params) -> Array:
    """All leaves as one new vector, (P,).

    Parameters
    ----------
    tree : tree
    """
    if isinstance(tree, Tree):
        return tree.flat.copy()
    arrays = [leaf for _, leaf in leaves(tree)]
    return array_module(*arrays).concatenate([array.reshape(-1) for array in arrays])


def unravel(flat: Array, like: Params) -> Params:
    """A new tree shaped like `like`, with the numbers of the vector.

    Parameters
    ----------
    flat : (P,) float
        The numbers of all leaves.
    like : tree
        Decides the shapes.

    Raises
    ------
    ValueError
        If the vector does not hold exactly as many numbers as the tree.
    """
    total = sum(leaf.size for _, leaf in leaves(like))
    if flat.shape != (total,):
        raise ValueError(f"flat: expected shape ({total},), got {tuple(flat.shape)}")
    return views(flat.copy(), like)


def frozen(tree: Params) -> Tree:
    """A frozen copy of a tree.

    Parameters
    ----------
    tree : tree
        A dict on the outside.
    """
    return _frozen_views(ravel(tree), tree)


def _frozen_views(flat, like):
    """The frozen tree whose leaves view the vector, which is read-only from here on."""
    if isinstance(flat, np.ndarray):
        flat.setflags(write=False)
    return _view(flat, like, 0)[0]


def _view(flat, like, start):
    """The frozen subtree that starts at `start`, and where the next one starts."""
    if isinstance(like, dict):
        pairs, end = [], start
        for key, sub in like.items():
            view, end = _view(flat, sub, end)
            pairs.append((key, view))
        tree = Tree(pairs)
        tree.flat = flat[start:end]
        return tree, end
    if isinstance(like, (list, tuple)):
        parts, end = [], start
        for sub in like:
            view, end = _view(flat, sub, end)
            parts.append(view)
        return tuple(parts), end
    return flat[start:start + like.size].reshape(like.shape), start + like.size


def _plain(tree):
    return tree_map(lambda leaf: leaf, tree)
