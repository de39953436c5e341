"""Every object with public methods goes through pickle, deepcopy and a pool of processes, with equal results.

The objects are those of the recorded calls: priors, scalings, fitted models, posteriors, targets, generators.
"""
import concurrent.futures
import copy
import functools
import multiprocessing
import pickle

import pytest

from tests.conformance import data, laws, recorder
from tests.conformance.recorder import BACKENDS

METHODS = [pytest.param(name, backend.name, id=f"{name}-{backend.name}")
           for backend in BACKENDS.values() if not backend.name.startswith("strict")
           for name, function in sorted(recorder.functions(backend.package).items())
           if "." in function.__qualname__ and not name.endswith((".save", ".text"))]
each_method = pytest.mark.parametrize(("method", "backend"), METHODS)


@functools.cache
def pool():
    return concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


@pytest.fixture(scope="module", autouse=True)
def closed_at_the_end():
    yield
    if pool.cache_info().currsize:
        pool().shutdown()
        pool.cache_clear()


def digest_of(function, backend, owner, rest):
    """What the method of the object returns, as a digest. rest: its other arguments, as bytes, since the
    generators of the agreement tests hold a module."""
    call = recorder.Call(function, "", BACKENDS[backend], {"self": owner, **pickle.loads(rest)})
    with laws.quiet():
        return data.digest(call.run(call.arguments))


def parts(method, backend):
    """The call, its object and its other arguments."""
    call = recorder.recorded(method, backend)
    arguments = call.fresh()
    return call, arguments.pop("self"), arguments


@each_method
def test_copies(method, backend):
    call, owner, _ = parts(method, backend)
    wanted = data.digest(call.run(call.fresh()))       # data.copied lets modules pass, copy.deepcopy does not
    for duplicate in (copy.copy(owner), copy.deepcopy(owner)):
        assert type(duplicate) is type(owner)
        assert data.digest(call.run(call.fresh() | {"self": duplicate})) == wanted


def of_a_test(value):
    """Whether a function that a test defines hangs in the value, which cannot be pickled then."""
    found = map(str, data.snapshot(value).values())
    return any("function tests" in bits and "<locals>" in bits for bits in found)


@each_method
def test_pickle(method, backend):
    call, owner, _ = parts(method, backend)
    if of_a_test(owner):
        return
    wanted = data.digest(call.run(call.fresh()))
    back = pickle.loads(pickle.dumps(owner))
    assert type(back) is type(owner)
    assert data.digest(call.run(call.fresh() | {"self": back})) == wanted


@each_method
def test_pool_of_processes(method, backend):
    call, owner, rest = parts(method, backend)
    if of_a_test((owner, rest)):
        return
    job = pool().submit(digest_of, method, backend, owner, recorder.packed(call._replace(arguments=rest)))
    assert job.result(timeout=120) == data.digest(call.run(call.fresh()))
