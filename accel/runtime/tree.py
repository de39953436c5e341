"""Trees of parameters: dicts and lists whose leaves are arrays, and the one flat vector that an optimiser walks.

The definitions are in `reference.runtime.tree`. Same values; here unravel copies nothing. It returns a `Packed` tree, whose
leaves are views of the vector, so that an optimiser step over all parameters is one pass, and which carries the work
arrays of whoever computes with it: they are allocated on the first call and handed out again on the next. So what a function
writes there, a gradient above all, holds until its next call with the same tree; and a packed tree serves one thread.

    packed(params) → a Packed tree (params itself when it is one already)
    tree.flat      → the vector (P,) behind it
    tree.scratch   → work arrays, by who uses them, remade when the batch size changes
"""
from accel.device import array_module

__all__ = ["leaves", "tree_map", "ravel", "unravel"]


class Packed(dict):
    """A tree of parameters over one flat buffer. Every dict inside it is packed too, over its own piece of the buffer."""
    __slots__ = ("flat", "work")

    def scratch(self, key, make, size=None):
        """What is stored under key; make() allocates it the first time, and again when the size differs from the last."""
        stored = self.work.get(key)
        if stored is None or stored[0] != size:
            stored = self.work[key] = size, make()
        return stored[1]

    def __reduce__(self):
        """A copy or a pickle is packed anew, so that its leaves view its own buffer."""
        return packed, (tree_map(lambda leaf: leaf, self),)


def leaves(tree, path=""):
    """A list of (path, array), depth first: [("mades/0/1", W), …]."""
    if isinstance(tree, dict):
        pairs = tree.items()
    elif isinstance(tree, (list, tuple)):
        pairs = enumerate(tree)
    else:
        return [(path, tree)]
    return [leaf for key, sub in pairs for leaf in leaves(sub, f"{path}/{key}" if path else str(key))]


def tree_map(function, tree, *others):
    """A tree of function(leaf, leaf of the second tree, …)."""
    if isinstance(tree, dict):
        return {key: tree_map(function, tree[key], *(other[key] for other in others)) for key in tree}
    if isinstance(tree, (list, tuple)):
        return [tree_map(function, *subs) for subs in zip(tree, *others, strict=True)]
    return function(tree, *others)


def ravel(tree):
    """All leaves as one vector, (P,): the buffer itself if the tree is packed, a new vector if not."""
    if isinstance(tree, Packed):
        return tree.flat
    arrays = [leaf for _, leaf in leaves(tree)]
    return array_module(*arrays).concatenate([array.reshape(-1) for array in arrays])


def unravel(flat, like):
    """A packed tree shaped like `like`, whose leaves are views of the vector.

    Raises
    ------
    ValueError
        If the vector does not hold exactly as many numbers as the tree.
    """
    total = sum(leaf.size for _, leaf in leaves(like))
    if flat.shape != (total,):
        raise ValueError(f"flat: expected shape ({total},), got {tuple(flat.shape)}")
    return _view(flat, like, 0)[0]


def _view(flat, like, start):
    """The views for one subtree that starts at `start`, and where the next one starts."""
    if isinstance(like, dict):
        tree, end = Packed(), start
        for key, sub in like.items():
            tree[key], end = _view(flat, sub, end)
        tree.flat, tree.work = flat[start:end], {}
        return tree, end
    if isinstance(like, (list, tuple)):
        tree, end = [], start
        for sub in like:
            view, end = _view(flat, sub, end)
            tree.append(view)
        return tree, end
    return flat[start:start + like.size].reshape(like.shape), start + like.size


def packed(tree):
    """The tree itself if it is packed, else a packed copy of it."""
    return tree if isinstance(tree, Packed) else unravel(ravel(tree), tree)


def empty_like(tree):
    """A packed tree of the same shapes, its numbers unset: where gradients are written."""
    flat = ravel(tree)
    return unravel(array_module(flat).empty_like(flat), tree)
