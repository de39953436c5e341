"""Input checks: bad input gets a ValueError that names the argument, what was expected and what came."""
import re

import numpy as np
import pytest
from autograd import grad

import accel
import reference

PACKAGES = [pytest.param(reference, id="reference"), pytest.param(accel, id="accel")]
both = pytest.mark.parametrize("package", PACKAGES)


def message(function, *args, **kwargs):
    with pytest.raises(ValueError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


class Table(np.ndarray):
    """A subclass with rules of its own, as np.matrix or a column of a table has."""

    def __matmul__(self, other):
        raise TypeError("not the product that you meant")


# as_array


@both
@pytest.mark.parametrize(("value", "dtype"), [
    ([1, 2], "f8"), ((1.5, 2), "f8"), (np.array([1, 2], np.int32), "f8"), (np.array([1, 2], np.uint8), "f8"),
    (np.float32([1, 2]), "f4"),
    (np.float64([1, 2]), "f8"), (range(2), "f8"), ([np.float32(1), np.float32(2)], "f4"),
    (np.array([1, 2], ">f4"), "f4"),
    (np.array([1, 2], ">f8"), "f8"), (np.array([1, 2], ">i2"), "f8"), (np.ma.array([1.0, 2.0]), "f8"),
    (np.ones(2).view(Table), "f8")])
def test_numbers_become_plain_arrays(package, value, dtype):
    array = package.runtime.checks.as_array("x", value, ("N",))
    assert type(array) is np.ndarray and array.dtype == np.dtype(dtype) and array.dtype.isnative
    assert np.array_equal(array, np.asarray(value))


@both
def test_an_array_is_not_copied(package):
    for x in (np.ones((3, 2)), np.ones((2, 3), np.float32).T, np.ones(4).view(Table)):
        assert np.shares_memory(package.runtime.checks.as_array("x", x), x)


@both
def test_a_single_number_has_no_axes(package):
    for value in (3, 2.5, np.float32(2), np.array(1.0)):
        assert package.runtime.checks.as_array("x", value, ()).shape == ()


def test_a_frame_of_a_table_library_becomes_an_array():
    """Whatever has a dtype and is no array, such as a Series, must not keep rules of its own."""
    class Series:
        dtype, ndim, shape = np.dtype(float), 1, (3,)

        def __array__(self, dtype=None, copy=None):
            return np.arange(3.0)

    for package in (reference, accel):
        assert type(package.runtime.checks.as_array("x", Series(), ("N",))) is np.ndarray


def test_the_reference_lets_autograd_through():
    square = lambda x: (reference.runtime.checks.as_array("x", x, ("N",)) ** 2).sum()
    assert grad(square)(np.array([3.0]))[0] == 6.0


@both
@pytest.mark.parametrize(("value", "came"), [
    (["a", "b"], "dtype <U1"), ([[1, 2], [3]], "got list"), (np.array([1j]), "dtype complex128"),
    ([True, False], "dtype bool"),
    (np.zeros(2, np.float16), "dtype float16"), (np.zeros(2, np.longdouble), "dtype float128"),
    (None, "dtype object"),
    ({"x": 1}, "dtype object"), (np.array([1, "a"], object), "dtype object"),
    (np.array(["2026-01-01"], "M8[D]"), "dtype datetime64"),
    (lambda x: x, "dtype object"), (np.array([b"a"]), "dtype |S1"), ([1.0, None], "dtype object"),
    (np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 1]), "2 masked")])
def test_anything_else_is_refused_by_name(package, value, came):
    if getattr(value, "dtype", None) == np.longdouble and np.dtype(np.longdouble).itemsize == 8:
        pytest.skip("here a long double is a double")
    text = message(package.runtime.checks.as_array, "theta", value)
    assert text.startswith("theta: expected ") and came in text


@both
def test_both_packages_say_the_same(package):
    for value in (["a"], [[1], [2, 3]], None, np.zeros((2, 3))):
        shape = ("N", 2) if isinstance(value, np.ndarray) else None
        said = message(package.runtime.checks.as_array, "x", value, shape)
        assert said == message(reference.runtime.checks.as_array, "x", value, shape)


