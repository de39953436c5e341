"""How close two results must be: one rule, and no tolerance at a call site.

    float64   |actual − expected| ≤ 32 · terms · ε · scale
    float32   at most 3 times as far from the float64 reference as the reference fed float32, plus 8 ulp

`scale` is the largest magnitude of the expected leaf (1 where it is all zeros) and `terms` the length of the
longest sum or chain of operations behind it. NaN matches only NaN, inf only the same inf.
"""
from typing import NamedTuple

import numpy as np

__all__ = ["Gap", "assert_close", "flatten", "gap"]


class Gap(NamedTuple):
    """How far apart one leaf is: the absolute gap, what is allowed, and the scale it is judged on."""
    absolute: float
    allowed: float
    scale: float

    @property
    def relative(self):
        return self.absolute / self.scale

    @property
    def share(self):
        """The gap as a fraction of what is allowed; at most 1 where the two agree."""
        return self.absolute / self.allowed if self.absolute else 0.0

    def check(self, what):
        """Raise AssertionError, with where and by how much, unless the gap is allowed."""
        assert self.absolute <= self.allowed, (
            f"{what}: differs by {self.absolute:.3g}, allowed {self.allowed:.3g} on a scale of "
            f"{self.scale:.3g}")


def flatten(result, path=""):
    """Every leaf of a result with its path; NamedTuples by field, dicts by key, sequences by place."""
    if isinstance(result, dict):
        pairs = list(result.items())
    elif hasattr(result, "_fields"):
        pairs = list(zip(result._fields, result))
    elif isinstance(result, (list, tuple)):
        pairs = list(enumerate(result))
    else:
        return {path: result}
    flat = {}
    for key, sub in pairs:
        flat.update(flatten(sub, f"{path}.{key}" if path else str(key)))
    return flat


def gap(actual, expected, *, terms=1, baseline=None):
    """The gap between two arrays of one shape. With a baseline (the reference fed float32) the float32 rule
    holds.

    Raises
    ------
    AssertionError
        If shapes differ, or NaN and inf are not in the same places.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    if expected.size == 0:
        return Gap(0.0, 0.0, 1.0)
    wide = np.float64
    a, e = actual.astype(wide), expected.astype(wide)
    finite = np.isfinite(e)
    assert np.array_equal(np.isnan(a),
                          np.isnan(e)), f"NaN in {np.isnan(a).sum()} places, expected in {np.isnan(e).sum()}"
    assert np.array_equal(a[~finite & ~np.isnan(e)], e[~finite & ~np.isnan(e)]), "infinities differ"
    assert np.isfinite(a[finite]).all(), "infinite where a finite number was expected"
    a, e = a[finite], e[finite]
    scale = np.abs(e).max(initial=0.0) or 1.0
    absolute = np.abs(a - e).max(initial=0.0)
    if baseline is None:
        return Gap(absolute, 32 * terms * np.finfo(np.float64).eps * scale, scale)
    b = np.asarray(baseline).astype(wide)[finite]
    assert np.isfinite(b).all(), "the reference itself is not finite in float32"
    return Gap(absolute, 3 * np.abs(b - e).max(initial=0.0) + 8 * np.finfo(np.float32).eps * scale, scale)


def assert_close(actual, expected, *, terms=1, baseline=None, what="result"):
    """Raise AssertionError, with where and by how much, unless the leaf is within its tolerance. Return the
    gap."""
    found = gap(actual, expected, terms=terms, baseline=baseline)
    found.check(what)
    return found
