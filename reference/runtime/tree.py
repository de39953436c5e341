"""Trees of parameters: dicts and lists whose leaves are arrays, and the one flat vector that an optimiser walks.

    (1)  ravel:    tree → flat (P,), leaves depth first, in the order in which the dict or list holds them
    (2)  unravel:  flat (P,) → a tree shaped like another one

Shapes        P numbers in all leaves together.
Conventions   keys are strings; order is insertion order, so a tree read from a file ravels like the one written.
"""
import autograd.numpy as np

__all__ = ["leaves", "tree_map", "ravel", "unravel"]


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
    """All leaves as one vector, (P,)."""                             # (1)
    return np.concatenate([np.reshape(leaf, -1) for _, leaf in leaves(tree)])


def unravel(flat, like):
    """The vector cut into the leaves of a tree shaped like `like`.

    Raises
    ------
    ValueError
        If the vector does not hold exactly as many numbers as the tree.
    """
    shapes = [leaf.shape for _, leaf in leaves(like)]
    sizes = [int(np.prod(shape)) for shape in shapes]
    if flat.shape != (sum(sizes),):
        raise ValueError(f"flat: expected shape ({sum(sizes)},), got {tuple(flat.shape)}")
    ends = np.cumsum(sizes)
    pieces = iter([np.reshape(flat[end - size:end], shape) for shape, size, end in zip(shapes, sizes, ends)])
    return tree_map(lambda leaf: next(pieces), like)                  # (2)
