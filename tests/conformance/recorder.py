"""One real call of every public function, taken from its agreement case.

A case computes what its function returns from painted input, on any backend. While it runs, the function is
wrapped in its module or class; the first call that comes from outside the package and succeeds is kept: a
deep copy, made before the call, of every argument by name, random generators with their state. Then the case
ends. A path is kept with what lies at it, an iterator with what it yields.
"""
import contextlib
import functools
import importlib
import inspect
import io
import os
import pathlib
import pickle
import sys
import tempfile
import warnings
from typing import NamedTuple

import numpy as np

from tests.agreement.backends import REFERENCE, accel_backends, uses_cuda
from tests.agreement.public import modules, public_functions
from tests.agreement.registry import all_cases
from tests.conformance import data
from tests.conformance.places import TREE, device

__all__ = ["BACKENDS", "KERNELS", "Call", "Files", "Steps", "functions", "names", "packed", "recorded",
           "recorded_in"]

LARGEST, LARGEST_ON_A_DEVICE = 31, 7                   # samples; the stand-in takes its time


def backends():
    """{name: Backend} in float64: the reference, accel on NumPy, accel on a device in array code."""
    found = {REFERENCE.name: REFERENCE} | accel_backends()
    return {name: backend for name, backend in found.items() if backend.dtype == "float64"}


ALL = {} if uses_cuda() else backends()
BACKENDS = {name: backend for name, backend in ALL.items() if not backend.kernels}
KERNELS = {name: backend for name, backend in ALL.items() if backend.kernels}


@functools.cache
def functions(package):
    """{name: function} of the package, as it is when nothing is wrapped."""
    return public_functions(package)


def names():
    return sorted({name for backend in BACKENDS.values() for name in functions(backend.package)})


class Files(NamedTuple):
    """A path argument: the name, and the bytes of each file that lay there, by its path below the folder."""
    name: str
    content: tuple

    def laid_out(self, folder):
        """The path in the given folder, with the same files."""
        for name, content in self.content:
            target = pathlib.Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return os.path.join(folder, self.name)


class Steps(NamedTuple):
    """An iterator argument: what it yields."""
    items: tuple

    @classmethod
    def of(cls, value):
        """The Steps of a generator; where it raises, a generator of the same steps; any other value."""
        if not inspect.isgenerator(value):
            return value
        items = []
        try:
            items.extend(value)
        except BaseException as error:                 # KeyboardInterrupt is one of the cases
            return replay(items, error)
        return cls(tuple(items))


def replay(items, error):
    """The items one after another, then the error."""
    yield from items
    raise error


def files_at(value):
    """The Files of a path argument: a path, text with a separator, an existing file; else None."""
    if not isinstance(value, (str, os.PathLike)):
        return None
    path = pathlib.Path(value).absolute()
    if isinstance(value, str) and not (os.sep in value or path.is_file()) or not path.parent.is_dir():
        return None
    found = [file for file in [path, *(path.rglob("*") if path.is_dir() else ())] if file.is_file()]
    content = [(str(file.relative_to(path.parent)), file.read_bytes()) for file in sorted(found)]
    return Files(path.name, tuple(content))


