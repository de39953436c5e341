import numpy as np

from tests.agreement.registry import case, error_of, painted


@case("runtime.checks.check_shape", sizes=(3,))
def _(on, paint, n):
    check, x = on.package.runtime.checks.check_shape, on.put(painted(paint, (n, 2)))
    check("x", x, ("N", "D"))
    return [error_of(check, "x", x, shape) for shape in (("N",), ("N", 3), ("N", "N"), (2, n), ())]


@case("runtime.checks.check_finite", sizes=(4,))
def _(on, paint, n):
    check, x = on.package.runtime.checks.check_finite, painted(paint, (n, 2))
    check("x", on.put(x))
    x[1, 1], x[3, 0] = np.nan, np.inf
    return error_of(check, "x", on.put(x)), error_of(check, "x", on.put(x[1]))


@case("runtime.checks.check_count", sizes=(1,))
def _(on, paint, n):
    check = on.package.runtime.checks.check_count
    return check("n", 3), [error_of(check, "n", value, least=2) for value in (1, 2.0, True, "3", None)]


@case("runtime.checks.check_positive", sizes=(1,))
def _(on, paint, n):
    check = on.package.runtime.checks.check_positive
    return (check("s", 3), [error_of(check, "s", value)
                            for value in (0, -1.0, float("nan"), float("inf"), "3", None)])
