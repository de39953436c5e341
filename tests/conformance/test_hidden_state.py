"""Five faults that state on a tree of parameters once caused, each a wrong number without an error.

    threads         two threads with one posterior                           see also test_threads
    edited weight   a density that is none
    replaced layer  the old one is trained
    two gradients   they are one
    optimiser       its state is used up
"""
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.agreement.comparator import assert_close, flatten
from tests.conformance import data
from tests.conformance.places import PACKAGES, TREE, module

DENSITIES = {"maf": {"n_transforms": 2}, "nsf": {"n_transforms": 2}, "realnvp": {"n_transforms": 3},
             "made": {}, "mdn": {}}
FLOWS = ("maf", "made", "nsf")                         # whose masks make them autoregressive
TERMS = 2000
FUNCTIONS = ("log_prob", "log_prob_and_grad", "loss", "loss_and_grad", "sample", "forward", "inverse")
KINDS = {"plain": data.as_plain, "library": data.as_library}

each_density = pytest.mark.parametrize("name", list(DENSITIES))
each_flow = pytest.mark.parametrize("name", FLOWS)
each_package = pytest.mark.parametrize("package", list(PACKAGES))
each_kind = pytest.mark.parametrize("kind", list(KINDS))


def setting(name, package="accel", kind="plain"):
    """A density, its parameters with no weight at zero, masked ones neither, and data."""
    density, paint = module(package, f"density.{name}"), np.random.default_rng(3)
    rng, settings = np.random.default_rng(0), DENSITIES[name]
    params = density.init_params(rng, dim=3, context_dim=2, hidden=(7, 6), **settings)
    params = TREE[package].tree_map(lambda leaf: leaf + 0.1 * paint.standard_normal(leaf.shape), params)
    x, context = paint.standard_normal((12, 3)), paint.standard_normal((12, 2))
    return density, KINDS[kind](params, TREE[package]), x, context


def trained(name):
    """Parameters as training returns them."""
    density, params, x, context = setting(name)
    train, rng = module("accel", "training").train, np.random.default_rng(0)
    return train(density, params, (x, context), rng=rng, max_epochs=2, batch_size=4).params


def made_by_the_library(name):
    density, params, _, _ = setting(name, kind="library")
    return {"unravel": params, "train": trained(name)}


def close(left, right):
    left, right = flatten(left), flatten(right)
    assert list(left) == list(right)
    for path, expected in right.items():
        assert_close(left[path], expected, terms=TERMS, what=path or "result")


# Threads


@each_kind
@each_density
def test_two_threads_on_one_tree(name, kind):
    density, params, _, _ = setting(name, kind=kind)
    paint = np.random.default_rng(0)
    batches = [(paint.standard_normal((2000, 3)), paint.standard_normal((2000, 2))) for _ in range(8)]
    wanted = [density.log_prob(params, *batch) for batch in batches]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            got = list(pool.map(lambda batch: density.log_prob(params, *batch), batches))
            assert [np.array_equal(a, b) for a, b in zip(got, wanted)] == [True] * 8


# An edited weight


@each_density
def test_a_leaf_of_a_library_made_tree_cannot_be_written(name):
    for source, params in made_by_the_library(name).items():
        for path, leaf in TREE["accel"].leaves(params):
            writes = lambda: leaf.__iadd__(1.0), lambda: leaf.__setitem__(..., 0.0), lambda: leaf.fill(0.0)
            for write in writes:
                with pytest.raises(ValueError):
                    write()
                    pytest.fail(f"{source}: {path} was written")


@each_density
def test_a_plain_tree_edited_between_calls_gives_what_the_reference_gives(name):
    density, params, x, context = setting(name)
    twin, paint = module("reference", f"density.{name}"), np.random.default_rng(5)
    for _ in range(3):
        close(density.log_prob(params, x, context), twin.log_prob(params, x, context))
        close(density.loss_and_grad(params, x, context), twin.loss_and_grad(params, x, context))
        for _, leaf in TREE["accel"].leaves(params):
            leaf += 0.1 * paint.standard_normal(leaf.shape)


@each_flow
def test_a_flow_stays_autoregressive_when_a_plain_tree_is_edited(name):
    density, params, x, context = setting(name)
    paint = np.random.default_rng(5)
    for _ in range(3):
        z, log_det = density.forward(params, x, context)
        back, log_det_back = density.inverse(params, z, context)
        close((back, log_det_back), (x, -log_det))
        up, down = ([density.forward(params, x + h, context)[0] for h in step * np.eye(3)]
                    for step in (1e-6, -1e-6))
        jacobian = (np.array(up) - np.array(down)).transpose(1, 2, 0) / 2e-6
        assert np.allclose(np.linalg.slogdet(jacobian)[1], log_det, atol=1e-6)
        for _, leaf in TREE["accel"].leaves(params):
            leaf += 0.1 * paint.standard_normal(leaf.shape)


