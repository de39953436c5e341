import numpy as np

from tests.agreement.registry import case, error_of, painted


def tree(paint):
    return {"b": painted(paint, (2, 3)), "a": [painted(paint, (4,)), {"c": painted(paint, (1,))}]}


@case("runtime.tree.tree_map", sizes=(1,))
def _(on, paint, n):
    return on.package.runtime.tree.tree_map(lambda a, b: a + 2 * b, on.put(tree(paint)), on.put(tree(paint)))


@case("runtime.tree.ravel", sizes=(1,))
def _(on, paint, n):
    return on.package.runtime.tree.ravel(on.put(tree(paint)))


@case("runtime.tree.unravel", sizes=(1,))
def _(on, paint, n):
    like = on.put(tree(paint))
    short = error_of(on.package.runtime.tree.unravel, on.put(np.zeros(10)), like)
    return on.package.runtime.tree.unravel(on.put(painted(paint, (11,))), like), short


@case("runtime.tree.frozen", sizes=(1, 5))
def _(on, paint, n):
    """The numbers of a frozen tree and of its vector, and what it refuses."""
    tree = on.package.runtime.tree
    made = tree.frozen(on.put({"a": painted(paint, (n, 2)), "b": [{"c": painted(paint, (3,))}]}))
    refused = [error_of(made.__setitem__, "a", 1), error_of(made.update, a=1), error_of(made["b"][0].clear)]
    return made, made.flat, made["b"][0].flat, refused
