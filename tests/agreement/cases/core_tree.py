import numpy as np

from tests.agreement.registry import case, error_of, painted


def tree(paint):
    return {"b": painted(paint, (2, 3)), "a": [painted(paint, (4,)), {"c": painted(paint, (1,))}]}


@case("core.tree.leaves", sizes=(1,))
def _(on, paint, n):
    return on.package.core.tree.leaves(on.put(tree(paint)))


@case("core.tree.tree_map", sizes=(1,))
def _(on, paint, n):
    return on.package.core.tree.tree_map(lambda a, b: a + 2 * b, on.put(tree(paint)), on.put(tree(paint)))


@case("core.tree.ravel", sizes=(1,))
def _(on, paint, n):
    return on.package.core.tree.ravel(on.put(tree(paint)))


@case("core.tree.unravel", sizes=(1,))
def _(on, paint, n):
    like = on.put(tree(paint))
    short = error_of(on.package.core.tree.unravel, on.put(np.zeros(10)), like)
    return on.package.core.tree.unravel(on.put(painted(paint, (11,))), like), short
