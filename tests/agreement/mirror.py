"""What holds between twins, as functions of two packages, so that the checks can be tried on packages that
break it."""
import ast
import importlib
import inspect
import re
import textwrap

from tests.agreement.public import modules, public_functions, public_names, signature

__all__ = ["check_names", "check_signature", "check_documented", "check_same_documentation", "check_cases",
           "check_independent"]

SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)


def check_names(left, right, name):
    """The module stands in both packages with the same public names, and each class has the same bases,
    fields and defaults."""
    for package in (left, right):
        assert name in modules(package), f"{package.__name__} has no module {name}"
    twins = [importlib.import_module(f"{package.__name__}.{name}") for package in (left, right)]
    names = list(map(public_names, twins))
    assert names[0] == names[1], f"{name}.__all__: {names[0]} and {names[1]}"
    for public in names[0]:
        values = [getattr(twin, public) for twin in twins]
        left_look, right_look = map(_look, values)
        assert left_look == right_look, f"{name}.{public}: {left_look} and {right_look}"


def _look(value):
    """What twins must share besides the signatures of functions: the type; of a class also its bases, fields
    and defaults."""
    if not inspect.isclass(value):
        return type(value).__name__
    return (type(value).__name__, [base.__name__ for base in value.__mro__],
            list(getattr(value, "__dataclass_fields__", ())), getattr(value, "_fields", ()),
            getattr(value, "_field_defaults", {}))


def check_signature(left, right, name):
    """The function stands in both packages, with the same parameters and defaults."""
    functions = [public_functions(package).get(name) for package in (left, right)]
    for package, function in zip((left, right), functions):
        assert function is not None, f"{package.__name__} has no {name}"
    signatures = list(map(signature, functions))
    assert signatures[0] == signatures[1], f"{name}: {signatures[0]} and {signatures[1]}"


def check_documented(package, name):
    """The function has a docstring whose section Parameters names each parameter; a one-line formula needs
    only a sentence."""
    function = public_functions(package)[name]
    assert function.__doc__, f"{package.__name__}.{name}: no docstring"
    if _is_formula(function):
        return
    expected, documented = _parameters(function), _documented(_sections(function).get("Parameters", ""))
    missing = [parameter for parameter in expected if parameter not in documented]
    assert not missing, (
        f"{package.__name__}.{name}: section Parameters does not describe {', '.join(missing)}")
    unknown = [parameter for parameter in documented if parameter not in expected]
    assert not unknown, (
        f"{package.__name__}.{name}: section Parameters describes {', '.join(unknown)}, which it does not "
        "take")


def check_same_documentation(left, right, name):
    """Parameters and Raises stand word for word in both docstrings, the packages' names apart; a one-line
    formula may leave them out."""
    functions = [public_functions(package)[name] for package in (left, right)]
    sections = list(map(_sections, functions))
    for section in ("Parameters", "Raises"):
        texts = [found.get(section) for found in sections]
        texts = [text and text.replace(f"{package.__name__}.", "")
                 for package, text in zip((left, right), texts)]
        if not any(_is_formula(function) and text is None for function, text in zip(functions, texts)):
            assert texts[0] == texts[1], f"{name}: section {section} differs:\n{texts[0]}\n\n{texts[1]}"


def _is_formula(function):
    """Whether the body is at most two lines: a sentence and a return."""
    body = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0].body
    return body[-1].end_lineno - body[0].lineno < 2


def _parameters(function):
    """The names of the parameters but self."""
    names = list(inspect.signature(function).parameters)
    return [name for name in names if (name, names.index(name)) != ("self", 0)]


def _sections(function):
    """The sections of a numpydoc docstring, {title: text}."""
    parts = SECTION.split(inspect.getdoc(function) or "")
    return dict(zip(parts[1::2], (text.strip() for text in parts[2::2])))


def _documented(section):
    """The parameters that a section describes: the names before the colon of lines that are not indented."""
    lines = [line for line in section.splitlines() if line and not line[0].isspace()]
    return [name.strip().lstrip("*") for line in lines for name in line.partition(" :")[0].split(",")]


def check_cases(left, right, cases):
    """Every public function of either package has a case, and every case a function."""
    functions = public_functions(left).keys() | public_functions(right).keys()
    covered = {case.function for case in cases}
    assert not functions - covered, f"no case: {sorted(functions - covered)}"
    assert not covered - functions, f"no such function: {sorted(covered - functions)}"


def check_independent(package, other):
    """No module of the package imports the other."""
    for name in modules(package):
        source = inspect.getsource(importlib.import_module(f"{package.__name__}.{name}"))
        assert not re.search(rf"^\s*(from|import)\s+{other.__name__}\b", source,
                             re.MULTILINE), f"{package.__name__}.{name}"
