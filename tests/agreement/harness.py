"""Run one case on one backend and hold it against the reference, leaf by leaf."""
import contextlib
import functools
import io

import numpy as np

from accel import device
from accel.kernels.cuda import Kernels
from tests.agreement import comparator
from tests.agreement.backends import REFERENCE, baseline

__all__ = ["compare", "is_gradient", "measure"]


def compare(case, backend, n):
    """The gap of every floating leaf, {path: Gap}.

    Raises
    ------
    AssertionError
        If `measure` raises it, or a number differs by more than is allowed.
    """
    gaps = measure(case, backend, n)
    for path, gap in gaps.items():
        gap.check(_where(case, backend, n, path))
    return gaps


def measure(case, backend, n):
    """The gap of every floating leaf, {path: Gap}, whether or not it is allowed.

    Raises
    ------
    AssertionError
        If the structure, a type, a dtype, a shape or a leaf that is no float differs, or a result is not on
        the device.
    """
    fed = baseline(backend.dtype)
    expected_leaves, budget = _known(case, REFERENCE, n), _known(case, fed, n) if fed else None
    actual_leaves = comparator.flatten(_run(case, backend, n))
    assert list(actual_leaves) == list(expected_leaves), (
        f"leaves {list(actual_leaves)}, expected {list(expected_leaves)}")
    assert any(want is not None
               for want in expected_leaves.values()), f"{case.name} returns nothing to compare"
    gaps = {}
    for path, want in expected_leaves.items():
        got, what = actual_leaves[path], _where(case, backend, n, path)
        if not _is_number(want):
            assert type(got) is type(want) and got == want, f"{what}: {got!r}, expected {want!r}"
            continue
        host = _on_host(got, backend, what)
        plain = type(got) in (int, float), type(want) in (int, float)
        assert plain[0] == plain[1], f"{what}: a {type(got).__name__}, expected a {type(want).__name__}"
        kind, wanted = np.asarray(host).dtype.kind, np.asarray(want).dtype.kind
        assert kind == wanted, f"{what}: kind {kind!r}, expected {wanted!r}"
        if kind != "f":
            assert np.array_equal(host, want), f"{what}: {host!r}, expected {want!r}"
            continue
        if type(got) is not float:
            assert host.dtype == backend.dtype, f"{what}: dtype {host.dtype}, expected {backend.dtype}"
        try:
            gaps[path] = comparator.gap(host, want, terms=case.terms(n), baseline=budget and budget[path])
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}") from None
    return gaps


def is_gradient(case, path):
    """Whether a leaf is a gradient: all but the first item of what an …_and_grad or …_vjp returns."""
    return case.function.endswith(("_and_grad", "_vjp")) and path.partition(".")[0] != "0"


def _where(case, backend, n, path):
    return f"{case.name}[{backend.name}, n={n}] {path or 'result'}"


@functools.lru_cache(maxsize=64)
def _known(case, backend, n):
    """The leaves of the reference, computed once for all the backends that are held against it."""
    return comparator.flatten(_run(case, backend, n))


def _run(case, backend, n):
    with contextlib.redirect_stderr(io.StringIO()), device.kernels(backend.kernels), _launches() as launched:
        result = case.run(backend, np.random.default_rng(n), n)
    assert launched or not backend.kernels, f"{case.name}[{backend.name}, n={n}]: no kernel was launched"
    return result


@contextlib.contextmanager
def _launches():
    """A list of the kernels that accel launches in the block, by name."""
    launched, launch = [], Kernels.__call__

    def counted(self, name, *args, **kwargs):
        launched.append(name)
        return launch(self, name, *args, **kwargs)
    Kernels.__call__ = counted
    try:
        yield launched
    finally:
        Kernels.__call__ = launch


def _is_number(value):
    return isinstance(value, (int, float, np.generic)) and not isinstance(value, bool) or hasattr(value,
                                                                                                  "dtype")


def _on_host(value, backend, what):
    """The value as a host array; a plain number may come from any device, an array only from the
    backend's."""
    if type(value) in (int, float):
        return value
    if backend.xp is not np:
        assert isinstance(value, backend.xp.ndarray), (
            f"{what}: a {type(value).__name__} that never reached the device")
        return value.get()
    assert isinstance(value, (np.ndarray, np.generic)), f"{what}: a {type(value).__name__}, expected an array"
    return value
