import numpy as np

from tests.agreement.registry import case, error_of, painted


@case("validation.c2st.accuracy", sizes=(153,), terms=1)
def _(on, paint, n):
    exact, samples = paint.normal(1.0, 2.0, (n, 1)), paint.normal(2.0, 1.5, (n, 1))
    return on.package.validation.c2st.accuracy(on.put(exact), on.put(samples), n_folds=2, seed=2, n_jobs=1)


@case("validation.c2st.accuracy#refused", sizes=(7,))
def _(on, paint, n):
    accuracy, good = on.package.validation.c2st.accuracy, painted(paint, (n, 2))
    pairs = ((good, good[:, :1]), (good, good[:5]), (good[:, 0], good[:, 0]), (good, good * np.nan),
             (good * np.nan, good), (good * [1, 0], good), (good[:, :0], good[:, :0]))
    return ([error_of(accuracy, on.put(a), on.put(b)) for a, b in pairs],
            [error_of(accuracy, on.put(good), on.put(good), n_folds=bad) for bad in (1, 8, 2.5)])
