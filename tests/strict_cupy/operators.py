"""Python's operators for the device array, by CuPy's rules: each is NumPy's ufunc, which comes back through
__array_ufunc__."""
import sys

import numpy as np

from tests.strict_cupy.manifest import StrictError

__all__ = ["give_operators"]

ARITHMETIC = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
              "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power, "and": np.bitwise_and,
              "or": np.bitwise_or, "xor": np.bitwise_xor, "lshift": np.left_shift, "rshift": np.right_shift}
NOT_IN_PLACE = {"matmul": np.matmul, "divmod": np.divmod}
COMPARISONS = {"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal,
               "ne": np.not_equal}
UNARY = {"neg": np.negative, "abs": np.absolute, "invert": np.invert}


def give_operators(cls):
    """Define the operators of the class of device arrays."""
    for name, ufunc in (ARITHMETIC | NOT_IN_PLACE | COMPARISONS).items():
        setattr(cls, f"__{name}__", _binary(ufunc))
    for name, ufunc in (ARITHMETIC | NOT_IN_PLACE).items():
        setattr(cls, f"__r{name}__", _reflected(ufunc))
    for name, ufunc in ARITHMETIC.items():
        setattr(cls, f"__i{name}__", _in_place(ufunc))
    for name, ufunc in UNARY.items():
        setattr(cls, f"__{name}__", _unary(ufunc))
    cls.__pos__ = lambda self: self
    cls.__imatmul__ = _refuse_in_place_product


def _defers(array, other):
    """Whether the other operand decides: one that opts out of ufuncs, or that knows none and outranks the
    array."""
    if hasattr(other, "__array_ufunc__"):
        return other.__array_ufunc__ is None
    return getattr(other, "__array_priority__", -1) > array.__array_priority__


def _binary(ufunc):
    return lambda self, other: NotImplemented if _defers(self, other) else ufunc(self, other)


def _reflected(ufunc):
    return lambda self, other: NotImplemented if _defers(self, other) else ufunc(other, self)


def _in_place(ufunc):
    return lambda self, other: getattr(sys.modules["cupy"], ufunc.__name__)(self, other, out=self)


def _unary(ufunc):
    return lambda self: ufunc(self)


def _refuse_in_place_product(self, other):
    raise StrictError(
        "x @= y: CuPy has no in-place product, so that Python rebinds x and leaves the buffer as it was")
