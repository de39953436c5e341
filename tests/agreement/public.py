"""What is public: the names in every module's __all__ but for those in SHARED, walked in both packages.

A page lists in SHARED what other pages of its package use and users do not: such names need no twin, no case
and no documentation beyond a sentence.
"""
import functools
import importlib
import inspect
import pkgutil

__all__ = ["modules", "public_functions", "public_names", "signature"]

ONLY_IN_ACCEL = ("device", "generators", "memory", "kernels")


@functools.lru_cache(maxsize=4)
def modules(package):
    """Dotted names below the package: {"density.maf", …}, but for private modules, which need no twin."""
    prefix = package.__name__ + "."
    names = {info.name.removeprefix(prefix) for info in pkgutil.walk_packages(package.__path__, prefix)}
    return {name for name in names if name.partition(".")[0] not in ONLY_IN_ACCEL
            and not name.rpartition(".")[2].startswith("_")}


def public_names(module):
    """The names of a module that users may use, in the order of its __all__.

    Raises
    ------
    AssertionError
        If a name in SHARED is not in __all__.
    """
    shared = getattr(module, "SHARED", [])
    assert set(shared) <= set(module.__all__), f"{module.__name__}: SHARED has names that __all__ has not"
    return [name for name in module.__all__ if name not in shared]


@functools.lru_cache(maxsize=4)
def public_functions(package):
    """Every public function, and every public method of a public class but a protocol:
    {"density.maf.log_prob": function, …}."""
    found = {}
    for name in sorted(modules(package)):
        module = importlib.import_module(f"{package.__name__}.{name}")
        if hasattr(module, "__path__"):
            continue
        for public in public_names(module):
            value = getattr(module, public)
            if inspect.isfunction(value):
                found[f"{name}.{public}"] = value
            elif inspect.isclass(value) and not getattr(value, "_is_protocol", False):
                methods = _methods(value, package.__name__)
                found.update({f"{name}.{public}.{method}": function for method, function in methods.items()})
    return found


def _methods(cls, package):
    """Public functions defined by the class itself or a base in the package (not what NamedTuple, Exception
    and object bring)."""
    ours = [base for base in cls.__mro__ if base.__module__.partition(".")[0] == package]
    return {name: value for base in reversed(ours) for name, value in vars(base).items()
            if inspect.isfunction(value) and not name.startswith("_") and not value.__name__.startswith("_")}


def signature(function):
    """Names, kinds and defaults of the parameters; annotations and the identity of default objects do not
    count."""
    def plain(default):
        if inspect.ismodule(default):
            return default.__name__.partition(".")[2]                 # the same place in either package
        return getattr(default, "name", getattr(default, "__name__", default))
    return [(p.name, p.kind.name, plain(p.default)) for p in inspect.signature(function).parameters.values()]
