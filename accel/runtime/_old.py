"""To be removed: the trees that carried their work arrays."""
from accel.device import array_module
from accel.runtime._vector import Owned


class Packed(Owned):
    __slots__ = ("work",)

    def scratch(self, key, make, size=None):
        stored = self.work.get(key)
        if stored is None or stored[0] != size:
            stored = self.work[key] = size, make()
        return stored[1]

    def __reduce__(self):
        return packed, ({k: v for k, v in self.items()},)


def packed(tree):
    from accel.runtime.tree import ravel
    return tree if isinstance(tree, Packed) else _view(ravel(tree), tree, 0)[0]


def _view(flat, like, start):
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


def empty_like(tree):
    flat = packed(tree).flat
    return _view(array_module(flat).empty_like(flat), tree, 0)[0]
