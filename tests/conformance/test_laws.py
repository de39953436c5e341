"""Every public function of both packages, under the laws: reference, accel on NumPy, accel on the stand-in for a device."""
import pytest

from tests.agreement.registry import all_cases
from tests.conformance import laws, recorder
from tests.conformance.recorder import BACKENDS, KERNELS

def lengthy(name):
    """Whether a call goes through a whole training or many steps of a chain."""
    return name.endswith((".fit", ".train", ".plot", ".accuracy", ".draws")) or name.startswith("inference.") and name.endswith(".sample")


def every_function(slow):
    """Every public function on every backend; the lengthy ones marked slow on the backends that `slow` names."""
    return [pytest.param(name, backend.name, id=f"{name}-{backend.name}",
                         marks=[pytest.mark.slow] if lengthy(name) and backend.name.startswith(slow) else [])
            for name in recorder.names() for backend in BACKENDS.values() if name in recorder.functions(backend.package)]


def every_case(backends):
    return [pytest.param(case.name, backend.name, id=f"{case.name}-{backend.name}")
            for case in all_cases().values() for backend in backends.values() if case.runs_on(backend)]


def check(broken):
    assert not broken, "\n  ".join(["", *broken])


@pytest.mark.parametrize("package", sorted({backend.package.__name__ for backend in BACKENDS.values()}))
def test_there_is_much_to_hold(package):
    assert len(recorder.functions(next(b.package for b in BACKENDS.values() if b.package.__name__ == package))) > 300


@pytest.mark.parametrize(("function", "backend"), every_function(slow="strict"))
def test_one_caller(function, backend):
    """Every function has a call that succeeds, and the call holds the laws of arguments, results, memory and trees."""
    call = recorder.recorded(function, backend)
    assert call is not None, f"no agreement case makes a call of {function} that succeeds"
    check(laws.one_caller(call))


@pytest.mark.parametrize(("function", "backend"), every_function(slow=("strict", "reference")))
def test_threads(function, backend):
    call = recorder.recorded(function, backend)
    assert call is not None, f"no agreement case makes a call of {function} that succeeds"
    check(laws.threads(call))


@pytest.mark.slow
@pytest.mark.parametrize(("case", "backend"), every_case(BACKENDS))
def test_every_case(case, backend):
    """The same laws for each case of a function: every density, prior and sampler that it can be given."""
    call = recorder.recorded_in(case, all_cases()[case].function, backend)
    if call is not None:
        check(laws.one_caller(call, thorough=True) + laws.threads(call, thorough=True))


@pytest.mark.kernels
@pytest.mark.parametrize(("case", "backend"), every_case(KERNELS))
def test_fused_kernels(case, backend):
    """The cases that run on fused kernels, which the stand-in executes through g++."""
    call = recorder.recorded_in(case, all_cases()[case].function, backend)
    if call is not None:
        check(laws.one_caller(call))
