"""The laws are tested: each spoiled function breaks the law that it is made to break, a right one none."""
import functools
import os
import time

import numpy as np
import pytest

from tests.conformance import data, laws, process, recorder, test_processes
from tests.conformance.places import TREE
from tests.conformance.recorder import BACKENDS, Call

ON_NUMPY, ON_A_DEVICE = BACKENDS.get("numpy-float64"), BACKENDS.get("strict-float64")
BUFFER, SEEN, CACHE = np.zeros(5), [], {}


class Toy(Call):
    """A call of the function that stands in place of its name."""

    def run(self, arguments):
        return self.function(**{name: recorder.given(value, "") for name, value in arguments.items()})


def toy(function, backend=ON_NUMPY, **others):
    paint = np.random.default_rng(0)
    params = {"a": paint.normal(size=(2, 3)), "b": [paint.normal(size=4)]}
    arguments = {"params": params, "x": paint.normal(size=5), **others}
    if backend is ON_A_DEVICE:
        arguments = backend.put(arguments)
    return Toy(function, "", backend, arguments)


def broken_laws(function, **settings):
    return {line.partition(":")[0] for line in laws.one_caller(toy(function, **settings))}


def right(params, x):
    return {"value": x.sum() + params["a"].sum(), "rows": [x * 2, params["b"][0] + 1]}


def draws(params, x, rng):
    return x + rng.random(len(x))


def hands_back_what_is_read_only(params, x):
    return CONSTANT


CONSTANT = np.arange(3.0)
CONSTANT.setflags(write=False)


@pytest.mark.parametrize("backend", [ON_NUMPY, ON_A_DEVICE], ids=lambda backend: backend.name)
def test_a_right_function_passes(backend):
    assert broken_laws(right, backend=backend) == set()
    assert not laws.threads(toy(right, backend=backend), thorough=True)


def test_a_function_that_draws_passes():
    assert broken_laws(draws, rng=np.random.default_rng(0)) == set()
    assert not laws.threads(toy(draws, rng=np.random.default_rng(0)), thorough=True)


def test_read_only_memory_may_be_shared():
    assert broken_laws(hands_back_what_is_read_only) == set()


def changes_an_array(params, x):
    x[0] = 0
    return x.sum()


def changes_a_leaf(params, x):
    if params["a"].base is None:                       # a plain tree
        params["b"][0].sort()
    return x * 2


def replaces_a_leaf(params, x):
    if type(params) is dict:
        params["a"] = params["a"].copy() + 1
    return x * 2


def adds_a_key(params, x):
    if type(params) is dict:
        params.setdefault("cache", 1)
    return x * 2


def changes_the_last_bit(params, x):
    x[3] = np.nextafter(x[3], np.inf)
    return np.zeros(2)


class Model:
    def __init__(self):
        self.weights = np.ones(3)


def hangs_something_on_an_object(params, x, model):
    model.cache = 1
    return x * 2


def changes_what_an_object_holds(params, x, model):
    model.weights *= 2
    return x * 2


@pytest.mark.parametrize("spoiled", [changes_an_array, changes_a_leaf, replaces_a_leaf, adds_a_key,
                                     changes_the_last_bit])
def test_a_changed_argument_is_caught(spoiled):
    assert "arguments" in broken_laws(spoiled)


@pytest.mark.parametrize("spoiled", [hangs_something_on_an_object, changes_what_an_object_holds])
def test_a_changed_object_is_caught(spoiled):
    assert "arguments" in broken_laws(spoiled, model=Model())


def returns_a_buffer(params, x):
    BUFFER[:] = x
    return BUFFER


def returns_a_view_of_a_buffer(params, x):
    BUFFER[:] = x
    return {"part": [BUFFER[1:3]]}


def counts(params, x):
    SEEN.append(1)
    return x * len(SEEN)


@pytest.mark.parametrize("spoiled", [returns_a_buffer, returns_a_view_of_a_buffer])
def test_a_shared_buffer_is_caught(spoiled):
    assert {"results", "memory"} <= broken_laws(spoiled)


def test_state_is_caught():
    assert "results" in broken_laws(counts)


def remembers_the_last_call(params, x):
    last, CACHE["last"] = CACHE.get("last", 0.0), float(x[0])
    return x + last


