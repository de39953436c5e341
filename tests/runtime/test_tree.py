"""Trees and the vector behind them: a round trip for any tree, views that are views, and what is refused."""
import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
import reference
from tests.agreement.comparator import flatten

PACKAGES = [pytest.param(reference, id="reference"), pytest.param(accel, id="accel")]
both = pytest.mark.parametrize("package", PACKAGES)

SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/"), max_size=4)
TREES = st.dictionaries(NAMES, st.recursive(SHAPES, lambda sub: st.dictionaries(NAMES, sub, max_size=3) | st.lists(sub, max_size=3),
                                            max_leaves=8), min_size=1, max_size=3)


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
    return isinstance(shapes, tuple) or any(map(has_leaves, shapes.values() if isinstance(shapes, dict) else shapes))


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
    assert np.array_equal(np.concatenate([leaf.reshape(-1) for _, leaf in module.leaves(tree)]), module.ravel(tree))
    doubled = module.tree_map(lambda a, b: a + b, tree, tree)
    assert [path for path, _ in module.leaves(doubled)] == paths
    assert np.array_equal(module.ravel(doubled), 2 * module.ravel(tree))


@given(shapes=TREES.filter(has_leaves))
def test_packed_leaves_and_every_packed_subtree_alias_the_buffer(shapes):
    module, (tree, total) = accel.runtime.tree, filled(shapes, 0)
    packed = module.packed(tree)
    assert packed.flat.shape == (total,) and module.ravel(packed) is packed.flat and module.packed(packed) is packed
    packed.flat[:] = 7
    assert all((leaf == 7).all() for _, leaf in module.leaves(packed))
    for _, leaf in module.leaves(packed):
        leaf[...] = 8
    assert (packed.flat == 8).all()
    for sub in (value for value in packed.values() if isinstance(value, module.Packed)):
        sub.flat[:] = 9
        assert all((leaf == 9).all() for _, leaf in module.leaves(sub))


@both
def test_paths_by_hand(package):
    tree = {"mades": [(np.zeros(1), np.ones(2)), {"b": np.zeros(())}], "a": np.zeros(3)}
    assert [path for path, _ in package.runtime.tree.leaves(tree)] == ["mades/0/0", "mades/0/1", "mades/1/b", "a"]
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


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda tree: pickle.loads(pickle.dumps(tree))])
def test_a_copied_or_pickled_tree_views_its_own_buffer(again):
    """NumPy copies a view to an array of its own: the leaves would no longer follow the vector that Adam updates."""
    module = accel.runtime.tree
    original = module.packed({"a": np.arange(4.0).reshape(2, 2), "b": [{"c": np.arange(3.0)}]})
    original.scratch("work", lambda: np.zeros(3))
    twin = again(original)
    assert isinstance(twin, module.Packed) and same(twin, original) and not np.shares_memory(twin.flat, original.flat)
    twin.flat[:] = 5
    assert (twin["a"] == 5).all() and (twin["b"][0]["c"] == 5).all() and (twin["b"][0].flat == 5).all()
    assert np.array_equal(original["a"], [[0, 1], [2, 3]])


def test_work_arrays_are_kept_until_the_size_changes():
    tree, made = accel.runtime.tree.packed({"a": np.zeros(3)}), []

    def make():
        made.append(np.zeros(2))
        return made[-1]

    first = tree.scratch("pass", make, size=10)
    assert tree.scratch("pass", make, size=10) is first
    assert tree.scratch("pass", make, size=11) is not first and len(made) == 2
    assert tree.scratch("other", make) is made[2]


def test_an_empty_copy_has_the_shapes_and_the_type():
    tree = accel.runtime.tree.empty_like({"a": np.zeros((2, 3), np.float32), "b": [np.zeros(1, np.float32)]})
    assert tree["a"].shape == (2, 3) and tree.flat.dtype == np.float32 and tree.flat.shape == (7,)