@each_kind
@each_package
@each_density
@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_changes_the_parameters(name, package, kind, function):
    density, params, x, context = setting(name, package, kind)
    compute = getattr(density, function, None)
    if compute is None:
        pytest.skip(f"{name} has no {function}")
    before, rest = data.snapshot(params), (x, context)
    for _ in range(2):
        if function == "sample":
            rest = np.random.default_rng(0), 4, context
        compute(params, *rest)
        assert not data.difference(before, data.snapshot(params))


# A replaced layer


def inner(tree):
    """Every dict and every sequence in a tree."""
    if isinstance(tree, dict):
        return [tree, *(node for sub in tree.values() for node in inner(sub))]
    if isinstance(tree, (list, tuple)):
        return [tree, *(node for sub in tree for node in inner(sub))]
    return []


def assign(node, key):
    node[key] = node[key]


def delete(node, key):
    del node[key]


CHANGES = {"assign": assign, "delete": delete, "clear": lambda node, key: node.clear(),
           "pop": lambda node, key: node.pop(key), "popitem": lambda node, key: node.popitem(),
           "update": lambda node, key: node.update({key: node[key]}),
           "or": lambda node, key: node.__ior__({key: node[key]}),
           "setdefault": lambda node, key: node.setdefault("new", node[key])}


@each_density
@pytest.mark.parametrize("change", list(CHANGES))
def test_a_dict_of_a_library_made_tree_refuses(name, change):
    for params in made_by_the_library(name).values():
        dicts = [node for node in inner(params) if isinstance(node, dict)]
        assert dicts
        for node in dicts:
            with pytest.raises(TypeError):
                CHANGES[change](node, next(iter(node)))


@each_density
def test_a_list_of_a_library_made_tree_is_a_tuple(name):
    for params in made_by_the_library(name).values():
        for node in inner(params):
            assert isinstance(node, (dict, tuple))


def with_a_new_layer(params):
    """Put a new array in place of the first leaf that is found; the tree is changed."""
    node = params
    while not hasattr(key_of(node)[1], "dtype"):
        node = key_of(node)[1]
    key, leaf = key_of(node)
    node[key] = leaf + 0.3 * np.random.default_rng(9).standard_normal(leaf.shape)


def key_of(node):
    """The last key of a dict or the last place of a list, and what is there."""
    key = list(node)[-1] if isinstance(node, dict) else len(node) - 1
    return key, node[key]


@each_package
@each_density
def test_a_plain_tree_with_a_replaced_layer_trains_the_new_one(name, package):
    density, params, x, context = setting(name, package)
    train, old = module(package, "training").train, density.loss(params, x, context)
    density.loss_and_grad(params, x, context)
    with_a_new_layer(params)
    new = density.loss(params, x, context)
    assert abs(new - old) > 1e-3
    settings = {"learning_rate": 1e-15, "validation_fraction": 0.0, "max_epochs": 1, "batch_size": len(x)}
    found = train(density, params, (x, context), rng=np.random.default_rng(0), **settings)
    close(density.loss(found.params, x, context), new)
    leaves = [leaf.ravel() for _, leaf in TREE[package].leaves(params)]
    assert np.array_equal(TREE[package].ravel(params), np.concatenate(leaves))


# Two gradients


@each_kind
@each_package
@each_density
def test_two_gradients_are_two(name, package, kind):
    """The mean over two halves is the gradient over the whole."""
    density, params, x, context = setting(name, package, kind)
    halves = [(x[:6], context[:6]), (x[6:], context[6:])]
    (_, first), (_, second) = [density.loss_and_grad(params, *half) for half in halves]
    assert first is not second and not data.shared(first, second) and not data.shared(first, params)
    mean = TREE[package].tree_map(lambda a, b: (a + b) / 2, first, second)
    close(mean, TREE[package].tree_map(np.copy, density.loss_and_grad(params, x, context)[1]))


# The optimiser


@each_kind
@each_package
def test_a_state_of_adam_serves_twice(package, kind):
    density, params, x, context = setting("maf", package, kind)
    optim = module(package, "optim")
    _, grads = density.loss_and_grad(params, x, context)
    grads = KINDS[kind](grads, TREE[package])
    state = optim.init_adam(params)
    for _ in range(3):                                 # from the start, and from a state that a step returned
        before = data.snapshot((params, grads, state))
        results = [optim.adam_step(params, grads, state, learning_rate=1e-2) for _ in range(2)]
        assert not data.difference(before, data.snapshot((params, grads, state)))
        assert data.values(results[0]) == data.values(results[1])
        assert not data.shared(results[0], (results[1], params, grads, state))
        params, state = results[0]


@each_kind
@each_package
def test_gradients_that_are_clipped_stay(package, kind):
    tree = KINDS[kind]({"a": np.arange(6.0).reshape(2, 3), "b": [np.ones(4)]}, TREE[package])
    optim, before = module(package, "optim"), data.snapshot(tree)
    for largest in (1.0, 1e6):
        clipped, norm = optim.clip_by_norm(tree, largest)
        assert not data.difference(before, data.snapshot(tree)) and not data.shared(clipped, tree)
        close(norm, np.sqrt(np.sum(np.arange(6.0)**2) + 4))
