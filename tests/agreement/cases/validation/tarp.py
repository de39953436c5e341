import numpy as np

from tests.agreement.registry import case, error_of


@case("validation.tarp.credibility", terms=4)
def _(on, paint, n):
    samples, truths = paint.normal(0.3, 1.2, (n, 40, 3)), paint.normal(0.1, 1.5, (n, 3))
    references = paint.uniform(-3, 1, (n, 3))
    return on.package.validation.tarp.credibility(on.rng(1), *map(on.put, (samples, truths, references)))


@case("validation.tarp.credibility#refused", sizes=(3,))
def _(on, paint, n):
    tarp, samples = on.package.validation.tarp, paint.normal(size=(n, 5, 2))
    truths = paint.normal(size=(n, 2))
    return [error_of(tarp.credibility, on.rng(1), on.put(samples), on.put(truths), on.put(bad))
            for bad in (truths[:, :1], truths[0], truths * np.nan)]