def test_memory_of_an_earlier_call_is_caught():
    assert "results" in broken_laws(remembers_the_last_call)


def views_its_argument(params, x):
    return x[::-1]


def views_a_leaf(params, x):
    return {"leaf": params["b"][0][:2]}


def closes_over_its_argument(params, x):
    return functools.partial(np.dot, x)


@pytest.mark.parametrize("backend", [ON_NUMPY, ON_A_DEVICE], ids=lambda backend: backend.name)
@pytest.mark.parametrize("spoiled", [views_its_argument, views_a_leaf, closes_over_its_argument])
def test_shared_memory_is_caught(spoiled, backend):
    assert "memory" in broken_laws(spoiled, backend=backend)


def knows_its_tree(params, x):
    return x + (type(params) is not dict or params["a"].base is not None)


def test_a_result_that_depends_on_the_kind_of_tree_is_caught():
    assert broken_laws(knows_its_tree) == {"trees"}


def works_in_one_buffer(params, x):
    BUFFER[:] = x
    for _ in range(20):
        time.sleep(0)                                  # lets another thread run
    return BUFFER * 2


def test_a_buffer_that_threads_share_is_caught():
    call = toy(works_in_one_buffer)
    assert not laws.one_caller(call)                   # one thread cannot see it
    assert laws.threads(call, thorough=True)


def test_an_error_in_one_thread_is_caught():
    def raises(params, x):
        if not CACHE.setdefault("lock", np.zeros(1))[0] == 0:
            raise RuntimeError("somebody else is here")
        CACHE["lock"][0] = 1
        time.sleep(1e-4)
        CACHE["lock"][0] = 0
        return x * 2
    assert laws.threads(toy(raises), thorough=True)


def tells_its_process(calls):
    return [str(os.getpid()) for _ in calls]


def test_another_process_is_told_apart(monkeypatch):
    monkeypatch.setattr(process, "replay", tells_its_process)
    calls = [("f", "numpy-float64", None, None)]
    with pytest.raises(AssertionError, match="1 of 1 calls differ: f"):
        test_processes.check(calls, test_processes.forked(calls), process.replay(calls))


# What is recorded


def test_only_a_call_that_succeeds_is_recorded():
    """The case of `load` calls it with a path to nothing: the call comes from a case that saves first."""
    for backend in BACKENDS:
        call = recorder.recorded("density.gmm.load", backend)
        assert call.case != "density.gmm.load" and call.arguments["path"].content


def test_a_recorded_call_is_pristine():
    call = recorder.recorded("density.maf.sample", "numpy-float64")
    rng = call.arguments["rng"].bit_generator
    before, state = data.snapshot(call.arguments), str(rng.state)
    first, second = (data.digest(call.run(call.fresh("library"))) for _ in range(2))
    assert first == second
    assert data.snapshot(call.arguments) == before and str(rng.state) == state


def test_nothing_stays_wrapped():
    call = recorder.recorded("density.maf.loss", "numpy-float64")
    for owner, attribute in recorder.owners(call.backend.package, "density.maf.loss"):
        assert getattr(owner, attribute) is recorder.functions(call.backend.package)["density.maf.loss"]


def test_a_function_without_a_call_is_seen(monkeypatch):
    monkeypatch.setattr(recorder, "candidates", lambda function, backend: [])
    assert recorder.recorded.__wrapped__("density.maf.loss", "numpy-float64") is None


@pytest.mark.parametrize("package", list(TREE))
def test_trees_are_what_they_are_called(package):
    plain = {"a": np.ones((2, 3)), "b": [np.ones(2), {"c": np.ones(1)}]}
    library = data.as_library(plain, TREE[package])
    assert data.values(library) == data.values(plain)
    assert data.snapshot(data.as_plain(library)) == data.snapshot(plain)
    assert not data.shared(library, plain) and library["a"].base is not None


def test_other_arguments_are_other_and_keep_what_they_must():
    call = recorder.recorded("density.maf.loss_and_grad", "numpy-float64")
    arguments = call.fresh("library")
    params, x = arguments["params"], arguments["x"]
    for keep in (True, False):
        other = call.other(arguments, "library", keep)
        assert (other["params"] is params) == keep and type(other["params"]) is type(params)
        assert data.values(other["x"]) != data.values(x) and other["x"].shape == x.shape
        assert not data.shared(other["x"], x)
