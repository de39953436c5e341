"""Accel against the reference: every case, on every backend, at every size."""
import pytest

from tests.agreement.backends import accel_backends
from tests.agreement.harness import compare
from tests.agreement.registry import all_cases

RUNS = [pytest.param(case, backend, id=f"{case.name}-{backend.name}")
        for case in all_cases().values() for backend in accel_backends().values() if case.runs_on(backend)]


@pytest.mark.parametrize(("case", "backend"), RUNS)
def test_accel_agrees_with_reference(case, backend):
    """All sizes in one test; each that disagrees is named."""
    broken = []
    for n in case.sizes:
        try:
            compare(case, backend, n)
        except AssertionError as error:
            broken.append(str(error))
    assert not broken, "\n".join(["", *broken])
