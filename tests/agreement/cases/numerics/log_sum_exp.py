import numpy as np

from tests.agreement.registry import case, painted


def terms_of(on, paint, n):
    """Numbers (n, 4, 3), with a −inf, and rows of −inf, +inf and NaN."""
    a = 5 * painted(paint, (n + 3, 4, 3))
    a[0, 1] = -np.inf
    a[n:, :, 0], a[n + 1, 2, 1], a[n + 2, 0, 2] = -np.inf, np.inf, np.nan
    return on.put(a)


@case("numerics.log_sum_exp.log_sum_exp", terms=8)
def _(on, paint, n):
    a, log_sum_exp = terms_of(on, paint, n), on.package.numerics.log_sum_exp.log_sum_exp
    return log_sum_exp(a, axis=1), log_sum_exp(a), log_sum_exp(a[:n], axis=0)


@case("numerics.log_sum_exp.softmax", terms=8)
def _(on, paint, n):
    a, softmax = terms_of(on, paint, n), on.package.numerics.log_sum_exp.softmax
    return softmax(a, axis=1), softmax(a), softmax(a[:n], axis=0)
