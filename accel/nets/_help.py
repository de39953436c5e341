"""The parameters that functions of one page share, described once for `help()`.

    documented = described('''
    params : tree
        From `init_params`, or trained.
    x : (N, D) float
    ''', raises="If x has another shape.")

    @documented
    def encode(params, x): …

adds to the docstring of `encode` the entries of its own parameters, and the error.
"""
import inspect
import re

__all__ = ["described"]


def described(entries, raises=None):
    """A decorator that adds sections Parameters and Raises, from entries written as numpydoc has them."""
    by_name = {}
    for entry in re.split(r"\n(?=\S)", inspect.cleandoc(entries)):
        for name in entry.partition(" : ")[0].split(", "):
            by_name[name] = entry

    def documented(function):
        if function.__doc__ is not None:                              # python -OO leaves docstrings out
            own = [by_name[name] for name in inspect.signature(function).parameters if name in by_name]
            doc = [inspect.cleandoc(function.__doc__), "", "Parameters", "----------", *dict.fromkeys(own)]
            doc += ["", "Raises", "------", "ValueError", f"    {raises}"] if raises else []
            function.__doc__ = "\n".join(doc) + "\n"
        return function
    return documented
