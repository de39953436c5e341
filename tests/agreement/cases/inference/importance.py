import warnings

import numpy as np

from tests.agreement.registry import case, error_of, painted

BRANCHES = {"dtypes": ("float64",), "note": "a draw is chosen by a comparison with a running sum"}


def weighted(on, paint, n):
    return on.put(painted(paint, (n, 2))), on.put(4 * painted(paint, (n, 1))[:, 0])


@case("inference.importance.weigh", terms=lambda n: n + 10)
def _(on, paint, n):
    theta, log_weight = weighted(on, paint, n)
    none = np.where(np.arange(n) % 2, paint.standard_normal(n), -np.inf)
    return (on.package.inference.importance.weigh(theta, log_weight),
            on.package.inference.importance.weigh(theta, on.put(-1 / (none + 9))))


@case("inference.importance.weigh#bad input", sizes=(5,))
def _(on, paint, n):
    theta, log_weight = weighted(on, paint, n)
    bad = [np.full(n, -np.inf), np.array([0.0, np.nan, 1, 1, 1]), np.array([0.0, np.inf, 1, 1, 1]),
           np.zeros(3)]
    weigh = on.package.inference.importance.weigh
    return ([error_of(weigh, theta, on.put(values)) for values in bad], error_of(weigh, theta[0], log_weight),
            error_of(weigh, theta[:0], log_weight[:0]))


@case("inference.importance.resample", terms=lambda n: n + 10, **BRANCHES)
def _(on, paint, n):
    importance = on.package.inference.importance
    draws = importance.weigh(*weighted(on, paint, n))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        drawn = [importance.resample(on.rng(k), count, draws) for k, count in enumerate((1, 7, 200))]
    return (drawn, [str(warning.message) for warning in heard],
            error_of(importance.resample, on.rng(), 0, draws))
