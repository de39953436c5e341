"""Accel against the reference: every case, on every backend, at every size."""
import pytest

from tests.agreement.backends import accel_backends
from tests.agreement.harness import compare
from tests.agreement.registry import all_cases

RUNS = [pytest.param(case, backend, n, id=f"{case.name}-{backend.name}-{n}")
        for case in all_cases().values() for n in case.sizes
        for backend in accel_backends().values() if case.runs_on(backend)]


@pytest.mark.parametrize(("case", "backend", "n"), RUNS)
def test_accel_agrees_with_reference(case, backend, n):
    compare(case, backend, n)