class Call(NamedTuple):
    """A recorded call.

    Attributes
    ----------
    function : str
        The dotted name without the package's.
    case : str
        The agreement case it comes from.
    backend : Backend
    arguments : dict
        By name, pristine: nothing that runs may touch them.
    """
    function: str
    case: str
    backend: object
    arguments: dict

    @property
    def tree(self):
        """The module of trees of the call's package."""
        return TREE[self.backend.package.__name__]

    def variants(self):
        """The kinds of trees with which the call is made: plain and library, or None where it has no tree."""
        plain = (data.convert(value, data.as_plain, self.tree) for value in self.arguments.values())
        found = any(new is not old for new, old in zip(plain, self.arguments.values()))
        return ("plain", "library") if found else (None,)

    def fresh(self, variant=None):
        """New arguments, with plain or with library-made trees."""
        arguments = data.copied(self.arguments)
        if variant is None:
            return arguments
        kind = {"plain": data.as_plain, "library": data.as_library}[variant]
        return {name: data.convert(value, kind, self.tree) for name, value in arguments.items()}

    def other(self, arguments, variant=None, keep_containers=True):
        """Other arguments of the same shapes; keep_containers: with the same trees and objects."""
        rng, changed = np.random.default_rng(0), {}
        for place, (name, value) in enumerate(arguments.items()):
            if data.is_generator(value):
                changed[name] = data.copied(self.arguments[name])
                with device.kernels(self.backend.kernels):
                    changed[name].random(3)            # it draws other numbers
            elif keep_containers and place == 0 and isinstance(value, (list, tuple)):
                changed[name] = value                  # the layers of a network are a tree too
            elif keep_containers or variant != "library":
                changed[name] = data.perturbed(value, rng, keep_containers)
            else:
                plain = data.perturbed(data.convert(value, data.as_plain, self.tree), rng)
                changed[name] = data.convert(plain, data.as_library, self.tree)
        return changed

    def again(self, arguments, pristine=None):
        """The same arguments, generators as they were at first: as recorded, or as in pristine arguments."""
        return data.with_fresh_generators(arguments, self.arguments if pristine is None else pristine)

    def run(self, arguments):
        """The result of the call."""
        function = functions(self.backend.package)[self.function]
        needed = any(isinstance(value, Files) for value in arguments.values())
        with (device.kernels(self.backend.kernels), np.errstate(all="ignore"),
              tempfile.TemporaryDirectory() if needed else contextlib.nullcontext() as folder):
            return bind(function, {name: given(value, folder) for name, value in arguments.items()})

    def outcome(self, arguments):
        """The result, or the error that the call raises."""
        try:
            return self.run(arguments)
        except (Exception, KeyboardInterrupt) as error:
            return error


def given(value, folder):
    """What a function gets for a recorded value: a path in the folder for Files, an iterator for Steps."""
    if isinstance(value, Files):
        return value.laid_out(folder)
    return iter(value.items) if isinstance(value, Steps) else value


