"""What the laws see of a value: its arrays, a snapshot of its bits, copies of it, another value of the same shapes.

A value is walked through dicts, sequences, NamedTuples, bound methods, partials, closures and objects of the two packages and of
the tests. A random generator is state that a caller hands over on purpose: its content is not looked at. Objects of other
packages count by their type alone.
"""
import copy
import functools
import hashlib
import sys
import types
from typing import NamedTuple

import numpy as np

__all__ = ["Leaf", "arrays", "as_library", "as_plain", "convert", "copied", "digest", "is_generator", "perturbed", "shared", "snapshot",
           "values", "with_fresh_generators"]

OURS = {"accel", "reference", "tests"}
SCALARS = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype)


class Leaf(NamedTuple):
    """An array found in a value. owned: it hangs in an object or a tree of the library, whose content a caller cannot replace."""
    path: str
    array: object
    owned: bool


def package_of(value):
    return (getattr(value if isinstance(value, type) else type(value), "__module__", "") or "").partition(".")[0]


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
    return package_of(value) in ("accel", "reference") and not is_named_tuple(value) and not isinstance(value, types.FunctionType)


def attributes(value):
    """The attributes of an object, in __dict__ and in slots."""
    slots = [name for cls in type(value).__mro__ for name in ([cls.__dict__.get("__slots__", ())] if isinstance(
        cls.__dict__.get("__slots__", ()), str) else cls.__dict__.get("__slots__", ()))]
    found = dict(vars(value)) if hasattr(value, "__dict__") else {}
    found.update({name: getattr(value, name) for name in slots if hasattr(value, name) and name not in ("__dict__", "__weakref__")})
    return found


def children(value, inner):
    """(kind, [(key, child), …]) of one node, or None for a leaf. inner: with what hangs on a container besides its items."""
    if isinstance(value, dict):
        hung = attributes(value) if inner and type(value) is not dict else {}
        return "tree", [*value.items(), *((f"@{key}", sub) for key, sub in hung.items())]
    if is_named_tuple(value):
        return type(value).__name__, list(zip(value._fields, value))
    if isinstance(value, (list, tuple)):
        return "sequence", list(enumerate(value))
    if isinstance(value, functools.partial):
        return "partial", [("func", value.func), ("args", value.args), ("keywords", value.keywords)]
    if isinstance(value, types.MethodType):
        return f"method {value.__func__.__qualname__}", [("self", value.__self__)]
    if isinstance(value, types.FunctionType):
        cells = zip(value.__code__.co_freevars, value.__closure__ or ())
        return f"function {value.__module__}.{value.__qualname__}", [(name, contents(cell)) for name, cell in cells] if (
            package_of(value) in OURS) else []
    if package_of(value) in OURS and not isinstance(value, (type, types.ModuleType)) or isinstance(value, types.SimpleNamespace):
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
    for key, child in pairs:
        yield from walk(child, f"{path}.{key}" if path else str(key), owned or is_library_made(value), inner, (*seen, id(value)))


def arrays(value):
    """Every array in a value, with its path."""
    return [Leaf(path, leaf, owned) for path, _, leaf, owned in walk(value) if is_array(leaf)]


def on_host(array):
    return array if isinstance(array, np.ndarray) else array.get()


def bits(leaf):
    """What a leaf is, to the last bit."""
    if is_array(leaf):
        host = on_host(leaf)
        content = repr(host.tolist()) if host.dtype.hasobject else hashlib.blake2b(np.ascontiguousarray(host).tobytes()).hexdigest()
        return "array" if isinstance(leaf, np.ndarray) else "device array", host.dtype.str, host.shape, content
    if is_generator(leaf):
        return "generator"
    if isinstance(leaf, (float, np.floating)):
        return type(leaf).__name__, float(leaf).hex()
    if isinstance(leaf, SCALARS):
        return type(leaf).__name__, repr(leaf)
    if isinstance(leaf, (type, types.ModuleType, types.BuiltinFunctionType)):
        return getattr(leaf, "__qualname__", leaf.__name__)
    if isinstance(leaf, BaseException):
        return f"{type(leaf).__name__}: {leaf}"
    if isinstance(leaf, (set, frozenset)):
        return repr(sorted(leaf, key=repr))
    return f"a {type(leaf).__module__}.{type(leaf).__qualname__}"


