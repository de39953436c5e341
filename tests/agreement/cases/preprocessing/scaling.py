import numpy as np

from tests.agreement.registry import case, error_of, painted


def data(paint, n):
    return np.column_stack((painted(paint, (n, 3)) * [0.2, 1.0, 40.0] + [5.0, 0.0, -3.0], np.full(n, 0.1)))


@case("preprocessing.scaling.fit_scaling", terms=lambda n: 2 * n)
def _(on, paint, n):
    fit_scaling = on.package.preprocessing.scaling.fit_scaling
    bad = np.full((3, 2), np.nan)
    return (fit_scaling(on.put(data(paint, n))),
            [error_of(fit_scaling, on.put(value)) for value in (bad, bad[:0], bad[0])])


@case("preprocessing.scaling.Scaling.apply", terms=lambda n: 2 * n)
def _(on, paint, n):
    x = on.put(data(paint, n + 1))
    scaling = on.package.preprocessing.scaling.fit_scaling(x)
    return scaling.apply(x), scaling.apply(x[0])


@case("preprocessing.scaling.Scaling.undo", terms=lambda n: 2 * n)
def _(on, paint, n):
    scaling = on.package.preprocessing.scaling.fit_scaling(on.put(data(paint, n + 1)))
    return scaling.undo(on.put(painted(paint, (n, 4)))), scaling.log_det


@case("preprocessing.scaling.centre_and_scale", terms=lambda n: 12 * n)
def _(on, paint, n):
    module, x = on.package.preprocessing.scaling, painted(paint, (n + 1, 2, 3)) + 5.0
    hole = x.copy()
    hole[0, 1, 2] = np.nan
    bad = [error_of(module.centre_and_scale, on.put(wrong))
           for wrong in (x[:1], hole, np.ones((4, 2)), x[0, 0, 0])]
    return module.centre_and_scale(on.put(x)), bad


@case("preprocessing.scaling.scaled", terms=4)
def _(on, paint, n):
    mean, x = on.put(painted(paint, (2, 3))), on.put(painted(paint, (n, 2, 3)))
    return on.package.preprocessing.scaling.scaled(x, mean, 0.3)
