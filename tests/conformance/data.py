"""What the laws see of a value: its arrays, a snapshot of its bits, copies, another value of the same shapes.

A value is walked through dicts, sequences, NamedTuples, bound methods, partials, closures and objects of the
two packages and of the tests. The content of a random generator is not looked at: a caller hands it over to
be advanced. Objects of other packages count by their type alone.
"""
import copy
import functools
import hashlib
import itertools
import re
import sys
import tempfile
import types
from typing import NamedTuple

import numpy as np

__all__ = ["Leaf", "arrays", "as_library", "as_plain", "convert", "copied", "difference", "digest",
           "is_generator", "perturbed", "shared", "snapshot", "values", "with_fresh_generators"]

LIBRARY = {"accel", "reference"}
OURS = LIBRARY | {"tests"}
FOLDER = re.compile(re.escape(tempfile.gettempdir()) + r"[/\\]\w+")       # each run has another one
SCALARS = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype)


class Leaf(NamedTuple):
    """An array found in a value; owned if it hangs in an object or a tree of the library."""
    path: str
    array: object
    owned: bool


def package_of(value):
    cls = value if isinstance(value, (type, types.FunctionType)) else type(value)
    return (getattr(cls, "__module__", "") or "").partition(".")[0]


def is_array(value):
    return isinstance(value, np.ndarray) or package_of(value) == "cupy" and type(value).__name__ == "ndarray"


def is_generator(value):
    """Whether a value is a source of random numbers, whose state every call advances."""
    return not isinstance(value, type) and (hasattr(value, "bit_generator") or package_of(value) == "cupy"
                                            and type(value).__name__ == "Generator")


def is_named_tuple(value):
    return isinstance(value, tuple) and hasattr(value, "_fields")


def is_library_made(value):
    """Whether a container is of a class of the library: what its trees and its fitted objects are."""
    is_function = isinstance(value, types.FunctionType)
    return package_of(value) in LIBRARY and not is_named_tuple(value) and not is_function


def attributes(value):
    """The attributes of an object, in __dict__ and in slots."""
    found = dict(vars(value)) if hasattr(value, "__dict__") else {}
    for cls in type(value).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                found[name] = getattr(value, name)
    return found


def children(value, inner):
    """(kind, [(key, child), …]) of a node, None for a leaf; inner: with what hangs on a dict."""
    if isinstance(value, dict):
        hung = attributes(value) if inner and type(value) is not dict else {}
        return "tree", [*value.items(), *((f"@{key}", sub) for key, sub in hung.items())]
    if is_named_tuple(value):
        return type(value).__name__, list(zip(value._fields, value))
    if isinstance(value, (list, tuple)):
        return "sequence", list(enumerate(value))
    if isinstance(value, functools.partial):
        return "partial", [(name, getattr(value, name)) for name in ("func", "args", "keywords")]
    if isinstance(value, types.MethodType):
        return f"method {value.__func__.__qualname__}", [("self", value.__self__)]
    if isinstance(value, types.FunctionType):
        cells = zip(value.__code__.co_freevars, value.__closure__ or ()) if package_of(value) in OURS else ()
        pairs = [(name, contents(cell)) for name, cell in cells]
        return f"function {value.__module__}.{value.__qualname__}", pairs
    ours = package_of(value) in OURS and not isinstance(value, (type, types.ModuleType))
    if ours or isinstance(value, types.SimpleNamespace):
        return f"object {type(value).__qualname__}", sorted(attributes(value).items())
    return None


def contents(cell):
    try:
        return cell.cell_contents
    except ValueError:                                         # a name that is not bound yet
        return None


def walk(value, path="", owned=False, inner=False, seen=()):
    """(path, kind, leaf or None, owned) of every node, depth first; a value inside itself is entered once."""
    if is_array(value) or is_generator(value) or isinstance(value, SCALARS):
        yield path, None, value, owned
        return
    found = None if id(value) in seen else children(value, inner)
    if found is None:
        yield path, None, value, owned
        return
    kind, pairs = found
    yield path, kind if not inner else f"{kind} {type(value).__name__} {len(pairs)}", None, owned
    owned, seen = owned or is_library_made(value), (*seen, id(value))
    for key, child in pairs:
        yield from walk(child, f"{path}.{key}" if path else str(key), owned, inner, seen)


