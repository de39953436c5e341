import numpy as np

from tests.agreement.registry import case, error_of, painted


@case("validation.mean_log_prob.estimate", sizes=(2, 7, 31, 153))
def _(on, paint, n):
    estimate = on.package.validation.mean_log_prob.estimate
    log_prob = painted(paint, (n,)) - 3.0
    holed = np.where(np.arange(n) % 5 == 1, -np.inf, log_prob)
    single = np.where(np.arange(n) > 0, -np.inf, log_prob)
    return [estimate(on.put(values)) for values in (log_prob, holed, single, np.full(n, -np.inf))]


@case("validation.mean_log_prob.estimate#refused", sizes=(4,))
def _(on, paint, n):
    good = painted(paint, (n,))
    third = np.arange(n) == 2
    bads = (good[:1], good[:, None], np.where(third, np.nan, good), np.where(third, np.inf, good))
    return [error_of(on.package.validation.mean_log_prob.estimate, on.put(bad)) for bad in bads]
