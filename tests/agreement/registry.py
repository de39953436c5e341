"""The registered cases: one per public function, each a computation that any package can run on any device.

    @case("density.maf.log_prob", terms=lambda n: 500)
    def _(on, paint, n):
        params = on.put(painted(paint, shapes))
        return on.package.density.maf.log_prob(params, on.put(paint.standard_normal((n, 3))))

`on` says which package computes, where and in which dtype: `on.put(tree)` moves host arrays there,
`on.rng(seed)` is a generator whose draws are the same numbers everywhere, delivered there. `paint` is a host
generator, the same for every run of the case: inputs come from it, painted so that no symmetry hides a
mistake. What the case returns is compared leaf by leaf.
"""
import functools
import importlib
import pkgutil
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["Case", "SIZES", "case", "all_cases", "painted", "error_of", "random_tree", "remembered"]

SIZES = (1, 2, 7, 31, 153)
_cases = {}


class Case(NamedTuple):
    name: str
    run: Callable
    sizes: tuple
    terms: Callable
    dtypes: tuple
    note: str
    kernels: bool = False

    @property
    def function(self):
        """The dotted name of the public function that the case covers; a suffix "#…" tells cases of one
        function apart."""
        return self.name.partition("#")[0]

    def runs_on(self, backend):
        return backend.dtype in self.dtypes and (self.kernels or not backend.kernels)


def case(name, *, sizes=SIZES, terms=lambda n: n, dtypes=("float64", "float32"), note="", kernels=False):
    """Register a case under the public function's dotted name, "package.module.function" without the
    package's own name.

    terms is the length of the longest sum or chain behind a result of size n; a chain that branches on a
    comparison, where rounding may flip the branch, runs in float64 alone (dtypes) and says why (note). With
    kernels=True the case runs on a device a second time with fused kernels in place of array code, and fails
    if none was launched.
    """
    def register(run):
        if name in _cases:
            raise ValueError(f"two cases are named {name!r}")
        if dtypes != ("float64", "float32") and not note:
            raise ValueError(f"{name}: a case that leaves a dtype out must say why")
        _cases[name] = Case(name, run, tuple(sizes), terms if callable(terms) else lambda n: terms,
                            tuple(dtypes), note, kernels)
        return run
    return register


def all_cases():
    """Every registered case, by name; importing the case modules registers them."""
    from tests.agreement import cases
    for module in pkgutil.walk_packages(cases.__path__, cases.__name__ + "."):
        importlib.import_module(module.name)
    return dict(sorted(_cases.items()))


def painted(paint, shape, low=-1.5, high=2.0):
    """Numbers with no symmetry to hide behind: uneven range, uneven mean, every column its own scale."""
    values = paint.uniform(low, high, shape)
    return values * np.linspace(0.5, 1.3, shape[-1]) if len(shape) else values


def random_tree(paint, tree, scale=0.3):
    """A tree shaped like the given one, each leaf painted: parameters that are not at a special point such as
    zero."""
    if isinstance(tree, dict):
        return {key: random_tree(paint, sub, scale) for key, sub in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [random_tree(paint, sub, scale) for sub in tree]
    return scale * painted(paint, tree.shape, -1.0, 1.2)


def error_of(function, *args, **kwargs):
    """The type and message of the error that the call raises; fails if it raises none."""
    try:
        function(*args, **kwargs)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError(f"{function.__name__} accepted what it must refuse")


def remembered(build):
    """build(on, paint, n, **settings), done once for each backend, size, settings and state of paint.

    Cases that ask for the same fitted object share it, as a user does. The case of the fit itself calls
    `build.__wrapped__`.
    """
    made = {}

    @functools.wraps(build)
    def shared(on, paint, n, **settings):
        key = (on.name, id(on.package), n, repr(sorted(settings.items())), str(paint.bit_generator.state))
        if key not in made:
            made[key] = build(on, paint, n, **settings), paint.bit_generator.state
        result, paint.bit_generator.state = made[key]
        return result
    return shared