def arrays(value):
    """Every array in a value, with its path."""
    return [Leaf(path, leaf, owned) for path, _, leaf, owned in walk(value) if is_array(leaf)]


def on_host(array):
    return array if isinstance(array, np.ndarray) else array.get()


def bits(leaf):
    """What a leaf is, to the last bit."""
    if is_array(leaf):
        host, where = on_host(leaf), "array" if isinstance(leaf, np.ndarray) else "device array"
        objects = host.dtype.hasobject
        content = repr(host.tolist()).encode() if objects else np.ascontiguousarray(host).tobytes()
        return where, host.dtype.str, host.shape, hashlib.blake2b(content).hexdigest()
    if is_generator(leaf):
        return "generator"
    if isinstance(leaf, (float, np.floating)):
        return type(leaf).__name__, float(leaf).hex()
    if isinstance(leaf, SCALARS):
        return type(leaf).__name__, repr(leaf)
    if isinstance(leaf, (type, types.ModuleType, types.BuiltinFunctionType)):
        return getattr(leaf, "__qualname__", leaf.__name__)
    if isinstance(leaf, BaseException):
        return f"{type(leaf).__name__}: {FOLDER.sub('', str(leaf))}"
    if isinstance(leaf, (set, frozenset)):
        return repr(sorted(leaf, key=repr))
    return f"a {type(leaf).__module__}.{type(leaf).__qualname__}"


def snapshot(value):
    """{path: bits} with the types of containers and what hangs on them: what an argument is."""
    return {(path, kind is None): kind or bits(leaf) for path, kind, leaf, _ in walk(value, inner=True)}


def values(value):
    """{path: bits}, whatever kind of dict or sequence holds them: what a result says."""
    return {(path, kind is None): kind or bits(leaf) for path, kind, leaf, _ in walk(value)}


def digest(value):
    """A short text that two results share exactly when `values` does."""
    return hashlib.blake2b(repr(sorted(values(value).items())).encode(), digest_size=12).hexdigest()


def difference(before, after):
    """The first paths at which two snapshots differ, as text; empty where they are equal."""
    paths = [path for path, _ in {**before, **after} if before.get((path, _)) != after.get((path, _))]
    named = dict.fromkeys(path or "result" for path in paths[:4])
    return ", ".join(named) + (", …" if len(paths) > 4 else "")


# Memory


def buffer_of(array):
    return array if isinstance(array, np.ndarray) else array._buffer


def writable(leaf):
    """Whether a caller could change the array; on a device, without flag: if the library does not own it."""
    return leaf.array.flags.writeable if isinstance(leaf.array, np.ndarray) else not leaf.owned


def shared(left, right):
    """The paths of arrays in two values that share memory, one of them writable: [(left, right), …]."""
    pairs = itertools.product(arrays(left), arrays(right))
    return [(one.path, other.path) for one, other in pairs
            if (writable(one) or writable(other)) and overlap(buffer_of(one.array), buffer_of(other.array))]


def overlap(a, b):
    try:
        return np.may_share_memory(a, b) and np.shares_memory(a, b, max_work=100_000)
    except np.exceptions.TooHardError:
        return True


# Copies


def copied(value):
    """A deep copy, in which modules are the same ones and read-only arrays are read-only."""
    memo = {id(module): module for module in list(sys.modules.values())}
    duplicate = copy.deepcopy(value, memo)
    for old, new in zip(arrays(value), arrays(duplicate)):
        if isinstance(old.array, np.ndarray) and not old.array.flags.writeable and new.array.flags.writeable:
            new.array.setflags(write=False)
    return duplicate


def with_fresh_generators(arguments, pristine):
    """The same arguments, but for the generators among them, which are copies of the pristine ones."""
    return {name: copied(pristine[name]) if is_generator(value) else value
            for name, value in arguments.items()}


