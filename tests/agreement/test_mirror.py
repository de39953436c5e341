"""The mirror: every module, name, signature and default of reference stands in accel, and every function has
a case."""
import pytest

import accel
import reference
from tests.agreement import mirror
from tests.agreement.public import modules, public_functions
from tests.agreement.registry import all_cases

MODULES = sorted(modules(reference) | modules(accel))
FUNCTIONS = sorted(public_functions(reference).keys() | public_functions(accel).keys())


def test_there_is_something_to_mirror():
    assert len(MODULES) > 20 and len(FUNCTIONS) > 60


@pytest.mark.parametrize("name", MODULES)
def test_module_has_a_twin_with_the_same_names(name):
    mirror.check_names(reference, accel, name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_has_a_twin_with_the_same_signature(name):
    mirror.check_signature(reference, accel, name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_documented_alike_in_both(name):
    for package in (reference, accel):
        mirror.check_documented(package, name)
    mirror.check_same_documentation(reference, accel, name)


def test_every_function_has_a_case_and_every_case_a_function():
    mirror.check_cases(reference, accel, all_cases().values())


@pytest.mark.parametrize(("package", "other"), [(reference, accel), (accel, reference)])
def test_the_packages_do_not_import_each_other(package, other):
    mirror.check_independent(package, other)
