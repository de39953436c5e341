"""What holds between twins, as functions of two packages, so that the checks can be tried on packages that break it."""
import importlib
import inspect
import re

from tests.agreement.public import modules, public_functions, signature

__all__ = ["check_names", "check_signature", "check_documented", "check_cases", "check_independent"]


def check_names(left, right, name):
    """The module stands in both packages with the same __all__, and each class has the same bases, fields and defaults."""
    for package in (left, right):
        assert name in modules(package), f"{package.__name__} has no module {name}"
    twins = [importlib.import_module(f"{package.__name__}.{name}") for package in (left, right)]
    assert twins[0].__all__ == twins[1].__all__, f"{name}.__all__: {twins[0].__all__} and {twins[1].__all__}"
    for public in twins[0].__all__:
        values = [getattr(twin, public) for twin in twins]
        left_look, right_look = map(_look, values)
        assert left_look == right_look, f"{name}.{public}: {left_look} and {right_look}"


def _look(value):
    """What twins must share besides the signatures of functions: the type; of a class also its bases, fields and defaults."""
    if not inspect.isclass(value):
        return type(value).__name__
    return (type(value).__name__, [base.__name__ for base in value.__mro__], list(getattr(value, "__dataclass_fields__", ())),
            getattr(value, "_fields", ()), getattr(value, "_field_defaults", {}))


def check_signature(left, right, name):
    """The function stands in both packages, with the same parameters and defaults."""
    functions = [public_functions(package).get(name) for package in (left, right)]
    for package, function in zip((left, right), functions):
        assert function is not None, f"{package.__name__} has no {name}"
    signatures = list(map(signature, functions))
    assert signatures[0] == signatures[1], f"{name}: {signatures[0]} and {signatures[1]}"


def check_documented(package, name):
    """The function has a docstring, unless it is a one-line formula."""
    function = public_functions(package)[name]
    assert function.__doc__ or len(inspect.getsource(function).splitlines()) <= 3, f"{name}: no docstring"


def check_cases(left, right, cases):
    """Every public function of either package has a case, and every case a function."""
    functions, covered = public_functions(left).keys() | public_functions(right).keys(), {case.function for case in cases}
    assert not functions - covered, f"no case: {sorted(functions - covered)}"
    assert not covered - functions, f"no such function: {sorted(covered - functions)}"


def check_independent(package, other):
    """No module of the package imports the other."""
    for name in modules(package):
        source = inspect.getsource(importlib.import_module(f"{package.__name__}.{name}"))
        assert not re.search(rf"^\s*(from|import)\s+{other.__name__}\b", source, re.MULTILINE), f"{package.__name__}.{name}"
