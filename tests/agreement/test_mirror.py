"""The mirror: every module, name, signature and default of reference stands in accel, and every function has a case."""
import importlib
import inspect

import pytest

import accel
import reference
from tests.agreement.public import modules, public_functions, signature
from tests.agreement.registry import all_cases

MODULES = sorted(modules(reference) | modules(accel))
FUNCTIONS = sorted(public_functions(reference).keys() | public_functions(accel).keys())


def test_there_is_something_to_mirror():
    assert len(MODULES) > 20 and len(FUNCTIONS) > 60


@pytest.mark.parametrize("name", MODULES)
def test_module_has_a_twin_with_the_same_names(name):
    twins = [importlib.import_module(f"{package}.{name}") for package in ("reference", "accel")]
    assert twins[0].__all__ == twins[1].__all__
    for public in twins[0].__all__:
        left, right = (getattr(twin, public) for twin in twins)
        assert type(left).__name__ == type(right).__name__, public
        if inspect.isclass(left):
            assert [base.__name__ for base in left.__mro__] == [base.__name__ for base in right.__mro__], public
            assert list(getattr(left, "__dataclass_fields__", ())) == list(getattr(right, "__dataclass_fields__", ())), public
            assert getattr(left, "_fields", ()) == getattr(right, "_fields", ()), public
            assert getattr(left, "_field_defaults", {}) == getattr(right, "_field_defaults", {}), public


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_has_a_twin_with_the_same_signature(name):
    assert signature(public_functions(reference)[name]) == signature(public_functions(accel)[name])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_documented(name):
    function = public_functions(reference)[name]
    assert function.__doc__ or len(inspect.getsource(function).splitlines()) <= 3, "a one-line formula needs no docstring, this does"


def test_every_function_has_a_case_and_every_case_a_function():
    covered = {case.function for case in all_cases().values()}
    assert not set(FUNCTIONS) - covered, f"no case: {sorted(set(FUNCTIONS) - covered)}"
    assert not covered - set(FUNCTIONS), f"no such function: {sorted(covered - set(FUNCTIONS))}"


def test_the_packages_do_not_import_each_other():
    for package in (reference, accel):
        other = ({"reference", "accel"} - {package.__name__}).pop()
        for name in modules(package):
            source = inspect.getsource(importlib.import_module(f"{package.__name__}.{name}"))
            assert f"import {other}" not in source and f"from {other}" not in source, name