def snapshot(value):
    """{path: bits} with the types of containers and what hangs on them: what an argument is before and after a call."""
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
    return ", ".join(dict.fromkeys(path or "result" for path in paths[:4])) + (", …" if len(paths) > 4 else "")


# Memory


def buffer_of(array):
    return array if isinstance(array, np.ndarray) else array._buffer


def writable(leaf):
    """Whether a caller could change the array: on a device, where no flag says so, unless it hangs in an object of the library."""
    return leaf.array.flags.writeable if isinstance(leaf.array, np.ndarray) else not leaf.owned


def shared(left, right):
    """The paths of arrays in two values that share memory which one of them could change: [(left path, right path), …]."""
    pairs = []
    right = arrays(right)
    for one in arrays(left):
        for other in right:
            if one.array.size and isinstance(one.array, np.ndarray) == isinstance(other.array, np.ndarray):
                a, b = buffer_of(one.array), buffer_of(other.array)
                if np.may_share_memory(a, b) and (writable(one) or writable(other)) and overlap(a, b):
                    pairs.append((one.path or "result", other.path))
    return pairs


def overlap(a, b):
    try:
        return np.shares_memory(a, b, max_work=100_000)
    except np.exceptions.TooHardError:
        return True


# Copies


def copied(value):
    """A deep copy: modules are kept, read-only arrays stay read-only, arrays are stored row by row or column by column."""
    memo = {id(module): module for module in list(sys.modules.values())}
    duplicate = copy.deepcopy(value, memo)
    for old, new in zip(arrays(value), arrays(duplicate)):
        if isinstance(old.array, np.ndarray) and not old.array.flags.writeable and new.array.flags.writeable:
            new.array.setflags(write=False)
    return duplicate


def with_fresh_generators(arguments, pristine):
    """The same arguments, but for the generators among them, which are copies of the pristine ones."""
    return {name: copied(pristine[name]) if is_generator(value) else value for name, value in arguments.items()}


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
    return package_of(value) in ("accel", "reference") and not isinstance(value, (type, types.FunctionType, tuple, dict, list)) and (
        not is_generator(value) and not is_array(value))


def perturbed(value, rng, keep_containers=False):
    """Another value of the same shapes: every float array a little different. With keep_containers dicts and objects stay."""
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
        return functools.partial(value.func, *map(again, value.args), **{key: again(sub) for key, sub in value.keywords.items()})
    if is_object(value):
        return rebuilt(value, again)
    return value


def another(array, rng):
    """The array with its floats changed by a few per cent, read-only where it was."""
    if array.dtype.kind != "f":
        return array.copy()
    factor = (1 + 0.05 * rng.uniform(-1, 1, array.shape)).astype(array.dtype)
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
    return bool(leaves) and all(is_array(leaf) and leaf.dtype.kind == "f" and leaf.dtype == leaves[0].dtype for leaf in leaves)


def as_plain(tree, module=None):
    """The tree in dicts and lists, each leaf an array of its own."""
    if isinstance(tree, dict):
        return {key: as_plain(sub) for key, sub in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [as_plain(sub) for sub in tree]
    return tree.copy()


def as_library(tree, module):
    """The tree as the library makes it: views of one vector, by the module's `unravel`."""
    plain = as_plain(tree)
    return module.unravel(module.ravel(plain), plain)


def convert(value, kind, module):
    """The value with every tree of parameters in it as kind (as_plain or as_library) makes it; the value itself if it has none."""
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
