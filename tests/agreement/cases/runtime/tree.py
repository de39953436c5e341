import numpy as np

from tests.agreement.registry import case, error_of, painted


def tree(paint):
    return {"b": painted(paint, (2, 3)), "a": [painted(paint, (4,)), {"c": painted(paint, (1,))}]}


@case("runtime.tree.leaves", sizes=(1,))
def _(on, paint, n):
    return on.package.runtime.tree.leaves(on.put(tree(paint)))


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
