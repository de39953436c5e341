"""Trees of parameters: dicts and lists whose leaves are arrays, and the one flat vector that an optimiser
walks.

    (1)  ravel:    tree → flat (P,), leaves depth first, in the order in which the dict or list holds them
    (2)  unravel:  flat (P,) → a tree shaped like another one

A tree is plain data. Those that the library keeps in what it returns (a trained model, a posterior) are
frozen: leaves that cannot be written, dicts that refuse assignment, tuples in place of lists. New weights are
a new tree, `tree_map(f, params)`.

Shapes        P numbers in all leaves together.
Conventions   keys are strings; order is insertion order, so a tree read from a file ravels like the one
              written.

Example
-------
>>> import numpy as np
>>> from reference.runtime import tree
>>> params = {"layers": [np.zeros((2, 2)), np.ones(3)]}
>>> print(tree.ravel(params))
[0. 0. 0. 0. 1. 1. 1.]
>>> tree.frozen(params)["layers"][1].flags.writeable
False
"""
from collections.abc import Callable

import autograd.numpy as np
from autograd.builtins import DictBox, DictVSpace

from reference.runtime.protocols import Array, Params

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


DictBox.register(Tree)  # autograd differentiates with respect to one as to a dict
DictVSpace.register(Tree)


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
    return np.concatenate([np.reshape(leaf, -1) for _, leaf in leaves(tree)])      # (1)


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
    pieces = iter(np.split(np.array(flat), np.cumsum([leaf.size for _, leaf in leaves(like)])[:-1]))
    return tree_map(lambda leaf: np.reshape(next(pieces), leaf.shape), like)                          # (2)


def frozen(tree: Params) -> Tree:
    """A frozen copy of a tree.

    Parameters
    ----------
    tree : tree
        A dict on the outside.
    """
    flat = ravel(tree)
    flat.setflags(write=False)
    return _view(flat, tree, 0)[0]


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
        views, end = [], start
        for sub in like:
            view, end = _view(flat, sub, end)
            views.append(view)
        return tuple(views), end
    return flat[start:start + like.size].reshape(like.shape), start + like.size


def _plain(tree):
    return tree_map(lambda leaf: leaf, tree)