def rebuilt(value, change):
    """The object with each attribute as `change` returns it; the object itself where none is changed."""
    found = attributes(value)
    new = {name: change(sub) for name, sub in found.items()}
    if all(new[name] is found[name] for name in found):
        return value
    duplicate = copy.copy(value)
    for name, sub in new.items():
        object.__setattr__(duplicate, name, sub)
    return duplicate


def is_object(value):
    containers = (type, types.FunctionType, tuple, dict, list)
    return package_of(value) in LIBRARY and not isinstance(value, containers) and not is_generator(value)


def perturbed(value, rng, keep_containers=False):
    """Another value of the same shapes: float arrays a little different, if kept only outside of objects.

    All arrays of one object change by the same factor, so that what was below another stays there.
    """
    def again(sub):
        return perturbed(sub, rng, keep_containers)
    if is_array(value):
        return another(value, rng)
    if is_named_tuple(value):
        return type(value)(*map(again, value))
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(map(again, value))
    if keep_containers:
        return value
    if type(value) is dict:
        return {key: again(sub) for key, sub in value.items()}
    if isinstance(value, functools.partial):
        keywords = {key: again(sub) for key, sub in value.keywords.items()}
        return functools.partial(value.func, *map(again, value.args), **keywords)
    if is_object(value):
        return rebuilt(value, lambda sub: perturbed(sub, None))
    return value


def another(array, rng):
    """The array with its floats changed by a few per cent, all alike without rng; read-only where it was."""
    if array.dtype.kind != "f":
        return array.copy()
    factor = np.full(array.shape, 1.03) if rng is None else 1 + 0.05 * rng.uniform(-1, 1, array.shape)
    factor = factor.astype(array.dtype)
    if isinstance(array, np.ndarray):
        with np.errstate(all="ignore"):
            new = np.asarray(array * factor + np.asarray(0.01, array.dtype))
        new.setflags(write=array.flags.writeable)
        return new
    return array * sys.modules["cupy"].asarray(factor) + 0.01


# Trees


def tree_leaves(value):
    """The leaves of nested dicts and sequences."""
    if isinstance(value, dict):
        return [leaf for sub in value.values() for leaf in tree_leaves(sub)]
    if isinstance(value, (list, tuple)) and not is_named_tuple(value):
        return [leaf for sub in value for leaf in tree_leaves(sub)]
    return [value]


def is_tree(value):
    """Whether a value is a tree of parameters: a dict or a list, all leaves arrays of one float dtype."""
    if not isinstance(value, (dict, list)):
        return False
    leaves = tree_leaves(value)
    dtypes = {leaf.dtype if is_array(leaf) else None for leaf in leaves}
    return len(dtypes) == 1 and None not in dtypes and leaves[0].dtype.kind == "f"


def as_plain(tree, module=None):
    """The tree in dicts and lists, each leaf an array of its own."""
    if isinstance(tree, dict):
        return {key: as_plain(sub) for key, sub in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [as_plain(sub) for sub in tree]
    return tree.copy()


def as_library(tree, module):
    """The tree as the library makes it: frozen, its leaves views of one vector."""
    return module.frozen(as_plain(tree))


def convert(value, kind, module):
    """The value with each tree of parameters as kind (as_plain, as_library) makes it; itself without one."""
    def again(sub):
        return convert(sub, kind, module)
    if is_tree(value):
        return kind(value, module)
    if is_named_tuple(value):
        new = [again(sub) for sub in value]
        return value if all(a is b for a, b in zip(new, value)) else type(value)(*new)
    if type(value) in (list, tuple):
        new = [again(sub) for sub in value]
        return value if all(a is b for a, b in zip(new, value)) else type(value)(new)
    if isinstance(value, types.MethodType):
        owner = again(value.__self__)
        return value if owner is value.__self__ else types.MethodType(value.__func__, owner)
    if isinstance(value, functools.partial):
        args, keywords = again(value.args), {key: again(sub) for key, sub in value.keywords.items()}
        if args is value.args and all(keywords[key] is value.keywords[key] for key in keywords):
            return value
        return functools.partial(value.func, *args, **keywords)
    return rebuilt(value, again) if is_object(value) else value
