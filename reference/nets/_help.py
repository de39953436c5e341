"""The parameters that functions of one page share, described once for `help()`.

    documented = described('''
    params : tree
        From `init_params`, or trained.
    x : (N, D) float
    ''', raises="If x has another shape.")

    @documented
    def encode(params, x): …

adds to the docstring of `encode` the entries of its own parameters, and the ValueError.
"""
import inspect
import re

__all__ = ["described", "documented_load"]


def described(entries, raises=None):
    """A decorator that adds sections Parameters and Raises, from entries written as numpydoc has them."""
    by_name = {}
    for entry in re.split(r"\n(?=\S)", inspect.cleandoc(entries)):
        for name in entry.partition(" : ")[0].split(", "):
            by_name[name] = entry
    errors = ["", "Raises", "------", "ValueError", f"    {raises}"] if raises else []

    def documented(function):
        if function.__doc__ is not None:                              # python -OO leaves docstrings out
            own = [by_name[name] for name in inspect.signature(function).parameters if name in by_name]
            doc = [inspect.cleandoc(function.__doc__), "", "Parameters", "----------", *dict.fromkeys(own)]
            function.__doc__ = "\n".join([*doc, *errors]) + "\n"
        return function
    return documented


documented_load = described("""
path : str or path-like
    Where `save` wrote it, in either package.
""", raises="If the file is truncated, foreign, or of something else.")