def test_a_device_array_stays_on_the_device_and_the_reference_refuses_it():
    from tests.agreement.backends import uses_cuda
    if uses_cuda():
        pytest.skip("the real CuPy is in this process")
    from tests import strict_cupy
    cupy = strict_cupy.install()
    x = cupy.ones((3, 2), "float32")
    assert accel.runtime.checks.as_array("x", x, ("N", 2)) is x
    assert accel.runtime.checks.as_array("x", cupy.arange(3)).dtype == np.float64
    assert "Implicit conversion" in message(reference.runtime.checks.as_array, "x", x)


# check_shape


@both
@pytest.mark.parametrize(("shape", "pattern"), [((5,), ("N",)), ((5, 2), ("N", 2)), ((5, 2), (5, "D")),
                                                ((3, 3), ("D", "D")), ((), ()),
                                                ((0, 4), ("N", "D")), ((2, 7, 2), ("M", "n", "M"))])
def test_a_shape_that_fits(package, shape, pattern):
    package.runtime.checks.check_shape("x", np.zeros(shape), pattern)


@both
@pytest.mark.parametrize(("shape", "pattern", "expected"), [
    ((5,), ("N", 2), "(N, 2)"), ((5, 3), ("N", 2), "(N, 2)"), ((5, 2, 1), ("N", 2), "(N, 2)"),
    ((), ("N",), "(N,)"), ((5,), (), "()"),
    ((3, 4), ("D", "D"), "(D, D)"), ((2, 7, 3), ("M", "n", "M"), "(M, n, M)"), ((4,), (5,), "(5,)")])
def test_a_shape_that_does_not_fit(package, shape, pattern, expected):
    text = message(package.runtime.checks.check_shape, "x", np.zeros(shape), pattern)
    assert text == f"x: expected shape {expected}, got {shape}"


# check_finite


@both
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_finite_numbers_pass(package, dtype):
    for shape in ((), (0,), (3,), (3, 0), (3, 2), (2, 2, 2)):
        package.runtime.checks.check_finite("x", np.full(shape, np.finfo(dtype).max, dtype))


@both
@pytest.mark.parametrize(("x", "rows", "of", "first"), [
    (np.array(np.nan), 1, 1, 0), (np.array([1, np.inf, 2]), 1, 3, 1),
    (np.array([[1, 2], [np.nan, -np.inf], [3, np.nan]]), 2, 3, 1),
    (np.full((4, 2, 2), np.nan), 4, 4, 0), (np.array([0, 0, -np.inf], np.float32), 1, 3, 2)])
def test_bad_rows_are_counted_and_the_first_is_named(package, x, rows, of, first):
    text = message(package.runtime.checks.check_finite, "x", x)
    assert text == f"x: expected finite numbers, got NaN or inf in {rows} of {of} rows (first: row {first})"


# check_count and check_positive


@both
def test_a_count_is_a_whole_number(package):
    check = package.runtime.checks.check_count
    for value in (3, np.int64(3), np.uint8(3)):
        assert check("n", value, least=2) == 3 and type(check("n", value)) is int
    assert check("n", 0, least=0) == 0


@both
@pytest.mark.parametrize("value", [1, 0, -3, 2.0, 2.5, np.float64(2), True, np.True_, "2", None, [2],
                                   np.array([2, 3]), float("nan"), 2j])
def test_anything_else_is_no_count(package, value):
    text = message(package.runtime.checks.check_count, "n_samples", value, least=2)
    assert re.match(r"n_samples: expected a whole number of at least 2, got ", text) and repr(value) in text


@both
def test_a_positive_number(package):
    check = package.runtime.checks.check_positive
    for value in (3, 3.0, np.float32(3), np.int16(3)):
        assert check("s", value) == 3.0 and type(check("s", value)) is float
    assert check("s", 5e-324) == 5e-324


@both
@pytest.mark.parametrize("value", [0, -1.0, -0.0, float("nan"), float("inf"), -float("inf"), True, np.True_,
                                   "3", None, [1.0], np.ones(2),
                                   1j, np.complex128(1), np.float64("nan")])
def test_anything_else_is_not_positive(package, value):
    text = message(package.runtime.checks.check_positive, "sigma", value)
    assert text == f"sigma: expected a positive finite number, got {value!r}"
