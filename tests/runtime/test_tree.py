"""Trees and the vector behind them: a round trip for any tree, views that are views, and what is refused."""
import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
import reference
from accel.runtime import _vector
from tests.agreement.comparator import flatten

PACKAGES = [pytest.param(reference, id="reference"), pytest.param(accel, id="accel")]
both = pytest.mark.parametrize("package", PACKAGES)

SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/"), max_size=4)
TREES = st.dictionaries(NAMES,
                        st.recursive(SHAPES, lambda sub: st.dictionaries(NAMES, sub, max_size=3)
                                     | st.lists(sub, max_size=3), max_leaves=8), min_size=1, max_size=3)


def filled(shapes, start):
    """A tree of arrays with these shapes, holding start, start + 1, … depth first; and the next number."""
    if isinstance(shapes, dict):
        tree = {}
        for key, sub in shapes.items():
            tree[key], start = filled(sub, start)
        return tree, start
    if isinstance(shapes, list):
        tree = []
        for sub in shapes:
            item, start = filled(sub, start)
            tree.append(item)
        return tree, start
    size = int(np.prod(shapes))
    return np.arange(start, start + size, dtype=float).reshape(shapes), start + size


def same(left, right):
    left, right = flatten(left), flatten(right)
    return list(left) == list(right) and all(np.array_equal(left[path], right[path]) for path in left)


# The empty tree has no vector: nothing to concatenate
def has_leaves(shapes):
    return isinstance(shapes, tuple) or any(map(has_leaves,
                                                shapes.values() if isinstance(shapes, dict) else shapes))


@both
@given(shapes=TREES.filter(has_leaves))
def test_ravel_and_unravel_are_inverse_for_any_tree(package, shapes):
    module = package.runtime.tree
    tree, total = filled(shapes, 0)
    flat = module.ravel(tree)
    assert np.array_equal(flat, np.arange(total)), "depth first, in the order of the keys"
    assert same(module.unravel(flat, tree), tree)
    assert np.array_equal(module.ravel(module.unravel(-flat, tree)), -flat)


@both
@given(shapes=TREES.filter(has_leaves))
def test_leaves_and_tree_map_visit_the_same_places(package, shapes):
    module, (tree, _) = package.runtime.tree, filled(shapes, 1)
    paths = [path for path, _ in module.leaves(tree)]
    assert np.array_equal(np.concatenate([leaf.reshape(-1) for _, leaf in module.leaves(tree)]),
                          module.ravel(tree))
    doubled = module.tree_map(lambda a, b: a + b, tree, tree)
    assert [path for path, _ in module.leaves(doubled)] == paths
    assert np.array_equal(module.ravel(doubled), 2 * module.ravel(tree))


@both
def test_paths_by_hand(package):
    tree = {"mades": [(np.zeros(1), np.ones(2)), {"b": np.zeros(())}], "a": np.zeros(3)}
    assert [path for path, _ in package.runtime.tree.leaves(tree)] == ["mades/0/0", "mades/0/1", "mades/1/b",
                                                                       "a"]
    assert package.runtime.tree.leaves(np.ones(2))[0][0] == "" and package.runtime.tree.leaves({}) == []


@both
def test_the_order_is_that_of_insertion(package):
    tree = {"b": np.array([1.0]), "a": np.array([2.0])}
    assert np.array_equal(package.runtime.tree.ravel(tree), [1, 2])
    assert list(package.runtime.tree.unravel(np.array([3.0, 4.0]), tree)) == ["b", "a"]


@both
@pytest.mark.parametrize("flat", [np.zeros(4), np.zeros(6), np.zeros((5, 1)), np.zeros(0), np.zeros(())])
def test_a_vector_of_another_length_is_refused(package, flat):
    with pytest.raises(ValueError, match=r"flat: expected shape \(5,\), got"):
        package.runtime.tree.unravel(flat, {"a": np.zeros((2, 2)), "b": np.zeros(1)})


@both
def test_trees_of_other_shapes_are_refused(package):
    tree = {"a": [np.zeros(1), np.zeros(1)]}
    with pytest.raises(ValueError):
        package.runtime.tree.tree_map(lambda a, b: a, tree, {"a": [np.zeros(1)]})
    with pytest.raises(KeyError):
        package.runtime.tree.tree_map(lambda a, b: a, tree, {"b": [np.zeros(1), np.zeros(1)]})


@both
def test_ravel_of_a_plain_tree_is_a_copy(package):
    tree = {"a": np.zeros(3)}
    package.runtime.tree.ravel(tree)[:] = 1
    assert (tree["a"] == 0).all()


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda tree: pickle.loads(pickle.dumps(tree))])
def test_a_copied_or_pickled_frozen_tree_is_frozen_over_its_own_vector(package, again):
    module = package.runtime.tree
    original = module.frozen({"a": np.arange(4.0).reshape(2, 2), "b": [{"c": np.arange(3.0)}]})
    twin = again(original)
    assert isinstance(twin, module.Tree) and same(twin, original) and not np.shares_memory(twin.flat,
                                                                                           original.flat)
    assert np.shares_memory(twin["a"], twin.flat) and np.shares_memory(twin["b"][0].flat, twin.flat)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_frozen_tree_refuses_every_change_and_leaves_its_source_alone(package):
    module = package.runtime.tree
    source = {"a": np.arange(4.0), "b": [{"c": np.arange(3.0)}, np.ones((2, 2))]}
    tree = module.frozen(source)
    for change in (lambda: tree.update(a=1), lambda: tree.pop("a"), tree.clear, tree.popitem,
                   lambda: tree.setdefault("z", 1), lambda: tree.__setitem__("a", 1),
                   lambda: tree.__delitem__("a"), lambda: tree.__ior__({"a": 1}),
                   lambda: tree["b"][0].__setitem__("c", 1), lambda: tree["b"].__setitem__(0, 1)):
        with pytest.raises((TypeError, AttributeError)):
            change()
    for _, leaf in [*module.leaves(tree), ("flat", tree.flat)]:
        with pytest.raises(ValueError, match="read-only"):
            leaf += 1
    source["a"] += 1
    assert np.array_equal(tree["a"], np.arange(4.0)) and np.array_equal(module.ravel(tree), tree.flat)
    module.ravel(tree)[:] = 7                                         # a copy
    assert np.array_equal(tree["a"], np.arange(4.0))


def test_an_empty_copy_has_the_shapes_and_the_type():
    tree = _vector.empty_like({"a": np.zeros((2, 3), np.float32), "b": [np.zeros(1, np.float32)]})
    assert tree["a"].shape == (2, 3) and tree.flat.dtype == np.float32 and tree.flat.shape == (7,)


@given(shapes=TREES.filter(has_leaves))
def test_owned_leaves_and_subtrees_are_views_of_the_vector(shapes):
    tree, total = filled(shapes, 0)
    owned = _vector.bound(tree)
    assert owned.flat.shape == (total,) and _vector.bound(owned) is owned
    owned.flat[:] = 7
    assert all((leaf == 7).all() for _, leaf in accel.runtime.tree.leaves(owned))
