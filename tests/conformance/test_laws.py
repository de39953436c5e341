"""Every public function under the laws: reference, accel on NumPy, accel on the stand-in for a device."""
import pytest

from tests.agreement.registry import all_cases
from tests.conformance import laws, recorder
from tests.conformance.recorder import BACKENDS, KERNELS

OF_OTHERS = (".corner.plot", ".c2st.accuracy")         # their time is spent in matplotlib and scikit-learn


def lengthy(name):
    """Whether a call goes through a whole training or many steps of a chain."""
    return (name.endswith((".fit", ".train", ".draws", *OF_OTHERS))
            or name.startswith("inference.") and name.endswith(".sample"))


def every_function(slow):
    """Every public function on every backend; a lengthy one is slow on the backends whose names start so."""
    def param(name, backend):
        is_slow = lengthy(name) and backend.startswith(slow) or name.endswith(OF_OTHERS)
        return pytest.param(name, backend, id=f"{name}-{backend}", marks=[pytest.mark.slow][:is_slow])
    return [param(name, backend.name) for name in recorder.names() for backend in BACKENDS.values()
            if name in recorder.functions(backend.package)]


def every_case(backends):
    """Every case, less those whose callable interrupts at a count of its calls: no call is like the last."""
    cases = [case for case in all_cases().values() if not case.name.endswith("#stopped")]
    return [pytest.param(case.name, backend.name, id=f"{case.name}-{backend.name}")
            for case in cases for backend in backends.values() if case.runs_on(backend)]


def check(broken):
    assert not broken, "\n  ".join(["", *broken])


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=lambda backend: backend.name)
def test_there_is_much_to_hold(backend):
    assert len(recorder.functions(backend.package)) > 300


@pytest.mark.parametrize(("function", "backend"), every_function(slow="strict"))
def test_one_caller(function, backend):
    """A call of every function succeeds, and holds the laws of arguments, results, memory and trees."""
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
    """The cases that run on fused kernels, which the stand-in executes through g++. It captures one graph
    at a time, for all threads: what captures, a training above all, is left to one thread."""
    call = recorder.recorded_in(case, all_cases()[case].function, backend)
    if call is not None:
        check(laws.one_caller(call) + ([] if lengthy(call.function) else laws.threads(call)))
