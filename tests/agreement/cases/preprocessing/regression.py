from tests.agreement.registry import case, painted

SIZES = (9, 70, 153)                                                  # the first is too few to regress


def fitted(on, paint, n):
    c = painted(paint, (n, 2))
    u = painted(paint, (n, 3)) + c @ painted(paint, (2, 3))
    u, c = on.put(u), on.put(c)
    return on.package.preprocessing.regression.fit_regression(u, c), u, c


@case("preprocessing.regression.fit_regression", sizes=SIZES, terms=lambda n: 20 * n)
def _(on, paint, n):
    regression = fitted(on, paint, n)[0]
    return regression, regression.log_det


@case("preprocessing.regression.Regression.mean", sizes=SIZES, terms=lambda n: 20 * n)
def _(on, paint, n):
    regression, _, c = fitted(on, paint, n)
    return regression.mean(c)


@case("preprocessing.regression.Regression.whiten", sizes=SIZES, terms=lambda n: 20 * n)
def _(on, paint, n):
    regression, u, c = fitted(on, paint, n)
    return regression.whiten(u, c)


@case("preprocessing.regression.Regression.undo", sizes=SIZES, terms=lambda n: 20 * n)
def _(on, paint, n):
    regression, v, c = fitted(on, paint, n)
    return regression.undo(v, c), regression.undo(on.put(painted(paint, (n, 4, 3))), c)
