"""The vector behind a tree of parameters, as kernels, array code and training runs use it: nothing is copied
without need.

    vector(params)     (P,) of a frozen tree, its own; of any other tree, a new one. It is read, never written
    bound(params)         a tree with its vector as `flat`: the tree itself where it has one
    views(flat, like)     a plain tree whose leaves are views of the vector
    owned(flat, like)   the same, as a dict that knows its vector, for parameters and gradients in training
    empty_like(params)    a tree of `owned` over a new vector with unset numbers
    plain(tree)           the same views in plain dicts and lists, for the caller
"""
from accel.device import array_module

__all__ = ["Owned", "vector", "bound", "views", "owned", "empty_like", "plain", "arrays_of"]


def arrays_of(tree):
    """The leaves, depth first."""
    if isinstance(tree, dict):
        tree = tree.values()
    elif not isinstance(tree, (list, tuple)):
        return [tree]
    return [leaf for sub in tree for leaf in arrays_of(sub)]


def vector(tree):
    """The numbers of all leaves, (P,): not to be written, since a frozen tree's are its own."""
    flat = getattr(tree, "flat", None)
    if flat is not None:
        return flat
    arrays = arrays_of(tree)
    return array_module(*arrays).concatenate([array.reshape(-1) for array in arrays])


class Owned(dict):
    """A tree whose leaves are views of its vector `flat`, which whoever made it may write."""
    __slots__ = ("flat",)


def bound(tree):
    """The tree if it knows its vector, as `flat`; else an Owned copy, which does."""
    return tree if hasattr(tree, "flat") else owned(vector(tree), tree)


def views(flat, like):
    """A plain tree shaped like `like`, whose leaves are views of the vector."""
    return _views(flat, like, 0, dict)[0]


def owned(flat, like):
    """The same as an Owned tree; each dict in it has its own piece of the vector."""
    return _views(flat, like, 0, Owned)[0]


def _views(flat, like, start, container):
    if isinstance(like, dict):
        tree, end = container(), start
        for key, sub in like.items():
            tree[key], end = _views(flat, sub, end, container)
        if container is Owned:
            tree.flat = flat[start:end]
        return tree, end
    if isinstance(like, (list, tuple)):
        tree = []
        for sub in like:
            view, start = _views(flat, sub, start, container)
            tree.append(view)
        return tree, start
    return flat[start:start + like.size].reshape(like.shape), start + like.size


def plain(tree):
    """The tree with the same leaves, in plain dicts and lists."""
    if isinstance(tree, dict):
        return {key: plain(sub) for key, sub in tree.items()}
    return [plain(sub) for sub in tree] if isinstance(tree, (list, tuple)) else tree


def empty_like(tree):
    """An Owned tree of the same shapes over a new vector, its numbers unset."""
    arrays = arrays_of(tree)
    return owned(array_module(*arrays).empty(sum(a.size for a in arrays), arrays[0].dtype), tree)
