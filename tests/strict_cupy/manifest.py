"""What the real CuPy has: names and signatures frozen from its wheel by make_manifest.py, and the refusal of
everything else."""
import json
import pathlib

__all__ = ["StrictError", "VERSION", "entry", "check_call", "bind"]

_SECTIONS = json.loads(pathlib.Path(__file__).with_name("manifest.json").read_text())
VERSION = _SECTIONS["version"]
# of **kwargs
KEYWORDS = {"einsum": {"dtype", "optimize"}, "meshgrid": {"indexing", "sparse", "copy"},
            "pad": {"constant_values"}}


class StrictError(Exception):
    """CuPy would accept this and silently do something else than NumPy, or something undefined."""


def entry(section, name):
    """What make_manifest kept of a name; AttributeError where CuPy has no such name."""
    try:
        return _SECTIONS[section][name]
    except KeyError:
        raise AttributeError(f"{section!r} has no attribute {name!r} in CuPy {VERSION}") from None


def check_call(name, entry, args, kwargs):
    """TypeError unless CuPy's signature takes these arguments, StrictError where a position means something
    else in NumPy."""
    params = entry["params"]
    if params is None:
        return
    foreign = set(kwargs) - set(params) - KEYWORDS.get(name, set())
    if foreign:
        raise TypeError(f"{name}() got an unexpected keyword argument {sorted(foreign)[0]!r}")
    if not entry.get("varargs"):
        if len(args) > len(params):
            raise TypeError(f"{name}() takes at most {len(params)} positional arguments, got {len(args)}")
        if len(args) > entry["positional"]:
            place = entry["positional"]
            raise StrictError(
                f"{name}(): argument {place + 1} is {params[place]!r} in CuPy and another in NumPy; pass "
                "it by name")
    missing = set(entry["required"]) - set(params[:len(args)]) - set(kwargs)
    if missing:
        raise TypeError(f"{name}() missing a required argument: {sorted(missing)[0]!r}")


def bind(entry, args, kwargs):
    """(parameter name, value) of every argument; those of a *args go by the name "*"."""
    params = entry["params"] or []
    names = ["*"] * len(args) if entry.get("varargs") else params[:len(args)] + ["*"] * (len(args)
                                                                                         - len(params))
    return [*zip(names, args), *kwargs.items()]