def bind(function, arguments):
    """Call the function with arguments by name."""
    positional, named = [], {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in arguments:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional.extend(arguments[name])
        elif parameter.kind is parameter.VAR_KEYWORD:
            named.update(arguments[name])
        elif parameter.kind is parameter.KEYWORD_ONLY or len(positional) < list(arguments).index(name):
            named[name] = arguments[name]
        else:
            positional.append(arguments[name])
    return function(*positional, **named)


@contextlib.contextmanager
def fitting_once(backend, name):
    """In the block each `fit` of the package, but for the named function, gives what it gave for the same
    arguments before: half of all cases begin by training the same small models."""
    with contextlib.ExitStack() as undo:
        for fit in functions(backend.package):
            if fit.endswith(".fit") and fit != name:
                for owner, attribute in owners(backend.package, fit):
                    undo.callback(setattr, owner, attribute, getattr(owner, attribute))
                    setattr(owner, attribute, remembering(functions(backend.package)[fit], backend.name))
        yield


FITTED = {}


def remembering(function, where):
    @functools.wraps(function)
    def fit(*args, **kwargs):
        arguments = kept(function, args, kwargs)
        generators = [value for value in (*args, *kwargs.values()) if data.is_generator(value)]
        if arguments is None or any(inspect.isfunction(value) for value in arguments.values()):
            return function(*args, **kwargs)
        states = [str(rng.bit_generator.state) for rng in generators]
        key = where, function.__module__, data.digest(arguments), *states
        if key not in FITTED:
            result = function(*args, **kwargs)
            FITTED[key] = data.copied(result), [rng.bit_generator.state for rng in generators]
        result, states = FITTED[key]
        for rng, state in zip(generators, states):
            rng.bit_generator.state = state
        return data.copied(result)
    return fit


class Stop(BaseException):
    """The call is recorded: what ends a case."""


@functools.cache
def module_names(package):
    return modules(package)


@functools.cache
def cases():
    return list(all_cases().values())


@functools.cache
def owners(package, name):
    """Every module and class of the package in which the function can be found: [(owner, attribute), …]."""
    function, places = functions(package)[name], []
    for module_name, module in sorted(sys.modules.items()):
        if module_name.partition(".")[0] == package.__name__:
            places += [(module, attribute) for attribute, value in vars(module).items() if value is function]
    if "." in function.__qualname__:                   # a method of the named class, or inherited
        module, cls, method = name.rsplit(".", 2)
        places.append((getattr(importlib.import_module(f"{package.__name__}.{module}"), cls), method))
    return places


@contextlib.contextmanager
def listening(backend, name, keep, inside=False):
    """In the block the first successful call of the function is handed to `keep`, and ends the block; unless
    inside, it must come from outside the package."""
    function, package = functions(backend.package)[name], backend.package.__name__

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        outside = sys._getframe(1).f_globals.get("__name__", "").partition(".")[0] != package
        if not (outside or inside):
            return function(*args, **kwargs)
        args = [Steps.of(value) for value in args]
        arguments = kept(function, args, kwargs)
        result = function(*(given(value, None) for value in args), **kwargs)
        if arguments is None or isinstance(result, Exception):
            return result
        keep(arguments)
        raise Stop
    with contextlib.ExitStack() as undo:
        for owner, attribute in owners(backend.package, name):
            here, before = attribute in vars(owner), vars(owner).get(attribute)
            setattr(owner, attribute, wrapper)
            undo.callback(setattr if here else delattr, owner, attribute, *([before] if here else []))
        with contextlib.suppress(Stop):
            yield


def kept(function, args, kwargs):
    """The arguments by name, copied; None where the call cannot be bound or an argument cannot be copied."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs).arguments
        return data.copied({name: files_at(value) or value for name, value in bound.items()})
    except TypeError:
        return None


def size(case, backend):
    """The largest size of the case that is still small, else its smallest."""
    small = [n for n in case.sizes if n <= (LARGEST if backend.xp is np else LARGEST_ON_A_DEVICE)]
    return max(small, default=min(case.sizes))


@functools.cache
def recorded_in(case_name, function, backend_name, inside=False):
    """The call of the function in the case on the backend, or None if there is none that succeeds."""
    case, backend, calls = all_cases()[case_name], ALL[backend_name], []
    n, silent = size(case, backend), io.StringIO()
    with contextlib.redirect_stderr(silent), warnings.catch_warnings(), device.kernels(backend.kernels):
        warnings.simplefilter("ignore")
        with fitting_once(backend, function), listening(backend, function, calls.append, inside):
            case.run(backend, np.random.default_rng(n), n)
    return Call(function, case_name, backend, calls[0]) if calls else None


def candidates(function, backend):
    """The cases that may call the function: its own, then those of its module, whose names are alike."""
    def rank(case):
        """Its own cases first, those of bad input last, then those that save: what loads was saved before."""
        return case.function != function, "bad input" in case.name, not case.function.endswith(".save")
    module = max((name for name in module_names(backend.package) if function.startswith(name + ".")), key=len)
    found = [case for case in cases() if case.runs_on(backend) and case.function.startswith(module + ".")]
    return [case.name for case in sorted(found, key=rank)]


@functools.cache
def recorded(function, backend_name):
    """One call of the function on the backend, or None if no case makes one that succeeds.

    A case that calls the function itself comes first; next one in which the package does.
    """
    for inside in (False, True):
        for name in candidates(function, ALL[backend_name]):
            call = recorded_in(name, function, backend_name, inside)
            if call is not None:
                return call
    return None


# Calls in a file


def packed(call):
    """The arguments as bytes, None where one cannot be pickled, such as a function of a test."""
    file = io.BytesIO()
    try:
        Pickler(file).dump(call.arguments)
    except Exception:
        return None
    return file.getvalue()


class Pickler(pickle.Pickler):
    """A pickler that takes modules, by name."""

    def reducer_override(self, value):
        return (importlib.import_module, (value.__name__,)) if inspect.ismodule(value) else NotImplemented
